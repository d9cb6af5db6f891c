use std::sync::{Arc, Mutex, PoisonError};

use frostline_activations::{Check, LayerFlops, Length, Run};

use crate::{FreezePolicy, change::rate, policy::ROUNDING};

/// What every check saw, up to the one that is being decided.
#[derive(Clone, Debug)]
pub struct History {
    layers: Vec<String>,
    length: Length,
    checks: Vec<Check>,
    /// The largest learning rate up to each check.
    rates_so_far: Vec<Option<f64>>,
    /// The largest learning rate that any layer had, so that a long history is read once and not at every check.
    pub(crate) largest_rate: Option<f64>,
    known: Known,
}

/// What was found in a history so far, from which the next question goes on.
#[derive(Debug, Default)]
struct Known {
    /// What [`History::since`] gave last, and the index of the check that it begins with.
    since: Mutex<Option<(usize, Arc<History>)>>,
    drops: Mutex<Drops>,
}

impl Clone for Known {
    /// A cache stays with its history.
    fn clone(&self) -> Self {
        Known::default()
    }
}

/// A check at which the learning rate had dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateDrop {
    pub(crate) check: usize,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// The drops of the learning rate by a factor, among the first checks.
#[derive(Debug, Default)]
struct Drops {
    factor: f64,
    /// How many checks were looked at.
    checks: usize,
    /// The largest rate since the latest drop.
    largest: f64,
    latest: Option<RateDrop>,
}

impl History {
    /// An empty history of a training of these layers, from the input up, and this length.
    pub fn new(layers: impl IntoIterator<Item = String>, length: Length) -> Self {
        let layers: Vec<String> = layers.into_iter().collect();
        History {
            largest_rate: None,
            layers,
            length,
            checks: Vec::new(),
            rates_so_far: Vec::new(),
            known: Known::default(),
        }
    }

    /// The history of a recorded run.
    pub fn of(run: &Run) -> Self {
        let mut history = History::new(run.info.layers.iter().cloned(), run.info.length);
        run.history
            .iter()
            .cloned()
            .for_each(|check| history.push(check));
        history
    }

