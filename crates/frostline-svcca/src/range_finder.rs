//! The leading directions of wide and long activations, without decomposing all of them.

use std::ops::Range;

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};

use crate::{
    Error, decompose,
    precision::Precision,
    products,
    profile::EqualDirections,
    split_mix::SplitMix,
    view::{equal_at, orthonormal},
};

/// Leading directions that hold a share of the variance.
pub(crate) struct Leading {
    /// Orthonormal, `[sample, kept]`.
    pub(crate) directions: Tensor<2>,
    pub(crate) singular_values: DVector<f64>,
    pub(crate) margin: f64,
    /// The directions that equal the last of them, as far as was looked, where one of these isn't kept.
    pub(crate) equal: Option<EqualDirections>,
    /// Those of them that aren't kept, `[sample, direction]`; none where there may be more than were looked at.
    pub(crate) equal_rest: Option<Tensor<2>>,
    /// How many directions were looked at.
    pub(crate) seen: usize,
}

/// From this many dimensions on it is worth it.
const FROM: usize = 2048;
/// Columns of the first search; each further one has twice as many.
const FIRST: usize = 64;
/// Times that the search multiplies by `X Xᵀ`: each squares the ratio between directions inside and
/// outside of what is searched.
const POWERS: usize = 2;

/// Whether a view with this many dimensions is searched at all.
pub(crate) fn is_for(dims: usize) -> bool {
    dims >= FROM
}

/// Searches `centred: [sample, neuron]` for the fewest leading directions with `share` of the variance.
///
/// A basis Q of `ℓ` random combinations of the neurons, multiplied `q` times by `X Xᵀ`, holds the
/// leading directions nearly; those of `Qᵀ X` stand in for them. ℓ doubles until the share is reached
/// by all but the last eighth of the columns, and there is no answer when that would take more than an
/// eighth of the dimensions: the spectrum is flat, and the full decomposition is cheaper.
///
/// What it promises: the variance of the directions is that of the activations along them, not an
/// estimate, so the share is held; no fewer directions are kept than the full decomposition keeps,
/// and at most 2 % more, rounded up. Where the spectrum falls it is the same count.
///
/// Source: Halko, Martinsson, Tropp 2011, SIAM Review 53(2), algorithm 4.4.
pub(crate) fn leading(centred: &Tensor<2>, share: f64) -> Result<Option<Leading>, Error> {
    let [samples, neurons] = centred.dims();
    if is_for(samples.min(neurons)) {
        search(centred, share)
    } else {
        Ok(None)
    }
}

fn search(centred: &Tensor<2>, share: f64) -> Result<Option<Leading>, Error> {
    let [samples, neurons] = centred.dims();
    let most = samples.min(neurons) / 8;
    let device = centred.device();
    let precision = Precision::of(&device);
    let squares = products::read((centred.clone() * centred.clone()).sum_dim(1))?;
    let total: f64 = squares.iter().sum();
    let across = centred.clone().transpose();

    let mut width = FIRST;
    while width <= most {
        let start = products::upload(&gaussian(neurons, width), centred.dtype(), &device);
        let mut range = twice(centred.clone().matmul(start), precision)?;
        for _ in 0..POWERS {
            let back = twice(across.clone().matmul(range), precision)?;
            range = twice(centred.clone().matmul(back), precision)?;
        }
        let held = across.clone().matmul(range.clone());
        let (squares, vectors) = decompose::symmetric(&products::gram(&held, precision)?)?;
        let trusted = width - width / 8;
        let shares: Vec<f64> = squares
            .iter()
            .scan(0.0, |sum, square| {
                *sum += square / total;
                Some(*sum)
            })
            .collect();
        if let Some(last) = shares[..trusted].iter().position(|sum| *sum >= share) {
            let kept = last + 1;
            let along = |places: Range<usize>| {
                let some = vectors.columns(places.start, places.len()).into_owned();
                let some = products::upload(&some, centred.dtype(), &device);
                range.clone().matmul(some)
            };
            let margins = shares.iter().map(|sum| (sum - share).abs());
            let values = squares.rows(0, trusted).map(f64::sqrt);
            let equal = equal_at(&values, kept, 0.0);
            let whole = equal.filter(|equal| equal.end < trusted);
            return Ok(Some(Leading {
                equal,
                equal_rest: whole.map(|equal| along(kept..equal.end)),
                directions: along(0..kept),
                singular_values: squares.rows(0, kept).map(f64::sqrt),
                margin: margins.fold(f64::INFINITY, f64::min),
                seen: width,
            }));
        }
        // What is missing comes in steps no larger than the faintest direction seen: if even those
        // are too many, a wider search would be in vain.
        let missing = (share - shares[trusted - 1]) * total / squares[trusted - 1];
        if trusted as f64 + missing > most as f64 {
            return Ok(None);
        }
        width *= 2;
    }
    Ok(None)
}

