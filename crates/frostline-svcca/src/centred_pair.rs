use nalgebra::DMatrix;

use crate::{Error, Side};

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
    pub(crate) scales: [f64; 2],
    pub(crate) samples: usize,
}

impl CentredPair {
    pub(crate) fn need_variance(&self, measure: &'static str) -> Result<(), Error> {
        let still = [Side::X, Side::Y].into_iter().zip(self.traces);
        match still.into_iter().find(|(_, trace)| *trace <= 0.0) {
            Some((side, _)) => Err(Error::NoVariance { side, measure }),
            None => Ok(()),
        }
    }
}
