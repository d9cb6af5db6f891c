use burn::tensor::{DType, Int, Tensor, TensorData};
use frostline_svcca::{self as svcca, Cut, Pair, View, most_active_neurons};
use nalgebra::DMatrix;

use crate::Error;

/// One layer in each of two networks: neurons side by side have little in common, aligned directions do.
///
/// Source: Raghu et al. 2017, arXiv:1706.05806, figure 1, whose horizontal axis is the samples sorted by class.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoNetworks {
    /// The SVCCA directions that correlate best, the best first; their values have mean 0 and variance 1.
    pub directions: Vec<Matched>,
    /// The most active neuron of x beside that of y, then the second of each, and so on.
    pub neurons: Vec<Matched>,
}

/// Two things that say something about the same samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Matched {
    /// Of x and y, such as `direction 1` or `neuron 17`; neurons count from 0.
    pub names: [String; 2],
    /// Pearson's; none where one of them never varies.
    pub correlation: Option<f64>,
    /// What x and y say about each sample.
    pub values: Vec<[f64; 2]>,
}

impl TwoNetworks {
    /// The `k` best aligned directions, after a cut, and the `k` neurons of largest norm.
    ///
    /// Shapes: `x: [sample, neuron_x]`, `y: [sample, neuron_y]`, the same samples in the same order.
    /// Errors: those of [`View::new`] and [`Pair::directions`], `SampleMismatch`, `BadCount` where one of the two has
    /// fewer neurons, or both together fewer directions, than `k`.
    pub fn of(x: &Tensor<2>, y: &Tensor<2>, k: usize, cut: Cut) -> Result<TwoNetworks, Error> {
        let views = [View::new(x)?, View::new(y)?];
        let chosen = [most_active_neurons(x, k)?, most_active_neurons(y, k)?];
        let found = Pair::of(&views[0], &views[1])?.directions(cut)?;
        let most = found.correlations.len();
        if k > most {
            let (what, asked) = ("directions", k);
            return Err(svcca::Error::BadCount { what, asked, most }.into());
        }
        let projections = [found.x.projections, found.y.projections]
            .map(|found| found.expect("a pair of views holds its samples"));
        let neurons = [columns(x, &chosen[0])?, columns(y, &chosen[1])?];
        let matched = |values: &[DMatrix<f64>; 2], i: usize, names, correlation| Matched {
            names,
            correlation,
            values: (0..values[0].nrows())
                .map(|sample| [values[0][(sample, i)], values[1][(sample, i)]])
                .collect(),
        };
        let directions = (0..k).map(|i| {
            let names = [0, 1].map(|_| format!("direction {}", i + 1));
            matched(&projections, i, names, Some(found.correlations[i]))
        });
        let neurons = (0..k).map(|i| {
            let names = [0, 1].map(|side| format!("neuron {}", chosen[side][i]));
            let [x, y] = [0, 1].map(|side: usize| neurons[side].column(i));
            matched(&neurons, i, names, pearson(x.as_slice(), y.as_slice()))
        });
        Ok(TwoNetworks {
            directions: directions.collect(),
            neurons: neurons.collect(),
        })
    }
}

/// `[sample, chosen]`, on the host.
fn columns(activations: &Tensor<2>, chosen: &[usize]) -> Result<DMatrix<f64>, svcca::Error> {
    let indices: Vec<i64> = chosen.iter().map(|&neuron| neuron as i64).collect();
    let data = TensorData::new(indices, [chosen.len()]);
    let indices = Tensor::<1, Int>::from_data(data, &activations.device());
    let columns = activations.clone().select(1, indices);
    let [samples, count] = columns.dims();
    let values = columns.try_into_data()?.convert_dtype(DType::F64);
    let values: Vec<f64> = values
        .try_into_vec()
        .expect("converted to f64 on the line above");
    Ok(DMatrix::from_row_slice(samples, count, &values))
}

/// `Σ (x - x̄)(y - ȳ) / √(Σ (x - x̄)² Σ (y - ȳ)²)`.
pub(crate) fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (standardised(x)?, standardised(y)?);
    let product: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
    Some(product.clamp(-1.0, 1.0))
}

/// Centred, with sum of squares 1; none where all are equal.
fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let (low, high) = (
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    // Halves, since the range of the largest floats isn't one.
    let range = high / 2.0 - low / 2.0;
    if range <= 0.0 {
        return None;
    }
    // In units of their range, so that no square leaves the floats.
    let unit = |value: f64| (value / 2.0 - low / 2.0) / range;
    let mean = values.iter().copied().map(unit).sum::<f64>() / values.len() as f64;
    let centred = || values.iter().map(|value| unit(*value) - mean);
    let norm = centred().map(|value| value * value).sum::<f64>().sqrt();
    Some(centred().map(|value| value / norm).collect())
}
