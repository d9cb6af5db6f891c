//! The README's code, in a program: each of its lines stands here too, and runs.

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::module::Module;
use burn::nn::attention::generate_padding_mask;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use frostline::freeze::FreezeAt;
use frostline::prelude::*;
use frostline::svcca::{Grid, Wanted};

const README: &str = include_str!("../../README.md");
const HERE: &str = include_str!("readme.rs");

#[derive(Module, Debug)]
struct Net {
    layer1: Linear,
    layer2: Linear,
    head: Linear,
}

#[rustfmt::skip] // as in the README
impl Net {
// In the model: one word a layer, named like the field.
fn forward(&self, x: Tensor<2>) -> Tensor<2> {
    let x = relu(self.layer1.forward(x)).tap("layer1");
    let x = relu(self.layer2.forward(x)).tap("layer2");
    self.head.forward(x).tap("head")
}
}

impl Layered for Net {
    fn depth(&self) -> usize {
        3
    }

    fn run(&self, layers: std::ops::Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| {
            let x: Tensor<2> = x.tensor();
            Features::new(match layer {
                0 => relu(self.layer1.forward(x)).tap("layer1"),
                1 => relu(self.layer2.forward(x)).tap("layer2"),
                _ => self.head.forward(x).tap("head"),
            })
        })
    }
}

impl Net {
    fn new(device: &Device) -> Self {
        Net {
            layer1: LinearConfig::new(4, 6).init(device),
            layer2: LinearConfig::new(6, 5).init(device),
            head: LinearConfig::new(5, 1).init(device),
        }
    }

    fn judge(&self, x: Tensor<2>) -> RegressionOutput {
        let (answer, wanted) = (self.forward(x.clone()), x.sum_dim(1));
        let loss = MseLoss::new().forward(answer.clone(), wanted.clone(), Reduction::Mean);
        RegressionOutput::new(loss, answer, wanted)
    }
}

impl TrainStep for Net {
    type Input = Tensor<2>;
    type Output = RegressionOutput;

