//! `frostline replay` on runs written by hand.

use std::path::Path;
use std::process::{Command, Output};

use frostline::activations::{FORMAT_VERSION, Layout, ProbeInfo, RunFolder, RunInfo, Versions};
use frostline::prelude::*;
use serde_json::Value;

/// A run of 100 steps of three layers, checked every ten, whose first layer is still from step 20 on.
fn write(folder: &Path, change: impl Fn(&mut RunInfo, &mut Vec<Check>)) {
    let mut info = RunInfo {
        format: FORMAT_VERSION,
        name: "by hand".to_string(),
        title: None,
        notice: None,
        layers: ["one", "two", "head"].map(String::from).to_vec(),
        length: Length::epochs(5, 20),
        probe: ProbeInfo {
            samples: 8,
            layout: Layout::default(),
            inputs: None,
        },
        panes_probe: None,
        policy: "never".to_string(),
        measure: Measure::default().to_string(),
        seed: None,
        forward_flops: None,
        device: "none".to_string(),
        versions: Versions::default(),
        settings: Default::default(),
        began: None,
        outcome: None,
    };
    let similarity = |step| match step {
        0 => vec![None; 3],
        10 => vec![Some(0.5); 3],
        _ => vec![Some(0.99), Some(0.5), Some(0.5)],
    };
    let mut checks: Vec<Check> = (0..=100)
        .step_by(10)
        .map(|step| Check {
            step,
            epoch: step as f64 / 20.0,
            training_seconds: step as f64,
            measuring_seconds: step as f64 / 20.0,
            similarity: similarity(step),
            loss: (step > 0).then_some(1.0),
            first_loss: (step == 10).then_some(2.0),
            ..Check::default()
        })
        .collect();
    change(&mut info, &mut checks);
    let mut run = RunFolder::create(folder, info).unwrap();
    for check in &checks {
        run.append(check).unwrap();
    }
}

fn frostline(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn policies_stand_side_by_side_with_when_each_layer_froze_and_what_it_saved() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), |_, _| {});
    let arguments = [
        "replay",
        "run",
        "--policy",
        "converged(0.06,0.2)",
        "-p",
        "linear(0.5)",
    ];
    let output = frostline(&arguments, temp.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Two layers below the last: linear has one at 75 % and two at 100 %, and is asked there. One of three
    // layers from 30 % on is 0.7 / 3, and two thirds of it without a cache; from 75 % on 0.25 / 3.
    let expected = "\
run: 3 layers, 100 steps

                  converged(0.06, 0.2)      linear(0.5, 1)
one               step 30, epoch 1.5, 30 %  step 75, epoch 3.8, 75 %
two               -                         step 100, epoch 5.0, 100 %
head              -                         -
saved             15.6 %                    5.6 %
saved with cache  23.3 %                    8.3 %

every layer counted the same: the run doesn't know their operations; measuring took 5.0 % of the training's time
";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn json_has_the_same_for_machines_and_each_run_in_its_turn() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("plain"), |_, _| {});
    write(&temp.path().join("counted"), |info, _| {
        info.forward_flops = Some(vec![8.0, 1.0, 1.0]);
    });
    let policy = ["--policy", "converged(0.06, 0.2)"];
    let arguments = [&["replay", "plain", "counted", "--json"][..], &policy].concat();
    let output = frostline(&arguments, temp.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [plain, counted] = [0, 1].map(|run| &runs[run]["policies"][0]);
    assert_eq!(runs[0]["layers"][2], "head");
    assert_eq!(plain["policy"], "converged(0.06, 0.2)");
    assert_eq!(plain["frozen_at"][0]["step"], 30);
    assert_eq!(plain["frozen_at"][0]["epoch"], 1.5);
    assert_eq!(plain["frozen_at"][1], Value::Null);
    assert_eq!(plain["checks"][3]["frozen"], 1);
    assert_eq!(plain["cost_shares"], "equal");
    assert_eq!(counted["cost_shares"], "flops");
    let saved = counted["saved_with_cache"].as_f64().unwrap();
    assert!((saved - 0.8 * 0.7).abs() < 1e-12, "{saved}"); // f64 rounding
}

#[test]
fn what_makes_a_replay_less_believable_is_told() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("froze"), |_, checks| {
        checks.iter_mut().skip(5).for_each(|check| check.frozen = 1);
    });
    let policy = |policy| {
        frostline(
            &["replay", "froze", "-p", policy, "-p", "never"],
            temp.path(),
        )
    };
    let output = policy("converged(0.06, 0.2, cka)");
    assert!(output.status.success());
    let warnings = text(&output.stderr);
    assert!(
        warnings.contains("warning: from step 50 on one was frozen in this run"),
        "{warnings}"
    );
    assert!(
        warnings.contains(
            "warning: converged(0.06, 0.2, cka): the run compared its layers by svcca, not by cka"
        ),
        "{warnings}"
    );
    assert!(
        text(&policy("dry_run(linear)").stderr).contains("dry_run(linear(0, 1)): it is a dry run")
    );
}

