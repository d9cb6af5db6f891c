use std::collections::BTreeMap;
use std::path::PathBuf;

use cifar10::data::{Dataset, Source};
use cifar10::train::Settings;
use clap::{Parser, ValueEnum};
use frostline::prelude::*;

/// Train a convnet on CIFAR-10 twice, as usual and with Freeze Training, measure with SVCCA how its
/// layers converge, and draw a page of what was seen
#[derive(Parser, Debug)]
#[command(
    version,
    after_help = "Examples:
  cargo run --release -p cifar10
  cargo run --release -p cifar10 -- --epochs 20 --seed 2
  cargo run --release -p cifar10 -- --full --epochs 10 --policy linear
  cargo run --release -p cifar10 -- --data synthetic --images 2000 --epochs 2
  cargo run --release -p cifar10 --features vulkan -- --device vulkan

CIFAR-10 is taken from the cache folder of Burn's CifarDataset, or downloaded there once. With
neither, --data auto says so and goes on with generated images."
)]
pub(crate) struct Arguments {
    /// Where the images come from
    #[arg(long, value_enum, default_value_t)]
    pub(crate) data: Source,
    /// Training images, the same number of each class
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    images: u32,
    /// Train on all 50,000 images
    #[arg(long, conflicts_with = "images")]
    full: bool,
    /// Passes over the training images
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,
    /// Images a step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=4096))]
    batch: u32,
    /// Seed of the weights, the order of the images and their augmentation
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Learning rate of the first step, in (0, 1]; it falls to zero along a cosine
    #[arg(long, default_value_t = 0.02, value_parser = rate)]
    learning_rate: f64,
    /// Shift and mirror the training images at random
    #[arg(long)]
    augment: bool,
    /// Which layers the second run freezes, and when
    #[arg(long, value_enum, default_value_t)]
    policy: Policy,
    /// Change between two checks up to which a layer counts as converged (policy converged)
    #[arg(long, default_value_t = Converged::default().threshold, value_parser = share)]
    threshold: f64,
    /// Checks in a row at which it has to be so (policy converged)
    #[arg(long, default_value_t = Converged::default().patience as u32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    patience: u32,
    /// Checks of the layers, evenly over the training
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    checks: u32,
    /// The network
    #[arg(long, value_enum, default_value_t)]
    pub(crate) model: Model,
    /// The device that trains, of those compiled in
    #[arg(long, default_value_t = cifar10::devices::compiled_in().first().map_or("none", |(name, _)| *name).to_string())]
    pub(crate) device: String,
    /// Folder of the two runs and their page; a number is added when it holds runs already
    #[arg(long, default_value = "runs/cifar10", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Print what was run and how it ended as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// Six blocks of convolution and batch norm, and a linear head
    #[default]
    Convnet,
    /// The convnet of the SVCCA paper
    Paper,
}

impl Arguments {
    /// The two runs: their names and policies.
    pub(crate) fn runs(&self) -> [(&'static str, Box<dyn FreezePolicy>); 2] {
        let converged = Converged {
            threshold: self.threshold,
            patience: self.patience as usize,
            ..Converged::default()
        };
        let policy: Box<dyn FreezePolicy> = match self.policy {
            Policy::Converged => Box::new(converged),
            Policy::Linear => Box::new(frostline::freeze::Linear::default()),
            Policy::DryRun => Box::new(DryRun(converged)),
        };
        [("ordinary", Box::new(Never)), ("freeze", policy)]
    }

    pub(crate) fn images(&self) -> usize {
        if self.full {
            50_000
        } else {
            self.images as usize
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            epochs: self.epochs as usize,
            batch: self.batch as usize,
            learning_rate: self.learning_rate,
            seed: self.seed,
            augment: self.augment,
            probe: 500,
            tested: 2000,
            checks: self.checks as usize,
        }
    }

    /// One line that says what is trained on what.
    pub(crate) fn title(&self, dataset: &Dataset, images: usize) -> String {
        let instead = match dataset.notice {
            Some(_) => "Generated images, not CIFAR-10: ",
            None => "",
        };
        let epochs = match self.epochs {
            1 => "1 epoch".to_string(),
            epochs => format!("{epochs} epochs"),
        };
        format!(
            "{instead}{} on {}, {images} training images, {epochs}, seed {}",
            self.model_name(),
            dataset.name,
            self.seed
        )
    }

    /// The settings as the run folder keeps them.
    pub(crate) fn described(&self, dataset: &Dataset, images: usize) -> BTreeMap<String, String> {
        let settings = [
            ("data", dataset.provenance.clone()),
            ("training images", images.to_string()),
            ("model", self.model_name().to_string()),
            ("epochs", self.epochs.to_string()),
            ("batch", self.batch.to_string()),
            ("optimiser", "SGD, momentum 0.9, cosine to zero".to_string()),
            ("learning rate", self.learning_rate.to_string()),
            (
                "augmentation",
                if self.augment {
                    "shift and mirror"
                } else {
                    "none"
                }
                .to_string(),
            ),
        ];
        settings.map(|(key, value)| (key.to_string(), value)).into()
    }

    fn model_name(&self) -> &'static str {
        match self.model {
            Model::Convnet => "convnet of six blocks",
            Model::Paper => "convnet of the SVCCA paper",
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    within(text, "a learning rate in (0, 1]", |rate| {
        rate > 0.0 && rate <= 1.0
    })
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
