use burn::tensor::{DType, Int, Tensor, TensorData};
use nalgebra::DVector;

use crate::{
    Error,
    precision::{Floats, Precision, rounding_unit},
    products::read,
    rounding_noise::{RoundingNoise, drawn_errors, written},
};

/// Activations without their mean and without the neurons that never vary.
pub(crate) struct Centred {
    /// `[sample, varying neuron]`, divided by `scale`; none where no neuron varies.
    pub(crate) activations: Option<Tensor<2>>,
    /// A power of two, 1 for activations of usual size: squares of what's left neither overflow nor vanish.
    pub(crate) scale: f64,
    /// Which neurons vary, ascending.
    pub(crate) varying: Vec<usize>,
    /// What rounding can have made of the neurons that vary: when they were computed, written as the floats in which they
    /// came, and centred in those in which they are held. Divided by `scale`.
    pub(crate) rounding: RoundingNoise,
    /// To what the values were rounded.
    pub(crate) floats: Floats,
}

/// Checks and centres `activations: [sample, neuron]`.
pub(crate) fn centre(activations: Tensor<2>, precision: Precision) -> Result<Centred, Error> {
    let [samples, neurons] = activations.dims();
    let floats = Floats::of(&activations)?;
    let came = floats.unit();
    // What came in f64 stays so until its mean and its size are taken off: f32 could hold neither.
    let working = match activations.dtype() {
        DType::F64 => Precision::F64,
        _ => precision,
    };
    let activations = activations.cast(working.dtype());
    let whole = floats.are_short().then(|| activations.clone());
    let mut columns = Columns::of(activations.clone())?;
    if !columns.are_usual() {
        columns = Columns::scaled(activations, columns, working)?;
    }
    let Columns {
        centred,
        scale,
        means,
        squares,
    } = columns;
    let centred = centred.cast(precision.dtype());

    // A column that varies by no more than the rounding of its own values is constant.
    let least = came;
    let varying: Vec<usize> = (0..neurons)
        .filter(|column| {
            let deviation = (squares[*column] / samples as f64).sqrt();
            deviation > least * means[*column].abs()
        })
        .collect();
    // Twice held, for the mean is taken off in two steps; and what a forward in f32 makes of a layer norm of values far
    // from zero, whose error all neurons share.
    let held = rounding_unit(precision.dtype());
    let computed = 2.0 * held + 32.0 * came.min(rounding_unit(DType::F32));
    let computed = varying
        .iter()
        .map(|column| computed * squares[*column].sqrt());
    let written = varying.iter().map(|column| {
        let (square, mean) = (squares[*column], means[*column]);
        written(
            floats,
            square + samples as f64 * mean * mean,
            samples,
            scale,
        )
    });
    let mut rounding = RoundingNoise::new(floats, samples, computed.collect(), written.collect());
    if let Some(whole) = whole.filter(|_| !varying.is_empty()) {
        let errors = drawn_errors(&whole, floats.dtype)?.mul_scalar(scale.recip());
        rounding.draw(select(errors.cast(precision.dtype()), &varying), precision)?;
    }
    let activations = (!varying.is_empty()).then(|| select(centred, &varying));
    Ok(Centred {
        activations,
        scale,
        varying,
        rounding,
        floats,
    })
}

/// These columns, ascending.
pub(crate) fn select(all: Tensor<2>, columns: &[usize]) -> Tensor<2> {
    if columns.len() == all.dims()[1] {
        return all;
    }
    let device = all.device();
    let indices: Vec<i64> = columns.iter().map(|column| *column as i64).collect();
    let indices = TensorData::new(indices, [columns.len()]);
    all.select(1, Tensor::<1, Int>::from_data(indices, &device))
}

/// Mean of every neuron of `activations: [sample, neuron]`.
pub(crate) fn means(activations: &Tensor<2>) -> Result<DVector<f64>, Error> {
    let (columns, factor) = moderate(activations)?;
    let mean = column_means(&columns);
    // As `centred` does, so that both mean the same.
    let rest = column_means(&columns.sub(mean.clone()));
    let (mean, rest) = (read(mean)?, read(rest)?);
    let means = mean
        .iter()
        .zip(&rest)
        .map(|(mean, rest)| (mean + rest) * factor);
    Ok(DVector::from_vec(means.collect()))
}

/// Mean square of every neuron, up to a factor that all share.
pub(crate) fn mean_squares(activations: &Tensor<2>) -> Result<Vec<f64>, Error> {
    let (columns, _) = moderate(activations)?;
    read(column_means(&(columns.clone() * columns)))
}

