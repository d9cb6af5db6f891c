use serde::{Deserialize, Serialize};

use crate::{Error, centred_pair::CentredPair, decompose};

/// Orthogonal Procrustes: how near the best rotation of one view comes to the other, both scaled to
/// norm 1.
///
/// # Formula
/// `cosine = ‖XᵀY‖_* / (‖X‖_F ‖Y‖_F)`, the nuclear norm being the sum of singular values;
/// `distance = √(2 - 2 cosine)`; `angular = arccos(cosine)`, a metric.
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
    pub(crate) fn of(pair: &CentredPair) -> Result<Procrustes, Error> {
        pair.need_variance("procrustes")?;
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