/// Orthonormal basis of what `columns` span; the first pass leaves what rounding made of faint columns.
fn twice(columns: Tensor<2>, precision: Precision) -> Result<Tensor<2>, Error> {
    orthonormal(orthonormal(columns, precision)?, precision)
}

/// Normal numbers, always the same ones, so that a search repeats: Box-Muller.
pub(crate) fn gaussian(rows: usize, columns: usize) -> DMatrix<f64> {
    let mut random = SplitMix(0x5eed);
    let mut uniform = move || (random.draw() as f64 + 1.0) / (u64::MAX as f64 + 2.0);
    DMatrix::from_fn(rows, columns, |_, _| {
        (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{Cut, View};

    /// `[sample, neuron]` with these singular values, centred.
    fn with_spectrum(samples: usize, values: &[f64]) -> Tensor<2> {
        let neurons = values.len();
        let mut left = gaussian(samples, neurons);
        for mut column in left.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
        }
        let left = left.qr().q();
        let right = gaussian(neurons, neurons + 1)
            .columns(1, neurons)
            .into_owned()
            .qr()
            .q();
        let scaled = left * DMatrix::from_diagonal(&DVector::from_column_slice(values));
        let matrix = scaled * right;
        products::upload(&matrix, burn::tensor::DType::F64, &Device::flex())
    }

    fn check(values: &[f64], share: f64) -> (usize, usize) {
        let centred = with_spectrum(900, values);
        let found = search(&centred, share)
            .unwrap()
            .expect("a falling spectrum");
        let whole = View::new(&centred)
            .unwrap()
            .basis(Cut::Variance(share))
            .unwrap();
        let kept = found.singular_values.len();

        // The promise: the share is held along what was found, measured on the activations.
        let along =
            products::on_host(&centred.clone().transpose().matmul(found.directions.clone()))
                .unwrap();
        let total: f64 = values.iter().map(|value| value * value).sum();
        assert!(
            along.norm_squared() >= (share - 1e-9) * total,
            "{}",
            along.norm_squared() / total
        );
        assert!(kept >= whole.kept(), "{kept} {}", whole.kept());
        assert!(
            kept as f64 <= (1.02 * whole.kept() as f64).ceil(),
            "{kept} {}",
            whole.kept()
        );
        // And the same space, but for the directions at its edge.
        let directions = whole.directions.clone().unwrap();
        let cross = found.directions.transpose().matmul(directions);
        let cosines = decompose::singular_values(&products::on_host(&cross).unwrap()).unwrap();
        let apart = cosines.iter().filter(|cosine| **cosine < 0.999).count();
        assert!(
            apart as f64 <= (0.02 * whole.kept() as f64).ceil(),
            "{apart} of {kept}"
        );
        (kept, whole.kept())
    }

    #[test]
    fn a_falling_spectrum_is_cut_as_by_the_full_decomposition() {
        // Powers of the index, as those of trained layers, and a knee with noise behind it.
        let power: Vec<f64> = (0..800).map(|i| ((i + 1) as f64).powf(-1.2)).collect();
        let (kept, whole) = check(&power, 0.95);
        assert_eq!(kept, whole);
        check(&power, 0.99);
        let knee: Vec<f64> = (0..800).map(|i| if i < 30 { 1.0 } else { 1e-3 }).collect();
        assert_eq!(check(&knee, 0.99), (30, 30));
    }

    #[test]
    fn a_flat_spectrum_is_left_to_the_full_decomposition() {
        assert!(
            search(&with_spectrum(900, &[1.0; 800]), 0.99)
                .unwrap()
                .is_none()
        );
        let slow: Vec<f64> = (0..800).map(|i| ((i + 1) as f64).powf(-0.4)).collect();
        assert!(search(&with_spectrum(900, &slow), 0.99).unwrap().is_none());
    }

    #[test]
    fn the_same_view_is_searched_alike() {
        let power: Vec<f64> = (0..800).map(|i| ((i + 1) as f64).powf(-1.5)).collect();
        let centred = with_spectrum(850, &power);
        let [one, other] = [0, 1].map(|_| search(&centred, 0.99).unwrap().unwrap());
        assert_eq!(one.singular_values, other.singular_values);
    }
}
