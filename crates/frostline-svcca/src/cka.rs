use serde::{Deserialize, Serialize};

use crate::{Error, centred_pair::CentredPair};

/// Linear centred kernel alignment: how alike the samples' distances from each other are.
///
/// # Formula
/// biased: `‖XᵀY‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F)`; debiased: `H(x, y) / √(H(x, x) H(y, y))` with the unbiased
/// estimator of HSIC, which for centred rows of squared norms a, b is
/// `H(x, y) = (‖XᵀY‖²_F - n/(n-2) Σ a b + ‖X‖²_F ‖Y‖²_F / ((n-1)(n-2))) / (n (n-3))`.
///
/// Source: Kornblith et al. 2019, arXiv:1905.00414; Song et al. 2012, JMLR 13, for the estimator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cka {
    /// In [0, 1]; 0 where a view doesn't vary. Near 1 for any views of few samples and many neurons:
    /// 0.79 for independent noise of 64 samples and 256 neurons.
    pub biased: f64,
    /// At most about 1, and 0 on average for unrelated views. None with fewer than 4 samples, or where
    /// the estimate of a view with itself isn't positive.
    pub debiased: Option<f64>,
}

impl Cka {
    pub(crate) fn of(pair: &CentredPair) -> Cka {
        let cross = pair.cross.norm_squared();
        let norms = pair.norms[0] * pair.norms[1];
        let biased = if norms > 0.0 { cross / norms } else { 0.0 };
        let estimate = |squared: f64, norms: f64, traces: f64| {
            let n = pair.samples as f64;
            squared - n / (n - 2.0) * norms + traces / ((n - 1.0) * (n - 2.0))
        };
        let [x, y] = pair.traces;
        let [xx, yy] = pair.norms;
        let debiased = (pair.samples > 3).then(|| {
            let of_x = estimate(xx * xx, pair.squared_norms[0], x * x);
            let of_y = estimate(yy * yy, pair.squared_norms[2], y * y);
            let value = estimate(cross, pair.squared_norms[1], x * y);
            (of_x > 0.0 && of_y > 0.0).then(|| value / (of_x.sqrt() * of_y.sqrt()))
        });
        Cka {
            biased: biased.min(1.0),
            debiased: debiased.flatten().filter(|value| value.is_finite()),
        }
    }

    pub(crate) fn need_debiased(&self, samples: usize) -> Result<f64, Error> {
        self.debiased.ok_or(Error::NoDebiasedEstimate { samples })
    }
}
