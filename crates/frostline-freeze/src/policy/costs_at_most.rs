use serde::{Deserialize, Serialize};

use crate::{FreezePolicy, History, Watched};

/// Freezes what the policy within says, as long as the loss that it is likely to cost stays small.
///
/// # Formula
///
/// A layer that freezes no longer brings the loss down. What it would have brought is its share of what the updates of
/// all layers that train gain ([`History::gain_share`]) times the share of the loss that the rest of the training is
/// to take away ([`History::loss_to_come`]). Freezing layers in turn, from the input up, goes on as long as the sum of
/// these, of those that are frozen already as it was when they froze, is at most [`loss`](Self::loss).
///
/// What would save less than [`WORTH`](Self::WORTH) of the training's operations doesn't freeze either, whatever little it costs.
/// A layer in which nothing trains costs nothing. Where either is not known, nothing more freezes: the loop has to tell its loss ([`Step::loss`](crate::Step::loss)) and its gradients
/// ([`FreezeTraining::gradients`](crate::FreezeTraining::gradients)); Burn's trainer tells both.
///
/// Source: the gain of an update is the first-order loss change that Lan et al. 2019 (arXiv:1909.01440) allocate to
/// parameters. That its shares say what freezing costs is our own conjecture, held against eight trainings in `benches/results/`: of the
/// right size in some, up to ten times too much in others, and taken from the batch that made the step it counts noise as gain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostsAtMost<P> {
    /// The largest share of the loss, in `[0, 1]`, by which freezing may raise it in the end.
    pub loss: f64,
    /// Who decides within that.
    pub policy: P,
}

/// What would be frozen, and what was found on the way.
struct Found {
    frozen: usize,
    /// The policy's answer.
    wanted: usize,
    /// The cost of the layer that is held back, and of all below it; none where it isn't known.
    next: Option<f64>,
    /// What the layers would have saved that were held back for saving too little.
    too_little: Option<f64>,
}

impl<P> CostsAtMost<P> {
    /// The share of all operations of the training that a freeze has to save: what the budget for measuring is by default.
    pub const WORTH: f64 = 0.02;
}

impl<P: FreezePolicy> CostsAtMost<P> {
    fn find(&self, history: &History) -> Found {
        let mut found = self.find_cheap(history);
        let now = history.frozen();
        let savings = history.savings(now..found.frozen);
        let little = savings.filter(|saved| found.frozen > now && *saved < Self::WORTH);
        if let Some(saved) = little {
            found.too_little = Some(saved);
            found.frozen = now;
        }
        found
    }

    /// As far as the costs go.
    fn find_cheap(&self, history: &History) -> Found {
        let last = history.layers().len().saturating_sub(1);
        let wanted = self.policy.frozen_layers(history).min(last);
        let latest = history.checks().len().saturating_sub(1);
        let mut frozen = history.frozen().min(wanted);
        let mut spent: f64 = costs_of_frozen(history).iter().sum();
        while frozen < wanted {
            let next = cost(history, frozen, latest).map(|cost| spent + cost);
            match next {
                Some(next) if next <= self.loss => spent = next,
                next => {
                    return Found {
                        frozen,
                        wanted,
                        next,
                        too_little: None,
                    };
                }
            }
            frozen += 1;
        }
        Found {
            frozen,
            wanted,
            next: None,
            too_little: None,
        }
    }
}

/// The share of the loss that freezing a layer after this check is likely to cost.
fn cost(history: &History, layer: usize, check: usize) -> Option<f64> {
    if history.is_fixed(layer, check) {
        return Some(0.0);
    }
    Some(history.loss_to_come(check)? * history.gain_share(layer, check)?)
}

/// What each frozen layer was likely to cost when it froze; one of which that wasn't known counts as nothing.
fn costs_of_frozen(history: &History) -> Vec<f64> {
    let mut costs: Vec<f64> = Vec::new();
    // What the latest check decides is not in it yet.
    let decided = history.checks().len().saturating_sub(1);
    for (check, seen) in history.checks().iter().take(decided).enumerate() {
        costs.truncate(seen.frozen);
        for layer in costs.len()..seen.frozen {
            costs.push(cost(history, layer, check).unwrap_or(0.0));
        }
    }
    costs.truncate(history.frozen());
    costs
}

impl<P: FreezePolicy> FreezePolicy for CostsAtMost<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        self.find(history).frozen
    }

    fn reason(&self, history: &History) -> String {
        let Found {
            frozen,
            wanted,
            next,
            too_little,
        } = self.find(history);
        if let Some(saved) = too_little {
            return format!(
                "what can freeze now would save {:.1} % of the training's operations, and less than {:.0} % is not worth it",
                100.0 * saved,
                100.0 * Self::WORTH
            );
        }
        if frozen >= wanted {
            return self.policy.reason(history);
        }
        let Some(layer) = history.layers().get(frozen) else {
            return self.policy.reason(history);
        };
        let latest = history.checks().len().saturating_sub(1);
        match next {
            Some(next) => format!(
                "freezing `{layer}` now is likely to raise the loss by {:.1} % in the end, of which {:.1} % are allowed",
                100.0 * next,
                100.0 * self.loss
            ),
            None if history.gain_share(frozen, latest).is_none() => format!(
                "what the updates of `{layer}` gain is not known: the loop has to tell its gradients, by \
                 `FreezeTraining::gradients` before each step of the optimizer"
            ),
            None if history.latest().is_some_and(|check| check.loss.is_some()) => {
                "how far the loss is still to fall is not known yet: that takes a check that lies a fifth of the training before \
                 this one, and is not the first"
                    .to_string()
            }
            None => "how far the loss is still to fall is not known: the loop has to tell its loss".to_string(),
        }
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        Some(&self.policy)
    }

    fn describe(&self) -> String {
        format!(
            "{}, at a cost of at most {} % of the loss",
            self.policy.describe(),
            100.0 * self.loss
        )
    }

    fn watches(&self) -> Watched {
        let gains = Watched {
            gains: true,
            ..Watched::default()
        };
        self.policy.watches().and(gains)
    }
}
