use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{Error, Weights, decompose, directions::Rotations, whitened::Whitened};

/// Projection-weighted CCA: canonical correlations weighted by how much of a layer lies along each.
///
/// # Formula
/// With h_i the orthonormal canonical variates of a side and x_j its centred neurons,
/// `α_i = Σ_j |⟨h_i, x_j⟩|` and the value is `Σ α_i ρ_i / Σ α_i`.
///
/// Not symmetric: the weights are those of x or of y. Where correlations repeat, the variates, and with
/// them the weights, can be chosen in several ways, and the value depends on the choice.
///
/// Source: Morcos, Raghu, Bengio 2018, arXiv:1806.05759, section 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pwcca {
    /// Weighted by x.
    pub x: f64,
    /// Weighted by y.
    pub y: f64,
    /// Weighted by the layer with fewer neurons; by x where both have as many.
    pub default: f64,
    /// `α / Σ α` of x, in the order of the correlations.
    pub weights_x: DVector<f64>,
    /// The same of y.
    pub weights_y: DVector<f64>,
    /// Canonical correlations in descending order.
    pub coefficients: DVector<f64>,
}

impl Pwcca {
    /// `loadings` are `Qᵀ X: [kept, neuron]` of either side.
    pub(crate) fn of(whitened: &Whitened, loadings: [&DMatrix<f64>; 2]) -> Result<Pwcca, Error> {
        let rotations = Rotations::of(&whitened.cross)?;
        let coefficients = rotations.correlations;
        let weights_x = weights(&rotations.x, loadings[0]);
        let weights_y = weights(&rotations.y, loadings[1]);
        let (x, y) = (coefficients.dot(&weights_x), coefficients.dot(&weights_y));
        let [of_x, of_y] = &whitened.profiles;
        Ok(Pwcca {
            x,
            y,
            default: if of_x.neurons <= of_y.neurons { x } else { y },
            weights_x,
            weights_y,
            coefficients,
        })
    }

    /// The value by these weights.
    pub fn value(&self, weights: Weights) -> f64 {
        match weights {
            Weights::Default => self.default,
            Weights::X => self.x,
            Weights::Y => self.y,
        }
    }
}

/// `α / Σ α`: row sums of `|rotationᵀ loadings|`.
fn weights(rotation: &DMatrix<f64>, loadings: &DMatrix<f64>) -> DVector<f64> {
    // Relative to the largest: the sum of large activations may overflow.
    let largest = loadings.amax();
    if rotation.ncols() == 0 || largest == 0.0 {
        return DVector::zeros(rotation.ncols());
    }
    let along = decompose::product(rotation, &(loadings / largest));
    let sums = DVector::from_fn(along.nrows(), |i, _| along.row(i).lp_norm(1));
    let whole = sums.sum();
    sums / whole
}
