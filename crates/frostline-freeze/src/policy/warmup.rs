use frostline_activations::Length;
use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{FreezePolicy, History};

/// Freezes nothing before a given progress; then the policy within decides, which has seen everything. It is asked right then, and a tenth of
/// the training before, so that a policy that compares checks has two that are close together.
///
/// # Formula
///
/// `n = 0` at progress `t < until`, else the answer of `policy`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warmup<P> {
    /// The progress, in `[0, 1]`, before which nothing freezes.
    pub until: f64,
    /// Who decides then.
    pub policy: P,
}

impl<P: FreezePolicy> FreezePolicy for Warmup<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        if history.progress() < self.until {
            return 0;
        }
        self.policy.frozen_layers(history)
    }

    fn reason(&self, history: &History) -> String {
        if history.progress() < self.until {
            return format!(
                "{:.1} % of training is done, and nothing freezes before {:.1} %",
                100.0 * history.progress(),
                100.0 * self.until
            );
        }
        self.policy.reason(history)
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        Some(&self.policy)
    }

    fn describe(&self) -> String {
        format!(
            "{}, from {} of training",
            self.policy.describe(),
            self.until
        )
    }

    /// Those of the policy; what it wanted earlier it gets when the warm-up ends.
    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        let at = |share: f64| (share.max(0.0) * length.steps as f64 - ROUNDING).ceil() as usize;
        let end = at(self.until);
        let wanted = self.policy.wanted_steps(layers, length);
        let wanted = wanted.into_iter().map(|step| step.max(end));
        let own = [at(self.until - 0.1), end]
            .into_iter()
            .filter(|step| *step > 0);
        let mut steps: Vec<usize> = own.chain(wanted).collect();
        steps.dedup();
        steps
    }
}
