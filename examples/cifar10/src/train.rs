//! One training run: a network, with taps, in a hand-written loop under Freeze Training.

use std::ops::Range;
use std::path::PathBuf;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, LearningRate, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, ElementConversion, Int, Tensor};
use frostline::activations::Outcome;
use frostline::freeze::{Error, InputKey, PolicyConfig, PrefixCache, forget_state};
use frostline::prelude::*;

use crate::data::{Augmentation, Images, Move};
use crate::devices::is_host;
use crate::nets::Net;

/// Images in a batch that is only asked, not trained on.
const ASKED: usize = 250;

/// How to train.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// The learning rate of the first step; it falls to zero along a cosine.
    pub learning_rate: f64,
    /// Decides the weights, the order of the images and their augmentation.
    pub seed: u64,
    /// How training images are changed at random.
    pub augment: Augmentation,
    /// Bytes of the device's memory for the outputs of frozen layers; none computes them again at every step.
    pub cache: Option<u64>,
    /// Test images that the probe asks at every check.
    pub probe: usize,
    /// Test images on which the network is evaluated for the panes alone, a few times in a training; none for those of
    /// the checks.
    pub panes: Option<usize>,
    /// Test images behind the accuracy after each epoch; all of them at the end.
    pub tested: usize,
    /// Checks after that of step 0, evenly over the training; none for as many as the library does by itself.
    pub checks: Option<usize>,
}

/// What a run says while it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// The epoch that is going on, from 1.
    pub epoch: usize,
    /// Images trained on.
    pub images: usize,
    /// The loss of the last step.
    pub loss: f64,
    /// The latest test accuracy.
    pub accuracy: Option<f64>,
    /// Layers frozen.
    pub frozen: usize,
    /// Whether this was the last step of its epoch.
    pub epoch_ended: bool,
}

/// Trains `net` under `policy` and keeps the run in `folder`. `describe` adds to what the folder says
/// of the run; `watch` hears of every step and stops the run by answering false.
pub fn train<N: Net + 'static>(
    mut net: N,
    [images, unseen]: [&Images; 2],
    settings: &Settings,
    policy: &PolicyConfig,
    folder: PathBuf,
    describe: impl FnOnce(&mut RunInfo),
    mut watch: impl FnMut(Moment) -> bool,
) -> Result<Outcome, Error> {
    let device = net.devices()[0].clone().autodiff();
    let length = Length::epochs(settings.epochs, images.len().div_ceil(settings.batch));
    let tested = unseen.balanced(settings.tested, 0);
    let probe = |samples| {
        let images = unseen.balanced(samples, 0);
        Probe::new(batches(&images, &device), N::logits)
    };
    let layers = net.layers()?;
    let mut trainer = Trainer::new(settings.learning_rate, length.steps, &device);
    if let PolicyConfig::Cubic(cubic) = policy {
        trainer.schedule = cubic.schedule(&layers, settings.learning_rate, length)?;
    }
    let mut freezing = FreezeTraining::new(layers, probe(settings.probe), policy.init()?, length)
        .forward_flops(net.forward_flops())
        .describe(describe)
        .in_folder(folder)?;
    if let Some(checks) = settings.checks {
        freezing = freezing.checking(evenly(checks));
    }
    if let Some(samples) = settings.panes {
        freezing = freezing.panes_probe(probe(samples));
    }
    if let Some(bytes) = settings.cache {
        freezing = freezing.caching(match is_host(&device) {
            true => PrefixCache::in_memory(bytes),
            false => PrefixCache::on_device(bytes),
        });
    }
    freezing.start(&net)?;

    let (mut step, mut accuracy) = (0, None);
    for epoch in 1..=settings.epochs {
        let order = images.order(settings.seed, epoch);
        let mut batches = order.chunks(settings.batch).peekable();
        while let Some(indices) = batches.next() {
            let augmented = |index: usize| {
                let how = settings.augment.of(settings.seed + epoch as u64, index);
                (index, how)
            };
            let moved: Vec<(usize, Move)> = indices.iter().map(|i| augmented(*i)).collect();
            let keys: Vec<InputKey> = moved.iter().map(key).collect();
            // Only images are made whose frozen layers' outputs aren't there.
            let logits = freezing.forward(&net, &keys, |asked| {
                let asked: Vec<(usize, Move)> = asked.iter().map(|row| moved[*row]).collect();
                images.moved_batch(&asked, &device).0
            });
            let labels = images.labels(indices, &device);
            let trained = trainer.update(net, logits.tensor(), labels, |net, gradients| {
                freezing.gradients(net, gradients);
            });
            net = trained.net;
            step += 1;

            let epoch_ended = batches.peek().is_none();
            if epoch_ended {
                accuracy = Some(freezing.untimed(|| test(&net, &tested)));
            }
            let told = Step {
                step,
                learning_rate: Some(trained.learning_rate),
                loss: Some(trained.loss),
                train_accuracy: None,
                accuracy: accuracy.filter(|_| epoch_ended),
                samples: Some(indices.len()),
            };
            freezing.after_step(&mut net, told)?;
            if let Some(thawed) = freezing.take_thawed() {
                trainer.forget(freezing.layers(), thawed)?;
            }
            let go_on = watch(Moment {
                step,
                steps: length.steps,
                epoch,
                images: indices.len(),
                loss: trained.loss,
                accuracy,
                frozen: freezing.frozen(),
                epoch_ended,
            });
            if !go_on {
                return freezing.finish(Status::Interrupted, step, None);
            }
        }
    }
    let accuracy = freezing.untimed(|| test(&net, unseen));
    let samples = unseen.len();
    freezing.finish(Status::Finished, step, Some(Tested { accuracy, samples }))
}

