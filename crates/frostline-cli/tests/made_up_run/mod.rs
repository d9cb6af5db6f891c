use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::{Device, Tensor, TensorData};
use frostline::activations::{
    Activation, FORMAT_VERSION, LayerFlops, Layout, Ledger, Metrics, MetricsPoint, Outcome,
    ProbeInfo, RunFolder, RunInfo, Spread, StepTime, Versions,
};
use frostline::prelude::*;

const LAYERS: [(&str, usize); 3] = [("block1", 6), ("block2", 5), ("classifier", 3)];
const STEPS: usize = 400;

/// A run of 400 steps that nobody trained, with checkpoints: its layers settle one after another, and where
/// it is to freeze, they freeze.
pub(crate) fn write(folder: &Path, name: &str, freeze: bool) {
    let mut run = begin(folder, name, freeze);
    for step in 0..=STEPS {
        run.step(step);
    }
    run.finish();
}

/// The same run before its first step.
pub(crate) fn begin(folder: &Path, name: &str, freeze: bool) -> Growing {
    let info = RunInfo {
        format: FORMAT_VERSION,
        name: name.to_string(),
        title: Some("Three layers on no images at all".to_string()),
        notice: Some("Every number is made up: nothing was trained.".to_string()),
        layers: LAYERS.map(|(layer, _)| layer.to_string()).to_vec(),
        length: Length::epochs(4, STEPS / 4),
        probe: ProbeInfo {
            samples: 120,
            layout: Layout::default(),
            inputs: None,
        },
        panes_probe: None,
        policy: if freeze { "linear(0, 1)" } else { "never" }.to_string(),
        measure: Measure::default().to_string(),
        seed: Some(1),
        forward_flops: None,
        device: "none".to_string(),
        versions: Versions::default(),
        settings: BTreeMap::from([("batch".to_string(), "64".to_string())]),
        began: Some(BEGAN),
        outcome: None,
    };
    Growing {
        folder: RunFolder::create(folder, info).unwrap(),
        metrics: Metrics::default(),
        freeze,
    }
}

/// A run that goes on.
pub(crate) struct Growing {
    folder: RunFolder,
    metrics: Metrics,
    freeze: bool,
}

impl Growing {
    /// Does a step, with a check at every fiftieth.
    pub(crate) fn step(&mut self, step: usize) {
        let tests = step.is_multiple_of(100).then(|| tested(step, self.freeze));
        let points = [Some(reported(step, self.freeze)), tests];
        for point in points.into_iter().flatten().filter(|_| step > 0) {
            let thinned = self.metrics.push(point);
            self.folder.keep_metrics(&self.metrics, thinned).unwrap();
        }
        if step.is_multiple_of(50) {
            self.folder.append(&check(step, self.freeze)).unwrap();
            self.folder.save(step, &activations(step)).unwrap();
        }
    }

    pub(crate) fn finish(mut self) {
        let last = check(STEPS, self.freeze);
        let outcome = Outcome {
            status: Status::Finished,
            step: STEPS,
            training_seconds: last.training_seconds,
            measuring_seconds: last.measuring_seconds,
            cpu_seconds: Some(1.9 * last.training_seconds),
            ledger: last.ledger,
            accuracy: Some(0.713),
            test_samples: Some(10_000),
            notes: Vec::new(),
        };
        self.folder.finish(outcome).unwrap();
    }
}

/// When every run began.
const BEGAN: f64 = 1.7e9;

fn reported(step: usize, freeze: bool) -> MetricsPoint {
    let check = check(step, freeze);
    let noise = 0.2 * ((step * 37) as f64).sin();
    MetricsPoint {
        step,
        steps: 1,
        epoch: check.epoch,
        loss: check.loss.and_then(|loss| Spread::of(loss + noise)),
        train_accuracy: check
            .accuracy
            .and_then(|share| Spread::of(share - 0.2 * noise)),
        learning_rate: check.learning_rate.and_then(Spread::of),
        training_seconds: check.training_seconds,
        flops: check.ledger.map(|ledger| ledger.spent_flops()),
        frozen: check.frozen,
        wall_seconds: BEGAN + check.training_seconds + check.measuring_seconds,
        ..MetricsPoint::default()
    }
}

fn tested(step: usize, freeze: bool) -> MetricsPoint {
    MetricsPoint {
        steps: 0,
        loss: None,
        train_accuracy: None,
        learning_rate: None,
        test_accuracy: check(step, freeze).accuracy.and_then(Spread::of),
        ..reported(step, freeze)
    }
}

/// Runs the command in a folder.
pub(crate) fn frostline(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn check(step: usize, freeze: bool) -> Check {
    let progress = step as f64 / STEPS as f64;
    let frozen = if freeze { step / 200 } else { 0 };
    let similarity = |layer: usize| match layer < frozen {
        true => 1.0,
        false => 1.0 - 0.05 * (layer + 1) as f64 * (-3.0 * progress).exp(),
    };
    Check {
        step,
        epoch: 4.0 * progress,
        learning_rate: (step > 0).then_some(0.1 * (1.0 - progress)),
        training_seconds: 0.5 * step as f64,
        measuring_seconds: 0.01 * step as f64,
        cpu_seconds: Some(step as f64),
        loss: (step > 0).then(|| 0.4 + 1.9 * (-3.0 * progress).exp()),
        accuracy: Some(0.7 - 0.6 * (-3.0 * progress).exp()),
        similarity: (0..3)
            .map(|layer| (step > 0).then(|| similarity(layer)))
            .collect(),
        frozen,
        decided: frozen,
        reason: format!("{frozen} of 2 at {:.0} %", 100.0 * progress),
        ledger: Some(ledger(step, freeze)),
        ..Check::default()
    }
}

/// Of a step with nothing frozen for every one before the 200th, and after it with the first layer frozen.
fn ledger(step: usize, freeze: bool) -> Ledger {
    let (all, froze) = (
        step as f64,
        if freeze { step.saturating_sub(200) } else { 0 },
    );
    let layers = LAYERS.iter().enumerate().map(|(layer, (_, width))| {
        let forward = 1e7 * *width as f64;
        let still = if layer == 0 { froze as f64 } else { 0.0 };
        LayerFlops {
            forward: forward * all,
            backward: 2.0 * forward * (all - still),
            saved_forward: 0.0,
            saved_backward: 2.0 * forward * still,
        }
    });
    let at = |steps: usize, seconds: f64| StepTime {
        steps,
        seconds: seconds * steps as f64,
    };
    Ledger {
        layers: layers.collect(),
        measuring_flops: 1e6 * all,
        at_frozen: vec![at(step - froze, 0.6), at(froze, 0.4)],
        ..Ledger::default()
    }
}

/// What the layers answer: the same waves in the end, with others among them before.
fn activations(step: usize) -> Activations {
    let layer = |(index, (name, width)): (usize, (&str, usize))| {
        let unsettled = 1.0 - (step as f64 / STEPS as f64).powf(1.0 / (1.0 + index as f64));
        let value = |at: usize| {
            let (sample, neuron) = ((at / width) as f64, (at % width) as f64);
            let settled = (0.1 + sample * (0.37 + 0.61 * neuron + index as f64)).sin();
            settled + 2.0 * unsettled * (sample * (1.13 + 0.29 * neuron + step as f64)).cos()
        };
        let values: Vec<f32> = (0..120 * width).map(|at| value(at) as f32).collect();
        let data = TensorData::new(values, [120, width]);
        Activation::new(name, Tensor::<2>::from_data(data, &Device::flex()))
    };
    LAYERS.into_iter().enumerate().map(layer).collect()
}
