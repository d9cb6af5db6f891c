//! A run is killed at any moment and goes on as if nothing had been.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use frostline_activations::{Check, MetricsPoint, Run, Status};
use frostline_freeze::{Converged, PolicyConfig, PrefixCache};

use crate::net::{Net, STEPS_AN_EPOCH, freezing, learner, training, values};

const EPOCHS: usize = 6;
const FOLDER: &str = "FROSTLINE_TEST_RUN";
const POLICY: &str = "FROSTLINE_TEST_POLICY";
/// One that needs nothing, one that sums gradients, and one that thaws and compares weights.
const POLICIES: [&str; 3] = [
    "linear(0.2, 1)",
    "grad_norm(60)",
    "thaw_on_lr_drop(2, weight_delta(0.5, 1))",
];
/// Of each.
const KILLS: u64 = 7;

/// The trainer's checkpoint of the last epoch whose three files are there.
fn last_checkpoint(folder: &Path) -> Option<usize> {
    let complete = |epoch: &usize| {
        ["model", "optim", "scheduler"].iter().all(|part| {
            folder
                .join(format!("checkpoint/{part}-{epoch}.bpk"))
                .exists()
        })
    };
    (1..=EPOCHS).rev().find(complete)
}

/// What the child does: begins or goes on, and writes the weights at the end.
fn train(folder: &Path, policy: &str) {
    let net = Net::new();
    let policy: PolicyConfig = policy.parse().unwrap();
    let wrapped = freezing(&net, policy.init().unwrap(), EPOCHS)
        .caching(PrefixCache::in_memory(1 << 20))
        .going_on_in(folder.join("run"))
        .wrap(net);
    let handle = wrapped.handle();
    let mut training = training(folder, EPOCHS);
    if let Some(epoch) = last_checkpoint(folder) {
        training = training.checkpoint(epoch);
    }
    handle.interrupt_with(training.interrupter());
    let result = training.launch(learner(wrapped, EPOCHS));
    assert!(result.interrupted.is_none(), "{:?}", result.interrupted);
    handle.finish(None).unwrap();
    let weights = values(&result.model).into_iter();
    let weights: Vec<u8> = weights
        .flat_map(|(_, data)| data.bytes().to_vec())
        .collect();
    std::fs::write(folder.join("weights"), weights).unwrap();
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "the other test starts it"]
fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train(Path::new(&folder), &std::env::var(POLICY).unwrap());
    }
}

fn start(folder: &Path, policy: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored"])
        .env(FOLDER, folder)
        .env(POLICY, policy)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What must not depend on being killed: all but the seconds.
fn decisions(folder: &Path) -> Vec<Check> {
    let run = Run::open(folder.join("run")).unwrap();
    assert!(run.problems.is_empty(), "{:?}", run.problems);
    let steps: Vec<usize> = run.history.iter().map(|check| check.step).collect();
    assert_eq!(run.checkpoints(), steps);
    assert_eq!(run.info.outcome.unwrap().status, Status::Finished);
    let mut history = run.history;
    for check in &mut history {
        (check.training_seconds, check.measuring_seconds) = (0.0, 0.0);
        (check.cpu_seconds, check.ledger) = (None, None);
    }
    history
}

/// What every step and every validation reported: all but times, and operations, of which a new process does more since
/// the cache of the old one is lost.
fn reported(folder: &Path) -> Vec<MetricsPoint> {
    let run = Run::open(folder.join("run")).unwrap();
    let points = run.metrics.points().iter();
    let timeless = points.map(|point| MetricsPoint {
        training_seconds: 0.0,
        wall_seconds: 0.0,
        flops: None,
        ..point.clone()
    });
    timeless.collect()
}

#[test]
fn a_run_killed_at_any_moment_goes_on_to_the_same_decisions_and_weights() {
    for policy in POLICIES {
        killed_and_gone_on_with(policy);
    }
}

fn killed_and_gone_on_with(policy: &str) {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole");
    let started = Instant::now();
    assert!(start(&whole, policy).wait().unwrap().success());
    let took = started.elapsed();
    let expected = decisions(&whole);
    assert!(expected.iter().any(|check| check.frozen > 0), "{policy}");
    let weights = std::fs::read(whole.join("weights")).unwrap();
    let told = reported(&whole);
    // Every step, and a validation at the end of every epoch.
    assert_eq!(told.len(), EPOCHS * STEPS_AN_EPOCH + EPOCHS);

    let mut resumed = 0;
    for kill in 0..KILLS {
        let folder: PathBuf = temp.path().join(format!("killed-{kill}"));
        let mut child = start(&folder, policy);
        std::thread::sleep(moment(kill, took));
        child.kill().unwrap();
        child.wait().unwrap();
        // What has been written can be read at any moment.
        if let Ok(run) = Run::open(folder.join("run")) {
            for check in &run.history {
                assert!(
                    run.activations(check.step, &burn::tensor::Device::flex())
                        .is_ok()
                );
            }
        }
        resumed += usize::from(last_checkpoint(&folder).is_some());
        assert!(
            start(&folder, policy).wait().unwrap().success(),
            "{policy}, killed at {:?}",
            moment(kill, took)
        );
        assert_eq!(
            decisions(&folder),
            expected,
            "{policy}, killed at {:?}",
            moment(kill, took)
        );
        assert!(std::fs::read(folder.join("weights")).unwrap() == weights);
        assert_eq!(
            reported(&folder),
            told,
            "{policy}, killed at {:?}",
            moment(kill, took)
        );
    }
    assert!(
        resumed > 0,
        "{policy}: none was killed after its first epoch"
    );
}

/// A moment of the run, evenly spread and out of order.
fn moment(kill: u64, took: Duration) -> Duration {
    let share = (kill * 3 % KILLS) as f64 + 0.5;
    took.mul_f64(share / KILLS as f64)
}

#[test]
fn another_run_in_the_folder_is_not_gone_on_with() {
    let temp = tempfile::tempdir().unwrap();
    train(temp.path(), POLICIES[0]);
    let net = Net::new();
    let wrapped = freezing(&net, Converged::default(), EPOCHS)
        .going_on_in(temp.path().join("run"))
        .wrap(net);
    let handle = wrapped.handle();
    let training = training(temp.path(), EPOCHS).checkpoint(EPOCHS - 1);
    handle.interrupt_with(training.interrupter());
    training.launch(learner(wrapped, EPOCHS));
    let error = handle.finish(None).unwrap_err().to_string();
    assert!(error.contains("its policy is linear"), "{error}");
    // Nothing that was recorded is lost.
    assert_eq!(decisions(temp.path()).last().unwrap().frozen, 2);
}
