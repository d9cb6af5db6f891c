mod study;
mod training;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use frostline::freeze::PolicyConfig;
use frostline::prelude::*;

use crate::session::Job;
pub(crate) use study::StudyArguments;
pub(crate) use training::{Model, TrainingArguments};

/// Train a convnet on CIFAR-10 twice, as usual and with Freeze Training, measure with SVCCA how its
/// layers converge, and draw a page of what was seen
#[derive(Parser, Debug)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  cargo run --release -p cifar10
  cargo run --release -p cifar10 -- --epochs 20 --seed 2
  cargo run --release -p cifar10 -- --full --epochs 10 --policy linear
  cargo run --release -p cifar10 -- --data synthetic --images 2000 --epochs 2
  cargo run --release -p cifar10 -- study --help
  cargo run --release -p cifar10 --features vulkan -- --device vulkan

CIFAR-10 is taken from the cache folder of Burn's CifarDataset, or downloaded there once. With
neither, --data auto says so and goes on with generated images."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) training: TrainingArguments,
    /// Passes over the training images
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,
    /// Seed of the weights, the order of the images and their augmentation
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Which layers the second run freezes, and when
    #[arg(long, value_enum, default_value_t)]
    policy: Policy,
    /// Change between two checks up to which a layer counts as converged (policy converged)
    #[arg(long, default_value_t = Converged::default().threshold, value_parser = share)]
    threshold: f64,
    /// Checks in a row at which it has to be so (policy converged)
    #[arg(long, default_value_t = Converged::default().patience as u32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    patience: u32,
    /// Folder of the two runs and their page; a number is added when it holds runs already
    #[arg(long, default_value = "runs/cifar10", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Print what was run and how it ended as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Study(StudyArguments),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Layers that have stopped changing, by SVCCA
    #[default]
    Converged,
    /// Layer after layer, evenly over the training: the paper's schedule
    Linear,
    /// None, but decide and write down as `converged` would
    DryRun,
}

impl Arguments {
    /// The two runs.
    pub(crate) fn jobs(&self) -> [Job; 2] {
        let converged = Converged {
            threshold: self.threshold,
            patience: self.patience as usize,
            ..Converged::default()
        };
        let converged = PolicyConfig::Converged(converged);
        let policy = match self.policy {
            Policy::Converged => converged,
            Policy::Linear => PolicyConfig::Linear(Default::default()),
            Policy::DryRun => PolicyConfig::DryRun(DryRun(Box::new(converged))),
        };
        [("ordinary", PolicyConfig::Never), ("freeze", policy)].map(|(name, policy)| Job {
            name: name.to_string(),
            policy,
            epochs: self.epochs as usize,
            seed: self.seed,
            checks: self.training.checks as usize,
        })
    }
}

fn share(text: &str) -> Result<f64, String> {
    within(text, "a change in [0, 1]", |share| {
        (0.0..=1.0).contains(&share)
    })
}

fn within(text: &str, wanted: &str, good: impl Fn(f64) -> bool) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number| good(number));
    number.ok_or_else(|| format!("it has to be {wanted}"))
}
