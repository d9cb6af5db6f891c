use nalgebra::{DMatrix, DVector};

use crate::{Error, Measure, Side, chance::tail_factor};

/// What two centred views say together, for the measures that don't whiten. Everything but the scales
/// is of activations divided by them.
#[derive(Clone, Debug)]
pub(crate) struct CentredPair {
    /// `XᵀY`, or a rotation of it from either side.
    pub(crate) cross: DMatrix<f64>,
    /// `‖XᵀX‖_F`, `‖YᵀY‖_F`.
    pub(crate) norms: [f64; 2],
    /// `‖X‖²_F`, `‖Y‖²_F`.
    pub(crate) traces: [f64; 2],
    /// `Σ a²`, `Σ a b`, `Σ b²` of the samples' squared norms.
    pub(crate) squared_norms: [f64; 3],
    /// The same of the sums of the kernels' rows without their diagonals: `squared_norms`, but for what rounding left of the
    /// means.
    pub(crate) row_sums: [f64; 3],
    pub(crate) scales: [f64; 2],
    pub(crate) samples: usize,
    /// As how many independent samples they are good.
    pub(crate) independent: usize,
    /// Relative rounding of the sums.
    pub(crate) epsilon: f64,
    /// Unit roundoff of the floats in which the activations are held; 0 where the sums are as precise as they.
    pub(crate) held: f64,
    /// The shares of `traces` that rounding the activations is likely to have made.
    pub(crate) rounded: [f64; 2],
    /// What cancelled when the sums of x with x, x with y and y with y were brought to the mean, as `squared_norms` and the
    /// squares of the products are large.
    pub(crate) cancelled: [f64; 3],
    /// Singular values of both, in descending order, where the measure needs them.
    pub(crate) spectra: Option<[DVector<f64>; 2]>,
}

impl CentredPair {
    /// By what values of unrelated layers scatter more than those of Gaussian samples, for the largest samples of both.
    pub(crate) fn tail_factor(&self) -> f64 {
        // A sample that is there several times is one, as large as all of them.
        let often = self.samples as f64 / self.independent.max(1) as f64;
        let participation = [0, 1].map(|side| (self.traces[side] / self.norms[side]).powi(2));
        let diagonal =
            [0, 1].map(|side| often * self.squared_norms[2 * side] / self.norms[side].powi(2));
        tail_factor(self.independent, participation, diagonal)
    }

    pub(crate) fn need_variance(&self, measure: Measure) -> Result<(), Error> {
        let still = [Side::X, Side::Y].into_iter().zip(self.traces);
        match still.into_iter().find(|(_, trace)| *trace <= 0.0) {
            Some((side, _)) => Err(Error::NoVariance { side, measure }),
            None => Ok(()),
        }
    }
}
