use burn::tensor::{Int, Tensor, TensorData};

use crate::{Error, precision::Precision, products::read};

/// Activations without their mean and without the neurons that never vary.
pub(crate) struct Centred {
    /// `[sample, varying neuron]`, divided by `scale`; none where no neuron varies.
    pub(crate) activations: Option<Tensor<2>>,
    /// A power of two near the largest activation: the squares of what's left can't overflow.
    pub(crate) scale: f64,
    /// The largest absolute activation.
    pub(crate) peak: f64,
    /// Which neurons vary, ascending.
    pub(crate) varying: Vec<usize>,
}

/// Checks and centres `activations: [sample, neuron]`.
pub(crate) fn centre(activations: Tensor<2>, precision: Precision) -> Result<Centred, Error> {
    check_finite(&activations, 0)?;
    let activations = activations.cast(precision.dtype());
    let highest = read(activations.clone().max_dim(0))?;
    let lowest = read(activations.clone().min_dim(0))?;
    let peak = peak(&lowest, &highest);
    let scale = power_of_two(peak, precision);

    // The second mean removes what rounding left of the first; at an offset of 1e4 times the
    // spread that is most of f32's digits.
    let mut centred = activations.mul_scalar(scale.recip());
    for _ in 0..2 {
        let mean = centred.clone().mean_dim(0);
        centred = centred.sub(mean);
    }

    let varying = varying(&lowest, &highest, precision.epsilon());
    let activations = match varying.len() {
        0 => None,
        count if count == highest.len() => Some(centred),
        count => {
            let device = centred.device();
            let columns: Vec<i64> = varying.iter().map(|column| *column as i64).collect();
            let columns = Tensor::<1, Int>::from_data(TensorData::new(columns, [count]), &device);
            Some(centred.select(1, columns))
        }
    };
    Ok(Centred {
        activations,
        scale,
        peak,
        varying,
    })
}

/// `NotFinite` with the first value that isn't; `first_row` is where these rows begin in the whole.
pub(crate) fn check_finite(activations: &Tensor<2>, first_row: usize) -> Result<(), Error> {
    let finite = activations.clone().is_finite().all().try_into_data()?;
    if finite.iter::<bool>().all(|finite| finite) {
        return Ok(());
    }
    let [rows, columns] = activations.dims();
    let values = read(activations.clone())?;
    let found = values.iter().position(|value| !value.is_finite());
    Err(match found {
        Some(at) => Error::NotFinite {
            row: first_row + at / columns,
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

/// The columns that vary by more than the rounding of their own values.
pub(crate) fn varying(lowest: &[f64], highest: &[f64], epsilon: f64) -> Vec<usize> {
    let rounding = 4.0 * epsilon;
    (0..highest.len())
        .filter(|column| {
            let (low, high) = (lowest[*column], highest[*column]);
            high - low > rounding * high.abs().max(low.abs())
        })
        .collect()
}

/// The largest absolute value within these ranges.
pub(crate) fn peak(lowest: &[f64], highest: &[f64]) -> f64 {
    let values = highest.iter().chain(lowest);
    values.map(|value| value.abs()).fold(0.0, f64::max)
}

/// The power of two just above `peak`, kept where it and its reciprocal are normal floats.
pub(crate) fn power_of_two(peak: f64, precision: Precision) -> f64 {
    if peak == 0.0 {
        return 1.0;
    }
    let bound = match precision {
        Precision::F64 => 1000.0,
        Precision::Mixed | Precision::F32 => 125.0,
    };
    peak.log2().ceil().clamp(-bound, bound).exp2()
}
