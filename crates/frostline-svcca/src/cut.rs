use std::fmt;

use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use crate::Error;

/// How much of a view to keep: its leading singular directions.
///
/// The two rules in use differ a lot on the same data, so a result says which one it used.
/// Source: Raghu et al. 2017, arXiv:1706.05806.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cut {
    /// The fewest directions that hold this share of the variance, `Σ_{i≤m} s_i² ≥ share · Σ s_i²`
    /// (the paper's section 2).
    Variance(f64),
    /// The same over the singular values themselves, `Σ_{i≤m} s_i ≥ share · Σ s_i` (the paper's
    /// appendix A). Keeps more.
    SingularValues(f64),
    /// This many directions, or all where the view has fewer.
    Directions(usize),
    /// Every direction: plain CCA.
    All,
}

impl Default for Cut {
    /// 99 % of the variance.
    fn default() -> Self {
        Cut::Variance(0.99)
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Variance(share) => write!(f, "{} % of variance", percent(*share)),
            Cut::SingularValues(share) => write!(f, "{} % of singular values", percent(*share)),
            Cut::Directions(1) => write!(f, "1 direction"),
            Cut::Directions(count) => write!(f, "{count} directions"),
            Cut::All => write!(f, "all directions"),
        }
    }
}

impl Cut {
    pub(crate) fn check(self) -> Result<(), Error> {
        let good = match self {
            Cut::Variance(share) | Cut::SingularValues(share) => share > 0.0 && share <= 1.0,
            Cut::Directions(count) => count > 0,
            Cut::All => true,
        };
        if good {
            Ok(())
        } else {
            Err(Error::BadCut { cut: self })
        }
    }

    /// How many of the leading `rank` directions stay; `singular_values` are in descending order.
    pub(crate) fn kept(self, singular_values: &DVector<f64>, rank: usize) -> usize {
        let real = singular_values.rows(0, rank);
        match self {
            // Squares of the shares of the largest: those of the values themselves may underflow.
            Cut::Variance(share) => reach(share, real.iter().map(|s| (s / real[0]).powi(2))),
            Cut::SingularValues(share) => reach(share, real.iter().copied()),
            Cut::Directions(count) => count.min(rank),
            Cut::All => rank,
        }
    }

    /// Distance between the share that the cut asks for and the nearest cumulative share of these
    /// directions; none where the cut isn't a share.
    pub(crate) fn margin(self, singular_values: &DVector<f64>) -> Option<f64> {
        let (share, power) = match self {
            Cut::Variance(share) => (share, 2),
            Cut::SingularValues(share) => (share, 1),
            Cut::Directions(_) | Cut::All => return None,
        };
        // Of all there is no more, wherever the last share falls.
        if share >= 1.0 {
            return None;
        }
        let first = singular_values.get(0).filter(|first| **first > 0.0)?;
        let parts = || singular_values.iter().map(|s| (s / first).powi(power));
        let whole: f64 = parts().sum();
        let sums = parts().scan(0.0, |sum, part| {
            *sum += part;
            Some(*sum / whole)
        });
        sums.map(|sum| (sum - share).abs()).reduce(f64::min)
    }
}

/// The fewest leading `parts` whose sum reaches `share` of the whole.
fn reach(share: f64, parts: impl Iterator<Item = f64> + Clone) -> usize {
    let whole: f64 = parts.clone().sum();
    let mut sum = 0.0;
    let mut kept = 0;
    for part in parts {
        if sum >= share * whole {
            break;
        }
        sum += part;
        kept += 1;
    }
    kept
}

/// 0.99 as 99, without the digits that binary fractions add.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_shares_keep_different_counts_of_the_same_spectrum() {
        let values = DVector::from_vec(vec![10.0, 3.0, 1.0, 0.1]);
        assert_eq!(Cut::Variance(0.95).kept(&values, 4), 2); // 109 of 110.01
        assert_eq!(Cut::SingularValues(0.95).kept(&values, 4), 3); // 13 of 14.1 is 92 %
        assert_eq!(Cut::Directions(9).kept(&values, 4), 4);
        assert_eq!(Cut::All.kept(&values, 3), 3);
    }

    #[test]
    fn a_share_of_one_keeps_every_direction() {
        let values = DVector::from_vec(vec![0.3, 0.2, 0.1]);
        assert_eq!(Cut::Variance(1.0).kept(&values, 3), 3);
        assert_eq!(Cut::SingularValues(1.0).kept(&values, 3), 3);
    }

    #[test]
    fn a_spectrum_whose_squares_underflow_is_cut_like_any_other() {
        let values = DVector::from_vec(vec![10.0, 3.0, 1.0, 0.1]) * 1e-250;
        assert_eq!(Cut::Variance(0.95).kept(&values, 4), 2);
    }

    #[test]
    fn a_cut_reads_as_words() {
        assert_eq!(Cut::default().to_string(), "99 % of variance");
        assert_eq!(
            Cut::SingularValues(0.995).to_string(),
            "99.5 % of singular values"
        );
        assert_eq!(Cut::Directions(20).to_string(), "20 directions");
        assert_eq!(Cut::All.to_string(), "all directions");
    }
}
