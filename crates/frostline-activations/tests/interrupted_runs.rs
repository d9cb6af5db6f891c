//! A run folder that is gone on with: it has one owner, nothing that it holds is lost, and what can't be is told.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use frostline_activations::{
    Activation, Activations, Check, Error, FORMAT_VERSION, InterruptedRun, Layout, Length, Metrics,
    MetricsPoint, Outcome, ProbeInfo, Run, RunFolder, RunInfo, Spread, Status, Versions,
};

fn info() -> RunInfo {
    RunInfo {
        format: FORMAT_VERSION,
        name: "freeze".into(),
        title: None,
        notice: None,
        layers: vec!["block1".into(), "block2".into(), "head".into()],
        length: Length::epochs(4, 10),
        probe: ProbeInfo {
            samples: 3,
            layout: Layout::ChannelMeans,
            inputs: None,
        },
        panes_probe: None,
        policy: "never".into(),
        measure: "svcca".into(),
        seed: None,
        forward_flops: Some(vec![1.0, 2.0, 3.0]),
        device: "flex".into(),
        versions: Versions::default(),
        settings: BTreeMap::new(),
        began: Some(1.7e9),
        outcome: None,
    }
}

fn check(step: usize) -> Check {
    Check {
        step,
        epoch: step as f64 / 10.0,
        similarity: vec![Some(0.5); 3],
        ..Check::default()
    }
}

fn activations() -> Activations {
    let tensor = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], &Device::flex());
    [Activation::new("block1", tensor)].into_iter().collect()
}

fn ended(step: usize) -> Outcome {
    Outcome {
        status: Status::Finished,
        step,
        training_seconds: 1.0,
        measuring_seconds: 0.5,
        cpu_seconds: None,
        ledger: None,
        accuracy: Some(0.5),
        test_samples: None,
        notes: Vec::new(),
    }
}

/// A run that was reported at every step up to `last`, checked at every tenth, noted as saved at every fifth, and whose
/// panes were evaluated at every twentieth.
fn written(path: &Path, last: usize) -> RunFolder {
    let mut folder = RunFolder::create(path, info()).unwrap();
    let mut metrics = Metrics::default();
    for step in 0..=last {
        if step > 0 {
            let thinned = metrics.push(MetricsPoint {
                step,
                steps: 1,
                loss: Spread::of(1.0 / step as f64),
                ..MetricsPoint::default()
            });
            folder.keep_metrics(&metrics, thinned).unwrap();
        }
        if step % 10 == 0 {
            folder.save(step, &activations()).unwrap();
            folder.append(&check(step)).unwrap();
        }
        if step % 20 == 0 {
            folder.save_pane(step, &activations()).unwrap();
        }
        if step % 5 == 0 {
            folder.note_saved(&step).unwrap();
        }
    }
    folder
}

fn noted(step: &usize) -> Option<usize> {
    Some(*step)
}

fn go_on(path: &Path, step: usize) -> Result<RunFolder, Error> {
    let run = InterruptedRun::open(path, info(), step, noted)?;
    Ok(run.go_on()?.0)
}

/// Every file of a folder and what is in it, but for the lock.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if path.is_dir() {
            let within = everything(&path).into_iter();
            all.extend(within.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if name != ".lock" {
            all.insert(name, std::fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_folder_that_is_being_written_is_refused_until_its_owner_has_ended() {
    let temp = tempfile::tempdir().unwrap();
    let mut folder = written(temp.path(), 10);
    let before = everything(temp.path());
    for refused in [
        RunFolder::restart(temp.path(), info()).map(|_| ()),
        go_on(temp.path(), 5).map(|_| ()),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        assert!(
            error.to_string().contains("choose another folder"),
            "{error}"
        );
    }
    assert_eq!(everything(temp.path()), before);
    // To read is free.
    assert_eq!(Run::open(temp.path()).unwrap().history.len(), 2);
    // It ends with the run, and with its owner.
    folder.finish(ended(10)).unwrap();
    drop(go_on(temp.path(), 10).unwrap());
    drop(folder);
    go_on(temp.path(), 5).unwrap();
}

#[test]
fn what_a_run_that_goes_on_makes_again_is_kept_aside() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path();
    written(path, 38).finish(ended(38)).unwrap();
    let before = everything(path);
    let whole = Run::open(path).unwrap();
    drop(go_on(path, 15).unwrap());

    let run = Run::open(path).unwrap();
    assert_eq!(run.problems, [""; 0]);
    assert_eq!(run.history, [check(0), check(10)]);
    assert_eq!(
        (run.checkpoints(), run.pane_steps()),
        (&[0, 10][..], &[0][..])
    );
    assert_eq!(run.metrics.points().last().unwrap().step, 15);
    assert_eq!(
        run.info.outcome, None,
        "a run without its end has not ended"
    );
    assert_eq!(RunFolder::saved::<usize>(path).unwrap(), [0, 5, 10, 15]);

    // Nothing is lost: what is gone from its place is aside, byte by byte.
    let after = everything(path);
    for (name, bytes) in &before {
        let aside = after.get(&format!("replaced-1/{name}"));
        let found = aside.or_else(|| after.get(name));
        assert_eq!(found, Some(bytes), "{name}");
    }
    let aside = Run::open(path.join("replaced-1")).unwrap();
    assert_eq!(
        (&aside.history, &aside.metrics),
        (&whole.history, &whole.metrics)
    );
    assert_eq!(aside.info.outcome, Some(ended(38)));
    assert_eq!(aside.checkpoints(), [20, 30]);
}

#[test]
fn a_run_that_goes_on_where_it_stopped_replaces_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path();
    drop(written(path, 20));
    let before = everything(path);
    drop(go_on(path, 20).unwrap());
    assert_eq!(everything(path), before);
    // A run that has ended keeps its end until it ends anew.
    let mut folder = go_on(path, 20).unwrap();
    folder.finish(ended(20)).unwrap();
    let before = everything(path);
    drop(go_on(path, 20).unwrap());
    assert_eq!(everything(path), before);
    assert_eq!(Run::open(path).unwrap().info.outcome, Some(ended(20)));
}

#[test]
fn a_run_that_begins_anew_moves_aside_all_that_was_recorded() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path();
    drop(written(path, 20));
    let before = everything(path);
    drop(RunFolder::restart(path, info()).unwrap());
    let run = Run::open(path).unwrap();
    assert!(run.history.is_empty() && run.metrics.points().is_empty());
    assert!(run.checkpoints().is_empty() && run.pane_steps().is_empty());
    assert!(RunFolder::saved::<usize>(path).unwrap().is_empty());
    assert_eq!(everything(&path.join("replaced-1")), before);
    // Twice: nothing was recorded in between but the run itself.
    drop(RunFolder::restart(path, info()).unwrap());
    assert_eq!(everything(&path.join("replaced-1")), before);
    assert!(path.join("replaced-2/run.json").is_file());
}

