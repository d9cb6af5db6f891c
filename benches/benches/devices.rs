//! The analysis, a check and a training step on every device of this build, beside the first of them.
//!
//! cargo bench -p frostline-benches -p cifar10 --features cifar10/cuda --bench devices -- [--rounds N] [--only WORDS]
//!
//! The build's devices are those of the cifar10 example's features: flex, and what is added.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Int, Tensor};
use cifar10::data::Images;
use cifar10::devices::{OpenDevice, compiled_in, open};
use cifar10::nets::ConvNet;
use cifar10::synthetic::{self, Split};
use frostline::freeze::{InputKey, PrefixCache, freeze};
use frostline::prelude::*;
use frostline::svcca::{Grid, Measure, Wanted, dft_cca};
use frostline_benches::arrays::random_relu;
use frostline_benches::{Took, in_turn, median};

/// Training steps that one measurement covers.
const STEPS: usize = 4;
/// Images that a check asks.
const PROBE: usize = 500;
/// Bytes for the outputs of frozen layers.
const CACHE: u64 = 1 << 30;

type Work = Box<dyn FnMut()>;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` passes no `--bench`: then there is nothing to measure.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let rounds = after("--rounds").map_or(9, |rounds| rounds.parse().expect("--rounds N"));
    let only = after("--only").unwrap_or_default();
    let devices = answering();
    let names: Vec<&str> = devices.iter().map(|found| found.adapter.device).collect();
    for found in &devices {
        println!("- {}", found.adapter);
    }
    println!();
    println!(
        "Medians of the wall time of {rounds} rounds in turn, after one to warm up; {} threads.\n",
        rayon::current_num_threads()
    );
    let columns: Vec<String> = names[1..]
        .iter()
        .map(|name| format!(" {name} ms | {}/{name} | lowest to highest |", names[0]))
        .collect();
    println!("| | {} ms |{}", names[0], columns.concat());
    println!("|---|---|{}", "---|---|---|".repeat(columns.len()));
    for (name, per, make) in works() {
        if !name.contains(&only) {
            continue;
        }
        let mut works: Vec<Work> = devices.iter().map(|found| make(&found.device)).collect();
        let mut variants: Vec<&mut dyn FnMut()> = Vec::new();
        variants.extend(works.iter_mut().map(|work| work as &mut dyn FnMut()));
        row(&name, per, &in_turn(rounds, &mut variants));
    }
}

/// The devices of this build that there are.
fn answering() -> Vec<OpenDevice> {
    let opened = compiled_in().into_iter().filter_map(|name| {
        let told = |problem| eprintln!("left out: {problem}");
        open(name).map_err(told).ok()
    });
    opened.collect()
}

fn row(name: &str, per: usize, took: &[Vec<Took>]) {
    let wall = |took: &Took| 1e3 * took.wall.as_secs_f64() / per as f64;
    let mut cells = format!("| {name} | {:.2} |", median(took[0].iter().map(wall)));
    for other in &took[1..] {
        let ratios = took[0].iter().zip(other);
        let mut ratios: Vec<f64> = ratios.map(|(a, b)| wall(a) / wall(b)).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        let ms = median(other.iter().map(wall));
        let ratio = median(ratios);
        cells += &format!(" {ms:.2} | {ratio:.1} | {low:.1} to {high:.1} |");
    }
    println!("{cells}");
}

/// What is timed: its name, how often one call does it, and how it is made on a device.
type Timed = (String, usize, Box<dyn Fn(&Device) -> Work>);

fn works() -> Vec<Timed> {
    let once =
        |name: &str, make: fn(&Device) -> Work| -> Timed { (name.to_string(), 1, Box::new(make)) };
    let mut works = vec![
        once(
            "all pairs of 32 and 8 layers, n = 5000, d = 32 to 512",
            grid,
        ),
        once("`svcca` of a pair, n = 10000, d = 512", pair),
        once("`dft_cca` of a pair, n = 2000, 64 channels of 16 x 16", dft),
        once(&format!("asking the convnet about {PROBE} images"), asking),
        once("comparing its 7 layers with themselves", comparing),
    ];
    for batch in [64, 512] {
        let mut steps = |what: &str, frozen: usize, cache: fn() -> Option<PrefixCache>| {
            works.push((
                format!("a training step of the convnet, batch {batch}, {what}"),
                STEPS,
                Box::new(move |device: &Device| step(device, batch, frozen, cache())),
            ));
        };
        steps("nothing frozen", 0, || None);
        steps("4 of 6 blocks frozen", 4, || None);
        steps("4 frozen and kept in the host's memory", 4, || {
            Some(PrefixCache::in_memory(CACHE))
        });
        steps("4 frozen and kept on the device", 4, || {
            Some(PrefixCache::on_device(CACHE))
        });
    }
    works
}

/// Made on the processor, so that all devices get the same.
fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn grid(device: &Device) -> Work {
    let layers = random_relu(5000).map(|layers| -> Vec<Tensor<2>> {
        let moved = layers.into_iter().map(|layer| layer.to_device(device));
        moved.collect()
    });
    Box::new(move || {
        let [rows, columns] = layers
            .each_ref()
            .map(|layers| Measure::default().prepare_all(layers));
        let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ()).expect("a grid");
        assert!(
            grid.cells
                .iter()
                .flatten()
                .all(|cell| cell.similarity.is_some())
        );
    })
}

fn pair(device: &Device) -> Work {
    Device::flex().seed(2);
    let shared = normal([10_000, 256]);
    let view = || {
        let mixed = shared.clone().matmul(normal([256, 512])) / 16.0 + normal([10_000, 512]);
        mixed.to_device(device)
    };
    let (x, y) = (view(), view());
    Box::new(move || drop(svcca(&x, &y, &Svcca::default()).expect("a pair")))
}

fn dft(device: &Device) -> Work {
    Device::flex().seed(3);
    let shape = [2000, 64, 16, 16];
    let shared = normal(shape);
    let view = || (shared.clone() * 0.5 + normal(shape)).to_device(device);
    let (x, y) = (view(), view());
    Box::new(move || drop(dft_cca(&x, &y).expect("a pair")))
}

fn net(device: &Device) -> ConvNet {
    device.seed(1);
    ConvNet::init(10, device)
}

fn images(count: usize) -> Images {
    synthetic::images(1, Split::Train, count)
}

fn probe(device: &Device) -> Probe<ConvNet> {
    let order: Vec<usize> = (0..PROBE).collect();
    let (images, batches) = (images(PROBE), order.chunks(250));
    let batches = batches.map(|some| images.batch(some, device).0).collect();
    Probe::new(batches, ConvNet::forward).layout(Layout::ChannelMeans)
}

fn asking(device: &Device) -> Work {
    let (net, probe, device) = (net(device), probe(device), device.clone());
    Box::new(move || {
        std::hint::black_box(probe.activations(&net).expect("tapped layers"));
        device.sync().expect("a working device");
    })
}

fn comparing(device: &Device) -> Work {
    let activations = probe(device)
        .activations(&net(device))
        .expect("tapped layers");
    Box::new(move || {
        for layer in activations.iter() {
            let view = activations.view(layer.name()).expect("a recorded layer");
            svcca(&view, &view, &Svcca::default()).expect("a pair");
        }
    })
}

/// Forward and backward, without the update, so that every measurement does the same work.
fn step(device: &Device, batch: usize, frozen: usize, cache: Option<PrefixCache>) -> Work {
    let device = device.clone().autodiff();
    let net = net(&device);
    let layers = Layers::of(&net).expect("tapped layers");
    let net = freeze(net, &layers, frozen);
    let order: Vec<usize> = (0..batch).collect();
    let (pixels, labels): (Tensor<4>, Tensor<1, Int>) = images(batch).batch(&order, &device);
    let keys: Vec<InputKey> = order.into_iter().map(InputKey::from).collect();
    let loss = CrossEntropyLossConfig::new().init(&device);
    let mut cache = cache;
    Box::new(move || {
        for _ in 0..STEPS {
            let logits = match &mut cache {
                Some(cache) => cache
                    .forward(&net, frozen, &keys, batch, |_| pixels.clone())
                    .tensor(),
                None => net.forward(pixels.clone()),
            };
            let error = loss.forward(logits, labels.clone());
            std::hint::black_box(GradientsParams::from_grads(error.backward(), &net));
        }
        device.sync().expect("a working device");
    })
}
