//! The least code: a small network in a hand-written loop, with taps, recording and freezing.
//!
//! cargo run --release -p custom_loop

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor};
use frostline::prelude::*;

const STEPS: usize = 1500;
const LEARNING_RATE: f64 = 3e-3;

#[derive(Module, Debug)]
struct Net {
    layer1: Linear,
    layer2: Linear,
    layer3: Linear,
    head: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Net {
            layer1: LinearConfig::new(2, 32).init(device),
            layer2: LinearConfig::new(32, 32).init(device),
            layer3: LinearConfig::new(32, 32).init(device),
            head: LinearConfig::new(32, 2).init(device),
        }
    }

    // One word a layer: the tap's name is the field's.
    fn forward(&self, points: Tensor<2>) -> Tensor<2> {
        let x = relu(self.layer1.forward(points)).tap("layer1");
        let x = relu(self.layer2.forward(x)).tap("layer2");
        let x = relu(self.layer3.forward(x)).tap("layer3");
        self.head.forward(x).tap("head")
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let mut net = Net::new(&device);
    let mut optimizer = AdamConfig::new().init();
    let loss = CrossEntropyLossConfig::new().init(&device);

    // The same points are asked at every check, on the device without autodiff.
    let (probe, _) = rings(500, &Device::flex());
    let probe = Probe::new(vec![probe], Net::forward);
    let (layers, length) = (Layers::of(&net)?, Length::steps(STEPS));
    let mut freezing = FreezeTraining::new(layers, probe, PolicyConfig::default(), length);

    freezing.start(&net)?;
    for step in 1..=STEPS {
        let (points, labels) = rings(64, &device);
        let error = loss.forward(net.forward(points), labels);
        let gradients = GradientsParams::from_grads(error.backward(), &net);
        freezing.gradients(&net, &gradients);
        net = optimizer.step(LEARNING_RATE, net, gradients);

        let told = Step {
            learning_rate: Some(LEARNING_RATE),
            loss: Some(error.into_scalar::<f32>().into()),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told)?;
    }

    println!("step  loss   similarity to the previous check       frozen, and why no more");
    for check in freezing.history().checks() {
        let similarity = check.similarity.iter().map(|layer| match layer {
            Some(similarity) => format!("{similarity:.4}"),
            None => "     -".to_string(),
        });
        println!(
            "{:>4}  {}  {}  {}  {}",
            check.step,
            check
                .loss
                .map_or("    -".to_string(), |loss| format!("{loss:.3}")),
            similarity.collect::<Vec<_>>().join("  "),
            check.frozen,
            check.reason,
        );
    }
    let (points, labels) = rings(2000, &Device::flex());
    let answers = net.valid().forward(points).argmax(1).squeeze_dim::<1>(1);
    let correct = answers.equal(labels).int().sum().into_scalar::<i64>();
    println!("{:.1} % of unseen points are right", correct as f64 / 20.0);
    Ok(())
}

/// Points of the plane, labelled by which of four rings around the origin they lie in, odd or even.
fn rings(count: usize, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
    let points = Tensor::<2>::random([count, 2], Distribution::Uniform(-2.0, 2.0), device);
    let radius = points
        .clone()
        .powi_scalar(2)
        .sum_dim(1)
        .sqrt()
        .squeeze_dim::<1>(1);
    let ring = (radius * 2.0).int();
    (points, ring.remainder_scalar(2))
}