    /// Adds what a check saw. Its `frozen` is the count before the decision.
    pub fn push(&mut self, check: Check) {
        let rates = (0..self.layers.len()).filter_map(|layer| rate(&check, layer));
        self.largest_rate = rates.chain(self.largest_rate).reduce(f64::max);
        let before = self.rates_so_far.last().copied().flatten();
        let rates = before.into_iter().chain(check.learning_rate);
        self.rates_so_far.push(rates.reduce(f64::max));
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
    ///
    /// A history that grows and is cut at the same check again costs what was added.
    pub fn since(&self, check: usize) -> Arc<History> {
        let mut last = self
            .known
            .since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut since = match last.take() {
            Some((first, since)) if first == check => Arc::unwrap_or_clone(since),
            _ => History::new(self.layers.iter().cloned(), self.length),
        };
        // What was decided at the latest check then was written into it afterwards.
        since.checks.pop();
        since.rates_so_far.pop();
        let known = check.saturating_add(since.checks.len());
        for (added, seen) in self.checks.iter().enumerate().skip(known) {
            let mut seen = seen.clone();
            if added == check {
                seen.similarity.fill(None);
                seen.chance.fill(None);
                seen.likeness.fill(None);
                seen.parts.fill(None);
                seen.gains.fill(None);
                seen.gradients.fill(None);
                seen.weight_change.fill(None);
            }
            since.push(seen);
        }
        let since = Arc::new(since);
        *last = Some((check, since.clone()));
        since
    }

    /// Whether the mean learning rate since the latest check is larger than any before: the training is still warming up.
    pub fn rate_rises(&self) -> bool {
        let before = self.rates_so_far.len().checked_sub(2);
        let before = before.and_then(|before| self.rates_so_far[before]);
        let latest = self.latest().and_then(|check| check.learning_rate);
        let both = latest.zip(before);
        both.is_some_and(|(latest, before)| latest > before * (1.0 + ROUNDING))
    }

    /// Whether the training loss has fallen by this share of what it was at first, and by more than chance explains; none
    /// where no loss was told.
    ///
    /// # Formula
    ///
    /// `l₀ - l ≥ share · |l₀|` and `l₀ - l > 3 e`: `l₀` is [`Check::first_loss`](crate::Check::first_loss) of the first
    /// check that has one, or in runs that were recorded before it was kept the first loss of a check; `l` the loss since the latest check and `e` its standard error.
    pub fn loss_has_fallen(&self, share: f64) -> Option<bool> {
        let first = self.first_loss()?;
        let latest = self.latest()?;
        let fallen = first - latest.loss?;
        let error = latest.loss_error.unwrap_or(0.0);
        Some(fallen >= share * first.abs() && fallen > 3.0 * error)
    }

    /// The loss at first.
    fn first_loss(&self) -> Option<f64> {
        let first = self.checks.iter().find_map(|check| check.first_loss);
        first.or_else(|| self.checks.iter().find_map(|check| check.loss))
    }

    /// A layer's share of what the updates of all layers that train gained, at the last two checks up to this one; none where
    /// that is not known, or where they gained nothing.
    ///
    /// # Formula
    ///
    /// `max(G_l, 0) / Σ_i max(G_i, 0)`, `G` the sum of [`Check::gains`](crate::Check::gains) at both and the sum over layers that are not
    /// frozen.
    pub fn gain_share(&self, layer: usize, check: usize) -> Option<f64> {
        let last_two =
            &self.checks[check.saturating_sub(1)..=check.min(self.checks.len().checked_sub(1)?)];
        let first = if check > 0 {
            self.checks[check - 1].frozen
        } else {
            0
        };
        let gain = |layer: usize| {
            let gains = last_two.iter().filter_map(|check| *check.gains.get(layer)?);
            gains.reduce(|a, b| a + b).map(|gain| gain.max(0.0))
        };
        let all: f64 = (first..self.layers.len()).filter_map(gain).sum();
        let share = gain(layer)? / all;
        share.is_finite().then_some(share)
    }

    /// By which share of itself the training loss is still to fall after this check, if it goes on falling with the logarithm of the
    /// training done as in the last fifth of the training. None where the loss was not told for so long.
    ///
    /// # Formula
    ///
    /// `max(l_j - l_i + 2 e, 0) / ln(t_i / t_j) · ln(1 / t) / max(|l_i|, 0.01 |l_0|)`: `l_i` the mean loss up to this check, `l_j` that up to the latest
    /// check whose middle `t_j` lies a fifth of the training before the middle `t_i`, `e` the standard error of their difference, `l_0` the first
    /// loss ([`Check::first_loss`](crate::Check::first_loss)) and t the share of the training that is done. Losses fall slower and slower: in
    /// eight trainings of three seeds each this was 2.2 times what really came (the median at three moments; 0.9 to 4.2 times in eight of ten cases), and
    /// what a straight line promised 4.2 times (1.9 to 11).
    pub fn loss_to_come(&self, check: usize) -> Option<f64> {
        /// Over this share of the training the fall is taken.
        const FIFTH: f64 = 0.2;
        let steps = self.length.steps as f64;
        let middle = |check: usize| {
            let before = check
                .checked_sub(1)
                .map_or(0, |before| self.checks[before].step);
            (before + self.checks[check].step) as f64 / 2.0 / steps
        };
        let now = self.checks.get(check)?;
        let loss = now.loss?;
        let far = |earlier: &usize| {
            middle(check) - middle(*earlier) >= FIFTH - ROUNDING
                && self.checks[*earlier].loss.is_some()
        };
        let earlier = (1..check).rev().find(far)?;
        let before = &self.checks[earlier];
        let errors = [now.loss_error, before.loss_error].map(|error| error.unwrap_or(0.0));
        let fallen = before.loss? - loss + 2.0 * errors[0].hypot(errors[1]);
        let pace = fallen.max(0.0) / (middle(check) / middle(earlier)).ln();
        let size = loss.abs().max(0.01 * self.first_loss()?.abs());
        let to_come = pace * -self.length.progress(now.step).ln() / size;
        to_come.is_finite().then_some(to_come)
    }

    /// Which share of all operations of the training freezing these layers after the latest check would save at least: their
    /// backward passes for the rest of it. None where operations are not counted.
    pub(crate) fn savings(&self, layers: std::ops::Range<usize>) -> Option<f64> {
        let ledger = &self.latest()?.ledger.as_ref()?.layers;
        let backward = |layer: &LayerFlops| layer.backward + layer.saved_backward;
        let all = ledger
            .iter()
            .map(|layer| layer.forward + layer.saved_forward + backward(layer));
        let saved: f64 = ledger.get(layers)?.iter().map(backward).sum();
        let share = saved / all.sum::<f64>() * (1.0 - self.progress());
        share.is_finite().then_some(share)
    }

    /// Whether nothing of a layer that isn't frozen trained at a check.
    pub(crate) fn is_fixed(&self, layer: usize, check: usize) -> bool {
        let fixed = self.checks.get(check).map(|check| &check.fixed);
        fixed.is_some_and(|fixed| fixed.get(layer) == Some(&true))
    }

    /// The latest check at which the mean learning rate was at most `max / factor`, `max` the largest since the drop before.
    /// A rate of zero trains nothing and is no drop.
    pub(crate) fn latest_drop(&self, factor: f64) -> Option<RateDrop> {
        let mut drops = self
            .known
            .drops
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if drops.factor != factor {
            *drops = Drops {
                factor,
                ..Drops::default()
            };
        }
        for (check, seen) in self.checks.iter().enumerate().skip(drops.checks) {
            match seen.learning_rate {
                Some(to) if to > 0.0 && to <= drops.largest / factor => {
                    let from = drops.largest;
                    drops.latest = Some(RateDrop { check, from, to });
                    drops.largest = to;
                }
                Some(rate) => drops.largest = rate.max(drops.largest),
                None => {}
            }
        }
        drops.checks = self.checks.len();
        drops.latest
    }
}
