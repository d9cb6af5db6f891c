use burn::tensor::{Int, Tensor, TensorData};

use crate::{Error, precision::Precision, products::read};

/// Activations without their mean and without the neurons that never vary.
pub(crate) struct Centred {
    /// `[sample, varying neuron]`, divided by `scale`; none where no neuron varies.
    pub(crate) activations: Option<Tensor<2>>,
    /// A power of two, 1 for activations of usual size: squares of what's left neither overflow nor vanish.
    pub(crate) scale: f64,
    /// Which neurons vary, ascending.
    pub(crate) varying: Vec<usize>,
}

/// Checks and centres `activations: [sample, neuron]`.
pub(crate) fn centre(activations: Tensor<2>, precision: Precision) -> Result<Centred, Error> {
    let [samples, neurons] = activations.dims();
    let activations = activations.cast(precision.dtype());
    let mut scale = 1.0;
    let mut columns = Columns::of(activations.clone())?;
    if !columns.are_finite() {
        check_finite(&activations, 0)?;
        // Large ones, whose sums overflow.
        scale = precision.large();
        columns = Columns::of(activations.mul_scalar(scale.recip()))?;
    }
    let Columns {
        mut centred,
        mut means,
        sizes,
    } = columns;
    let size = sizes.iter().copied().fold(0.0, f64::max);
    let factor = precision.power_of_two(size);
    if factor != 1.0 {
        centred = centred.mul_scalar(factor.recip());
        means.iter_mut().for_each(|mean| *mean /= factor);
        scale *= factor;
    }

    // A column that varies by no more than the rounding of its own values is constant.
    let squares = read(centred.clone().powi_scalar(2).sum_dim(0))?;
    let largest = scale * squares.iter().sum::<f64>().sqrt();
    if !largest.is_finite() {
        let peak = f64::MAX.min(scale * size / factor);
        return Err(Error::TooLarge { peak });
    }
    let rounding = 4.0 * precision.epsilon();
    let varying: Vec<usize> = (0..neurons)
        .filter(|column| {
            let deviation = (squares[*column] / samples as f64).sqrt();
            deviation > rounding * means[*column].abs()
        })
        .collect();
    let activations = match varying.len() {
        0 => None,
        count if count == neurons => Some(centred),
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
        varying,
    })
}

struct Columns {
    centred: Tensor<2>,
    means: Vec<f64>,
    /// Mean absolute values of the centred columns, which neither overflow nor vanish where squares do.
    sizes: Vec<f64>,
}

impl Columns {
    fn of(activations: Tensor<2>) -> Result<Columns, Error> {
        let mean = activations.clone().mean_dim(0);
        let means = read(mean.clone())?;
        // The second mean removes what rounding left of the first; at an offset of 1e4 times the
        // spread that is most of f32's digits.
        let centred = activations.sub(mean);
        let centred = centred.clone().sub(centred.mean_dim(0));
        let sizes = read(centred.clone().abs().mean_dim(0))?;
        Ok(Columns {
            centred,
            means,
            sizes,
        })
    }

    /// Whether everything is: what isn't finite makes its column's mean so.
    fn are_finite(&self) -> bool {
        let values = self.means.iter().chain(&self.sizes);
        values.into_iter().all(|value| value.is_finite())
    }
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
