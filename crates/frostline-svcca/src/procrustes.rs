use serde::{Deserialize, Serialize};

use crate::{Error, Measure, centred_pair::CentredPair, decompose, nuclear, similarity::Level};

/// Orthogonal Procrustes: how near the best rotation of one view comes to the other, both scaled to
/// norm 1.
///
/// # Formula
/// `cosine = ‖XᵀY‖_* / (‖X‖_F ‖Y‖_F)`, the nuclear norm being the sum of singular values;
/// `distance = √(2 - 2 cosine)`; `angular = arccos(cosine)`, a metric.
///
/// Unrelated layers give what [`Pls`](crate::Pls) gives for them, divided by the same norms. Rounding of the activations lowers
/// the cosine by half of the shares of both sums of squares that it made.
///
/// Source: Williams et al. 2021, arXiv:2110.14739; Ding et al. 2021, arXiv:2108.01661.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Procrustes {
    /// In [0, 1].
    pub cosine: f64,
    /// In [0, √2].
    pub distance: f64,
    /// In [0, π/2], radians. Satisfies the triangle inequality.
    pub angular: f64,
}

impl Procrustes {
    /// What unrelated layers with the spectra of these give.
    pub(crate) fn chance(pair: &CentredPair) -> Result<Level, Error> {
        let norms = pair.traces[0].sqrt() * pair.traces[1].sqrt();
        let Level { mean, deviation } = nuclear::of_noise(pair)?;
        Ok(Level {
            mean: mean / norms,
            deviation: deviation / norms,
        })
    }

    pub(crate) fn of(pair: &CentredPair) -> Result<Procrustes, Error> {
        pair.need_variance(Measure::Procrustes)?;
        let nuclear = decompose::singular_values(&pair.cross)?.sum();
        let norms = pair.traces[0].sqrt() * pair.traces[1].sqrt();
        let cosine = (nuclear / norms).clamp(0.0, 1.0);
        Ok(Procrustes {
            cosine,
            distance: (2.0 - 2.0 * cosine).sqrt(),
            angular: cosine.acos(),
        })
    }
}
