use frostline_activations::Length;
use frostline_svcca::Measure;
use serde::{Deserialize, Serialize};

use crate::History;

/// Decides how much of the network is frozen.
///
/// A policy of one's own is one method:
///
/// ```
/// use frostline_freeze::{FreezePolicy, History};
///
/// /// Freezes a layer whenever the loss falls below the next of these values.
/// struct ByLoss(Vec<f64>);
///
/// impl FreezePolicy for ByLoss {
///     fn frozen_layers(&self, history: &History) -> usize {
///         let loss = history.latest().and_then(|check| check.loss);
///         loss.map_or(0, |loss| self.0.iter().filter(|&&below| loss < below).count())
///     }
/// }
/// ```
pub trait FreezePolicy: Send {
    /// How many layers, counted from the input up, are to be frozen after the latest check.
    ///
    /// Layers that are frozen stay so, whatever the answer, unless the policy [`thaws`](Self::thaws); the
    /// last layer never freezes.
    fn frozen_layers(&self, history: &History) -> usize;

    /// Why it answers so: one sentence for the run folder.
    fn reason(&self, _history: &History) -> String {
        String::new()
    }

    /// The policy with its parameters: one line for the run folder.
    fn describe(&self) -> String {
        let path = std::any::type_name::<Self>();
        path.rsplit("::").next().unwrap_or(path).to_string()
    }

    /// Whether decisions are only written down.
    fn is_dry_run(&self) -> bool {
        false
    }

    /// Whether an answer below the number of frozen layers thaws those above it.
    fn thaws(&self) -> bool {
        false
    }

    /// What it needs to be watched between checks, besides the similarity of layers.
    fn watches(&self) -> Watched {
        Watched::default()
    }

    /// The measure of similarity that it was made for; none for the default.
    fn measure(&self) -> Option<Measure> {
        None
    }

    /// Steps at which it wants to be asked besides those of the schedule.
    fn wanted_steps(&self, _layers: usize, _length: Length) -> Vec<usize> {
        Vec::new()
    }
}

/// What is watched between checks, besides the similarity of layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The sum of each layer's gradients: [`Check::gradients`](crate::Check::gradients). The loop has to
    /// tell them: [`FreezeTraining::gradients`](crate::FreezeTraining::gradients).
    pub gradients: bool,
    /// How far each layer's weights moved: [`Check::weight_change`](crate::Check::weight_change).
    pub weights: bool,
}

impl Watched {
    /// Whatever either of the two watches.
    pub fn and(self, other: Watched) -> Watched {
        Watched {
            gradients: self.gradients || other.gradients,
            weights: self.weights || other.weights,
        }
    }
}

impl<P: FreezePolicy + ?Sized> FreezePolicy for Box<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        (**self).frozen_layers(history)
    }

    fn reason(&self, history: &History) -> String {
        (**self).reason(history)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn is_dry_run(&self) -> bool {
        (**self).is_dry_run()
    }

    fn thaws(&self) -> bool {
        (**self).thaws()
    }

    fn watches(&self) -> Watched {
        (**self).watches()
    }

    fn measure(&self) -> Option<Measure> {
        (**self).measure()
    }

    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        (**self).wanted_steps(layers, length)
    }
}

/// Freezes nothing: records and measures only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Never;

impl FreezePolicy for Never {
    fn frozen_layers(&self, _history: &History) -> usize {
        0
    }

    fn describe(&self) -> String {
        "never".to_string()
    }
}

/// The paper's schedule: layers freeze one after another, evenly over the training.
///
/// # Formula
///
/// `n(t) = ⌊level · max(0, (t - start) / (1 - start)) · (L - 1)⌋` of `L` layers at progress `t`.
/// Source: Raghu et al. 2017, arXiv:1706.05806, section 4.3 (`start` 0, `level` 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// The progress, in `[0, 1)`, before which nothing freezes.
    pub start: f64,
    /// The share, in `[0, 1]`, of the layers below the last that is frozen at the end.
    pub level: f64,
}

impl Default for Linear {
    fn default() -> Self {
        Linear {
            start: 0.0,
            level: 1.0,
        }
    }
}

impl FreezePolicy for Linear {
    fn frozen_layers(&self, history: &History) -> usize {
        let below_last = history.layers().len().saturating_sub(1) as f64;
        let since_start = (history.progress() - self.start) / (1.0 - self.start);
        // A float that is negative, not a number or too large becomes 0, 0 or the largest count.
        (self.level * since_start.max(0.0) * below_last + ROUNDING).floor() as usize
    }

    fn reason(&self, history: &History) -> String {
        format!("{:.1} % of training is done", 100.0 * history.progress())
    }

    fn describe(&self) -> String {
        format!(
            "linear from {} of training, up to {}",
            self.start, self.level
        )
    }
}

/// t = i/L is not exact in floating point: 0.6 · 5 has to count as 3.
const ROUNDING: f64 = 1e-9;

/// Freezes the longest run of layers, from the input up, that have stopped changing.
///
/// # Formula
///
/// Layer `l` has converged when its change `(1 - s_l) / (lr / lr_max)` ([`History::change`]) was at most
/// `threshold` at each of the last `patience` checks, `s_l` its similarity to itself at the check
/// before. The measure behind `s_l` is the one of the `FreezeTraining`: SVCCA at 99 % of variance.
///
/// Source: the idea of Raghu et al. 2017, section 4.3, decided while training instead of by a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Converged {
    /// The largest change, between two checks, of a layer that counts as converged.
    pub threshold: f64,
    /// At how many checks in a row.
    pub patience: usize,
}

impl Default for Converged {
    fn default() -> Self {
        Converged {
            threshold: 0.02,
            patience: 2,
        }
    }
}

impl Converged {
    /// The largest change of a layer in the last `patience` checks, when all of them know it.
    fn largest_change(&self, history: &History, layer: usize) -> Option<f64> {
        let checks = history.checks().len();
        let recent = checks.checked_sub(self.patience.max(1))?..checks;
        recent
            .map(|check| history.change(layer, check))
            .try_fold(0.0, |largest, change| Some(f64::max(largest, change?)))
    }
}

impl FreezePolicy for Converged {
    fn frozen_layers(&self, history: &History) -> usize {
        (0..history.layers().len())
            .take_while(|&layer| {
                let change = self.largest_change(history, layer);
                change.is_some_and(|change| change <= self.threshold)
            })
            .count()
    }

    fn reason(&self, history: &History) -> String {
        let next = self.frozen_layers(history);
        let Some(layer) = history.layers().get(next) else {
            return "every layer has converged".to_string();
        };
        match self.largest_change(history, next) {
            Some(change) => format!(
                "`{layer}` changed by {change:.4} > {} in the last {} checks",
                self.threshold, self.patience
            ),
            None => format!(
                "`{layer}` has not been compared at {} checks yet",
                self.patience
            ),
        }
    }

    fn describe(&self) -> String {
        format!(
            "converged: change at most {} at {} checks in a row",
            self.threshold, self.patience
        )
    }
}

/// Lets the policy within decide and writes its decisions down, but freezes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun<P>(pub P);

impl<P: FreezePolicy> FreezePolicy for DryRun<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        self.0.frozen_layers(history)
    }

    fn reason(&self, history: &History) -> String {
        self.0.reason(history)
    }

    fn describe(&self) -> String {
        format!("dry run of {}", self.0.describe())
    }

    fn is_dry_run(&self) -> bool {
        true
    }
}