    fn step(&self, x: Tensor<2>) -> TrainOutput<RegressionOutput> {
        let output = self.judge(x);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = Tensor<2>;
    type Output = RegressionOutput;

    fn step(&self, x: Tensor<2>) -> RegressionOutput {
        self.judge(x)
    }
}

/// Makes inputs of numbers.
struct Batching;

impl Batcher<usize, Tensor<2>> for Batching {
    fn batch(&self, numbers: Vec<usize>, device: &Device) -> Tensor<2> {
        let values = |number: &usize| [0.1, 0.7, 1.3, 2.9].map(|f| (f * *number as f32).sin());
        let values: Vec<f32> = numbers.iter().flat_map(values).collect();
        Tensor::from_data(TensorData::new(values, [numbers.len(), 4]), device)
    }
}

fn forward_and_backward(net: &Net) -> (f64, GradientsParams) {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::random([32, 4], Distribution::Normal(0.0, 1.0), &device);
    let wanted = x.clone().sum_dim(1);
    let loss = MseLoss::new().forward(net.forward(x), wanted, Reduction::Mean);
    let gradients = GradientsParams::from_grads(loss.backward(), net);
    (loss.into_scalar::<f32>().into(), gradients)
}

#[test]
#[rustfmt::skip] // as in the README
fn the_code_of_the_readme_runs() -> Result<(), Box<dyn std::error::Error>> {
    let temp = tempfile::tempdir()?;
    std::env::set_current_dir(temp.path())?;
    let (loss, rate, accuracy) = (0.5, 0.05, Some(0.75));
    let device = Device::flex();
    let inputs = Tensor::<2>::random([300, 4], Distribution::Normal(0.0, 1.0), &device);
    let steps_per_epoch = 8;
    let train_device = device.clone().autodiff();
    let mut net = Net::new(&train_device);
    let mut optimizer = SgdConfig::new().init();

{
let inputs = inputs.clone();
// Around the loop: fixed inputs to ask, a policy, a folder.
let probe = Probe::new(vec![inputs], Net::forward);
let length = Length::epochs(10, steps_per_epoch);
let mut freezing = FreezeTraining::new(Layers::of(&net)?, probe, PolicyConfig::default(), length)
    .in_folder("runs/freeze")?;

freezing.start(&net)?;
for step in 1..=length.steps {
    let (loss, gradients) = forward_and_backward(&net); // yours
    freezing.gradients(&net, &gradients);
    net = optimizer.step(rate, net, gradients);
    freezing.after_step(&mut net, Step { loss: Some(loss), learning_rate: Some(rate), ..Step::from(step) })?;
}
freezing.finish(Status::Finished, length.steps, None)?;
}

{
    let (x, mask) = (inputs.clone(), inputs.clone().ones_like());
let probe = Probe::new(vec![(x, mask)], |net: &Net, (x, mask)| net.forward(x * mask));
let layers = Layers::named(&net, &[("body", &["layer1", "layer2"]), ("head", &["head"])])?;
    assert_eq!(layers.names().collect::<Vec<_>>(), ["body", "head"]);
    let layers = Layers::of(&net)?;
    let mut freezing = FreezeTraining::new(layers, probe, Never, Length::steps(10));
    let step = 1;
    let mut net = net.clone();
let told = Step { accuracy, samples: Some(32), loss: Some(loss), learning_rate: Some(rate), ..Step::from(step) };
freezing.after_step(&mut net, told)?; // `accuracy` on held-out samples, after an epoch for example
    let metrics = freezing.metrics().unwrap();
    assert_eq!(metrics.tested().next().unwrap().test_accuracy.unwrap().mean, 0.75);
    freezing.note_saved(&net, step)?;
}

{
    let probe = Probe::new(vec![inputs.clone()], Net::forward);
    let mut freezing = FreezeTraining::new(Layers::of(&net)?, probe, Never, Length::steps(10)).going_on_in("runs/on");
    let mut net = net.clone();
let done = match freezing.resume(&mut net)? { // with the weights that were saved last
    Resumed::At { step } => step,             // the next step is `done + 1`
    nothing => { println!("begins anew: {nothing}"); freezing.start(&net)?; 0 }
};
    assert_eq!((done, freezing.history().checks().len()), (0, 1));
}

let (logits, activations) = record(|| net.valid().forward(inputs))?;
let similarity = svcca(&activations.view("layer1")?, &activations.view("layer2")?, &Svcca::default())?;
println!("{:.3}, by chance {:.3}", similarity.mean, similarity.chance.mean_rho);

let (x, y) = (activations.view("layer1")?, activations.view("layer2")?);
let found = "pwcca".parse::<Measure>()?.between(&x, &y)?; // or cca, cka, procrustes, r2, svcca(0.95), ...

let layers = Measure::default().prepare_all([&x, &y]);
let grid = Grid::of(&layers, &layers, Wanted::Values, |progress| println!("{progress:?}"))?;

    assert!((0.0..=1.0).contains(&found.value));
    assert!((grid.value(0, 0).unwrap() - 1.0).abs() < 1e-6); // projections in f32
    assert_eq!(logits.dims(), [300, 1]);
    let run = Run::open("runs/freeze")?;
    // The first and the last: to measure a net of this size costs more than to train it.
    assert_eq!((run.history[0].step, run.history.last().map(|check| check.step)), (0, Some(80)));
    assert_eq!(run.info.outcome.map(|end| end.status), Some(Status::Finished));
    Ok(())
}

#[test]
#[rustfmt::skip] // as in the README
fn the_cache_of_the_readme_serves_a_frozen_net() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let net = Net::new(&device.clone().autodiff());
    let probe = Probe::new(vec![Batching.batch((0..60).collect(), &device)], Net::forward);
    let length = Length::epochs(2, 1);
    let at_once = PolicyConfig::FreezeAt(FreezeAt { at: vec![0.0, 0.0] }).init()?;
    let freezing = FreezeTraining::new(Layers::of(&net)?, probe, at_once, length);
    let device = device.autodiff();
    let rows = |batch: &[usize], asked: &[usize]| {
        Batching.batch(asked.iter().map(|row| batch[*row]).collect(), &device)
    };
    let batch = [3, 1, 4, 15, 9];
let mut freezing = freezing.caching(PrefixCache::in_memory(4 << 30)); // or on_device, in_file; .half()
    freezing.start(&net)?;
    let net = net.freeze();
    for _ in 0..2 {
// In place of `net.forward(rows)`, in every step:
let keys: Vec<InputKey> = batch.iter().map(|sample| InputKey::from(*sample)).collect();
let output: Tensor<2> = freezing.forward(&net, &keys, |asked| rows(&batch, asked)).tensor();
    assert_eq!(output.into_data(), net.forward(rows(&batch, &[0, 1, 2, 3, 4])).into_data());
    }
    let ledger = freezing.finish(Status::Finished, 2, None)?.ledger.unwrap();
    assert_eq!((ledger.cache_hits, ledger.cache_misses), (5, 5));
    Ok(())
}