#[test]
fn a_line_that_cannot_be_read_is_an_error_with_its_place_and_nothing_is_rewritten() {
    for (name, line, from, to) in [
        ("history.jsonl", 2, "\"epoch\":1.0", "\"epoch\":{}"),
        ("history.jsonl", 2, "\"frozen\":0", "\"frozen\":3"),
        ("metrics.jsonl", 7, "\"step\":7", "\"step\":\"seven\""),
        ("saved.jsonl", 3, "10", "ten"),
    ] {
        let temp = tempfile::tempdir().unwrap();
        drop(written(temp.path(), 30));
        let path = temp.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines[line - 1] = lines[line - 1].replacen(from, to, 1);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let before = everything(temp.path());

        let error = go_on(temp.path(), 25).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}, line {line}: ")), "{error}");
        assert!(error.contains("Nothing was changed"), "{error}");
        if let Some(field) = from
            .strip_prefix('"')
            .and_then(|rest| rest.split('"').next())
        {
            assert!(error.contains(&format!("`{field}`")), "{error}");
        }
        assert_eq!(everything(temp.path()), before);
    }
}

#[test]
fn a_last_line_that_a_kill_left_half_written_is_cut_off_and_the_rest_goes_on() {
    for name in ["history.jsonl", "metrics.jsonl", "saved.jsonl"] {
        let temp = tempfile::tempdir().unwrap();
        drop(written(temp.path(), 20));
        let path = temp.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"ste"].concat()).unwrap();
        drop(go_on(temp.path(), 20).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{name}");
        assert_eq!(Run::open(temp.path()).unwrap().problems, [""; 0]);
        assert!(temp.path().join("replaced-1").join(name).is_file());
    }
}

#[test]
fn a_history_that_has_lost_checks_is_not_gone_on_with() {
    let temp = tempfile::tempdir().unwrap();
    drop(written(temp.path(), 30));
    let path = temp.path().join("history.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().take(2).collect();
    std::fs::write(&path, kept.join("\n") + "\n").unwrap();
    let error = go_on(temp.path(), 25).unwrap_err().to_string();
    assert!(
        error.contains("history.jsonl: it has no check of step 20"),
        "{error}"
    );
    // Before that step nothing is missing.
    go_on(temp.path(), 15).unwrap();
}

#[test]
fn activations_of_an_abandoned_training_are_passed_over_and_named() {
    let temp = tempfile::tempdir().unwrap();
    drop(written(temp.path(), 20));
    // As a folder of before later steps were moved aside: cut at 38, begun anew, cut at 20.
    for step in [18, 38] {
        for folder in ["checkpoints", "panes"] {
            let file = |step: usize| {
                temp.path()
                    .join(format!("{folder}/step-{step:08}.safetensors"))
            };
            std::fs::copy(file(20), file(step)).unwrap();
        }
    }
    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.checkpoints(), [0, 10, 20]);
    // Panes have moments of their own; only those that the run hasn't come to are strange.
    assert_eq!(run.pane_steps(), [0, 18, 20]);
    let [checkpoints, panes] = run.problems.as_slice() else {
        panic!("two problems: {:?}", run.problems);
    };
    assert!(
        checkpoints.contains("steps 18, 38") && checkpoints.contains("passed over"),
        "{checkpoints}"
    );
    assert!(panes.contains("step 38"), "{panes}");
}

