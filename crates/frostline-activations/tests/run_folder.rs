//! The run folder: written, read back, and damaged in every way that a kill or a newer version can.

use std::path::Path;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Distribution, Tensor};
use frostline_activations::{
    Activation, Activations, ByChance, Check, Error, FORMAT_VERSION, Layout, Length, Metrics,
    MetricsPoint, Outcome, Probe, ProbeInfo, Run, RunFolder, RunInfo, Spread, Status, Tap,
    Versions,
};

fn info() -> RunInfo {
    RunInfo {
        format: FORMAT_VERSION,
        name: "freeze".into(),
        title: Some("a small net".into()),
        notice: None,
        layers: vec!["block1".into(), "head".into()],
        length: Length::epochs(2, 50),
        probe: ProbeInfo {
            samples: 3,
            layout: Layout::ChannelMeans,
            inputs: None,
        },
        panes_probe: None,
        policy: "never".into(),
        measure: "SVCCA".into(),
        seed: Some(1),
        forward_flops: None,
        device: "flex".into(),
        versions: Versions::default(),
        settings: [("batch".to_string(), "64".to_string())].into(),
        began: None,
        outcome: None,
    }
}

fn check(step: usize) -> Check {
    Check {
        step,
        epoch: step as f64 / 50.0,
        learning_rate: Some(0.1 + 0.2), // a number that needs all its digits
        training_seconds: 1.5,
        loss: Some(2.25),
        similarity: vec![Some(1.0), None],
        frozen: 1,
        decided: 1,
        reason: "block1 changed by 0.004 ≤ 0.01 twice".into(),
        ..Check::default()
    }
}

fn activations() -> Activations {
    let device = Device::flex();
    let first =
        Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, f32::MIN_POSITIVE]], &device);
    let second = Tensor::<2>::from_data([[0.1f64], [0.2], [0.3]], (&device, DType::F64));
    [
        Activation::new("z first in the forward", first),
        Activation::new("a second", second),
    ]
    .into_iter()
    .collect()
}

fn written(path: &Path) -> RunFolder {
    let mut folder = RunFolder::create(path, info()).unwrap();
    for step in [0, 50, 100] {
        folder.save(step, &activations()).unwrap();
        folder.append(&check(step)).unwrap();
    }
    folder
}

#[test]
fn a_run_reads_back_as_it_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let mut folder = written(temp.path());
    let outcome = Outcome {
        status: Status::Finished,
        step: 100,
        training_seconds: 12.5,
        measuring_seconds: 0.5,
        cpu_seconds: Some(24.0),
        ledger: None,
        accuracy: Some(0.71),
        test_samples: Some(10_000),
        notes: Vec::new(),
    };
    folder.finish(outcome.clone()).unwrap();

    let run = Run::open(temp.path()).unwrap();
    assert_eq!(
        run.info,
        RunInfo {
            outcome: Some(outcome),
            ..info()
        }
    );
    assert_eq!(run.history, [check(0), check(50), check(100)]);
    assert_eq!(run.checkpoints(), [0, 50, 100]);
    assert!(run.problems.is_empty(), "{:?}", run.problems);

    let read = run.activations(50, &Device::flex()).unwrap();
    let names: Vec<_> = read.names().collect();
    assert_eq!(names, ["z first in the forward", "a second"]);
    for (found, expected) in read.iter().zip(activations().iter()) {
        let tensor = |layer: &Activation| layer.tensor::<2>().unwrap().into_data();
        assert_eq!(tensor(found), tensor(expected));
    }
}

#[test]
fn what_the_panes_own_probe_gave_is_kept_apart_from_the_checkpoints() {
    let temp = tempfile::tempdir().unwrap();
    let folder = written(temp.path());
    // Step 150 is beyond what the history knows: of a training that was cut short.
    for step in [0, 75, 150] {
        folder.save_pane(step, &activations()).unwrap();
    }
    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.pane_steps(), [0, 75]);
    let [problem] = run.problems.as_slice() else {
        panic!("one problem: {:?}", run.problems);
    };
    assert!(
        problem.contains("panes has activations of step 150"),
        "{problem}"
    );
    assert_eq!(run.checkpoints(), [0, 50, 100]);
    let read = run.pane_activations(75, &Device::flex()).unwrap();
    assert_eq!(
        read.names().collect::<Vec<_>>(),
        ["z first in the forward", "a second"]
    );
    let missing = run
        .pane_activations(50, &Device::flex())
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("panes/step-00000050.safetensors"),
        "{missing}"
    );
}

