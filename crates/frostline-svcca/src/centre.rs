use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::Error;

/// In which floats a device multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    F64,
    /// No f64 on the device: products of blocks in f32, summed in f64 on the host.
    F32,
}

impl Precision {
    pub(crate) fn of(device: &Device) -> Self {
        if device.supports_dtype(DType::F64) {
            Precision::F64
        } else {
            Precision::F32
        }
    }

    pub(crate) fn dtype(self) -> DType {
        match self {
            Precision::F64 => DType::F64,
            Precision::F32 => DType::F32,
        }
    }

    pub(crate) fn epsilon(self) -> f64 {
        match self {
            Precision::F64 => f64::EPSILON,
            Precision::F32 => f64::from(f32::EPSILON),
        }
    }
}

/// Activations without their mean and without the neurons that never vary.
pub(crate) struct Centred {
    /// `[sample, neuron]`, divided by `scale`; none where no neuron varies.
    pub(crate) activations: Option<Tensor<2>>,
    /// A power of two near the largest activation: the squares of what's left can't overflow.
    pub(crate) scale: f64,
    /// The largest absolute activation.
    pub(crate) peak: f64,
    /// How many neurons were left out.
    pub(crate) constant: usize,
}

/// Checks and centres `activations: [sample, neuron]`.
pub(crate) fn centre(activations: Tensor<2>, precision: Precision) -> Result<Centred, Error> {
    let finite = activations.clone().is_finite().all().try_into_data()?;
    if !finite.iter::<bool>().all(|finite| finite) {
        return Err(first_not_finite(activations)?);
    }
    let activations = activations.cast(precision.dtype());
    let highest = read(activations.clone().max_dim(0))?;
    let lowest = read(activations.clone().min_dim(0))?;
    let ranges = || highest.iter().zip(&lowest);
    let peak = ranges()
        .map(|(high, low)| high.abs().max(low.abs()))
        .fold(0.0, f64::max);
    let scale = power_of_two(peak, precision);

    // The second mean removes what rounding left of the first; at an offset of 1e4 times the
    // spread that is most of f32's digits.
    let mut centred = activations.mul_scalar(scale.recip());
    for _ in 0..2 {
        let mean = centred.clone().mean_dim(0);
        centred = centred.sub(mean);
    }

    // A column that varies by no more than the rounding of its own values is constant.
    let rounding = 4.0 * precision.epsilon();
    let alive: Vec<i64> = (0i64..)
        .zip(ranges())
        .filter(|(_, (high, low))| *high - *low > rounding * high.abs().max(low.abs()))
        .map(|(column, _)| column)
        .collect();
    let constant = highest.len() - alive.len();
    let activations = match alive.len() {
        0 => None,
        count if count == highest.len() => Some(centred),
        count => {
            let device = centred.device();
            let columns = Tensor::<1, Int>::from_data(TensorData::new(alive, [count]), &device);
            Some(centred.select(1, columns))
        }
    };
    Ok(Centred {
        activations,
        scale,
        peak,
        constant,
    })
}

/// The numbers of a tensor, row by row.
pub(crate) fn read(tensor: Tensor<2>) -> Result<Vec<f64>, Error> {
    let data = tensor.try_into_data()?.convert_dtype(DType::F64);
    Ok(data
        .try_into_vec()
        .expect("converted to f64 on the line above"))
}

/// Finds the value that the check on the device tripped over.
fn first_not_finite(activations: Tensor<2>) -> Result<Error, Error> {
    let [rows, columns] = activations.dims();
    let values = read(activations)?;
    let found = values.iter().position(|value| !value.is_finite());
    Ok(match found {
        Some(at) => Error::NotFinite {
            row: at / columns,
            column: at % columns,
            value: values[at],
        },
        None => Error::DecompositionFailed {
            what: "check",
            rows,
            columns,
        },
    })
}

/// The power of two just above `peak`, kept where it and its reciprocal are normal floats.
fn power_of_two(peak: f64, precision: Precision) -> f64 {
    if peak == 0.0 {
        return 1.0;
    }
    let bound = match precision {
        Precision::F64 => 1000.0,
        Precision::F32 => 125.0,
    };
    peak.log2().ceil().clamp(-bound, bound).exp2()
}
