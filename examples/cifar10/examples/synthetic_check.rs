//! How hard are the generated images? Trains a linear classifier on pixels and the convnet, and
//! prints what each gets right of images it has not seen.
//!
//! `cargo run --release -p cifar10 --example synthetic_check -- --images 10000 --epochs 5`

use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use cifar10::data::{self, Dataset, Source};
use cifar10::nets::{ConvNet, PaperNet};
use clap::Parser;

/// Test accuracy of a linear classifier and of the convnets.
#[derive(Parser)]
struct Options {
    /// Images to train and to test on.
    #[arg(long, default_value = "synthetic")]
    data: Source,
    /// Training images, balanced by class.
    #[arg(long, default_value_t = 10_000)]
    images: usize,
    /// Test images, balanced by class.
    #[arg(long, default_value_t = 2_000)]
    test: usize,
    /// Times through the training images.
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// First learning rate of the convnets; it falls to nothing along a cosine.
    #[arg(long, default_value_t = 0.02)]
    lr: f64,
    /// Seed of images, weights and order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which classifiers to train.
    #[arg(long, value_delimiter = ',', default_value = "linear,convnet")]
    nets: Vec<String>,
}

const BATCH: usize = 64;

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), data::DataError> {
    let started = Instant::now();
    let mut dataset = data::load(options.data, options.seed, &|_| ())?;
    println!(
        "{} ({}), loaded in {:.2} s",
        dataset.name,
        dataset.provenance,
        started.elapsed().as_secs_f64()
    );
    for remark in dataset.notice.iter().chain(&dataset.notes) {
        println!("note: {remark}");
    }
    dataset.train = dataset.train.balanced(options.images, options.seed);
    dataset.test = dataset.test.balanced(options.test, options.seed);

    let device = Device::flex().autodiff();
    for name in &options.nets {
        device.seed(options.seed);
        match name.as_str() {
            // A tenth of the rate: 3,072 inputs to one sum make steps ten times as large.
            "linear" => train(
                name,
                LinearConfig::new(data::IMAGE_SIZE, 10).init(&device),
                options.lr / 10.0,
                &dataset,
                options,
            ),
            "convnet" => train(
                name,
                ConvNet::init(10, &device),
                options.lr,
                &dataset,
                options,
            ),
            "paper" => train(
                name,
                PaperNet::init(10, &device),
                options.lr,
                &dataset,
                options,
            ),
            other => println!("no net is called {other}: linear, convnet, paper"),
        }
    }
    Ok(())
}

trait Classifier: Module {
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;
}

impl Classifier for Linear {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images.flatten::<2>(1, 3))
    }
}

impl Classifier for ConvNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }
}

impl Classifier for PaperNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }
}

fn train<M: Classifier>(name: &str, mut net: M, lr: f64, dataset: &Dataset, options: &Options) {
    let device = Device::flex().autodiff();
    let loss = CrossEntropyLossConfig::new().init(&device);
    let mut sgd: ModuleOptimizer = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9)))
        .init();
    let steps_an_epoch = dataset.train.len() / BATCH;
    let steps = steps_an_epoch * options.epochs;
    let mut step = 0;
    for epoch in 1..=options.epochs {
        let started = Instant::now();
        let order = dataset.train.order(options.seed, epoch);
        let mut total = 0.0;
        for indices in order.chunks_exact(BATCH) {
            let (images, labels) = dataset.train.batch(indices, &device);
            let error = loss.forward(net.logits(images), labels);
            total += error.clone().into_scalar::<f64>();
            let gradients = GradientsParams::from_grads(error.backward(), &net);
            let along = std::f64::consts::PI * step as f64 / steps as f64;
            net = sgd.step(lr * 0.5 * (1.0 + along.cos()), net, gradients);
            step += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{name}: epoch {epoch}, loss {:.3}, {:.0} ms a step, unseen {:.1} %, seen {:.1} %",
            total / steps_an_epoch as f64,
            1000.0 * seconds / steps_an_epoch as f64,
            100.0 * accuracy(&net, &dataset.test),
            100.0 * accuracy(&net, &dataset.train.balanced(1000, 0)),
        );
    }
}

fn accuracy<M: Classifier>(net: &M, images: &data::Images) -> f64 {
    let net = net.valid();
    let device = Device::flex();
    let indices: Vec<usize> = (0..images.len()).collect();
    let right: i64 = indices
        .chunks(500)
        .map(|indices| {
            let (pixels, labels) = images.batch(indices, &device);
            let found = net.logits(pixels).argmax(1).squeeze_dim::<1>(1);
            found.equal(labels).int().sum().into_scalar::<i64>()
        })
        .sum();
    right as f64 / images.len() as f64
}