#[test]
fn a_check_keeps_its_chance_levels_and_an_older_one_has_none() {
    let by = ByChance {
        samples: 250,
        directions: 31,
        level: 0.1 + 0.2,
        upper: 0.35,
        corrected: Some(0.5),
    };
    let judged = Check {
        chance: vec![Some(by), None],
        ..check(150)
    };
    let temp = tempfile::tempdir().unwrap();
    let mut folder = written(temp.path());
    folder.append(&judged).unwrap();
    let history = Run::open(temp.path()).unwrap().history;
    assert_eq!(history.last(), Some(&judged));
    // A run without them is written as it was before there were any.
    let text = std::fs::read_to_string(temp.path().join("history.jsonl")).unwrap();
    assert_eq!(text.matches("chance").count(), 1);
    let text = std::fs::read_to_string(temp.path().join("run.json")).unwrap();
    assert!(!text.contains("panes"));
}

#[test]
fn no_file_is_left_half_written_beside_the_run() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let mut names: Vec<String> = std::fs::read_dir(temp.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".lock",
            "checkpoints",
            "history.jsonl",
            "metrics.jsonl",
            "run.json"
        ]
    );
}

#[cfg(unix)]
#[test]
fn whoever_reads_the_history_reads_the_checkpoints() {
    use std::os::unix::fs::PermissionsExt;

    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let mode = |name: &str| {
        let metadata = std::fs::metadata(temp.path().join(name)).unwrap();
        metadata.permissions().mode()
    };
    assert_eq!(
        mode("checkpoints/step-00000050.safetensors"),
        mode("history.jsonl")
    );
}

#[test]
fn a_layer_that_is_called_as_an_entry_of_the_format_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(temp.path(), info()).unwrap();
    let layer = activations().iter().next().unwrap().tensor::<2>().unwrap();
    let reserved = [Activation::new("__metadata__", layer)]
        .into_iter()
        .collect();
    let found = folder.save(0, &reserved).unwrap_err();
    assert!(
        matches!(&found, frostline_activations::Error::ReservedName { name } if name == "__metadata__"),
        "{found}"
    );
    assert!(Run::open(temp.path()).unwrap().checkpoints().is_empty());
}

#[test]
fn a_folder_that_holds_a_run_is_not_written_over() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let again = RunFolder::create(temp.path(), info());
    assert!(matches!(again, Err(Error::Occupied { .. })));
    assert_eq!(Run::open(temp.path()).unwrap().history.len(), 3);
}

#[test]
fn a_half_written_last_line_is_reported_and_the_lines_before_it_are_read() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let path = temp.path().join("history.jsonl");
    let whole = std::fs::read(&path).unwrap();
    let second_line_ends = whole.len() * 2 / 3;
    for cut in [whole.len() - 2, whole.len() - 20, second_line_ends + 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let run = Run::open(temp.path()).unwrap();
        assert_eq!(run.history, [check(0), check(50)], "cut at byte {cut}");
        assert_eq!(run.problems.len(), 1);
        assert!(run.problems[0].contains("line 3"), "{}", run.problems[0]);
        assert!(run.problems[0].contains("history.jsonl"));
    }
}

#[test]
fn a_damaged_line_in_the_middle_ends_the_history_before_it() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let path = temp.path().join("history.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let damaged = text.replacen("\"step\":50", "\"step\":\"fifty\"", 1);
    assert_ne!(damaged, text);
    std::fs::write(&path, damaged).unwrap();

    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.history, [check(0)]);
    assert!(run.problems[0].contains("line 2"), "{}", run.problems[0]);
}

#[test]
fn a_newer_format_is_an_error_that_names_both_versions() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let path = temp.path().join("run.json");
    // A newer format may have other fields: only `format` can be relied on.
    std::fs::write(&path, r#"{ "format": 99, "layers": "elsewhere" }"#).unwrap();

    let error = Run::open(temp.path()).unwrap_err();
    assert!(matches!(
        error,
        Error::NewerFormat {
            found: 99,
            supported: FORMAT_VERSION,
            ..
        }
    ));
    assert!(error.to_string().contains("run.json"));
}

#[test]
fn a_truncated_checkpoint_is_an_error_that_names_the_file() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let path = temp.path().join("checkpoints/step-00000050.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 4, 40, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let run = Run::open(temp.path()).unwrap();
        let error = run.activations(50, &Device::flex()).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }));
        assert!(
            error.to_string().contains("step-00000050.safetensors"),
            "{error}"
        );
        assert!(run.activations(100, &Device::flex()).is_ok());
    }
}

