use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{Error, decompose, whitened::Whitened};

/// The directions of two views that correlate best, aligned with each other.
///
/// Each projection has mean 0 and variance 1 (over n - 1). Signs: the weight of largest magnitude of
/// each direction of x is positive, the first such where several are as large; y's direction has the
/// sign with which the two correlate positively.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignedDirections {
    /// Their correlations ρ, in descending order.
    pub correlations: DVector<f64>,
    /// Those of x.
    pub x: Directions,
    /// Those of y.
    pub y: Directions,
}

/// One side's directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Directions {
    /// `[neuron, direction]`: the centred activations times these are the projections; 0 for neurons that
    /// never vary.
    pub weights: DMatrix<f64>,
    /// `[sample, direction]`; none from moments, which hold no samples.
    pub projections: Option<DMatrix<f64>>,
}

/// Rotations of both bases into their canonical directions, and the correlations.
pub(crate) struct Rotations {
    /// `[kept of x, direction]`.
    pub(crate) x: DMatrix<f64>,
    pub(crate) correlations: DVector<f64>,
    /// `[kept of y, direction]`.
    pub(crate) y: DMatrix<f64>,
}

impl Rotations {
    pub(crate) fn of(cross: &DMatrix<f64>) -> Result<Rotations, Error> {
        if cross.is_empty() {
            return Ok(Rotations {
                x: DMatrix::zeros(cross.nrows(), 0),
                correlations: DVector::zeros(0),
                y: DMatrix::zeros(cross.ncols(), 0),
            });
        }
        let found = decompose::singular(cross)?;
        Ok(Rotations {
            x: found.left,
            correlations: found.values.map(|rho| rho.clamp(0.0, 1.0)),
            y: found.right,
        })
    }

    /// Weights on the neurons: `V S⁻¹` of either side, rotated, with variance 1 and signs fixed.
    ///
    /// `loadings` are `Qᵀ X = S Vᵀ: [kept, neuron]`. The rotations turn with the signs.
    pub(crate) fn weights(
        &mut self,
        whitened: &Whitened,
        loadings: [&DMatrix<f64>; 2],
    ) -> [DMatrix<f64>; 2] {
        let [x, y] = &whitened.profiles;
        let unit = (x.samples.max(2) as f64 - 1.0).sqrt();
        let weights = |rotation: &DMatrix<f64>, values: &DVector<f64>, loadings: &DMatrix<f64>| {
            let mut scaled = rotation.clone();
            for (mut row, value) in scaled.row_iter_mut().zip(values) {
                // Twice, one factor at a time: the square may underflow.
                row /= *value;
                row *= unit / *value;
            }
            decompose::product(loadings, &scaled)
        };
        let mut of_x = weights(&self.x, &x.singular_values, loadings[0]);
        let mut of_y = weights(&self.y, &y.singular_values, loadings[1]);
        for direction in 0..of_x.ncols() {
            let column = of_x.column(direction);
            let largest = column.iter().fold(0.0_f64, |most, weight| {
                if weight.abs() > most.abs() {
                    *weight
                } else {
                    most
                }
            });
            if largest < 0.0 {
                for matrix in [&mut of_x, &mut of_y, &mut self.x, &mut self.y] {
                    matrix.column_mut(direction).neg_mut();
                }
            }
        }
        [of_x, of_y]
    }
}
