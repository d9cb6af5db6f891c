use std::collections::BTreeMap;

use frostline_activations::{
    Check, LayerFlops, Layout, Ledger, Length, Outcome, PanesCost, ProbeInfo, Run, RunFolder,
    RunInfo, Status, StepTime, Versions,
};

/// A run of 100 steps as read back from its folder.
pub(crate) fn run(
    name: &str,
    layers: &[&str],
    history: Vec<Check>,
    outcome: Option<Outcome>,
) -> Run {
    let info = RunInfo {
        format: frostline_activations::FORMAT_VERSION,
        name: name.into(),
        title: None,
        notice: None,
        layers: layers.iter().map(|layer| layer.to_string()).collect(),
        length: Length::epochs(5, 20),
        probe: ProbeInfo {
            samples: 500,
            layout: Layout::ChannelMeans,
            inputs: None,
        },
        panes_probe: None,
        policy: "Converged".into(),
        measure: "SVCCA".into(),
        seed: Some(1),
        forward_flops: None,
        device: "flex".into(),
        versions: Versions::default(),
        settings: BTreeMap::from([("batch".into(), "64".into())]),
        began: None,
        outcome: None,
    };
    let folder = tempfile::tempdir().unwrap();
    RunFolder::create(folder.path().join("run"), info).unwrap();
    let mut run = Run::open(folder.path().join("run")).unwrap();
    run.history = history;
    run.info.outcome = outcome;
    run
}

/// A check with a loss, an accuracy and the same similarity for every layer.
pub(crate) fn check(step: usize, similarity: &[Option<f64>], frozen: usize) -> Check {
    Check {
        step,
        epoch: step as f64 / 20.0,
        training_seconds: step as f64 * 0.5,
        measuring_seconds: step as f64 * 0.01,
        loss: Some(2.0 / (1.0 + step as f64)),
        accuracy: Some(0.1 + 0.007 * step as f64),
        similarity: similarity.to_vec(),
        frozen,
        decided: frozen,
        reason: "two layers are still".into(),
        ..Check::default()
    }
}

pub(crate) fn outcome(status: Status, step: usize) -> Option<Outcome> {
    Some(Outcome {
        status,
        step,
        training_seconds: step as f64 * 0.5,
        measuring_seconds: step as f64 * 0.01,
        cpu_seconds: None,
        ledger: None,
        accuracy: Some(0.8123),
        test_samples: Some(10_000),
        notes: Vec::new(),
    })
}

/// Three layers, five checks, the lower two frozen on the way.
pub(crate) fn usual(name: &str) -> Run {
    let s = |a, b, c| [Some(a), Some(b), Some(c)];
    let history = vec![
        check(0, &[None; 3], 0),
        check(25, &s(0.9, 0.8, 0.7), 0),
        check(50, &s(0.999, 0.9, 0.8), 1),
        check(75, &s(1.0, 0.999, 0.9), 2),
        check(100, &s(1.0, 1.0, 0.99), 2),
    ];
    let layers = ["block1", "block2", "classifier"];
    run(name, &layers, history, outcome(Status::Finished, 100))
}

/// Two layers frozen for half of 100 steps, which took half the time.
#[allow(dead_code, reason = "not every file of tests needs it")]
pub(crate) fn ledger() -> Ledger {
    let frozen = LayerFlops {
        forward: 6e9,
        backward: 1e10,
        saved_forward: 4e9,
        saved_backward: 1e10,
    };
    let trained = LayerFlops {
        forward: 1e10,
        backward: 2e10,
        ..LayerFlops::default()
    };
    let steps = |steps: usize, seconds: f64| StepTime { steps, seconds };
    Ledger {
        layers: vec![frozen, frozen, trained],
        measuring_flops: 1e9,
        at_frozen: vec![steps(50, 25.0), steps(0, 0.0), steps(50, 12.5)],
        cache_hits: 80,
        cache_misses: 20,
        caching_seconds: 0.25,
        panes: PanesCost::default(),
    }
}
