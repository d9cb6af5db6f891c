//! Whole grids, one pair and DFT-CCA, next to NumPy programs on the same arrays.
//!
//! cargo bench -p frostline-benches --bench analysis -- [--rounds N] [--only grid|cifar|directions|pair|dft] [--no-peers]
//!
//! `benches/compare-with-numpy` runs it with one thread and with two and keeps what it prints. The peers
//! need Python 3.11 and a package index; without them ours are timed alone.

use std::path::Path;

use burn::tensor::{DType, Device, Distribution, Tensor};
use cifar10::data::{Source, load};
use cifar10::nets::ConvNet;
use cifar10::train::Trainer;
use frostline::prelude::*;
use frostline::svcca::{Grid, Measure, Prepared, Wanted, dft_cca};
use frostline_benches::arrays::{random_relu, write_grid, write_npy};
use frostline_benches::peers::Peer;
use frostline_benches::{Took, measure, median, ratio};
use serde_json::Value;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().position(|argument| argument == name);
    // `cargo test --benches` passes no `--bench`: then there is nothing to measure.
    if given("--bench").is_none() {
        return;
    }
    let after = |name: &str| arguments.get(given(name)? + 1).cloned();
    let rounds = after("--rounds").map_or(5, |rounds| rounds.parse().expect("--rounds N"));
    let bench = Bench {
        rounds,
        peers: given("--no-peers").is_none(),
        threads: rayon::current_num_threads(),
    };
    let only = after("--only");
    let parts: [(&str, Part); 5] = [
        ("grid", Bench::grid),
        ("cifar", Bench::cifar),
        ("directions", Bench::directions),
        ("pair", Bench::pair),
        ("dft", Bench::dft),
    ];
    println!("## {} threads\n", bench.threads);
    let [single, double] = [DType::F32, DType::F64].map(multiplies);
    println!("This machine multiplies {single:.0} GFLOP/s in f32 and {double:.0} in f64.\n");
    for (name, part) in parts {
        if only.as_deref().is_none_or(|only| only == name) {
            part(&bench);
        }
    }
}

/// GFLOP/s of a product of 5000 samples.
fn multiplies(dtype: DType) -> f64 {
    let random = |shape| {
        let uniform = Distribution::Uniform(-1.0, 1.0);
        Tensor::<2>::random(shape, uniform, &Device::flex()).cast(dtype)
    };
    let (a, b) = (random([1024, 5000]), random([5000, 1024]));
    let seconds = (0..7).map(|_| {
        let took = measure(|| drop(std::hint::black_box(a.clone().matmul(b.clone()))));
        took.wall.as_secs_f64()
    });
    2e-9 * (1024.0 * 1024.0 * 5000.0) / median(seconds.skip(1).collect::<Vec<_>>())
}

type Part = fn(&Bench);

struct Bench {
    rounds: usize,
    peers: bool,
    threads: usize,
}

/// Ours, timed in turn with peers, and how far the values are apart.
struct Row {
    name: String,
    took: Vec<Took>,
    peak: u64,
    apart: f64,
}

impl Bench {
    fn grid(&self) {
        let layers = random_relu(5000);
        let mut peers = vec![Peer::new("grid_once"), Peer::covariance("grid_once")];
        // Nearly a minute a round: once is enough.
        if self.threads == 1 {
            peers.push(Peer::new("grid_tutorial"));
        }
        self.grids(
            "All pairs of 32 and 8 layers of a random ReLU net, n = 5000, d = 32 to 512",
            &layers,
            &peers,
        );
    }

    fn cifar(&self) {
        let (layers, what) = convnet_layers(5000);
        let peers = [Peer::new("grid_once"), Peer::covariance("grid_once")];
        let title = format!(
            "All pairs of 4 x 7 and 7 layers of the example's convnet on {what}, n = 5000, d = 10 to 128"
        );
        self.grids(&title, &layers, &peers);
    }

