//! Freeze Training in Burn's own trainer: its dashboard, its checkpoints, and a frost line in both.
//!
//! cargo run --release -p learner -- --help

use std::{error::Error, path::PathBuf, sync::Arc};

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Int, Tensor};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{ClassificationOutput, InferenceStep, Learner};
use burn::train::{SupervisedTraining, TrainOutput, TrainStep};
use cifar10::data::{self, Images, Source};
use cifar10::nets::{ConvNet, Net as _};
use clap::Parser;
use frostline::freeze::{InputKey, Numbered, PolicyConfig, PrefixCache, forward_above_frozen};
use frostline::prelude::*;

/// Train the CIFAR-10 example's convnet under Burn's SupervisedTraining while its lower layers freeze
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Passes over 10,000 images
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Which layers freeze, and when
    #[arg(long, default_value_t)]
    policy: PolicyConfig,
    /// The epoch after which to go on, from the trainer's checkpoint of it
    #[arg(long)]
    checkpoint: Option<usize>,
    /// The trainer's folder; the run for `frostline report` is in its folder `run`
    #[arg(long, default_value = "runs/learner")]
    out: PathBuf,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p learner -- --policy 'warmup(0.3, converged)'
  cargo run --release -p learner -- --policy never    # records only
  cargo run --release -p learner -- --checkpoint 3    # goes on after epoch 3";

const BATCH: usize = 64;

/// The convnet, with what Burn's trainer asks of a model.
#[derive(Module, Debug)]
struct Classifier {
    net: ConvNet,
}

impl Classifier {
    fn judge(&self, logits: Tensor<2>, labels: Tensor<1, Int>) -> ClassificationOutput {
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        let loss = loss.forward(logits.clone(), labels.clone());
        ClassificationOutput::new(loss, logits, labels)
    }
}

#[derive(Clone, Debug)]
struct Batch(Tensor<4>, Tensor<1, Int>, Vec<InputKey>);

impl TrainStep for Classifier {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, Batch(images, labels, keys): Batch) -> TrainOutput<ClassificationOutput> {
        // In place of `self.net.forward(images)`: what the frozen layers make of an image is kept.
        let logits = forward_above_frozen(&self.net, &keys, |rows| {
            let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
            let rows = Tensor::from_data(rows.as_slice(), &images.device());
            images.clone().select(0, rows)
        });
        let output = self.judge(logits.tensor(), labels);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, Batch(images, labels, _): Batch) -> ClassificationOutput {
        self.judge(self.net.forward(images), labels)
    }
}

#[derive(Clone)]
struct Batching(Arc<Images>);

impl Batcher<(InputKey, usize), Batch> for Batching {
    fn batch(&self, items: Vec<(InputKey, usize)>, device: &Device) -> Batch {
        let (keys, places): (Vec<InputKey>, Vec<usize>) = items.into_iter().unzip();
        let (images, labels) = self.0.batch(&places, device);
        Batch(images, labels, keys)
    }
}

fn loader(images: Images) -> Arc<dyn DataLoader<Batch>> {
    // Numbered, so that the cache knows an image again in every epoch.
    let places = Numbered::new(InMemDataset::new((0..images.len()).collect()));
    let loader = DataLoaderBuilder::new(Batching(Arc::new(images)));
    loader.batch_size(BATCH).shuffle(1).build(places)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (epochs, out) = (arguments.epochs, arguments.out);
    let dataset = data::load(Source::Auto, 1, &|_| ())?;
    eprintln!("{}", dataset.provenance);
    let (seen, unseen) = (dataset.train.balanced(10_000, 1), dataset.test);
    let (asked, _) = unseen.batch(&(0..500).collect::<Vec<_>>(), &Device::flex());
    let (train, valid) = (loader(seen), loader(unseen));
    // In optimizer steps: here one for each batch.
    let length = Length::epochs(epochs, train.num_items().div_ceil(BATCH));
    let device = Device::flex().autodiff();
    device.seed(1);
    let net = ConvNet::init(dataset.classes.len(), &device);
    let (flops, model) = (net.forward_flops(), Classifier { net });

    // Around the model: what is asked at every check, what freezes and when, where it is written down. Loss and
    // accuracy of every step and of every validation are read from the model's outputs.
    let probe = Probe::new(vec![asked], |model: &Classifier, x| model.net.forward(x));
    let layers = Layers::below(&model, "net")?;
    let policy = arguments.policy;
    let model = FreezeTraining::new(layers, probe, policy.init()?, length)
        .describe(|info| info.name = policy.to_string())
        .forward_flops(flops)
        .caching(PrefixCache::in_memory(4 << 30))
        .going_on_in(out.join("run"))
        .wrap(model);
    let handle = model.handle();

    let momentum = MomentumConfig::new().with_momentum(0.9);
    let optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let rates = CosineAnnealingLrSchedulerConfig::new(0.02, length.steps).init()?;
    let mut training = SupervisedTraining::new(&out, train, valid)
        .num_epochs(epochs)
        .with_default_checkpointers()
        .metrics((AccuracyMetric::new(), LossMetric::new()))
        .metrics(handle.metrics());
    if let Some(epoch) = arguments.checkpoint {
        training = training.checkpoint(epoch);
    }
    handle.interrupt_with(training.interrupter());
    drop(training.launch(Learner::new(model, optimizer, rates)));
    let steps = handle.finish(None)?.step;
    println!("{} layers frozen after {steps} steps", handle.frozen());
    println!(
        "to see them: frostline report {}",
        out.join("run").display()
    );
    Ok(())
}
