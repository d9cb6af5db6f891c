mod study;
mod training;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use frostline::freeze::PolicyConfig;

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
  cargo run --release -p cifar10 -- --full --epochs 10 --policy 'warmup(0.3, converged(0.3, 0.15))'
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
    /// Which layers the second run freezes, and when: `linear`, `freeze_at(0.4, 0.6)`, `dry_run(converged)`, ...
    #[arg(long, default_value_t)]
    policy: PolicyConfig,
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

impl Arguments {
    /// The two runs.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let policies = [PolicyConfig::Never, self.policy.clone()];
        let named = ["ordinary", "freeze"].into_iter().zip(policies);
        let jobs = named.map(|(name, policy)| Job {
            name: name.to_string(),
            policy,
            epochs: self.epochs as usize,
            seed: self.seed,
            checks: self.training.checks(),
            pictured: true,
        });
        jobs.collect()
    }
}

fn within(text: &str, wanted: &str, good: impl Fn(f64) -> bool) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number| good(number));
    number.ok_or_else(|| format!("it has to be {wanted}"))
}
