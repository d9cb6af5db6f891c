use frostline_activations::{Check, Length, Run};

use crate::FreezePolicy;

/// What every check saw, up to the one that is being decided.
#[derive(Clone, Debug)]
pub struct History {
    layers: Vec<String>,
    length: Length,
    checks: Vec<Check>,
}

impl History {
    /// An empty history of a training of these layers, from the input up, and this length.
    pub fn new(layers: impl IntoIterator<Item = String>, length: Length) -> Self {
        History {
            layers: layers.into_iter().collect(),
            length,
            checks: Vec::new(),
        }
    }

    /// The history of a recorded run.
    pub fn of(run: &Run) -> Self {
        History {
            layers: run.info.layers.clone(),
            length: run.info.length,
            checks: run.history.clone(),
        }
    }

    /// Adds what a check saw. Its `frozen` is the count before the decision.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// The layers' names, from the input up.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// How long the training is.
    pub fn length(&self) -> Length {
        self.length
    }

    /// All checks, the latest last.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The check that is being decided.
    pub fn latest(&self) -> Option<&Check> {
        self.checks.last()
    }

    /// Asks the policy about the latest check and writes into it what was decided, why, and how many layers are
    /// frozen from now on. Gives that check. There has to be one.
    pub(crate) fn decide(&mut self, policy: &dyn FreezePolicy) -> &mut Check {
        let below_last = self.layers.len().saturating_sub(1);
        let decided = policy.frozen_layers(self).min(below_last);
        let reason = policy.reason(self);
        let latest = self.checks.last_mut().expect("a check is decided");
        latest.frozen = match (policy.is_dry_run(), policy.thaws()) {
            (true, _) => latest.frozen,
            (false, true) => decided,
            (false, false) => decided.max(latest.frozen),
        };
        (latest.decided, latest.reason) = (decided, reason);
        latest
    }

    /// The share of the training that is done: t in `[0, 1]`.
    pub fn progress(&self) -> f64 {
        self.latest()
            .map_or(0.0, |check| self.length.progress(check.step))
    }

    /// How many layers are frozen now.
    pub fn frozen(&self) -> usize {
        self.latest().map_or(0, |check| check.frozen)
    }

    /// The same training from the check with this index on, as if nothing had been seen before: what that
    /// check compared with earlier ones is not known.
    pub fn since(&self, check: usize) -> History {
        let mut checks = self.checks[check.min(self.checks.len())..].to_vec();
        if let Some(first) = checks.first_mut() {
            first.similarity.fill(None);
            first.chance.fill(None);
            first.gradients.fill(None);
            first.weight_change.fill(None);
        }
        History {
            layers: self.layers.clone(),
            length: self.length,
            checks,
        }
    }

    /// How much a layer changed between the check before `check` and `check`, per unit of relative
    /// learning rate.
    ///
    /// # Formula
    ///
    /// `(1 - s) / (lr / lr_max)`, with `s` the layer's similarity to itself at the previous check,
    /// `lr` the mean learning rate since then and `lr_max` the largest such mean so far. A falling
    /// learning rate makes every layer stand still; divided by it, only a layer that has converged
    /// does. Without learning rates it is `1 - s`. None where the similarity is not known, or where the
    /// rate is zero while the layer is not exactly still.
    pub fn change(&self, layer: usize, check: usize) -> Option<f64> {
        let this = self.checks.get(check)?;
        let change = 1.0 - (*this.similarity.get(layer)?)?;
        if change == 0.0 {
            return Some(0.0);
        }
        let rates = self.checks[..=check]
            .iter()
            .filter_map(|check| check.learning_rate);
        let (Some(rate), Some(largest)) = (this.learning_rate, rates.reduce(f64::max)) else {
            return Some(change);
        };
        let relative = change / (rate / largest);
        relative.is_finite().then_some(relative)
    }
}
