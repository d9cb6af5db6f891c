mod at_most;
mod config;
mod converged;
mod costs_at_most;
mod cubic;
mod dry_run;
mod freeze_at;
mod geometric;
mod grad_norm;
mod linear;
mod parse;
mod replay;
mod thaw_on_lr_drop;
mod warmup;
mod weight_delta;

use frostline_activations::Length;
use frostline_svcca::Measure;
use serde::{Deserialize, Serialize};

pub use at_most::AtMost;
pub use config::PolicyConfig;
pub use converged::Converged;
pub use costs_at_most::CostsAtMost;
pub use cubic::Cubic;
pub use dry_run::DryRun;
pub use freeze_at::FreezeAt;
pub use geometric::Geometric;
pub use grad_norm::GradNorm;
pub use linear::Linear;
pub use replay::Replay;
pub use thaw_on_lr_drop::ThawOnLrDrop;
pub use warmup::Warmup;
pub use weight_delta::WeightDelta;

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

    /// The policy that this one narrows, if any: it answers all that this one doesn't answer itself.
    fn within(&self) -> Option<&dyn FreezePolicy> {
        None
    }

    /// Why it answers so: one sentence for the run folder.
    fn reason(&self, history: &History) -> String {
        let within = self.within().map(|policy| policy.reason(history));
        within.unwrap_or_default()
    }

    /// The policy with its parameters: one line for the run folder.
    fn describe(&self) -> String {
        let path = std::any::type_name::<Self>();
        path.rsplit("::").next().unwrap_or(path).to_string()
    }

    /// Whether decisions are only written down.
    fn is_dry_run(&self) -> bool {
        self.within().is_some_and(FreezePolicy::is_dry_run)
    }

    /// Whether an answer below the number of frozen layers thaws those above it.
    fn thaws(&self) -> bool {
        self.within().is_some_and(FreezePolicy::thaws)
    }

    /// What it needs to be watched between checks, besides the similarity of layers.
    fn watches(&self) -> Watched {
        let within = self.within().map(FreezePolicy::watches);
        within.unwrap_or_default()
    }

    /// The measure of similarity that it was made for; none for the default.
    fn measure(&self) -> Option<Measure> {
        self.within()?.measure()
    }

    /// Steps at which it wants to be asked besides those of the schedule, whatever measuring may
    /// [cost](crate::FreezeTraining::measure_at_most).
    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        let within = self.within();
        within.map_or_else(Vec::new, |policy| policy.wanted_steps(layers, length))
    }

    /// What the policy can't do with so many layers, or in such a training, a sentence each: it is among the warnings of
    /// the first check.
    fn doubts(&self, layers: usize, length: Length) -> Vec<String> {
        let within = self.within();
        within.map_or_else(Vec::new, |policy| policy.doubts(layers, length))
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
    /// What the updates of each layer gain: [`Check::gains`](crate::Check::gains). The loop has to tell the gradients:
    /// [`FreezeTraining::gradients`](crate::FreezeTraining::gradients).
    #[serde(default)]
    pub gains: bool,
    /// How much of each layer's change is its own: [`Check::parts`](crate::Check::parts). That takes the weights of the check
    /// before and evaluates the probe three times at a check in place of once.
    #[serde(default)]
    pub parts: bool,
}

impl Watched {
    /// Whatever either of the two watches.
    pub fn and(self, other: Watched) -> Watched {
        Watched {
            gradients: self.gradients || other.gradients,
            weights: self.weights || other.weights,
            gains: self.gains || other.gains,
            parts: self.parts || other.parts,
        }
    }
}

impl<P: FreezePolicy + ?Sized> FreezePolicy for Box<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        (**self).frozen_layers(history)
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        (**self).within()
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

    fn doubts(&self, layers: usize, length: Length) -> Vec<String> {
        (**self).doubts(layers, length)
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

/// t = i/L is not exact in floating point: 0.6 · 5 has to count as 3.
pub(crate) const ROUNDING: f64 = 1e-9;

/// The largest of the values at the last `patience` of so many checks, when all of them know one.
fn largest_of_last(
    patience: usize,
    checks: usize,
    value: impl Fn(usize) -> Option<f64>,
) -> Option<f64> {
    let first = checks.checked_sub(patience.max(1))?;
    let values = (first..checks).map(|check| value(check).filter(|value| !value.is_nan()));
    values.reduce(|largest, value| Some(largest?.max(value?)))?
}
