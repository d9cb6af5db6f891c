//! Panes and curves from a run folder: from which probe they are, and what chance gives in place of their values.

mod samples;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use frostline::activations::{
    Activation, Activations, Check, FORMAT_VERSION, Layout, Length, Outcome, PanesProbe, ProbeInfo,
    Run, RunFolder, RunInfo, Status, Versions,
};
use frostline::svcca::{Grid, Measure, Wanted};
use frostline::{Dynamics, compared, grid_chance};
use samples::normal;

const STEPS: usize = 100;
const MOMENTS: [f64; 4] = [0.0, 0.35, 0.75, 1.0];
/// Samples of the checks' probe and of the panes'.
const FEW: usize = 60;
const MANY: usize = 900;

fn info() -> RunInfo {
    RunInfo {
        format: FORMAT_VERSION,
        name: "run".into(),
        title: None,
        notice: None,
        layers: vec!["first".into(), "second".into()],
        length: Length::steps(STEPS),
        probe: ProbeInfo {
            samples: FEW,
            layout: Layout::default(),
            inputs: None,
        },
        panes_probe: Some(PanesProbe {
            layout: Layout::default(),
            steps: vec![0, 35, 75, STEPS],
        }),
        policy: "never".into(),
        measure: Measure::default().to_string(),
        seed: None,
        forward_flops: None,
        device: "flex".into(),
        versions: Versions::default(),
        settings: Default::default(),
        began: None,
        outcome: None,
    }
}

/// Two layers of 12 neurons that come from noise of this step to noise that they end as.
fn layers(samples: usize, step: usize) -> Activations {
    let layer = |(index, name): (u64, &str)| {
        let end = normal([samples, 12], 7 + index);
        let noise: Tensor<2> = normal([samples, 12], 1000 + 10 * step as u64 + index);
        let done = step as f64 / STEPS as f64;
        Activation::new(name, end * done + noise * (1.0 - done))
    };
    [(0, "first"), (1, "second")]
        .into_iter()
        .map(layer)
        .collect()
}

/// A run that was checked every 25 steps up to `checked`, and had its panes evaluated up to `pictured`.
fn run(path: &Path, checked: usize, pictured: usize) -> RunFolder {
    let mut folder = RunFolder::create(path, info()).unwrap();
    for step in [0, 25, 35, 50, 75, STEPS] {
        if step != 35 && step <= checked {
            folder.save(step, &layers(FEW, step)).unwrap();
            let check = Check {
                step,
                similarity: vec![None; 2],
                ..Check::default()
            };
            folder.append(&check).unwrap();
        }
        if info().panes_probe.unwrap().steps.contains(&step) && step <= pictured {
            folder.save_pane(step, &layers(MANY, step)).unwrap();
        }
    }
    folder
}

fn dynamics(path: &Path) -> Dynamics {
    let (run, device) = (Run::open(path).unwrap(), Device::flex());
    Dynamics::of(&run, &MOMENTS, Measure::default(), &device, |_| ())
}

/// The samples that each pane was measured on.
fn samples_of_panes(dynamics: &Dynamics) -> Vec<usize> {
    let panes = dynamics.panes.iter();
    panes
        .map(|pane| pane.chance[0][0].unwrap().samples)
        .collect()
}

#[test]
fn panes_are_of_their_own_probe_and_curves_of_that_of_the_checks() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), STEPS, STEPS);
    let dynamics = dynamics(temp.path());
    assert!(dynamics.problems.is_empty(), "{:?}", dynamics.problems);
    assert_eq!(samples_of_panes(&dynamics), [MANY; 4]);
    let steps: Vec<usize> = dynamics.panes.iter().map(|pane| pane.step).collect();
    assert_eq!(steps, [0, 35, 75, STEPS]);
    let curve = &dynamics.to_end[0];
    assert_eq!(curve.points.len(), 5);
    let samples: Vec<usize> = curve.chance.iter().map(|by| by.unwrap().samples).collect();
    assert_eq!(samples, [FEW; 5]);

    // What unrelated layers share is as much as chance gives, and more than ten samples a direction make it little.
    let first = &dynamics.panes[0];
    let (value, by) = (first.values[0][1].unwrap(), first.chance[0][1].unwrap());
    assert!(by.could_give(value), "{value} {by:?}");
    assert!(by.samples_a_direction() >= 10.0 && by.level < 0.2, "{by:?}");
    let of_few = curve.chance[0].unwrap();
    assert!(
        of_few.samples_a_direction() < 10.0 && of_few.level > 0.3,
        "{of_few:?}"
    );
    let end = dynamics.panes[3].chance[0][0].unwrap();
    assert!(!end.could_give(dynamics.panes[3].values[0][0].unwrap()));
}

