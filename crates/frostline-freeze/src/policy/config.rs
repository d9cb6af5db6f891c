use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parse;
use crate::{
    AtMost, Converged, CostsAtMost, Cubic, DryRun, Error, FreezeAt, FreezePolicy, Geometric,
    GradNorm, History, Linear, Never, ThawOnLrDrop, Warmup, WeightDelta,
};

/// A policy by its name: one text for a command, a configuration file and a program.
///
/// | text | policy |
/// |---|---|
/// | `never` | [`Never`] |
/// | `linear(0, 1)` | [`Linear`]: start, level |
/// | `cubic(0.8)`, `cubic(0.8, unscaled)` | [`Cubic`]: t0, whether rates are scaled |
/// | `freeze_at(0.4, 0.4, 0.6)` | [`FreezeAt`]: a share of the training for each layer from the input up |
/// | `geometric(0.33)` | [`Geometric`]: alpha |
/// | `grad_norm(50)` | [`GradNorm`]: percentile |
/// | `weight_delta(0.01, 2)` | [`WeightDelta`]: threshold, patience |
/// | `converged(0.5, 0.1)`, `converged(0.5, 0.1, cka)`, `converged(0.5, 0.1, svcca, own)` | [`Converged`]: threshold, patience, [`Measure`](crate::Measure), whether by own change |
/// | `warmup(0.3, converged)` | [`Warmup`]: until, policy |
/// | `at_most(0.5, linear)` | [`AtMost`]: fraction, policy |
/// | `costs_at_most(0.01, linear)` | [`CostsAtMost`]: share of the loss, policy |
/// | `thaw_on_lr_drop(10, converged)` | [`ThawOnLrDrop`]: factor, policy |
/// | `dry_run(linear)` | [`DryRun`]: policy |
///
/// Missing arguments are the policy's defaults: `linear` is `linear(0, 1)`; a policy within has to be there. It parses
/// from these texts, prints as them with all arguments, and is written as them by serde.
///
/// ```
/// use frostline_freeze::PolicyConfig;
///
/// let config: PolicyConfig = "warmup(0.3, converged)".parse()?;
/// assert_eq!(config.to_string(), "warmup(0.3, converged(0.5, 0.1))");
/// let policy = config.init()?; // for `FreezeTraining::new`
/// # Ok::<(), frostline_freeze::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyConfig {
    /// Freezes nothing.
    Never,
    /// Layers freeze evenly over the training.
    Linear(Linear),
    /// Layers freeze at cubed shares of the training.
    Cubic(Cubic),
    /// Each layer freezes at a given share of the training.
    FreezeAt(FreezeAt),
    /// Every epoch freezes the same share of the rest.
    Geometric(Geometric),
    /// Layers freeze whose gradients have stopped changing.
    GradNorm(GradNorm),
    /// Layers freeze whose weights have stopped moving.
    WeightDelta(WeightDelta),
    /// Layers freeze whose activations have stopped changing.
    Converged(Converged),
    /// Nothing freezes before some time.
    Warmup(Warmup<Box<PolicyConfig>>),
    /// No more than a share freezes.
    AtMost(AtMost<Box<PolicyConfig>>),
    /// Layers freeze as long as that is likely to cost little of the loss.
    CostsAtMost(CostsAtMost<Box<PolicyConfig>>),
    /// Everything thaws when the learning rate drops.
    ThawOnLrDrop(ThawOnLrDrop<Box<PolicyConfig>>),
    /// Decisions are only written down.
    DryRun(DryRun<Box<PolicyConfig>>),
}

impl Default for PolicyConfig {
    /// `warmup(0.7, at_most(0.5, converged(0.5, 0.1)))`: from 70 % of the training on, up to half of the layers below the last freeze, those that have
    /// slowed down. In eight trainings of other kinds, three seeds each, freezing a third of the layers from there on cost 0.1 points of accuracy in the mean,
    /// and two thirds 0.3; earlier it cost more, and nothing that was measured told much better than the moment how much.
    fn default() -> Self {
        let converged = PolicyConfig::Converged(Converged::default());
        let half = PolicyConfig::AtMost(AtMost {
            fraction: 0.5,
            policy: Box::new(converged),
        });
        PolicyConfig::Warmup(Warmup {
            until: 0.7,
            policy: Box::new(half),
        })
    }
}