#[test]
fn a_field_that_cannot_be_is_told_with_file_line_and_field() {
    let temp = tempfile::tempdir().unwrap();
    drop(written(temp.path(), 20));
    let change = |name: &str, from: &str, to: &str| {
        let path = temp.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&path, &changed).unwrap();
        let found = Run::open(temp.path());
        std::fs::write(&path, text).unwrap();
        found
    };
    for (name, from, to, line, field) in [
        (
            "history.jsonl",
            "\"frozen\":0",
            "\"frozen\":9007199254740992",
            1,
            "frozen",
        ),
        (
            "history.jsonl",
            "\"frozen\":0",
            "\"frozen\":18446744073709551615",
            1,
            "frozen",
        ),
        (
            "history.jsonl",
            "\"decided\":0",
            "\"decided\":3",
            1,
            "decided",
        ),
        ("history.jsonl", "\"step\":10", "\"step\":0", 2, "step"),
        (
            "history.jsonl",
            "\"training_seconds\":0.0",
            "\"training_seconds\":{}",
            1,
            "training_seconds",
        ),
        (
            "history.jsonl",
            "\"epoch\":0.0",
            "\"epoch\":-1e999",
            1,
            "epoch",
        ),
        (
            "history.jsonl",
            "\"accuracy\":null",
            "\"accuracy\":71.5",
            1,
            "accuracy",
        ),
        (
            "history.jsonl",
            "[0.5,0.5,0.5]",
            "[0.5,0.5]",
            1,
            "similarity",
        ),
        ("metrics.jsonl", "\"low\":0.5", "\"low\":7.5", 2, "loss"),
        ("metrics.jsonl", "\"step\":12", "\"step\":2", 12, "step"),
        ("metrics.jsonl", "\"frozen\":0", "\"frozen\":3", 1, "frozen"),
    ] {
        let run = change(name, from, to).unwrap();
        let problem = &run.problems[0];
        assert!(
            problem.contains(&format!("line {line} of")) && problem.contains(name),
            "{problem}"
        );
        assert!(problem.contains(&format!("`{field}`")), "{to}: {problem}");
    }
    for (from, to, field) in [
        ("\"steps\": 40", "\"steps\": 40.5", "length.steps"),
        (
            "\"steps\": 40",
            "\"steps\": 18446744073709551615",
            "length.steps",
        ),
        ("\"block2\"", "\"block1\"", "layers"),
        ("1.0,\n", "", "forward_flops"),
        ("\"began\": 1700000000.0", "\"began\": -1.0", "began"),
        ("\"samples\": 3", "\"samples\": [3]", "probe.samples"),
    ] {
        let error = change("run.json", from, to).unwrap_err().to_string();
        assert!(
            error.contains("run.json") && error.contains(&format!("`{field}`")),
            "{to}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_in_place_of_a_file_is_an_error_and_not_waited_for() {
    for name in [
        "run.json",
        "history.jsonl",
        "metrics.jsonl",
        "saved.jsonl",
        "checkpoints/step-00000010.safetensors",
    ] {
        for pipe in [true, false] {
            let temp = tempfile::tempdir().unwrap();
            drop(written(temp.path(), 20));
            let path = temp.path().join(name);
            std::fs::remove_file(&path).unwrap();
            match pipe {
                true => assert!(
                    std::process::Command::new("mkfifo")
                        .arg(&path)
                        .status()
                        .unwrap()
                        .success()
                ),
                false => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            }
            let read = Run::open(temp.path()).and_then(|run| run.activations(10, &Device::flex()));
            let notes = RunFolder::saved::<usize>(temp.path());
            let error = read.err().or(notes.err()).unwrap().to_string();
            assert!(
                error.contains(name) && error.contains("is no file"),
                "{error}"
            );
            if !name.starts_with("checkpoints") {
                let error = go_on(temp.path(), 20).unwrap_err().to_string();
                assert!(error.contains("is no file"), "{name}: {error}");
            }
        }
    }
}

#[test]
fn files_that_are_removed_while_a_run_is_written_are_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let mut folder = written(temp.path(), 20);
    std::fs::remove_file(temp.path().join("history.jsonl")).unwrap();
    let error = folder.append(&check(30)).unwrap_err().to_string();
    assert!(error.contains("history.jsonl was removed"), "{error}");
    assert!(
        !temp.path().join("history.jsonl").exists(),
        "no history of one check"
    );
}

#[test]
fn what_cannot_be_written_is_told_as_such() {
    let temp = tempfile::tempdir().unwrap();
    let folder = written(temp.path(), 0);
    let checkpoints = temp.path().join("checkpoints");
    std::fs::rename(&checkpoints, temp.path().join("elsewhere")).unwrap();
    std::fs::write(&checkpoints, "a file").unwrap();
    let error = folder.save(10, &activations()).unwrap_err().to_string();
    assert!(
        error.contains("step-00000010.safetensors could not be written"),
        "{error}"
    );
}