/// Checked, in the floats that a view is held in, and divided by a power of two, so that neither sums nor
/// squares leave them; the power.
fn moderate(activations: &Tensor<2>) -> Result<(Tensor<2>, f64), Error> {
    let [samples, neurons] = activations.dims();
    if samples == 0 || neurons == 0 {
        return Err(Error::Empty { samples, neurons });
    }
    check_finite(activations, 0)?;
    let activations = activations.clone().without_autodiff();
    let precision = Precision::of(&activations.device());
    let activations = activations.cast(precision.dtype());
    let peak = read(activations.clone().max_abs())?;
    let factor = precision.power_of_two(peak[0]);
    Ok((activations.mul_scalar(factor.recip()), factor))
}

/// Centred columns, with what decides about them; all but `scale` is divided by it.
struct Columns {
    centred: Tensor<2>,
    scale: f64,
    means: Vec<f64>,
    /// Sums of squares of the centred columns.
    squares: Vec<f64>,
}

impl Columns {
    fn of(activations: Tensor<2>) -> Result<Columns, Error> {
        let mean = column_means(&activations);
        let means = read(mean.clone())?;
        let centred = centred(activations, mean);
        let samples = centred.dims()[0] as f64;
        let squares = read(column_means(&(centred.clone() * centred.clone())))?;
        Ok(Columns {
            centred,
            scale: 1.0,
            means,
            squares: squares.iter().map(|mean| mean * samples).collect(),
        })
    }

    /// Whether every square is far from both ends of the floats. What isn't finite makes its column's
    /// mean so.
    fn are_usual(&self) -> bool {
        let samples = self.centred.dims()[0] as f64;
        let largest = self.squares.iter().copied().fold(0.0, f64::max);
        let finite = self
            .means
            .iter()
            .chain(&self.squares)
            .all(|value| value.is_finite());
        finite && (1e-12..1e12).contains(&(largest / samples))
    }

    /// The same after division by a power of two near the size of the largest column.
    fn scaled(
        activations: Tensor<2>,
        unscaled: Columns,
        precision: Precision,
    ) -> Result<Columns, Error> {
        if !unscaled.means.iter().all(|mean| mean.is_finite()) {
            check_finite(&activations, 0)?;
        }
        // Divided down first where sums, too, overflow.
        for before in [1.0, precision.large()] {
            let reduced = activations.clone().mul_scalar(before.recip());
            let reduced = centred(reduced.clone(), column_means(&reduced));
            let sizes = read(column_means(&reduced.abs()))?;
            let size = sizes.iter().copied().fold(0.0, f64::max);
            if !sizes.iter().all(|size| size.is_finite()) {
                continue;
            }
            let factor = precision.power_of_two(size);
            let reduced = activations
                .clone()
                .mul_scalar(before.recip())
                .mul_scalar(factor.recip());
            let columns = Columns {
                scale: before * factor,
                ..Columns::of(reduced)?
            };
            let whole = columns.scale * columns.squares.iter().sum::<f64>().sqrt();
            return if whole.is_finite() {
                Ok(columns)
            } else {
                let peak = f64::MAX.min(before * size);
                Err(Error::TooLarge { peak })
            };
        }
        Err(Error::TooLarge { peak: f64::MAX })
    }
}

/// The second mean removes what rounding left of the first; at an offset of 1e4 times the spread that
/// is most of f32's digits.
fn centred(activations: Tensor<2>, mean: Tensor<2>) -> Tensor<2> {
    let centred = activations.sub(mean);
    let rest = column_means(&centred);
    centred.sub(rest)
}

/// Rows of which a mean is taken at once: in f32 its rounding grows with them.
const ROWS: usize = 128;

/// `[1, column]`, as products: on a CPU several times faster than a reduction along the rows. Means of means, so that rounding
/// grows with the logarithm of the rows and nothing overflows.
pub(crate) fn column_means(columns: &Tensor<2>) -> Tensor<2> {
    let [rows, width] = columns.dims();
    let options = (&columns.device(), columns.dtype());
    let weights = |rows: usize| Tensor::<2>::full([1, rows], 1.0 / rows as f64, options);
    let blocks = rows / ROWS;
    if blocks < 2 {
        return weights(rows).matmul(columns.clone());
    }
    let even = blocks * ROWS;
    let by_block = columns.clone().slice_dim(0, 0..even);
    let by_block = by_block.reshape([blocks, ROWS, width]);
    let weights_of_block = weights(ROWS).reshape([1, 1, ROWS]).repeat_dim(0, blocks);
    let means = weights_of_block.matmul(by_block).reshape([blocks, width]);
    let mean = column_means(&means);
    if even == rows {
        return mean;
    }
    let rest = column_means(&columns.clone().slice_dim(0, even..rows));
    let share = even as f64 / rows as f64;
    mean.mul_scalar(share) + rest.mul_scalar(1.0 - share)
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
