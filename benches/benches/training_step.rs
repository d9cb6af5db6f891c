//! What taps, recording and checks cost in a training step, and what frozen blocks save.
//!
//! cargo bench -p frostline-benches --bench training_step

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use cifar10::data::Images;
use cifar10::nets::ConvNet;
use cifar10::synthetic::{self, Split};
use frostline::freeze::freeze;
use frostline::prelude::*;
use frostline::svcca::correlations;
use frostline_benches::{Took, in_turn, median, ratio, spread};

const BATCH: usize = 64;
/// Training steps that one measurement covers.
const STEPS: usize = 4;
const PROBE: usize = 500;
/// Steps from one check to the next in the main job: 5 % of 5 epochs of 10,000 images.
const CHECK_EVERY: usize = 39;

fn main() {
    // `cargo test --benches` passes no `--bench`: then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let images = synthetic::images(1, Split::Train, 1024);
    println!(
        "convnet of six blocks, batch {BATCH}, flex, {} threads; medians of CPU time\n",
        threads()
    );
    taps(&images);
    frozen_blocks(&images);
    checks(&images);
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn net() -> ConvNet {
    device().seed(1);
    ConvNet::init(10, &device())
}

/// The forward of the net without its taps.
fn untapped(net: &ConvNet, images: Tensor<4>) -> Tensor<2> {
    let blocks = [
        &net.block1,
        &net.block2,
        &net.block3,
        &net.block4,
        &net.block5,
        &net.block6,
    ];
    let x = blocks.into_iter().fold(images, |x, block| block.forward(x));
    let x: Tensor<3> = x.flatten(2, 3);
    net.head.forward(x.mean_dim(2).squeeze_dim(2))
}

/// Forward and backward, without the update, so that every measurement does the same work.
fn step(
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
    net: &ConvNet,
    batch: &(Tensor<4>, Tensor<1, Int>),
) {
    let loss = CrossEntropyLossConfig::new().init(&device());
    let error = loss.forward(forward(batch.0.clone()), batch.1.clone());
    let gradients = GradientsParams::from_grads(error.backward(), net);
    std::hint::black_box(gradients);
}

fn batch(images: &Images) -> (Tensor<4>, Tensor<1, Int>) {
    images.batch(&(0..BATCH).collect::<Vec<_>>(), &device())
}

fn milliseconds(took: &[Took], per: usize) -> (f64, f64) {
    let each = |seconds: f64| 1e3 * seconds / per as f64;
    (
        median(took.iter().map(|took| each(took.cpu.as_secs_f64()))),
        median(took.iter().map(|took| each(took.wall.as_secs_f64()))),
    )
}

fn row(name: &str, took: &[Took], base: &[Took]) {
    let (cpu, wall) = milliseconds(took, STEPS);
    let (low, high) = spread(took, base);
    println!(
        "| {name} | {cpu:.1} | {wall:.1} | {:.3} | {low:.3} to {high:.3} |",
        ratio(took, base)
    );
}

fn head(of: &str) {
    println!("| {of} | CPU ms a step | wall ms a step | ratio | spread |\n|---|---|---|---|---|");
}

fn taps(images: &Images) {
    let (net, batch) = (net(), batch(images));
    let same =
        untapped(&net, batch.0.clone()).into_data() == net.forward(batch.0.clone()).into_data();
    assert!(same, "without its taps the net is another net");
    let mut absent = || (0..STEPS).for_each(|_| step(|x| untapped(&net, x), &net, &batch));
    let mut off = || (0..STEPS).for_each(|_| step(|x| net.forward(x), &net, &batch));
    let mut recording = || {
        (0..STEPS).for_each(|_| {
            let (_, activations) = record(|| step(|x| net.forward(x), &net, &batch)).unwrap();
            std::hint::black_box(activations);
        });
    };
    let took = in_turn(21, &mut [&mut absent, &mut off, &mut recording]);
    head("taps");
    row("absent", &took[0], &took[0]);
    row("off", &took[1], &took[0]);
    row("recording every step", &took[2], &took[0]);

    // A tap by itself, on a tensor that is already there.
    let x = Tensor::<1>::ones([8], &Device::flex());
    let calls = 1_000_000;
    let mut bare = || (0..calls).for_each(|_| drop(std::hint::black_box(x.clone())));
    let mut tapped = || (0..calls).for_each(|_| drop(std::hint::black_box(x.clone().tap("x"))));
    let took = in_turn(11, &mut [&mut bare, &mut tapped]);
    let nanoseconds = |took: &[Took]| 1e6 * milliseconds(took, calls).0;
    println!(
        "\nA tap that is off: {:.1} ns ({:.1} ns for a clone and a tap, {:.1} ns for the clone)\n",
        nanoseconds(&took[1]) - nanoseconds(&took[0]),
        nanoseconds(&took[1]),
        nanoseconds(&took[0])
    );
}

fn frozen_blocks(images: &Images) {
    let batch = batch(images);
    let nets: Vec<ConvNet> = (0..=6)
        .map(|count| {
            let net = net();
            let layers = Layers::of(&net).unwrap();
            freeze(net, &layers, count)
        })
        .collect();
    let mut steps: Vec<_> = nets
        .iter()
        .map(|net| || (0..STEPS).for_each(|_| step(|x| net.forward(x), net, &batch)))
        .collect();
    let mut variants: Vec<&mut dyn FnMut()> = steps
        .iter_mut()
        .map(|step| step as &mut dyn FnMut())
        .collect();
    let took = in_turn(9, &mut variants);
    head("frozen blocks");
    for (count, of) in took.iter().enumerate() {
        row(&count.to_string(), of, &took[0]);
    }
    println!();
}

fn checks(images: &Images) {
    let (net, batch) = (net(), batch(images));
    let asked: Vec<Tensor<4>> = (0..PROBE)
        .collect::<Vec<_>>()
        .chunks(250)
        .map(|indices| images.batch(indices, &Device::flex()).0)
        .collect();
    let probe = Probe::new(asked, ConvNet::forward);
    let activations = probe.activations(&net).unwrap();
    let compared = |activations: &Activations| {
        for layer in activations.iter() {
            let view = View::new(&activations.view(layer.name()).unwrap()).unwrap();
            let basis = view.basis(Cut::default()).unwrap();
            std::hint::black_box(correlations(&basis, &basis).unwrap());
        }
    };
    let temp = tempfile::tempdir().unwrap();
    let folder = run_folder(&net, temp.path());
    let mut steps = || (0..STEPS).for_each(|_| step(|x| net.forward(x), &net, &batch));
    let mut ask = || drop(std::hint::black_box(probe.activations(&net).unwrap()));
    let mut compare = || compared(&activations);
    let mut save = || folder.save(1, &activations).unwrap();
    let took = in_turn(11, &mut [&mut steps, &mut ask, &mut compare, &mut save]);

    let step = milliseconds(&took[0], STEPS);
    println!(
        "| a check of 7 layers on {PROBE} images | CPU ms | wall ms | in steps (CPU) |\n|---|---|---|---|"
    );
    let mut whole = 0.0;
    for (name, took) in ["asking the probe", "comparing", "writing"]
        .iter()
        .zip(&took[1..])
    {
        let (cpu, wall) = milliseconds(took, 1);
        whole += cpu;
        println!("| {name} | {cpu:.1} | {wall:.1} | {:.2} |", cpu / step.0);
    }
    println!(
        "\nA check every {CHECK_EVERY} steps, as in the main job, adds {:.1} % to training.",
        100.0 * whole / (step.0 * CHECK_EVERY as f64)
    );
}

/// A run folder to save into.
fn run_folder(net: &ConvNet, path: &std::path::Path) -> frostline::activations::RunFolder {
    let probe = Probe::new(
        vec![Tensor::zeros([2, 3, 32, 32], &Device::flex())],
        ConvNet::forward,
    );
    let mut info = None;
    let layers = Layers::of(net).unwrap();
    let _ = FreezeTraining::new(layers, probe, Never, Length::steps(1))
        .describe(|described| info = Some(described.clone()));
    let info = info.expect("describe() calls with the info");
    frostline::activations::RunFolder::create(path, info).unwrap()
}
