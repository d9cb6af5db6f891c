//! How far layers moved between checks.

use frostline_activations::Check;

use crate::History;

/// A movement below this can't be told from rounding: it is that of a similarity of 1 - 10⁻⁶.
const RESOLUTION: f64 = 1e-3;

/// A change is told for this share of a training.
const SHARE: f64 = 0.05;

impl History {
    /// How far a layer moved between the check before `check` and `check`, for each twentieth of the training at the
    /// largest learning rate.
    ///
    /// # Formula
    ///
    /// `√(1 - s) / w`: `s` is the layer's likeness to itself at the check before ([`Check::likeness`]; in runs that were recorded
    /// before it was kept the similarity, freed of chance), at least 0; `w` the layer's learning rates at the steps since that
    /// check, summed, in units of `lr_max · steps / 20`, with `lr_max` the largest mean rate that any layer had between two checks so
    /// far: a layer at a tenth of the others' rate is not slow for moving a tenth as far.
    ///
    /// `1 - s` is of second order in a small movement, so its root is of first order: twice the steps of a steady drift, or
    /// twice the rate, move a layer twice as far, and change as much. Weights that are drawn anew change by `1 / w` however
    /// few samples tell it. Without learning rates `w` counts steps alone. A movement too small to be told from
    /// rounding, below 10⁻³, counts as 10⁻³.
    ///
    /// 0 for a layer that was frozen between the two checks. None where the similarity is not known, where the measure
    /// has no value free of chance, and where nothing was trained: at a rate of zero, or without a step.
    pub fn change(&self, layer: usize, check: usize) -> Option<f64> {
        let this = self.checks().get(check)?;
        let similarity = (*this.similarity.get(layer)?)?;
        let chance = this.chance.get(layer).copied().flatten();
        let likeness = match (this.likeness.get(layer), chance) {
            (Some(likeness), _) => *likeness,
            (None, Some(chance)) => chance.corrected.map(|_| chance.above(similarity)),
            (None, None) => Some(similarity),
        };
        self.movement(layer, check, likeness)
    }

    /// The same for what the layer's own weights changed, on the inputs of the check before.
    ///
    /// # Formula
    ///
    /// As for [`change`](Self::change), with [`OwnAndInherited::own`](frostline_activations::OwnAndInherited::own) as `s`.
    /// None also where the parts were not watched.
    pub fn own_change(&self, layer: usize, check: usize) -> Option<f64> {
        let parts = (*self.checks().get(check)?.parts.get(layer)?)?;
        self.movement(layer, check, Some(parts.own))
    }

    /// The same for what came from below, through the weights of now.
    ///
    /// # Formula
    ///
    /// As for [`change`](Self::change), with [`OwnAndInherited::inherited`](frostline_activations::OwnAndInherited::inherited)
    /// as `s`. None also where the parts were not watched.
    pub fn inherited_change(&self, layer: usize, check: usize) -> Option<f64> {
        let parts = (*self.checks().get(check)?.parts.get(layer)?)?;
        self.movement(layer, check, Some(parts.inherited))
    }

    fn movement(&self, layer: usize, check: usize, likeness: Option<f64>) -> Option<f64> {
        let before = &self.checks()[check.checked_sub(1)?];
        if layer < before.frozen {
            return Some(0.0);
        }
        let trained = self.trained(layer, check)?;
        let moved = (1.0 - likeness?).clamp(0.0, 1.0).sqrt();
        Some(moved.max(RESOLUTION) / trained)
    }

    /// What was trained between the check before and this one: `w` of [`change`](Self::change), if anything was.
    pub(crate) fn trained(&self, layer: usize, check: usize) -> Option<f64> {
        let (before, this) = (&self.checks()[check.checked_sub(1)?], &self.checks()[check]);
        let steps = this.step.saturating_sub(before.step) as f64;
        let share = steps / (SHARE * self.length().steps as f64);
        let trained = match (rate(this, layer), self.largest_rate) {
            (Some(rate), Some(largest)) => share * rate / largest,
            _ => share,
        };
        (trained > 0.0 && trained.is_finite()).then_some(trained)
    }

    /// The check from which on layers above the frost line are compared with themselves above the same frost line: the
    /// latest one that froze or thawed something.
    ///
    /// What a layer inherits from below vanishes when that freezes: up to this check its changes had another cause.
    pub fn frost_line_since(&self) -> usize {
        let checks = self.checks();
        let moved = |check: &usize| {
            let before = check
                .checked_sub(1)
                .map_or(0, |before| checks[before].frozen);
            checks[*check].frozen != before
        };
        // What is frozen at the latest check is not decided yet.
        let decided = 0..checks.len().saturating_sub(1);
        decided.rev().find(moved).unwrap_or(0)
    }
}

/// The mean learning rate of a layer since the check before.
pub(crate) fn rate(check: &Check, layer: usize) -> Option<f64> {
    let own = check.learning_rates.get(layer).copied().flatten();
    own.or(check.learning_rate)
}
