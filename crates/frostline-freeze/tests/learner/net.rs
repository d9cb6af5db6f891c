//! A small classifier with batch norm, its data, and Burn's trainer around it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::logger::InMemoryMetricLogger;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{ClassificationOutput, InferenceStep, Learner, LearnerModel, SupervisedTraining};
use burn::train::{TrainOutput, TrainStep};
use frostline_activations::Tap;
use frostline_freeze::{
    CheckpointSchedule, Features, FreezePolicy, FreezeTraining, InputKey, Layered, Layers, Length,
    Probe, forward_above_frozen,
};

pub(crate) const INPUTS: usize = 6;
pub(crate) const CLASSES: usize = 3;
pub(crate) const SAMPLES: usize = 64;
pub(crate) const BATCH: usize = 8;
pub(crate) const STEPS_AN_EPOCH: usize = SAMPLES / BATCH;

/// Two blocks and a head.
#[derive(Module, Debug)]
pub(crate) struct Net {
    pub(crate) block1: Block,
    pub(crate) block2: Block,
    pub(crate) head: Linear,
}

#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) linear: Linear,
    pub(crate) norm: BatchNorm,
}

impl Block {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Block {
            linear: LinearConfig::new(inputs, outputs).init(device),
            norm: BatchNormConfig::new(outputs).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        relu(self.norm.forward(self.linear.forward(x)))
    }
}

static SEEDED: Mutex<()> = Mutex::new(());

impl Net {
    pub(crate) fn new() -> Self {
        let _alone = SEEDED.lock();
        let device = Device::flex().autodiff();
        device.seed(4);
        let net = Net {
            block1: Block::new(INPUTS, 8, &device),
            block2: Block::new(8, 7, &device),
            head: LinearConfig::new(7, CLASSES).init(&device),
        };
        // Weights are drawn when they are first asked for.
        values(&net);
        net
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.run(0..self.depth(), Features::new(x)).tensor()
    }
}

impl Layered for Net {
    fn depth(&self) -> usize {
        3
    }

    fn run(&self, layers: Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| {
            let x = x.tensor();
            Features::new(match layer {
                0 => self.block1.forward(x).tap("block1"),
                1 => self.block2.forward(x).tap("block2"),
                _ => self.head.forward(x).tap("head"),
            })
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) x: Tensor<2>,
    pub(crate) labels: Tensor<1, Int>,
    pub(crate) keys: Vec<InputKey>,
}

impl Net {
    pub(crate) fn classify(
        &self,
        logits: Tensor<2>,
        labels: Tensor<1, Int>,
    ) -> ClassificationOutput {
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        ClassificationOutput::new(loss.forward(logits.clone(), labels.clone()), logits, labels)
    }
}

impl TrainStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let logits = forward_above_frozen(self, &batch.keys, |asked| {
            let asked: Vec<i32> = asked.iter().map(|row| *row as i32).collect();
            let count = asked.len();
            let device = batch.x.device();
            batch.x.clone().select(
                0,
                Tensor::from_data(TensorData::new(asked, [count]), &device),
            )
        });
        let output = self.classify(logits.tensor(), batch.labels);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classify(self.forward(batch.x), batch.labels)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Sample(pub(crate) usize);

impl Sample {
    fn values(&self) -> [f32; INPUTS] {
        std::array::from_fn(|i| {
            ((self.0 * 7 + i * 13) as f32 * 0.37).sin() + 0.3 * self.label() as f32
        })
    }

    fn label(&self) -> i32 {
        (self.0 % CLASSES) as i32
    }
}

#[derive(Clone)]
struct Batching;

impl Batcher<Sample, Batch> for Batching {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> Batch {
        let x: Vec<f32> = samples.iter().flat_map(Sample::values).collect();
        let labels: Vec<i32> = samples.iter().map(Sample::label).collect();
        let count = samples.len();
        Batch {
            x: Tensor::from_data(TensorData::new(x, [count, INPUTS]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
            keys: samples.iter().map(|sample| sample.0.into()).collect(),
        }
    }
}

/// Batches of the training samples, in their order, or of as many others.
pub(crate) fn loader(training: bool) -> Arc<dyn DataLoader<Batch>> {
    let first = if training { 0 } else { 1000 };
    let samples = (first..first + SAMPLES).map(Sample).collect();
    DataLoaderBuilder::new(Batching)
        .batch_size(BATCH)
        .build(InMemDataset::new(samples))
}

pub(crate) fn batch(samples: Range<usize>, device: &Device) -> Batch {
    Batching.batch(samples.map(Sample).collect(), device)
}

pub(crate) fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

pub(crate) fn rates(epochs: usize) -> ModuleLrScheduler {
    CosineAnnealingLrSchedulerConfig::new(0.05, epochs * STEPS_AN_EPOCH)
        .init()
        .unwrap()
}

pub(crate) fn freezing(
    net: &Net,
    policy: impl FreezePolicy + 'static,
    epochs: usize,
) -> FreezeTraining<Net> {
    freezing_over(net, policy, Length::epochs(epochs, STEPS_AN_EPOCH))
}

pub(crate) fn freezing_over(
    net: &Net,
    policy: impl FreezePolicy + 'static,
    length: Length,
) -> FreezeTraining<Net> {
    let probe = batch(2000..2060, &Device::flex()).x;
    let probe = Probe::new(vec![probe], Net::forward);
    FreezeTraining::new(Layers::of(net).unwrap(), probe, policy, length)
        .checking(CheckpointSchedule::EverySteps(3))
}

/// Burn's trainer, its checkpoints in this folder.
pub(crate) fn training<M>(folder: &Path, epochs: usize) -> SupervisedTraining<M>
where
    M: LearnerModel
        + TrainStep<Input = Batch, Output = ClassificationOutput>
        + InferenceStep<Input = Batch, Output = ClassificationOutput>,
{
    SupervisedTraining::new(folder, loader(true), loader(false))
        .num_epochs(epochs)
        .with_application_logger(None)
        .with_metric_logger(InMemoryMetricLogger::new())
        .with_default_checkpointers()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(3))
        .metrics((AccuracyMetric::new(), LossMetric::new()))
}

pub(crate) fn learner<M: LearnerModel>(model: M, epochs: usize) -> Learner<M> {
    Learner::new(model, optimizer(), rates(epochs))
}

/// Every float of a module, running statistics included, with its path.
pub(crate) fn values<M: Module>(module: &M) -> Vec<(String, TensorData)> {
    #[derive(Default)]
    struct Values {
        path: Vec<String>,
        values: Vec<(String, TensorData)>,
    }
    impl ModuleVisitor for Values {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.values
                .push((self.path.join("."), param.val().into_data()));
        }
    }
    let mut visitor = Values::default();
    module.valid().visit(&mut visitor);
    visitor.values
}
