use std::path::PathBuf;

use clap::Args;
use frostline::freeze::PolicyConfig;

use super::TrainingArguments;

/// Weigh freezing: train as usual and with Freeze Training at several lengths and seeds, and compare
/// accuracy at equal cost and cost at equal accuracy
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo run --release -p cifar10 -- study
  cargo run --release -p cifar10 -- study --policy linear --policy 'warmup(0.3, converged)'
  cargo run --release -p cifar10 -- study --data synthetic --images 200 --lengths 1,2 --freeze-lengths 2

Every training keeps its run in a folder of --out. After Ctrl-C, or a kill, the same command goes on with
the training that was cut short; trainings that have ended are not done again.")]
pub(crate) struct StudyArguments {
    #[command(flatten)]
    pub(crate) training: TrainingArguments,
    /// Epochs of the ordinary trainings
    #[arg(long, value_delimiter = ',', default_values_t = [8, 12, 16, 20], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) lengths: Vec<u32>,
    /// Epochs of the trainings that freeze
    #[arg(long, value_delimiter = ',', default_values_t = [20, 25, 30], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) freeze_lengths: Vec<u32>,
    /// Which layers freeze, and when: `linear`, `converged(0.5, 0.1)`, `warmup(0.3, converged)`, ...; may be
    /// given several times
    #[arg(long = "policy", default_values_t = [PolicyConfig::default()], value_name = "POLICY")]
    pub(crate) policies: Vec<PolicyConfig>,
    /// Seeds of the weights, the choice and order of the images and their augmentation
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    pub(crate) seeds: Vec<u64>,
    /// Folder of the runs, and of the study's page, pictures and numbers
    #[arg(long, default_value = "runs/study", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Print the study as JSON instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
}
