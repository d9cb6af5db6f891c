use serde::{Deserialize, Serialize};

use crate::{Bias, Error, Measure, centred_pair::CentredPair, similarity::Level};

/// Linear centred kernel alignment: how alike the samples' distances from each other are.
///
/// # Formula
/// biased: `‖XᵀY‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F)`; debiased: `H(x, y) / √(H(x, x) H(y, y))` with the unbiased
/// estimator of HSIC, which for centred rows of squared norms a, b is
/// `H(x, y) = (‖XᵀY‖²_F - n/(n-2) Σ a b + ‖X‖²_F ‖Y‖²_F / ((n-1)(n-2))) / (n (n-3))`.
///
/// Debiased, unrelated views give 0 in the mean and vary by `√(2 / (n(n - 3)))`; biased, `‖X‖²_F ‖Y‖²_F / ((n - 1) ‖XᵀX‖_F ‖YᵀY‖_F)`
/// in the mean, in both cases over all orders of y's samples. Where few samples are far larger than all others, the biased one
/// varies more, by the factor of [`Chance`](crate::Chance) with `tr(S)² / tr(S²)` in place of k and `Σ s_ii² / tr(S²)` in that of `Σ h² / k`,
/// S the kernel.
///
/// H is a difference of sums. Where single samples dominate these, rounding may hide it: `doubt` bounds how far.
///
/// Source: Kornblith et al. 2019, arXiv:1905.00414; Song et al. 2012, JMLR 13, for the estimator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cka {
    /// In [0, 1]; 0 where a view doesn't vary. Near 1 for any views of few samples and many neurons:
    /// 0.79 for independent noise of 64 samples and 256 neurons.
    pub biased: f64,
    /// At most about 1, and 0 on average for unrelated views. None with fewer than 4 samples, where the estimate of a view
    /// with itself isn't positive, or where rounding may have moved it by more than 0.01.
    pub debiased: Option<f64>,
    /// By how much rounding may have moved the debiased estimate; none where there is no estimate that rounding could move.
    pub doubt: Option<f64>,
}

impl Cka {
    pub(crate) fn of(pair: &CentredPair) -> Cka {
        let cross = pair.cross.norm_squared();
        let norms = pair.norms[0] * pair.norms[1];
        let biased = if norms > 0.0 { cross / norms } else { 0.0 };
        let [x, y] = pair.traces;
        let [xx, yy] = pair.norms;
        let debiased = (pair.samples > 3 && norms > 0.0).then(|| {
            let of_x = pair.estimate(xx * xx, x * x, 0);
            let of_y = pair.estimate(yy * yy, y * y, 2);
            let both = pair.estimate(cross, x * y, 1);
            let norm = of_x.value.max(of_x.doubt).sqrt() * of_y.value.max(of_y.doubt).sqrt();
            let value = both.value / norm;
            // Relative, of x and y. An entry of a kernel is as uncertain as the activations are held.
            let own = [(&of_x, x), (&of_y, y)].map(|(of, trace)| {
                let size = of.value.max(of.doubt);
                of.doubt / size + 2.0 * pair.held * trace / size.sqrt()
            });
            let sums = both.doubt / norm + (own[0] + own[1]) * value.abs().max(1.0);
            let certain = of_x.value > 0.0 && of_y.value > 0.0 && sums <= MOST_DOUBT;
            // What rounding added to the activations themselves makes the norms larger.
            let doubt = sums + pair.rounded.iter().sum::<f64>() * value.abs();
            ((certain && value.is_finite()).then_some(value), doubt)
        });
        Cka {
            biased: biased.min(1.0),
            debiased: debiased.and_then(|(value, _)| value),
            doubt: debiased
                .map(|(_, doubt)| doubt)
                .filter(|doubt| doubt.is_finite()),
        }
    }

    /// What unrelated layers give. Samples that repeat put the debiased estimate up by what they take off the biased one's
    /// number of samples.
    pub(crate) fn chance(pair: &CentredPair, bias: Bias) -> Level {
        let norms = pair.norms[0] * pair.norms[1];
        let biased = |samples: usize| {
            let freedom = samples.saturating_sub(1).max(1) as f64;
            (pair.traces[0] * pair.traces[1] / (freedom * norms)).min(1.0)
        };
        let n = pair.independent.max(4) as f64;
        let deviation = (2.0 / (n * (n - 3.0))).sqrt();
        // Over all orders of the samples, to which the diagonals of the kernels do not contribute.
        let room = |side: usize| {
            let participation = (pair.traces[side] / pair.norms[side]).powi(2);
            (n - 1.0 - participation).max(0.0)
        };
        let over_orders = 2.0 * room(0) * room(1) / ((n + 1.0) * (n - 1.0).powi(2) * (n - 2.0));
        match bias {
            Bias::Biased => Level {
                mean: biased(pair.independent),
                deviation: over_orders.sqrt() * pair.tail_factor(),
            },
            Bias::Debiased => Level {
                mean: biased(pair.independent) - biased(pair.samples),
                deviation,
            },
        }
    }

    /// The debiased estimate.
    ///
    /// # Errors
    /// `HiddenByRounding`, and `NoDebiasedEstimate` where there is none for another reason.
    pub(crate) fn need_debiased(&self, samples: usize) -> Result<f64, Error> {
        self.debiased.ok_or(match self.doubt {
            Some(doubt) if doubt > MOST_DOUBT => Error::HiddenByRounding {
                measure: Measure::Cka(Bias::Debiased),
                doubt,
            },
            _ => Error::NoDebiasedEstimate { samples },
        })
    }

    /// By how much rounding may have moved an estimate; 0 where that isn't known.
    pub(crate) fn doubt(&self, pair: &CentredPair, bias: Bias) -> f64 {
        match bias {
            Bias::Debiased => self.doubt.unwrap_or(0.0),
            Bias::Biased => pair.rounded.iter().sum::<f64>() * self.biased,
        }
    }
}

/// Rounding of sums that may move a value by more leaves nothing of it.
const MOST_DOUBT: f64 = 0.01;

/// `n (n - 3) H`, and how far rounding may have moved it.
struct Estimate {
    value: f64,
    doubt: f64,
}

impl CentredPair {
    /// The estimate from `‖XᵀY‖²_F` and the product of the traces; `which` pair of sides that is: x with x, x with y, y with y.
    fn estimate(&self, squared: f64, traces: f64, which: usize) -> Estimate {
        let n = self.samples as f64;
        // Together -n/(n - 2) Σ a b, were the mean taken off exactly.
        let terms = [
            squared,
            -self.squared_norms[which],
            -2.0 / (n - 2.0) * self.row_sums[which],
            traces / ((n - 1.0) * (n - 2.0)),
        ];
        let value: f64 = terms.iter().sum();
        let size: f64 = terms.iter().map(|term| term.abs()).sum();
        Estimate {
            value,
            doubt: self.epsilon * (size + self.cancelled[which]),
        }
    }
}
