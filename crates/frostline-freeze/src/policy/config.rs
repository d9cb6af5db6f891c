use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parse;
use crate::{
    AtMost, Converged, Cubic, DryRun, Error, FreezeAt, FreezePolicy, Geometric, GradNorm, Linear,
    Never, ThawOnLrDrop, Warmup, WeightDelta,
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
/// | `converged(0.12, 2)`, `converged(0.12, 2, cka)` | [`Converged`]: threshold, patience, [`Measure`](crate::Measure) |
/// | `warmup(0.3, converged)` | [`Warmup`]: until, policy |
/// | `at_most(0.5, linear)` | [`AtMost`]: fraction, policy |
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
/// assert_eq!(config.to_string(), "warmup(0.3, converged(0.12, 2))");
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
    /// Everything thaws when the learning rate drops.
    ThawOnLrDrop(ThawOnLrDrop<Box<PolicyConfig>>),
    /// Decisions are only written down.
    DryRun(DryRun<Box<PolicyConfig>>),
}

impl Default for PolicyConfig {
    /// `warmup(0.35, converged(0.12, 2))`, chosen among a few on one seed of CIFAR-10: a place to start from.
    fn default() -> Self {
        PolicyConfig::Warmup(Warmup {
            until: 0.35,
            policy: Box::new(PolicyConfig::Converged(Converged::default())),
        })
    }
}

impl PolicyConfig {
    /// The policy. Errors: `BadPolicy` for a parameter out of range.
    pub fn init(&self) -> Result<Box<dyn FreezePolicy>, Error> {
        // What can't be read can't be run: one place knows which parameters there may be.
        let config: PolicyConfig = self.to_string().parse()?;
        Ok(config.policy())
    }

    fn policy(self) -> Box<dyn FreezePolicy> {
        match self {
            PolicyConfig::Never => Box::new(Never),
            PolicyConfig::Linear(policy) => Box::new(policy),
            PolicyConfig::Cubic(policy) => Box::new(policy),
            PolicyConfig::FreezeAt(policy) => Box::new(policy),
            PolicyConfig::Geometric(policy) => Box::new(policy),
            PolicyConfig::GradNorm(policy) => Box::new(policy),
            PolicyConfig::WeightDelta(policy) => Box::new(policy),
            PolicyConfig::Converged(policy) => Box::new(policy),
            PolicyConfig::Warmup(Warmup { until, policy }) => Box::new(Warmup {
                until,
                policy: policy.policy(),
            }),
            PolicyConfig::AtMost(AtMost { fraction, policy }) => Box::new(AtMost {
                fraction,
                policy: policy.policy(),
            }),
            PolicyConfig::ThawOnLrDrop(ThawOnLrDrop { factor, policy }) => Box::new(ThawOnLrDrop {
                factor,
                policy: policy.policy(),
            }),
            PolicyConfig::DryRun(DryRun(policy)) => Box::new(DryRun(policy.policy())),
        }
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
            }) => match measure {
                None => write!(f, "converged({threshold}, {patience})"),
                Some(measure) => write!(f, "converged({threshold}, {patience}, {measure})"),
            },
            PolicyConfig::Warmup(Warmup { until, policy }) => {
                write!(f, "warmup({until}, {policy})")
            }
            PolicyConfig::AtMost(AtMost { fraction, policy }) => {
                write!(f, "at_most({fraction}, {policy})")
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
