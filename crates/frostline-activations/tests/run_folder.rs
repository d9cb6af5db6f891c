//! The run folder: written, read back, and damaged in every way that a kill or a newer version can.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use frostline_activations::{
    Activation, Activations, ByChance, Check, Error, FORMAT_VERSION, Layout, Length, Outcome,
    ProbeInfo, Run, RunFolder, RunInfo, Status, Versions,
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
        ..check(50)
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
    assert_eq!(names, ["checkpoints", "history.jsonl", "run.json"]);
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