impl PolicyConfig {
    /// The policy. Errors: `BadPolicy` for a parameter out of range.
    pub fn init(&self) -> Result<Box<dyn FreezePolicy>, Error> {
        // What can't be read can't be run: one place knows which parameters there may be.
        let config: PolicyConfig = self.to_string().parse()?;
        Ok(Box::new(config))
    }

    fn policy(&self) -> &dyn FreezePolicy {
        match self {
            PolicyConfig::Never => &Never,
            PolicyConfig::Linear(policy) => policy,
            PolicyConfig::Cubic(policy) => policy,
            PolicyConfig::FreezeAt(policy) => policy,
            PolicyConfig::Geometric(policy) => policy,
            PolicyConfig::GradNorm(policy) => policy,
            PolicyConfig::WeightDelta(policy) => policy,
            PolicyConfig::Converged(policy) => policy,
            PolicyConfig::Warmup(policy) => policy,
            PolicyConfig::AtMost(policy) => policy,
            PolicyConfig::CostsAtMost(policy) => policy,
            PolicyConfig::ThawOnLrDrop(policy) => policy,
            PolicyConfig::DryRun(policy) => policy,
        }
    }
}

/// The policy that it names, as it is: [`init`](PolicyConfig::init) also checks the parameters.
impl FreezePolicy for PolicyConfig {
    fn frozen_layers(&self, history: &History) -> usize {
        self.policy().frozen_layers(history)
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        Some(self.policy())
    }

    fn describe(&self) -> String {
        self.policy().describe()
    }
}

impl burn::config::Config for PolicyConfig {}

impl fmt::Display for PolicyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyConfig::Never => f.write_str("never"),
            PolicyConfig::Linear(Linear { start, level }) => write!(f, "linear({start}, {level})"),
            PolicyConfig::Cubic(Cubic { t0, scale_lr }) => {
                let unscaled = if *scale_lr { "" } else { ", unscaled" };
                write!(f, "cubic({t0}{unscaled})")
            }
            PolicyConfig::FreezeAt(FreezeAt { at }) => {
                let at: Vec<String> = at.iter().map(f64::to_string).collect();
                write!(f, "freeze_at({})", at.join(", "))
            }
            PolicyConfig::Geometric(Geometric { alpha }) => write!(f, "geometric({alpha})"),
            PolicyConfig::GradNorm(GradNorm { percentile }) => write!(f, "grad_norm({percentile})"),
            PolicyConfig::WeightDelta(WeightDelta {
                threshold,
                patience,
            }) => write!(f, "weight_delta({threshold}, {patience})"),
            PolicyConfig::Converged(Converged {
                threshold,
                patience,
                measure,
                by_own,
            }) => {
                write!(f, "converged({threshold}, {patience}")?;
                if *by_own || measure.is_some() {
                    write!(f, ", {}", measure.unwrap_or_default())?;
                }
                f.write_str(if *by_own { ", own)" } else { ")" })
            }
            PolicyConfig::Warmup(Warmup { until, policy }) => {
                write!(f, "warmup({until}, {policy})")
            }
            PolicyConfig::AtMost(AtMost { fraction, policy }) => {
                write!(f, "at_most({fraction}, {policy})")
            }
            PolicyConfig::CostsAtMost(CostsAtMost { loss, policy }) => {
                write!(f, "costs_at_most({loss}, {policy})")
            }
            PolicyConfig::ThawOnLrDrop(ThawOnLrDrop { factor, policy }) => {
                write!(f, "thaw_on_lr_drop({factor}, {policy})")
            }
            PolicyConfig::DryRun(DryRun(policy)) => write!(f, "dry_run({policy})"),
        }
    }
}

impl FromStr for PolicyConfig {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse::policy(text)
    }
}

impl TryFrom<String> for PolicyConfig {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PolicyConfig> for String {
    fn from(config: PolicyConfig) -> String {
        config.to_string()
    }
}