#[test]
fn the_command_says_what_is_wrong_and_exits_with_one_or_two() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), |_, _| {});
    write(&temp.path().join("silent"), |_, checks| checks.clear());
    let failed = |arguments: &[&str], code: i32, says: &str| {
        let output = frostline(arguments, temp.path());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    };
    failed(&["replay", "nowhere"], 1, "there is no such folder");
    failed(&["replay", "silent"], 1, "no check was recorded");
    failed(&["replay"], 2, "RUN");
    failed(
        &["replay", "run", "-p", "grad_norm"],
        1,
        "run: this run did not record the gradients of its layers",
    );
    failed(
        &["replay", "run", "-p", "converged(0.02, 7)"],
        2,
        "character 17: patience is `7`",
    );
    failed(
        &["replay", "run", "-p", "linaer"],
        2,
        "there is no policy `linaer`; there are never",
    );
    let help = frostline(&["replay", "--help"], temp.path());
    assert!(text(&help.stdout).contains("frostline replay runs/ordinary"));
}

#[test]
fn a_policy_that_was_not_recorded_is_left_out_and_named_and_the_others_are_shown() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), |_, _| {});
    let arguments = ["replay", "run", "-p", "grad_norm", "-p", "linear(0.5)"];
    let output = frostline(&arguments, temp.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(
        table.contains("linear(0.5, 1)") && !table.contains("grad_norm"),
        "{table}"
    );
    assert_eq!(
        text(&output.stderr),
        "warning: grad_norm(50) is left out: this run did not record the gradients of its layers, by which the policy \
         decides (gradient norm: change below percentile 50)\n"
    );
    let output = frostline(&[&arguments[..], &["--json"]].concat(), temp.path());
    let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(runs[0]["policies"].as_array().unwrap().len(), 1);
    assert_eq!(runs[0]["left_out"][0]["policy"], "grad_norm(50)");
}

#[test]
fn a_schedule_over_any_number_of_epochs_answers_at_once() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), |info, _| {
        info.length = Length {
            steps: 1_000_000_000_000_000_000,
            steps_per_epoch: 10,
        };
    });
    for policy in [
        "geometric(0)",
        "geometric(1e-12)",
        "geometric(0.333)",
        "linear",
        "cubic",
    ] {
        let output = frostline(&["replay", "run", "-p", policy], temp.path());
        assert!(
            output.status.success(),
            "{policy}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_run_of_twenty_thousand_checks_is_replayed_by_every_policy() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), |info, checks| {
        info.length = Length::steps(20_000);
        *checks = (0..20_000)
            .map(|step| Check {
                step,
                learning_rate: Some(if step < 500 { 0.1 } else { 0.01 }),
                similarity: vec![(step > 0).then_some(0.5); 3],
                gradients: vec![Some(1.0); 3],
                weight_change: vec![Some(0.1); 3],
                ..Check::default()
            })
            .collect();
    });
    let policies = [
        "converged",
        "thaw_on_lr_drop(10, converged)",
        "grad_norm",
        "weight_delta",
    ];
    let policies = policies.iter().flat_map(|policy| ["--policy", policy]);
    let arguments: Vec<&str> = ["replay", "run"].into_iter().chain(policies).collect();
    let output = frostline(&arguments, temp.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
}
