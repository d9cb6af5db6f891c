use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use crate::{Error, centred_pair::CentredPair, decompose, nuclear, similarity::Level};

/// Partial least squares by singular values: covariances of the directions matched to covary most.
///
/// # Formula
/// The singular values of `XᵀY / (n - 1)`. They carry the activations' units: doubling x doubles them.
///
/// Unrelated layers give `‖Sx R Sy‖_* / (n - 1)` in the mean, S the singular values of each side and R the product of random
/// orthonormal bases in n - 1 dimensions, of which a few are drawn, always the same ones.
///
/// Source: Wegelin 2000, University of Washington technical report 371.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pls {
    /// In descending order, `min(neurons)` of those that vary.
    pub covariances: DVector<f64>,
    /// Their sum.
    pub total: f64,
}

impl Pls {
    /// What unrelated layers with the spectra of these give.
    pub(crate) fn chance(pair: &CentredPair) -> Result<Level, Error> {
        let Level { mean, deviation } = nuclear::of_noise(pair)?;
        let unit = |value: f64| value / (pair.samples - 1) as f64 * pair.scales[0] * pair.scales[1];
        let level = Level {
            mean: unit(mean),
            deviation: unit(deviation),
        };
        match (level.mean + 10.0 * level.deviation).is_finite() {
            true => Ok(level),
            false => Err(overflow(pair)),
        }
    }

    pub(crate) fn of(pair: &CentredPair) -> Result<Pls, Error> {
        if pair.cross.is_empty() {
            return Ok(Pls {
                covariances: DVector::zeros(0),
                total: 0.0,
            });
        }
        // One factor at a time: their product may overflow where the covariances don't.
        let values = decompose::singular_values(&pair.cross)? / (pair.samples - 1) as f64;
        let covariances = values * pair.scales[0] * pair.scales[1];
        let total = covariances.sum();
        match total.is_finite() {
            true => Ok(Pls { covariances, total }),
            false => Err(overflow(pair)),
        }
    }
}

fn overflow(pair: &CentredPair) -> Error {
    let peak = pair.scales[0].max(pair.scales[1]);
    Error::TooLarge { peak }
}
