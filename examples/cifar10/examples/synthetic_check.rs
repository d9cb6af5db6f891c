//! How hard are the generated images? Trains a linear classifier on pixels and the convnet, and prints what
//! each gets right of images it has not seen.
//!
//! cargo run --release -p cifar10 --example synthetic_check

use std::ops::Range;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cifar10::data::{IMAGE_SIZE, Images};
use cifar10::nets::{ConvNet, Net};
use cifar10::synthetic::{self, Split};
use cifar10::train::{Trainer, test};
use frostline::freeze::{Error, Features, Layered, Layers};

fn main() {
    let train = synthetic::images(1, Split::Train, synthetic::TRAIN);
    let unseen = synthetic::images(1, Split::Test, 2000);
    let device = Device::flex().autodiff();
    device.seed(1);
    let linear = Pixels {
        head: LinearConfig::new(IMAGE_SIZE, 10).init(&device),
    };
    // A tenth of the convnet's rate: 3,072 inputs to one sum make steps ten times as large.
    check("linear", linear, 0.002, &train, &unseen);
    check("convnet", ConvNet::init(10, &device), 0.02, &train, &unseen);
}

/// A linear classifier on pixels.
#[derive(Module, Debug)]
struct Pixels {
    head: Linear,
}

impl Layered for Pixels {
    fn depth(&self) -> usize {
        1
    }

    fn run(&self, layers: Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, _| {
            let pixels: Tensor<2> = x.tensor::<4>().flatten(1, 3);
            Features::new(self.head.forward(pixels))
        })
    }
}

impl Net for Pixels {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.run(0..1, Features::new(images)).tensor()
    }

    fn layers(&self) -> Result<Layers, Error> {
        Layers::of(self)
    }

    fn forward_flops(&self) -> Vec<f64> {
        vec![2.0 * (IMAGE_SIZE * 10) as f64]
    }
}

fn check<N: Net>(name: &str, mut net: N, learning_rate: f64, train: &Images, unseen: &Images) {
    let (epochs, batch, seed) = (5, 64, 1);
    let device = net.devices()[0].clone().autodiff();
    let steps = epochs * train.len().div_ceil(batch);
    let mut trainer = Trainer::new(learning_rate, steps, &device);
    for epoch in 1..=epochs {
        for indices in train.order(seed, epoch).chunks(batch) {
            let (pixels, labels) = train.batch(indices, &device);
            net = trainer.step(net, pixels, labels).net;
        }
        let [seen, unseen] =
            [&train.balanced(2000, 0), unseen].map(|images| 100.0 * test(&net, images));
        println!("{name}: epoch {epoch}, {unseen:.1} % of unseen images, {seen:.1} % of seen ones");
    }
}
