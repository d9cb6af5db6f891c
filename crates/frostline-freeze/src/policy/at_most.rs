use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{FreezePolicy, History};

/// Freezes no more than a share of the layers below the last.
///
/// # Formula
///
/// `n = min(⌊fraction · (L - 1)⌋, the answer of policy)` of `L` layers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtMost<P> {
    /// The largest share, in `[0, 1]`.
    pub fraction: f64,
    /// Who decides up to there.
    pub policy: P,
}

impl<P> AtMost<P> {
    fn limit(&self, history: &History) -> usize {
        let below_last = history.layers().len().saturating_sub(1);
        (self.fraction * below_last as f64 + ROUNDING).floor() as usize
    }
}

impl<P: FreezePolicy> FreezePolicy for AtMost<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        let decided = self.policy.frozen_layers(history);
        decided.min(self.limit(history))
    }

    fn reason(&self, history: &History) -> String {
        let (decided, limit) = (self.policy.frozen_layers(history), self.limit(history));
        if decided > limit {
            let freeze = if limit == 1 {
                "layer freezes"
            } else {
                "layers freeze"
            };
            return format!("at most {limit} {freeze}; {decided} would have");
        }
        self.policy.reason(history)
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        Some(&self.policy)
    }

    fn describe(&self) -> String {
        format!(
            "{}, at most {} of the layers",
            self.policy.describe(),
            self.fraction
        )
    }
}
