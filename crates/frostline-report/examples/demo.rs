//! Draws every picture there is, of made-up numbers: `cargo run -p frostline-report --example demo -- FOLDER`.
//!
//! `page.html` compares three runs, `study.html` is of a study; the other pictures
//! are files of their own.

mod made_up_pictures;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use frostline_activations::{
    ByChance, Check, LayerFlops, Layout, Ledger, Length, Metrics, MetricsPoint, Outcome, PanesCost,
    PanesProbe, ProbeInfo, Run, RunFolder, RunInfo, Spread, Status, StepTime, Versions,
};
use frostline_report::{Arm, LayerCurve, Page, Pane, RunPictures, Study, panes, text_table};

const LAYERS: [&str; 7] = [
    "block1",
    "block2",
    "block3",
    "block4",
    "block5",
    "block6",
    "classifier",
];
const STEPS: usize = 785;
const CHECKS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let drawn = std::env::args().nth(1);
    let drawn = PathBuf::from(drawn.ok_or("give the folder to draw into")?);
    std::fs::create_dir_all(&drawn)?;
    let folder = tempfile::tempdir()?;
    let runs = [
        made_up_run(&folder.path().join("usual"), "as usual", false, CHECKS)?,
        made_up_run(
            &folder.path().join("freeze"),
            "Freeze Training",
            true,
            CHECKS,
        )?,
        made_up_run(
            &folder.path().join("stopped"),
            "stopped <early> & on purpose",
            true,
            7,
        )?,
    ];
    let page = Page {
        title: "A page of made-up runs".into(),
        notices: vec!["Every number on this page is made up: nothing was trained.".into()],
        runs: runs.iter().map(pictures).collect(),
    };
    std::fs::write(drawn.join("page.html"), page.html()?)?;
    std::fs::write(drawn.join("panes.svg"), panes(&page.runs[0])?)?;
    print!("{}", text_table(&runs.each_ref()));
    let study = made_up_study();
    std::fs::write(drawn.join("study.html"), study.html()?)?;
    print!("\n{}", study.text());
    made_up_pictures::draw(&drawn)
}

/// A run folder as a training writes it.
fn made_up_run(
    path: &Path,
    name: &str,
    freeze: bool,
    checks: usize,
) -> Result<Run, Box<dyn Error>> {
    let info = RunInfo {
        format: frostline_activations::FORMAT_VERSION,
        name: name.into(),
        title: Some("Six conv blocks on no images at all".into()),
        notice: Some("Made-up numbers, not CIFAR-10.".into()),
        layers: LAYERS.map(String::from).to_vec(),
        length: Length::epochs(5, STEPS / 5),
        probe: ProbeInfo {
            samples: 250,
            layout: Layout::ChannelMeans,
            inputs: None,
        },
        panes_probe: Some(PanesProbe {
            layout: Layout::ChannelMeans,
            steps: vec![0, 275, 589, STEPS],
        }),
        policy: if freeze {
            "Converged(threshold 0.01, patience 2)"
        } else {
            "Never"
        }
        .into(),
        measure: "SVCCA, 99 % of the variance".into(),
        seed: Some(1),
        forward_flops: None,
        device: "flex".into(),
        versions: Versions::default(),
        settings: BTreeMap::from([
            ("batch".into(), "64".into()),
            ("images".into(), "10,000".into()),
        ]),
        began: Some(1.7e9),
        outcome: None,
    };
    let mut folder = RunFolder::create(path, info)?;
    let (mut last, mut metrics) = (Check::default(), Metrics::default());
    for index in 0..checks {
        let before = last;
        last = made_up_check(index, freeze, &before);
        let share = index as f64 / (CHECKS - 1) as f64;
        last.ledger = Some(times(made_up_ledger(freeze), share));
        for point in made_up_metrics(&before, &last, freeze) {
            let thinned = metrics.push(point);
            folder.keep_metrics(&metrics, thinned)?;
        }
        folder.append(&last)?;
    }
    let finished = checks == CHECKS;
    folder.finish(Outcome {
        status: if finished {
            Status::Finished
        } else {
            Status::Interrupted
        },
        step: last.step,
        training_seconds: last.training_seconds,
        measuring_seconds: last.measuring_seconds,
        cpu_seconds: Some(1.9 * last.training_seconds),
        // The run that was stopped knows no more than its checks do.
        ledger: finished.then(|| made_up_ledger(freeze)),
        accuracy: last
            .accuracy
            .map(|accuracy| accuracy - 0.012)
            .filter(|_| finished),
        test_samples: finished.then_some(10_000),
        notes: Vec::new(),
    })?;
    Ok(Run::open(path)?)
}