#[test]
fn what_is_no_run_folder_is_told_what_is_missing() {
    let temp = tempfile::tempdir().unwrap();
    let message = |path: &Path| Run::open(path).unwrap_err().to_string();
    assert!(message(temp.path()).contains("run.json is missing"));
    assert!(message(&temp.path().join("nowhere")).contains("no such folder"));

    std::fs::write(temp.path().join("run.json"), "{").unwrap();
    assert!(message(temp.path()).contains("run.json is damaged"));
}

fn point(step: usize) -> MetricsPoint {
    MetricsPoint {
        step,
        steps: 1,
        epoch: step as f64 / 50.0,
        loss: Spread::of(0.1 + 0.2 * step as f64),
        learning_rate: Spread::of(0.01),
        training_seconds: 0.1 * step as f64,
        frozen: 1,
        wall_seconds: 1.7e9 + step as f64,
        ..MetricsPoint::default()
    }
}

fn tested(step: usize) -> MetricsPoint {
    MetricsPoint {
        steps: 0,
        loss: None,
        test_accuracy: Spread::of(0.7),
        ..point(step)
    }
}

/// Writes a point a step up to `steps`, with a test at every tenth.
fn reported(folder: &mut RunFolder, steps: usize) -> Metrics {
    let mut metrics = Metrics::default();
    for step in 1..=steps {
        let tests = (step % 10 == 0).then(|| tested(step));
        for point in [Some(point(step)), tests].into_iter().flatten() {
            let thinned = metrics.push(point);
            folder.keep_metrics(&metrics, thinned).unwrap();
        }
    }
    metrics
}

#[test]
fn what_every_step_reported_reads_back_to_the_last_digit() {
    let temp = tempfile::tempdir().unwrap();
    let metrics = reported(&mut written(temp.path()), 25);
    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.metrics, metrics);
    assert_eq!(run.metrics.points().len(), 25 + 2);
    assert_eq!(run.metrics.points()[10], tested(10));
    assert!(run.problems.is_empty(), "{:?}", run.problems);
}

#[test]
fn thinned_metrics_take_the_place_of_their_file_and_are_appended_to() {
    let temp = tempfile::tempdir().unwrap();
    let metrics = reported(&mut written(temp.path()), 5000);
    let text = std::fs::read_to_string(temp.path().join("metrics.jsonl")).unwrap();
    assert_eq!(text.lines().count(), metrics.points().len());
    assert!(text.lines().count() < 4 * Metrics::POINTS);
    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.metrics, metrics);
    let steps: usize = run.metrics.trained().map(|point| point.steps).sum();
    assert_eq!(steps, 5000);
    assert_eq!(run.metrics.tested().count(), 500);
}

#[test]
fn a_folder_without_metrics_is_read_as_before() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    std::fs::remove_file(temp.path().join("metrics.jsonl")).unwrap();
    let path = temp.path().join("run.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let old = text.replace("\"began\": null,", "");
    assert_ne!(old, text);
    std::fs::write(&path, old).unwrap();

    let run = Run::open(temp.path()).unwrap();
    assert_eq!((run.history.len(), run.metrics.points().len()), (3, 0));
    assert_eq!(run.info.began, None);
    assert!(run.problems.is_empty(), "{:?}", run.problems);
    // What can't be read as lines is an error.
    std::fs::create_dir(temp.path().join("metrics.jsonl")).unwrap();
    let error = Run::open(temp.path()).unwrap_err().to_string();
    assert!(
        error.contains("metrics.jsonl is no file but a folder"),
        "{error}"
    );
}

#[test]
fn a_damaged_line_of_the_metrics_ends_them_before_it_and_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    reported(&mut written(temp.path()), 9);
    let path = temp.path().join("metrics.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    let line = &whole[last..];
    for (damaged, says) in [
        (line[..line.len() / 2].to_string(), "half written"),
        (line.replace("\"step\":9", "\"step\":-9"), "half written"),
        (
            line.replace("\"count\":1", "\"count\":0"),
            "stands for no step",
        ),
        (
            line.replace("\"frozen\":1", "\"frozen\":7"),
            "`frozen` is 7, but of 2 layers at most 1",
        ),
        (
            line.replace("\"steps\":1", &" ".repeat(1 << 17)),
            "half written",
        ),
    ] {
        assert_ne!(damaged, line);
        std::fs::write(&path, format!("{}{damaged}", &whole[..last])).unwrap();
        let run = Run::open(temp.path()).unwrap();
        assert_eq!(run.metrics.points().len(), 8, "{says}");
        let [problem] = run.problems.as_slice() else {
            panic!("one problem: {:?}", run.problems);
        };
        assert!(
            problem.contains("line 9") && problem.contains("metrics.jsonl"),
            "{problem}"
        );
        assert!(problem.contains(says), "{problem}");
    }
}