#[test]
fn panes_of_a_training_that_was_cut_short_are_those_of_the_checks() {
    let temp = tempfile::tempdir().unwrap();
    let mut folder = run(temp.path(), 50, 35);
    folder
        .finish(Outcome {
            status: Status::Interrupted,
            step: 60,
            training_seconds: 1.0,
            measuring_seconds: 0.1,
            cpu_seconds: None,
            ledger: None,
            accuracy: None,
            test_samples: None,
            notes: Vec::new(),
        })
        .unwrap();
    let dynamics = dynamics(temp.path());
    assert!(
        samples_of_panes(&dynamics)
            .iter()
            .all(|samples| *samples == FEW)
    );
    // The end is that of the checks, at step 50.
    let last = dynamics.panes.last().unwrap();
    assert_eq!(last.step, 50);
    assert!((last.values[0][0].unwrap() - 1.0).abs() < 1e-6); // projections in f32
}

#[test]
fn a_pane_that_cannot_be_read_is_passed_over_and_named() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), STEPS, STEPS);
    let of = |step: usize| {
        temp.path()
            .join(format!("panes/step-{step:08}.safetensors"))
    };
    std::fs::write(of(35), "half").unwrap();
    let found = dynamics(temp.path());
    assert_eq!(samples_of_panes(&found), [MANY; 3]);
    assert!(
        found.problems[0].contains("step-00000035.safetensors"),
        "{:?}",
        found.problems
    );
    // Without their end the panes are those of the checks.
    std::fs::write(of(STEPS), "half").unwrap();
    let found = dynamics(temp.path());
    assert_eq!(samples_of_panes(&found), [FEW; 4]);
    assert!(found.problems[0].contains("step-00000100.safetensors"));
    std::fs::remove_dir_all(temp.path().join("panes")).unwrap();
    assert_eq!(samples_of_panes(&dynamics(temp.path())), [FEW; 4]);
}

#[test]
fn the_page_says_on_how_many_samples_its_panes_stand() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), STEPS, STEPS);
    let runs = [Run::open(temp.path()).unwrap()];
    let mut progress = Vec::new();
    let page = compared(&runs, &Device::flex(), |at| {
        progress.push((at.done, at.total))
    })
    .unwrap();
    assert!(progress.is_sorted());
    assert_eq!(progress.last(), Some(&(9, 9)), "five checks and four panes");
    let html = page.html().unwrap();
    assert!(
        html.contains("Compared on 900 samples"),
        "{}",
        html.contains("Compared on")
    );
    assert!(html.contains("Hatched: chance could give the value"));
}

#[test]
fn a_grid_has_the_chance_level_of_each_of_its_pairs() {
    let [few, many] = [FEW, MANY].map(|samples| layers(samples, 0));
    let chance = |activations: &Activations| {
        let views = ["first", "second"].map(|name| activations.view(name).unwrap());
        let prepared = Measure::default().prepare_all(&views);
        let grid = Grid::of(&prepared, &prepared, Wanted::Values, |_| ()).unwrap();
        grid_chance(&grid)
    };
    let (few, many) = (chance(&few), chance(&many));
    assert_eq!((few.len(), few[0].len()), (2, 2));
    let level =
        |levels: &[Vec<Option<frostline::activations::ByChance>>]| levels[1][0].unwrap().level;
    assert!(level(&few) > 2.0 * level(&many));
}