fn made_up_check(index: usize, freeze: bool, before: &Check) -> Check {
    let share = index as f64 / (CHECKS - 1) as f64;
    let step = (share * STEPS as f64).round() as usize;
    let thawed = 1.0 - before.frozen as f64 / LAYERS.len() as f64;
    let slower = 0.35 + 0.65 * thawed;
    let frozen = if freeze && index >= 4 {
        ((index - 2) / 2).min(5)
    } else {
        0
    };
    let similarity = (0..LAYERS.len()).map(|layer| match index {
        0 => None,
        _ if layer < before.frozen => Some(1.0),
        // The first steps change nearly everything.
        _ if index == 1 => Some(0.9 - 0.1 * layer as f64),
        _ => Some(1.0 - (0.02 + 0.05 * layer as f64) * wobble(index, layer) * (-3.5 * share).exp()),
    });
    let similarity: Vec<Option<f64>> = similarity.collect();
    Check {
        step,
        epoch: step as f64 / (STEPS / 5) as f64,
        learning_rate: Some(0.05 * (1.0 - share)),
        training_seconds: before.training_seconds + (step - before.step) as f64 * 0.19 * slower,
        measuring_seconds: before.measuring_seconds + 0.6,
        loss: (index > 0).then(|| 0.5 + 1.7 * (-2.6 * share).exp() * wobble(index, 3).sqrt()),
        accuracy: Some(0.1 + 0.7 * (1.0 - (-3.4 * share).exp()) * wobble(index, 5).powf(0.05)),
        chance: chances(&similarity, index),
        similarity,
        frozen,
        decided: frozen,
        reason: format!("{frozen} layers changed by less than 0.01 twice"),
        ..Check::default()
    }
}

/// What the steps between two checks reported, with a test at the end of each epoch.
fn made_up_metrics(before: &Check, check: &Check, freeze: bool) -> Vec<MetricsPoint> {
    let mut points = Vec::new();
    for step in before.step + 1..=check.step {
        let share = step as f64 / STEPS as f64;
        let part = (step - before.step) as f64 / (check.step - before.step) as f64;
        let between = |from: f64, to: f64| from + part * (to - from);
        let noise = wobble(step, 3) - 1.0 + 0.6 * (wobble(7 * step, 1) - 1.0);
        let learnt = 1.0 - (-3.4 * share).exp();
        let slower = if freeze { 0.02 * share } else { 0.0 };
        let point = MetricsPoint {
            step,
            steps: 1,
            epoch: step as f64 / (STEPS / 5) as f64,
            loss: Spread::of(0.5 + 1.7 * (-2.6 * share).exp() + slower + 0.4 * noise),
            train_accuracy: Spread::of((0.1 + 0.75 * learnt - 0.12 * noise).clamp(0.0, 1.0)),
            learning_rate: Spread::of(0.05 * (1.0 - share)),
            training_seconds: between(before.training_seconds, check.training_seconds),
            flops: Some(share * made_up_ledger(freeze).spent_flops()),
            frozen: before.frozen,
            wall_seconds: 1.7e9 + between(before.training_seconds, check.training_seconds),
            ..MetricsPoint::default()
        };
        if step.is_multiple_of(STEPS / 5) {
            points.push(MetricsPoint {
                steps: 0,
                loss: None,
                train_accuracy: None,
                learning_rate: None,
                test_accuracy: Spread::of(0.1 + 0.68 * learnt - slower),
                test_loss: Spread::of(0.6 + 1.6 * (-2.2 * share).exp() + slower),
                ..point.clone()
            });
        }
        points.push(point);
    }
    points.sort_by_key(|point| (point.step, point.is_test()));
    points
}

/// Of a training whose lower blocks froze one after another, the lowest from a cache.
fn made_up_ledger(freeze: bool) -> Ledger {
    const FORWARD: [f64; 7] = [1.77e6, 4.72e6, 9.44e6, 4.72e6, 9.44e6, 4.72e6, 2.56e3];
    let counts = if freeze {
        vec![250, 200, 0, 150, 100, 85]
    } else {
        vec![785]
    };
    let at_frozen = counts.iter().enumerate().map(|(frozen, &steps)| StepTime {
        steps,
        seconds: steps as f64 * 0.19 / (1.0 + 0.3 * frozen as f64),
    });
    let layers = FORWARD.iter().enumerate().map(|(layer, flops)| {
        let frozen: usize = counts.iter().skip(layer + 1).sum();
        let (all, frozen) = (64.0 * 785.0 * flops, 64.0 * frozen as f64 * flops);
        LayerFlops {
            forward: all - 0.9 * frozen,
            backward: 2.0 * (all - frozen),
            saved_forward: 0.9 * frozen,
            saved_backward: 2.0 * frozen,
        }
    });
    Ledger {
        layers: layers.collect(),
        measuring_flops: 1.1e12,
        at_frozen: at_frozen.collect(),
        cache_hits: if freeze { 31_000 } else { 0 },
        cache_misses: if freeze { 3_000 } else { 0 },
        caching_seconds: if freeze { 1.4 } else { 0.0 },
        panes: PanesCost {
            evaluations: 4,
            samples: 4 * 600,
            seconds: 3.1,
            flops: 6.7e11,
        },
    }
}

/// The same for a training so many times as long.
fn times(mut ledger: Ledger, factor: f64) -> Ledger {
    for layer in &mut ledger.layers {
        layer.forward *= factor;
        layer.backward *= factor;
        layer.saved_forward *= factor;
        layer.saved_backward *= factor;
    }
    ledger.measuring_flops *= factor;
    for at in &mut ledger.at_frozen {
        at.steps = (factor * at.steps as f64) as usize;
        at.seconds *= factor;
    }
    ledger
}