#[test]
#[rustfmt::skip] // as in the README
fn the_trainer_of_the_readme_runs() -> Result<(), Box<dyn std::error::Error>> {
    let temp = tempfile::tempdir()?;
    let device = Device::flex();
    let model = Net::new(&device.clone().autodiff());
    let probe = Probe::new(vec![Batching.batch((0..60).collect(), &device)], Net::forward);
    let loader = || DataLoaderBuilder::new(Batching).batch_size(8).build(InMemDataset::new((0..64).collect()));
    let (train, valid) = (loader(), loader());
    let (optimizer, rates) = (SgdConfig::new().init(), ConstantLr::new(0.01));
    let here = temp.path().to_path_buf();

let length = Length::epochs(2, train.num_items().div_ceil(8)); // optimizer steps: the loader's batches of 8
let model = FreezeTraining::new(Layers::of(&model)?, probe, PolicyConfig::default(), length)
    .going_on_in(here.join("runs/learner"))
    .wrap(model);
let handle = model.handle();
let training = SupervisedTraining::new(here.join("trainer"), train, valid).num_epochs(2).metrics(handle.metrics());
handle.interrupt_with(training.interrupter());
let result = training.launch(Learner::new(model, optimizer, rates));
handle.finish(None)?;
let model = result.model.into_inner();

    assert_eq!(model.num_params(), 4 * 6 + 6 + 6 * 5 + 5 + 5 + 1);
    let run = Run::open(here.join("runs/learner"))?;
    assert_eq!(run.info.outcome.map(|end| (end.status, end.step)), Some((Status::Finished, 16)));
    assert_eq!(run.info.name, "learner");
    // A regression: its loss at every step, and a loss of each of two validations.
    assert_eq!(run.metrics.trained().filter(|step| step.loss.is_some()).count(), 16);
    assert_eq!(run.metrics.tested().filter(|test| test.test_loss.is_some()).count(), 2);
    Ok(())
}