/// The share of these images that the network classifies correctly.
pub fn test<N: Net>(net: &N, images: &Images) -> f64 {
    let net = net.valid();
    let device = net.devices()[0].clone();
    let order: Vec<usize> = (0..images.len()).collect();
    let correct: i64 = order
        .chunks(ASKED)
        .map(|indices| {
            let (pixels, labels) = images.batch(indices, &device);
            let answers = net.logits(pixels).argmax(1).squeeze_dim::<1>(1);
            answers.equal(labels).int().sum().into_scalar::<i64>()
        })
        .sum();
    correct as f64 / images.len() as f64
}

fn evenly(checks: usize) -> CheckpointSchedule {
    let fractions = (0..=checks).map(|check| check as f64 / checks as f64);
    CheckpointSchedule::Fractions(fractions.collect())
}

/// Batches of the images in their order, for a probe.
fn batches(images: &Images, device: &Device) -> Vec<Tensor<4>> {
    let device = device.clone().without_autodiff();
    let order: Vec<usize> = (0..images.len()).collect();
    let batches = order.chunks(ASKED);
    batches
        .map(|indices| images.batch(indices, &device).0)
        .collect()
}

/// SGD with momentum on the cross-entropy, the rate falling along a cosine.
pub struct Trainer {
    loss: CrossEntropyLoss,
    optimizer: ModuleOptimizer,
    schedule: ModuleLrScheduler,
}

/// A step that has been done.
pub struct Trained<N> {
    /// The network after it.
    pub net: N,
    /// The loss before it.
    pub loss: f64,
    /// Its learning rate.
    pub learning_rate: LearningRate,
}

impl Trainer {
    /// A trainer for so many steps, its rate falling from this one in (0, 1].
    pub fn new(learning_rate: f64, steps: usize, device: &Device) -> Self {
        let momentum = MomentumConfig::new().with_momentum(0.9);
        Trainer {
            loss: CrossEntropyLossConfig::new().init(device),
            optimizer: SgdConfig::new().with_momentum(Some(momentum)).init(),
            schedule: CosineAnnealingLrSchedulerConfig::new(learning_rate, steps.max(1))
                .init()
                .expect("the arguments let only rates in (0, 1] through"),
        }
    }

    /// Forward, backward and update on one batch.
    pub fn step<N: Net>(
        &mut self,
        net: N,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
    ) -> Trained<N> {
        let logits = net.logits(images);
        self.update(net, logits, labels, |_, _| ())
    }

    /// Backward and update after a forward; `see` looks at the gradients before they are used.
    pub fn update<N: Net>(
        &mut self,
        net: N,
        logits: Tensor<2>,
        labels: Tensor<1, Int>,
        see: impl FnOnce(&N, &GradientsParams),
    ) -> Trained<N> {
        let rate = self.schedule.step();
        let loss = self.loss.forward(logits, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        see(&net, &gradients);
        Trained {
            loss: loss.into_scalar::<f32>().elem(),
            learning_rate: rate.base(),
            net: self.optimizer.step(rate, net, gradients),
        }
    }

    /// Takes the momentum of layers away that have thawed: it is that of the day they froze.
    fn forget(&mut self, layers: &Layers, thawed: Range<usize>) -> Result<(), Error> {
        self.optimizer = forget_state(self.optimizer.clone(), layers, thawed)?;
        Ok(())
    }
}

/// Which input a row is: the image and how it was moved.
fn key((index, how): &(usize, Move)) -> InputKey {
    InputKey {
        sample: *index as u64,
        view: how.number(),
    }
}
