use std::collections::BTreeMap;

use cifar10::data::{Augmentation, Dataset, Source};
use cifar10::train::Settings;
use clap::{Args, ValueEnum};

use super::within;
use crate::session::Job;

/// What is trained, on what and how: the same for all trainings of a command.
#[derive(Args, Debug)]
pub(crate) struct TrainingArguments {
    /// Where the images come from
    #[arg(long, value_enum, default_value_t)]
    pub(crate) data: Source,
    /// Training images, the same number of each class
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    images: u32,
    /// Train on all 50,000 images
    #[arg(long, conflicts_with = "images")]
    full: bool,
    /// Images a step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=4096))]
    batch: u32,
    /// Learning rate of the first step, in (0, 1]; it falls to zero along a cosine
    #[arg(long, default_value_t = 0.02, value_parser = rate)]
    learning_rate: f64,
    /// How training images are changed, at random
    #[arg(long, value_enum, default_value_t, default_missing_value = "shift", num_args = 0..=1, require_equals = true)]
    augment: Augmentation,
    /// Checks of the layers, evenly over a training; by default 20, or fewer in a short one, so that measuring is at
    /// most 2 % of it
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    checks: Option<u32>,
    /// GiB of the device's memory for the outputs of frozen layers; with 0 they are computed again at every step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(0..=4096))]
    cache: u64,
    /// The network
    #[arg(long, value_enum, default_value_t)]
    pub(crate) model: Model,
    /// The device that trains, of those compiled in
    #[arg(long, default_value_t = cifar10::devices::compiled_in().first().copied().unwrap_or("none").to_string())]
    pub(crate) device: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// Six blocks of convolution and batch norm, and a linear head
    #[default]
    Convnet,
    /// The convnet of the SVCCA paper
    Paper,
    /// A residual net of six blocks
    Resnet,
}

impl TrainingArguments {
    pub(crate) fn images(&self) -> usize {
        if self.full {
            50_000
        } else {
            self.images as usize
        }
    }

    pub(crate) fn checks(&self) -> Option<usize> {
        self.checks.map(|checks| checks as usize)
    }

    pub(crate) fn settings(&self, job: &Job) -> Settings {
        Settings {
            epochs: job.epochs,
            batch: self.batch as usize,
            learning_rate: self.learning_rate,
            seed: job.seed,
            augment: self.augment,
            cache: (self.cache > 0).then_some(self.cache << 30),
            probe: PROBE,
            panes: job.pictured.then_some(PANES),
            tested: 2000,
            checks: job.checks,
        }
    }

    /// One line that says what is trained on what.
    pub(crate) fn title(&self, dataset: &Dataset, images: usize) -> String {
        let instead = match dataset.notice {
            Some(_) => "Generated images, not CIFAR-10: ",
            None => "",
        };
        format!(
            "{instead}{} on {}, {images} training images",
            self.model_name(),
            dataset.name
        )
    }

    /// The settings as the run folder keeps them.
    pub(crate) fn described(
        &self,
        dataset: &Dataset,
        images: usize,
        job: &Job,
    ) -> BTreeMap<String, String> {
        let settings = [
            ("data", dataset.provenance.clone()),
            ("training images", images.to_string()),
            ("model", self.model_name().to_string()),
            ("epochs", job.epochs.to_string()),
            ("batch", self.batch.to_string()),
            ("optimiser", "SGD, momentum 0.9, cosine to zero".to_string()),
            ("learning rate", self.learning_rate.to_string()),
            (
                "augmentation",
                match self.augment {
                    Augmentation::None => "none",
                    Augmentation::Mirror => "mirror",
                    Augmentation::Shift => "shift and mirror",
                }
                .to_string(),
            ),
            (
                "checks",
                job.checks
                    .map_or("at most 2 % of training".into(), |checks| {
                        checks.to_string()
                    }),
            ),
            (
                "cache of frozen layers",
                // What freezes nothing has no use for it.
                match self.cache {
                    gib if gib > 0 && job.freezes() => format!("{gib} GiB"),
                    _ => "none".to_string(),
                },
            ),
        ];
        settings.map(|(key, value)| (key.to_string(), value)).into()
    }

    fn model_name(&self) -> &'static str {
        match self.model {
            Model::Convnet => "convnet of six blocks",
            Model::Paper => "convnet of the SVCCA paper",
            Model::Resnet => "residual net of six blocks",
        }
    }
}

/// Test images that every check asks.
const PROBE: usize = 250;

/// Test images that the panes are measured on: more than ten for each of the 128 directions that a block may keep, so
/// that chance gives little.
const PANES: usize = 2000;

fn rate(text: &str) -> Result<f64, String> {
    within(text, "a learning rate in (0, 1]", |rate| {
        rate > 0.0 && rate <= 1.0
    })
}