    fn grids(&self, title: &str, layers: &[Vec<Tensor<2>>; 2], peers: &[Peer]) {
        let ours = || -> Vec<f64> {
            let [rows, columns] = layers
                .each_ref()
                .map(|layers| Measure::default().prepare_all(layers));
            let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ()).expect("a grid");
            let cells = grid.cells.iter().flatten();
            cells
                .map(|cell| cell.similarity.as_ref().expect("a value").value)
                .collect()
        };
        self.compare(
            title,
            &|folder| write_grid(layers, folder),
            &ours,
            peers,
            &means,
        );
    }

    fn directions(&self) {
        let layers = random_relu(5000);
        let ours = || {
            let [rows, columns] = layers
                .each_ref()
                .map(|layers| Measure::default().prepare_all(layers));
            let grid = Grid::of(&rows, &columns, Wanted::Directions, |_| ()).expect("a grid");
            let mut means = Vec::new();
            for (row, x) in grid.cells.iter().zip(&rows) {
                for (cell, y) in row.iter().zip(&columns) {
                    let [of_x, of_y] = cell.rotations.as_ref().expect("asked for");
                    let side = |side: &Result<Prepared, _>, rotation| {
                        side.as_ref().ok()?.projections(rotation)
                    };
                    let (p, q) = (side(x, of_x), side(y, of_y));
                    let (Some(p), Some(q)) = (p, q) else {
                        panic!("layers vary")
                    };
                    let [samples, count] = p.dims();
                    let sum = (p * q).sum().into_scalar::<f32>();
                    means.push(f64::from(sum) / (samples as f64 - 1.0) / count as f64);
                }
            }
            means
        };
        let peers = [
            Peer::new("grid_directions"),
            Peer::covariance("grid_directions"),
        ];
        let title = "The same 32 x 8 pairs with both sides' projections on every direction";
        self.compare(
            title,
            &|folder| write_grid(&layers, folder),
            &ours,
            &peers,
            &means,
        );
    }

    fn pair(&self) {
        let device = Device::flex();
        device.seed(2);
        let normal = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        // Half of each is shared; spectra fall by a factor of 30.
        let shared = normal([10_000, 256]);
        let falling = |mixed: Tensor<2>| {
            let scale: Vec<f32> = (0..512).map(|i| (-(i as f32) / 150.0).exp()).collect();
            mixed.mul(Tensor::<1>::from_floats(&*scale, &device).unsqueeze())
        };
        let view =
            || falling(shared.clone().matmul(normal([256, 512])) / 16.0 + normal([10_000, 512]));
        let [x, y] = [view(), view()].map(|view| view.matmul(normal([512, 512])));
        let ours = || vec![svcca(&x, &y, &Svcca::default()).expect("a pair").mean];
        let single = || {
            let sides = Measure::default().prepare_all([&x, &y]);
            let [x, y] = sides.try_into().expect("two");
            vec![
                x.expect("a view")
                    .similarity(&y.expect("a view"))
                    .expect("a pair")
                    .value,
            ]
        };
        let write = |folder: &Path| {
            write_npy(&x, &folder.join("x.npy"));
            write_npy(&y, &folder.join("y.npy"));
        };
        let peers = [Peer::new("pair"), Peer::covariance("pair")];
        let mean = |values: &Value| vec![values["mean"].as_f64().expect("a mean")];
        let title = "One pair, n = 10000, d = 512";
        self.compare(
            &format!("{title}, by `svcca`, all in f64"),
            &write,
            &ours,
            &peers,
            &mean,
        );
        self.compare(
            &format!("{title}, prepared in f32"),
            &write,
            &single,
            &peers,
            &mean,
        );
    }

    fn dft(&self) {
        let device = Device::flex();
        device.seed(3);
        let normal = |shape| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let shape = [2000, 64, 16, 16];
        let shared = normal(shape);
        let [x, y] = [0, 1].map(|_| shared.clone() * 0.5 + normal(shape));
        let ours = || vec![dft_cca(&x, &y).expect("a pair").mean];
        let write = |folder: &Path| {
            write_npy(&x, &folder.join("x.npy"));
            write_npy(&y, &folder.join("y.npy"));
        };
        let peers = [Peer::new("dft"), Peer::covariance("dft")];
        let mean = |values: &Value| vec![values["mean"].as_f64().expect("a mean")];
        self.compare(
            "DFT-CCA, n = 2000, 64 channels of 16 x 16",
            &write,
            &ours,
            &peers,
            &mean,
        );
    }

    /// Times ours and the peers in turn, and prints a table.
    fn compare(
        &self,
        title: &str,
        write: &dyn Fn(&Path),
        ours: &dyn Fn() -> Vec<f64>,
        peers: &[Peer],
        read: &dyn Fn(&Value) -> Vec<f64>,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if self.peers {
            write(folder.path());
        }
        let found = ours();
        let mut rows = vec![Row {
            name: "frostline".to_string(),
            took: Vec::new(),
            peak: 0,
            apart: 0.0,
        }];
        let peers = if self.peers { peers } else { &[] };
        rows.extend(peers.iter().map(|peer| Row {
            name: peer.name(),
            took: Vec::new(),
            peak: 0,
            apart: 0.0,
        }));
        for _ in 0..self.rounds {
            rows[0]
                .took
                .push(measure(|| drop(std::hint::black_box(ours()))));
            for (row, peer) in rows[1..].iter_mut().zip(peers) {
                let answer = peer.run(folder.path(), self.threads);
                row.took.push(answer.took);
                row.peak = row.peak.max(answer.peak);
                let values = read(&answer.values);
                assert_eq!(values.len(), found.len());
                let gaps = values.iter().zip(&found).map(|(a, b)| (a - b).abs());
                row.apart = gaps.fold(row.apart, f64::max);
            }
        }
        println!("### {title}\n");
        println!("| | CPU s | wall s | CPU times ours | means apart | peak MiB |");
        println!("|---|---|---|---|---|---|");
        for row in &rows {
            let seconds =
                |time: fn(&Took) -> f64| median(row.took.iter().map(time).collect::<Vec<_>>());
            let (cpu, wall) = (
                seconds(|took| took.cpu.as_secs_f64()),
                seconds(|took| took.wall.as_secs_f64()),
            );
            let times = ratio(&row.took, &rows[0].took);
            let peak = match row.peak {
                0 => "-".to_string(),
                bytes => (bytes >> 20).to_string(),
            };
            println!(
                "| {} | {cpu:.3} | {wall:.3} | {times:.1} | {:.0e} | {peak} |",
                row.name, row.apart
            );
        }
        println!();
    }
}

