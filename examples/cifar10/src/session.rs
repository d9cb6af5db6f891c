//! What both commands need to train: the images, the device, and whether to stop.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use cifar10::data::Dataset;
use cifar10::devices::{Adapter, OpenDevice};
use cifar10::nets::{ConvNet, PaperNet, ResNet};
use cifar10::progress::{self, TrainingBar};
use cifar10::train::train;
use frostline::activations::Outcome;
use frostline::freeze::PolicyConfig;
use frostline::prelude::*;

use crate::arguments::{Model, TrainingArguments};

/// One training to do.
pub(crate) struct Job {
    /// The run's name, and its folder's.
    pub(crate) name: String,
    pub(crate) policy: PolicyConfig,
    pub(crate) epochs: usize,
    pub(crate) seed: u64,
    pub(crate) checks: Option<usize>,
    /// Whether its panes have a larger probe of their own.
    pub(crate) pictured: bool,
}

impl Job {
    pub(crate) fn freezes(&self) -> bool {
        self.policy != PolicyConfig::Never
    }
}

/// What trainings share.
pub(crate) struct Session<'a> {
    arguments: &'a TrainingArguments,
    dataset: Dataset,
    /// Training images of each training.
    images: usize,
    device: Device,
    adapter: Adapter,
    stop: Arc<AtomicBool>,
}

impl<'a> Session<'a> {
    /// Finds the device and loads the images; `seed` matters to generated ones only.
    pub(crate) fn begin(
        arguments: &'a TrainingArguments,
        seed: u64,
    ) -> Result<Self, Box<dyn Error>> {
        let OpenDevice { device, adapter } = progress::open(&arguments.device)?;
        let stop = stop_on_ctrl_c()?;
        let dataset = progress::load(arguments.data, seed)?;
        Ok(Session {
            arguments,
            // There may be fewer than were asked for.
            images: dataset.train.balanced(arguments.images(), seed).len(),
            dataset,
            device,
            adapter,
            stop,
        })
    }

    /// Whether the user has asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// One line that says what is trained on what.
    pub(crate) fn title(&self) -> String {
        self.arguments.title(&self.dataset, self.images)
    }

    /// What a reader must know first.
    pub(crate) fn notice(&self) -> Option<String> {
        self.dataset.notice.clone()
    }

    /// What trains.
    pub(crate) fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The settings of a training as its run folder keeps them.
    pub(crate) fn described(&self, job: &Job) -> BTreeMap<String, String> {
        self.arguments.described(&self.dataset, self.images, job)
    }

    /// Trains once, and keeps the run in this folder.
    pub(crate) fn train(&self, job: &Job, path: &Path) -> Result<Outcome, Box<dyn Error>> {
        let images = self.dataset.train.balanced(self.images, job.seed);
        let settings = self.arguments.settings(job);
        let describe = |info: &mut RunInfo| {
            let epochs = match job.epochs {
                1 => "1 epoch".to_string(),
                epochs => format!("{epochs} epochs"),
            };
            info.name = job.name.clone();
            info.title = Some(format!("{}, {epochs}, seed {}", self.title(), job.seed));
            info.notice = self.notice();
            info.seed = Some(job.seed);
            info.device = self.adapter.to_string();
            info.settings = self.described(job);
        };
        let mut bar = TrainingBar::new(&job.name);
        let mut watch = |moment| {
            bar.at(moment);
            !self.stopped()
        };
        let data = [&images, &self.dataset.test];
        let classes = self.dataset.classes.len();
        let policy = &job.policy;
        // Trainings with the same seed start from the same weights.
        let device = self.device.clone().autodiff();
        device.seed(job.seed);
        let path = path.to_path_buf();
        let outcome = match self.arguments.model {
            Model::Convnet => {
                let net = ConvNet::init(classes, &device);
                train(net, data, &settings, policy, path, describe, &mut watch)
            }
            Model::Paper => {
                let net = PaperNet::init(classes, &device);
                train(net, data, &settings, policy, path, describe, &mut watch)
            }
            Model::Resnet => {
                let net = ResNet::init(classes, &device);
                train(net, data, &settings, policy, path, describe, &mut watch)
            }
        };
        bar.finish();
        Ok(outcome?)
    }
}

/// Whether the user has asked to stop: the first Ctrl-C ends the run in order, the second at once.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(stop)
}
