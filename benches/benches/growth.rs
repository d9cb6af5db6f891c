//! How a grid grows with samples, neurons, layers and checkpoints, each over a decade: time and peak memory.
//!
//! cargo bench -p frostline-benches --bench growth -- [--svg FILE]
//!
//! Each size runs in a process of its own, whose peak memory (Linux: the kernel's own mark) holds the layers too.

use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Distribution, Tensor};
use frostline::svcca::{Grid, Measure, Wanted};
use frostline_benches::{Took, measure, median};
use plotters::prelude::*;

/// One size of a grid: every layer of every checkpoint against every layer.
#[derive(Clone, Copy)]
struct Size {
    samples: usize,
    neurons: usize,
    layers: usize,
    checkpoints: usize,
}

const BASE: Size = Size {
    samples: 2000,
    neurons: 128,
    layers: 4,
    checkpoints: 2,
};
/// Each is grown by these.
const FACTORS: [f64; 5] = [0.5, 1.0, 2.0, 3.5, 5.0];
const ROUNDS: usize = 3;

/// The count that grows.
type Count = fn(&mut Size) -> &mut usize;

struct Series {
    name: &'static str,
    /// Factor, CPU seconds, peak MiB of the process.
    points: Vec<(f64, f64, f64)>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` passes no `--bench`: then there is nothing to measure.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--one") {
        let counts: Vec<usize> = arguments[at + 1..at + 5]
            .iter()
            .map(|count| count.parse().expect("a count"))
            .collect();
        let seconds = grid(Size {
            samples: counts[0],
            neurons: counts[1],
            layers: counts[2],
            checkpoints: counts[3],
        });
        println!("{seconds} {}", peak());
        return;
    }
    let axes: [(&str, Count); 4] = [
        ("samples", |size| &mut size.samples),
        ("neurons", |size| &mut size.neurons),
        ("layers", |size| &mut size.layers),
        ("checkpoints", |size| &mut size.checkpoints),
    ];
    println!(
        "Base: n = {}, d = {}, {} layers, {} checkpoints, every layer of each against {} layers.\n",
        BASE.samples, BASE.neurons, BASE.layers, BASE.checkpoints, BASE.layers
    );
    println!("| grown | factor | CPU s | peak MiB |\n|---|---|---|---|");
    let mut all = Vec::new();
    for (name, grown) in axes {
        let mut points = Vec::new();
        for factor in FACTORS {
            let mut size = BASE;
            let count = grown(&mut size);
            *count = (*count as f64 * factor) as usize;
            let (seconds, peak) = alone(size);
            println!("| {name} | {factor} | {seconds:.4} | {peak:.0} |");
            points.push((factor, seconds, peak));
        }
        all.push(Series { name, points });
    }
    let last = |series: &Series, at: usize| series.points[at];
    println!("\nExponents over the decade (time ~ size^e):");
    for series in &all {
        let (first, end) = (last(series, 0), last(series, FACTORS.len() - 1));
        let exponent = (end.1 / first.1).ln() / (end.0 / first.0).ln();
        println!("- {}: {exponent:.2}", series.name);
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--svg") {
        draw(&all, Path::new(&arguments[at + 1]));
    }
}

/// CPU seconds and peak MiB of a process that does nothing else.
fn alone(size: Size) -> (f64, f64) {
    let program = std::env::current_exe().expect("this program");
    let counts = [size.samples, size.neurons, size.layers, size.checkpoints];
    let output = Command::new(program)
        .args(["--bench", "--one"])
        .args(counts.map(|count| count.to_string()))
        .output()
        .expect("this program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        [seconds, peak] => (seconds, peak),
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Median CPU seconds.
fn grid(size: Size) -> f64 {
    let device = Device::flex();
    device.seed(1);
    let normal = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let shape = [size.samples, size.neurons];
    let end: Vec<Tensor<2>> = (0..size.layers).map(|_| normal(shape)).collect();
    let rows: Vec<Tensor<2>> = (0..size.checkpoints)
        .flat_map(|_| {
            end.iter()
                .map(|layer| layer.clone() + normal(shape))
                .collect::<Vec<_>>()
        })
        .collect();
    let work = || {
        let ready = |layers: &[Tensor<2>]| Measure::default().prepare_all(layers);
        let (rows, columns) = (ready(&rows), ready(&end));
        std::hint::black_box(Grid::of(&rows, &columns, Wanted::Values, |_| ()).expect("a grid"));
    };
    work();
    let took: Vec<Took> = (0..ROUNDS).map(|_| measure(work)).collect();
    median(took.iter().map(|took| took.cpu.as_secs_f64()))
}

/// MiB; not a number where there is no such account.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn draw(all: &[Series], path: &Path) {
    let area = SVGBackend::new(path, (1100, 460)).into_drawing_area();
    area.fill(&WHITE).expect("a picture in memory");
    let [left, right] = &area.split_evenly((1, 2))[..] else {
        unreachable!("split into two")
    };
    type Pick = fn(&(f64, f64, f64)) -> f64;
    let halves: [(&DrawingArea<_, _>, &str, Pick); 2] = [
        (left, "CPU seconds", |point| point.1),
        (right, "peak memory of the process, MiB", |point| point.2),
    ];
    let colours = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(152, 60, 124),
    ];
    for (area, title, pick) in halves {
        let values = || all.iter().flat_map(|series| series.points.iter().map(pick));
        let low = values().fold(f64::INFINITY, f64::min) * 0.7;
        let high = values().fold(0.0, f64::max) * 1.4;
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .caption(title, ("sans-serif", 16))
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d((0.45..5.6).log_scale(), (low..high).log_scale())
            .expect("a chart");
        chart
            .configure_mesh()
            .x_desc("times the base")
            .x_label_formatter(&|x| format!("{x:.1}"))
            .y_label_formatter(&|y| {
                if *y < 10.0 {
                    format!("{y:.2}")
                } else {
                    format!("{y:.0}")
                }
            })
            .light_line_style(RGBColor(240, 240, 240))
            .draw()
            .expect("axes");
        for (series, colour) in all.iter().zip(colours) {
            let points = || series.points.iter().map(|point| (point.0, pick(point)));
            chart
                .draw_series(LineSeries::new(points(), colour.stroke_width(2)))
                .expect("a line")
                .label(series.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            let dots = points().map(|point| Circle::new(point, 4, colour.filled()));
            chart.draw_series(dots).expect("points");
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(200, 200, 200))
            .position(SeriesLabelPosition::UpperLeft)
            .draw()
            .expect("a legend");
    }
    area.present().expect("written");
}