/// Declared in another order than it runs.
#[derive(Module, Debug)]
struct Deep {
    transformer: Blocks,
    tokens: Linear,
    places: Linear,
    cls_token: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
struct Blocks {
    layers: Vec<Linear>,
    norm: Linear,
}

#[test]
#[rustfmt::skip] // as in the README
fn the_layers_of_the_readme_are_those_that_it_names() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let linear = || LinearConfig::new(3, 3).init(&device);
    let depth = 2;
    let transformer = Blocks { layers: (0..depth).map(|_| linear()).collect(), norm: linear() };
    let mut model = Deep { transformer, tokens: linear(), places: linear(), cls_token: linear(), output: linear() };
    let names = |layers: &Layers| layers.names().map(str::to_string).collect::<Vec<_>>();
let opened = Layers::open("transformer.layers").build(&model)?; // each block of the field is a layer of its own
let blocks = (0..depth).map(|i| (format!("block{i}"), [format!("transformer.layers.{i}")]));
let built = Layers::builder().layer("embedding", ["tokens", "places"]).layers(blocks).layer("head", ["output"]);
let built = built.exempt(["cls_token", "transformer.norm"]).build(&model)?;
    assert_eq!(names(&opened)[..3], ["transformer.layers.0", "transformer.layers.1", "transformer.norm"]);
    assert_eq!(names(&built), ["embedding", "block0", "block1", "head"]);
    #[derive(Module, Debug)]
    struct Four { transformer: Linear, tokens: Linear, places: Linear, output: Linear }
    model.transformer.layers.clear();
    let Deep { tokens, places, output, cls_token: transformer, .. } = model;
    let model = Four { transformer, tokens, places, output };
let fields = Layers::of(&model)?.in_order(["tokens", "places", "transformer", "output"])?; // or ordered_by(&probe, &model)
    assert_eq!(names(&fields), ["tokens", "places", "transformer", "output"]);
    Ok(())
}

/// Sentences, padded to the longest of their batch.
#[derive(Clone)]
struct Sentences {
    tokens: Tensor<2, Int>,
    padding: Tensor<2, Bool>,
}

/// An encoder of sentences with a convolution over their tokens.
#[derive(Module, Debug)]
struct Classifier {
    embedding: Embedding,
    encoder: TransformerEncoder,
    convolution: Conv1d,
}

impl Classifier {
    fn forward(&self, batch: Sentences) -> Tensor<3> {
        let embedded = self.embedding.forward(batch.tokens).tap("embedding");
        let input = TransformerEncoderInput::new(embedded).mask_pad(batch.padding);
        let encoded = self.encoder.forward(input).tap("encoder");
        self.convolution
            .forward(encoded.swap_dims(1, 2))
            .tap("conv1")
    }
}

#[test]
#[rustfmt::skip] // as in the README
fn the_masks_of_the_readme_leave_padding_out() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let net = Classifier {
        embedding: EmbeddingConfig::new(20, 6).init(&device),
        encoder: TransformerEncoderConfig::new(6, 12, 2, 1).init(&device),
        convolution: Conv1dConfig::new(6, 4, 1).init(&device),
    };
    let sentences = |lengths: std::ops::Range<usize>| {
        let sentences = lengths.map(|length| (1..=length).collect()).collect();
        let padded = generate_padding_mask(0, sentences, None, &device);
        Sentences { tokens: padded.tensor, padding: padded.mask }
    };
    let batches = vec![sentences(1..6), sentences(3..12)];
let padding = batches.iter().map(|batch| batch.padding.clone()).collect::<Vec<_>>(); // true for padding
let probe = Probe::new(batches, Classifier::forward).axes(Axes::Tokens).padding(padding);
let probe = probe.axes_of("conv*", Axes::ChannelsFirst); // [sample, channel, place]
    let views = probe.layout(Layout::Channels).activations(&net)?;
    let tokens = (1..6).chain(3..12).sum();
    assert_eq!(views.view("encoder")?.dims(), [tokens, 6]);
    assert_eq!(views.view("conv1")?.dims(), [tokens, 4]);
    Ok(())
}

#[test]
fn every_rust_line_of_the_readme_stands_in_this_file() {
    let blocks = README.split("```rust\n").skip(1);
    let lines: Vec<&str> = blocks
        .filter_map(|block| block.split("```").next())
        .flat_map(str::lines)
        .filter(|line| !line.trim().is_empty() && !line.starts_with("use "))
        .collect();
    assert!(lines.len() > 15, "the README's code was not found");
    for line in lines {
        assert!(
            HERE.lines().any(|here| here == line),
            "`{line}` is not tested"
        );
    }
}