fn made_up_study() -> Study {
    let of_seed = [0.0, 0.03, 0.011];
    let reached = |epochs: usize, seed: u64, gain: f64| {
        let learnt = 1.0 - (-0.16 * epochs as f64).exp();
        0.1 + 0.6 * learnt
            + gain
            + of_seed[seed as usize - 1]
            + 0.006 * wobble(epochs, seed as usize)
    };
    let arm = |policy: Option<&str>, epochs: usize, seed: u64, pace: f64, gain: f64| {
        let seconds = 19.0 * epochs as f64 * pace * (1.0 + 0.02 * wobble(seed as usize, epochs));
        Arm {
            policy: policy.map(String::from),
            epochs,
            seed,
            outcome: Outcome {
                status: Status::Finished,
                step: 157 * epochs,
                training_seconds: seconds,
                measuring_seconds: 0.02 * seconds,
                cpu_seconds: Some(1.9 * seconds),
                ledger: Some(times(made_up_ledger(policy.is_some()), epochs as f64 / 5.0)),
                accuracy: Some(reached(epochs, seed, gain)),
                test_samples: Some(10_000),
                notes: Vec::new(),
            },
        }
    };
    let policies = [("converged(0.5, 0.1)", 0.62, 0.0), ("linear", 0.5, -0.04)];
    let mut arms = Vec::new();
    for seed in [1, 2, 3] {
        arms.extend([8, 12, 16, 20].map(|epochs| arm(None, epochs, seed, 1.0, 0.0)));
        for (policy, pace, gain) in policies {
            let lengths = [20, 25, 30];
            arms.extend(lengths.map(|epochs| arm(Some(policy), epochs, seed, pace, gain)));
        }
    }
    Study {
        title: "A made-up study".into(),
        notices: vec!["Every number on this page is made up: nothing was trained.".into()],
        arms,
    }
}

/// What chance gives in place of the similarities of a check: more to wider layers.
fn chances(similarity: &[Option<f64>], check: usize) -> Vec<Option<ByChance>> {
    let layers = similarity.iter().enumerate();
    layers
        .map(|(layer, similarity)| {
            let value = similarity.filter(|value| *value < 1.0)?;
            Some(by_chance(value, 250, 12 + 16 * layer + check % 3))
        })
        .collect()
}

/// About what noise gives.
fn by_chance(value: f64, samples: usize, directions: usize) -> ByChance {
    let level = 0.85 * (directions as f64 / samples as f64).sqrt();
    ByChance {
        samples,
        directions,
        level,
        upper: level + 0.02,
        corrected: Some((value - level) / (1.0 - level)),
    }
}

fn pictures(run: &Run) -> RunPictures<'_> {
    let last = run.history.last().map_or(0, |check| check.step);
    let moments = [0.0, 0.35, 0.75, 1.0];
    let to_end = LAYERS.iter().enumerate().map(|(layer, name)| {
        let checks = run.history.iter();
        let points = checks.map(|check| {
            let moment = check.step as f64 / last as f64;
            (check.step, alike(layer, layer, moment))
        });
        let points: Vec<(usize, f64)> = points.collect();
        let chance = |(_, value): &(usize, f64)| Some(by_chance(*value, 250, 12 + 16 * layer));
        LayerCurve {
            layer: (*name).into(),
            chance: points.iter().map(chance).collect(),
            points,
        }
    });
    RunPictures {
        run,
        panes: moments.map(|moment| pane(moment, last)).to_vec(),
        to_end: to_end.collect(),
    }
}

fn pane(moment: f64, last: usize) -> Pane {
    let names = || LAYERS.map(String::from).to_vec();
    let value = |row: usize, end: usize| {
        // One cell that is not defined.
        ((row, end) != (6, 1)).then(|| alike(row, end, moment))
    };
    let row = |row: usize| (0..LAYERS.len()).map(|end| value(row, end)).collect();
    let chance = |row: usize| {
        let cells = (0..LAYERS.len()).map(|end| {
            let directions = 12 + 16 * row.max(end);
            Some(by_chance(value(row, end)?, 600, directions))
        });
        cells.collect()
    };
    Pane {
        step: (moment * last as f64).round() as usize,
        fraction: moment,
        rows: names(),
        columns: names(),
        values: (0..LAYERS.len()).map(row).collect(),
        chance: (0..LAYERS.len()).map(chance).collect(),
    }
}

/// Near layers are more alike, and deep ones settle later.
fn alike(row: usize, end: usize, moment: f64) -> f64 {
    let settled =
        1.0 - (1.0 - moment).powf(3.0 / (1.0 + 0.4 * row as f64)) * (0.35 + 0.08 * row as f64);
    settled * (-0.22 * row.abs_diff(end) as f64).exp()
}

/// A factor around 1 that looks like noise and is the same every time.
fn wobble(index: usize, layer: usize) -> f64 {
    1.0 + 0.35 * ((index * 37 + layer * 91) as f64).sin()
}