fn means(values: &Value) -> Vec<f64> {
    let rows = values["means"].as_array().expect("rows");
    let cells = rows.iter().flat_map(|row| row.as_array().expect("cells"));
    cells.map(|cell| cell.as_f64().expect("a mean")).collect()
}

/// The convnet's layers (channel means) at four moments of a short training, and at the last.
fn convnet_layers(samples: usize) -> ([Vec<Tensor<2>>; 2], String) {
    const STEPS: usize = 60;
    let images =
        load(Source::Auto, 1, &|_| ()).expect("generated images where there are no others");
    let device = Device::flex().autodiff();
    device.seed(1);
    let order: Vec<usize> = (0..samples).collect();
    let probe = order
        .chunks(250)
        .map(|some| images.test.batch(some, &Device::flex()).0);
    let probe = Probe::new(probe.collect(), ConvNet::forward).layout(Layout::ChannelMeans);
    let mut net = ConvNet::init(10, &device);
    let mut trainer = Trainer::new(0.05, STEPS, &device);
    let mut rows = Vec::new();
    let mut columns = Vec::new();
    for step in 0..=STEPS {
        if step % (STEPS / 3) == 0 {
            let layers = probe.activations(&net).expect("tapped layers");
            let views = layers
                .names()
                .map(|name| layers.view(name).expect("a recorded layer"));
            columns = views.collect();
            rows.extend(columns.iter().cloned());
        }
        let batch: Vec<usize> = (0..64)
            .map(|i| (64 * step + i) % images.train.len())
            .collect();
        let (pixels, labels) = images.train.batch(&batch, &device);
        net = trainer.step(net, pixels, labels).net;
    }
    ([rows, columns], images.name)
}
