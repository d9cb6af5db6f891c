use serde::{Deserialize, Serialize};

use crate::history::RateDrop;
use crate::{FreezePolicy, History};

/// Thaws everything when the learning rate drops, and lets the policy within begin anew.
///
/// What had converged at a high rate moves again at a lower one: the layers that stood still were only as still as
/// the rate allowed.
///
/// # Formula
///
/// A check is a drop when the mean learning rate since the check before is at most `max / factor`, `max` the
/// largest such mean since the drop before; a rate of zero trains nothing and is none. At a drop `n = 0`; after it
/// `n` is what `policy` answers to the history since the drop ([`History::since`]), and what is frozen stays so until
/// the next one.
/// Source: Egeria (Wang et al. 2023, arXiv:2201.06227), which unfreezes at a drop by a factor of ten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThawOnLrDrop<P> {
    /// How many times lower the rate is after a drop; above 1.
    pub factor: f64,
    /// Who decides between drops.
    pub policy: P,
}

impl<P: FreezePolicy> FreezePolicy for ThawOnLrDrop<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        let decided = match history.latest_drop(self.factor) {
            None => self.policy.frozen_layers(history),
            Some(drop) if drop.check + 1 == history.checks().len() => return 0,
            Some(drop) => self.policy.frozen_layers(&history.since(drop.check)),
        };
        // The policy within may not mind what is frozen already; here a lower answer would thaw it.
        match self.policy.thaws() {
            true => decided,
            false => decided.max(history.frozen()),
        }
    }

    fn reason(&self, history: &History) -> String {
        match history.latest_drop(self.factor) {
            None => self.policy.reason(history),
            Some(RateDrop { check, from, to }) if check + 1 == history.checks().len() => {
                format!("the learning rate fell from {from} to {to}: everything thaws")
            }
            Some(drop) => self.policy.reason(&history.since(drop.check)),
        }
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        Some(&self.policy)
    }

    fn describe(&self) -> String {
        format!(
            "{}, thawing when the learning rate falls to 1/{}",
            self.policy.describe(),
            self.factor
        )
    }

    fn thaws(&self) -> bool {
        true
    }
}
