//! The README's code, in a program: each of its lines stands here too, and runs.

use burn::module::Module;
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
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

fn train_one_step(net: Net, optimizer: &mut ModuleOptimizer) -> Net {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::random([32, 4], Distribution::Normal(0.0, 1.0), &device);
    let wanted = x.clone().sum_dim(1);
    let loss = MseLoss::new().forward(net.forward(x), wanted, Reduction::Mean);
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    optimizer.step(0.05, net, gradients)
}

#[test]
#[rustfmt::skip] // as in the README
fn the_code_of_the_readme_runs() -> Result<(), Box<dyn std::error::Error>> {
    let temp = tempfile::tempdir()?;
    std::env::set_current_dir(temp.path())?;
    let device = Device::flex();
    let inputs = Tensor::<2>::random([300, 4], Distribution::Normal(0.0, 1.0), &device);
    let steps_per_epoch = 8;
    let train_device = device.clone().autodiff();
    let mut net = Net {
        layer1: LinearConfig::new(4, 6).init(&train_device),
        layer2: LinearConfig::new(6, 5).init(&train_device),
        head: LinearConfig::new(5, 1).init(&train_device),
    };
    let mut optimizer = SgdConfig::new().init();
    let mut train_one_step = |net| train_one_step(net, &mut optimizer);

{
let inputs = inputs.clone();
// Around the loop: fixed inputs to ask, a policy, a folder.
let probe = Probe::new(vec![inputs], Net::forward);
let length = Length::epochs(10, steps_per_epoch);
let mut freezing = FreezeTraining::new(Layers::of(&net)?, probe, Converged::default(), length)
    .in_folder("runs/freeze")?;

freezing.start(&net)?;
for step in 1..=length.steps {
    net = train_one_step(net); // forward, backward, optimizer: yours
    net = freezing.after_step(net, step)?;
}
freezing.finish(Status::Finished, length.steps, None)?;
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
    assert_eq!(run.history.len(), 21);
    assert_eq!(run.info.outcome.map(|end| end.status), Some(Status::Finished));
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