#[test]
fn a_run_that_goes_on_drops_what_it_reported_later_and_keeps_when_it_began() {
    let temp = tempfile::tempdir().unwrap();
    let began = Some(1.7e9);
    let mut folder = RunFolder::create(temp.path(), RunInfo { began, ..info() }).unwrap();
    reported(&mut folder, 30);
    drop(folder);
    let (mut folder, _, mut metrics) = RunFolder::resume(temp.path(), info(), 20).unwrap();
    assert_eq!(metrics.points().last(), Some(&tested(20)));
    let thinned = metrics.push(point(21));
    folder.keep_metrics(&metrics, thinned).unwrap();
    // What waits to be written is written with a check, a saved model or the end.
    folder.note_saved(&"a model").unwrap();

    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.metrics, metrics);
    assert_eq!(run.info.began, began);
    drop(folder);
    // Begun anew, nothing of it is left there, and all of it is aside: what the second run replaced, then the first.
    RunFolder::restart(temp.path(), info()).unwrap();
    assert!(Run::open(temp.path()).unwrap().metrics.points().is_empty());
    let aside = |name| Run::open(temp.path().join(name)).unwrap().metrics;
    assert_eq!(aside("replaced-1").points().last(), Some(&tested(30)));
    assert_eq!(aside("replaced-2"), metrics);
}

#[test]
fn half_precision_stays_half_precision() {
    let temp = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(temp.path(), info()).unwrap();
    let device = Device::flex();
    let of = |dtype: DType| {
        let tensor = Tensor::<2>::from_floats([[0.1, 2.0], [-3.7, 1e-3]], &device);
        Activation::new(format!("{dtype:?}"), tensor.cast(dtype))
    };
    let dtypes = [DType::F16, DType::BF16, DType::F32];
    let all: Activations = dtypes.map(of).into_iter().collect();
    folder.save(0, &all).unwrap();
    let mut folder = folder;
    folder.append(&check(0)).unwrap();
    let read = Run::open(temp.path())
        .unwrap()
        .activations(0, &device)
        .unwrap();
    for ((found, expected), dtype) in read.iter().zip(all.iter()).zip(dtypes) {
        let data = |layer: &Activation| layer.tensor::<2>().unwrap().into_data();
        assert_eq!(data(found).dtype(), dtype);
        assert_eq!(data(found), data(expected));
    }
}

#[test]
fn a_checkpoint_keeps_what_rounding_made_of_its_views() {
    let temp = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(temp.path(), info()).unwrap();
    let device = Device::flex();
    let net = LinearConfig::new(1, 1).init(&device);
    let maps = Tensor::<4>::random([6, 4, 5, 5], Distribution::Default, &device);
    // One layer is called as the errors of the other might be.
    let forward = |_: &Linear, x: Tensor<4>| {
        x.clone().cast(DType::BF16).tap("errors of b");
        x.clone().cast(DType::F16).tap("b");
        x.tap("c");
    };
    let halves = |values: &Tensor<2>| Ok::<_, String>(Some(values.clone().cast(DType::F32) / 2.0));
    let probe = Probe::new(vec![maps], forward).layout(Layout::ChannelMeans);
    let saved = probe.drawing_errors(halves).activations(&net).unwrap();
    folder.save(0, &saved).unwrap();
    let found = Run::open(temp.path()).unwrap();
    let found = found.activations(0, &device).unwrap();
    assert_eq!(found.names().collect::<Vec<_>>(), ["errors of b", "b", "c"]);
    for (found, saved) in found.iter().zip(saved.iter()) {
        let errors = |layer: &Activation| layer.errors().map(|errors| errors.to_data());
        assert_eq!(found.values().to_data(), saved.values().to_data());
        assert_eq!(errors(found), errors(saved));
        assert_eq!(errors(found).is_some(), found.name() != "c");
    }
}
