//! A run that was killed and goes on is bit by bit the run that was never killed, whatever decides. A device's random
//! numbers belong to the whole process, so these tests have a process of their own and take turns.

#[expect(dead_code, reason = "the other test programs use the rest")]
#[path = "freeze/nets.rs"]
mod nets;

use std::path::Path;
use std::sync::Mutex;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor, TensorData};
use frostline_activations::{Ledger, MetricsPoint, Run, Status, StepTime};
use frostline_freeze::{
    Check, CheckpointSchedule, FreezeTraining, InputKey, Layers, Length, PolicyConfig, PrefixCache,
    Probe, Resumed, Step, Watched, forget_state,
};
use nets::{Net, gradients, optimizer, rows, samples, values};

static ALONE: Mutex<()> = Mutex::new(());

const STEPS: usize = 60;

/// How a run is made.
#[derive(Clone, Copy)]
struct How {
    policy: &'static str,
    /// Checks every five steps; else whenever a budget of so much allows.
    budget: Option<f64>,
    /// The loop reports every so many steps.
    every: usize,
    /// Both gradients and weights are watched, whatever the policy wants.
    watching: bool,
    /// The loop says how many samples a step has; else its taps show it.
    samples: Option<usize>,
}

/// What a run gave, but for its seconds.
#[derive(Debug, PartialEq)]
struct Gave {
    weights: Vec<(String, TensorData)>,
    checks: Vec<Check>,
    points: Vec<MetricsPoint>,
    accuracy: Option<f64>,
}

fn prepare(how: How, net: &Net, folder: &Path) -> FreezeTraining<Net> {
    let probe = Probe::new(vec![samples(40, 99, &Device::flex())], Net::forward);
    let policy: PolicyConfig = how.policy.parse().unwrap();
    let length = Length::epochs(6, STEPS / 6);
    let freezing = FreezeTraining::new(
        Layers::of(net).unwrap(),
        probe,
        policy.init().unwrap(),
        length,
    )
    .going_on_in(folder)
    .watching(Watched {
        gradients: how.watching,
        weights: how.watching,
        parts: how.watching,
        gains: how.watching,
    });
    match how.budget {
        Some(share) => freezing.measure_at_most(share),
        None => freezing.checking(CheckpointSchedule::EverySteps(5)),
    }
}

/// Trains to the end; at each `(saved, killed)` it is cut short after `killed` steps and goes on from `saved`.
fn trained(how: How, folder: &Path, cuts: &[(usize, usize)]) -> Gave {
    let mut net = Net::new(6);
    let mut optimizer = optimizer();
    let mut freezing = prepare(how, &net, folder);
    freezing.start(&net).unwrap();
    let (mut cuts, mut saved, mut step) = (cuts.iter().peekable(), None, 0);
    while step < STEPS {
        step += 1;
        let gradients = gradients(&net, step as u64);
        freezing.gradients(&net, &gradients);
        let rate = if step < 35 { 0.05 } else { 0.005 };
        net = optimizer.step(rate, net, gradients);
        if step % how.every == 0 {
            let told = Step {
                learning_rate: Some(rate),
                loss: Some(1.0 / step as f64),
                accuracy: (step % 8 == 0).then_some(1.0 / step as f64),
                samples: how.samples,
                ..Step::from(step)
            };
            freezing.after_step(&mut net, told).unwrap();
        }
        if let Some(thawed) = freezing.take_thawed() {
            optimizer = forget_state(optimizer, freezing.layers(), thawed).unwrap();
        }
        if cuts.peek().is_some_and(|(save, _)| *save == step) {
            freezing.note_saved(&net, step).unwrap();
            let model = net.clone().into_record().into_bytes().unwrap();
            saved = Some((model, optimizer.clone().into_bytes().unwrap()));
        }
        if let Some((save, _)) = cuts.next_if(|(_, kill)| *kill == step) {
            drop(freezing);
            let (model, state) = saved.take().unwrap();
            net = Net::new(1).load_record(ModuleRecord::from_bytes(model).unwrap());
            optimizer = nets::optimizer().from_bytes(state).unwrap();
            freezing = prepare(how, &net, folder);
            assert_eq!(
                freezing.resume(&mut net).unwrap(),
                Resumed::At { step: *save }
            );
            step = *save;
        }
    }
    let outcome = freezing.finish(Status::Finished, STEPS, None).unwrap();
    let run = Run::open(folder).unwrap();
    assert_eq!(run.problems, [""; 0]);
    assert_eq!(run.history, freezing.history().checks());
    Gave {
        weights: values(&net),
        checks: run.history.iter().map(without_time).collect(),
        points: run
            .metrics
            .points()
            .iter()
            .map(point_without_time)
            .collect(),
        accuracy: outcome.accuracy,
    }
}

fn without_time(check: &Check) -> Check {
    let ledger = check.ledger.clone().unwrap();
    let at_frozen = ledger.at_frozen.iter();
    Check {
        training_seconds: 0.0,
        measuring_seconds: 0.0,
        cpu_seconds: None,
        ledger: Some(Ledger {
            at_frozen: at_frozen
                .map(|at| StepTime {
                    seconds: 0.0,
                    ..*at
                })
                .collect(),
            caching_seconds: 0.0,
            ..ledger
        }),
        ..check.clone()
    }
}

fn point_without_time(point: &MetricsPoint) -> MetricsPoint {
    MetricsPoint {
        training_seconds: 0.0,
        wall_seconds: 0.0,
        ..point.clone()
    }
}

#[test]
fn under_every_policy_a_run_that_was_killed_decides_as_if_it_had_not_been() {
    let _alone = ALONE.lock();
    let temp = tempfile::tempdir().unwrap();
    let mut froze = Vec::new();
    for (number, policy) in [
        "converged(0.9, 0.1)",
        "grad_norm(50)",
        "weight_delta(0.3, 2)",
        "thaw_on_lr_drop(5, weight_delta(0.5, 1))",
        "thaw_on_lr_drop(5, converged(0.9, 0.05))",
        "converged(0.9, 0.1, svcca, own)",
        "thaw_on_lr_drop(5, grad_norm(70))",
        "warmup(0.3, at_most(0.5, grad_norm(60)))",
        "linear(0.2, 1)",
        "geometric(0.5)",
        "dry_run(weight_delta(0.3, 1))",
    ]
    .into_iter()
    .enumerate()
    {
        // With a budget, every other step, and with everything watched, each in some.
        let how = How {
            policy,
            budget: (number % 2 == 1).then_some(0.8),
            every: if number % 3 == 2 { 2 } else { 1 },
            watching: number % 4 == 0,
            samples: Some(3_500),
        };
        let folder = |name: &str| temp.path().join(format!("{number}-{name}/run"));
        let whole = trained(how, &folder("whole"), &[]);
        // Between checks; right before the rate drops; twice, the second time after the drop.
        for (cut, cuts) in [&[(23, 31)][..], &[(34, 46)], &[(12, 13), (44, 58)]]
            .iter()
            .enumerate()
        {
            let again = trained(how, &folder(&format!("cut-{cut}")), cuts);
            assert!(
                again == whole,
                "{policy}, cut {cuts:?}:\n{again:#?}\n{whole:#?}"
            );
        }
        let changed = whole
            .checks
            .windows(2)
            .any(|two| two[0].frozen > two[1].frozen);
        froze.push((
            policy,
            whole.checks.iter().any(|check| check.frozen > 0),
            changed,
        ));
    }
    for (policy, froze, thawed) in froze {
        assert_eq!(
            froze,
            !policy.starts_with("dry_run"),
            "{policy}: a run without decisions shows nothing"
        );
        assert!(thawed || !policy.starts_with("thaw"), "{policy} thaws");
    }
}

#[test]
fn samples_that_the_taps_show_are_counted_on() {
    let _alone = ALONE.lock();
    let temp = tempfile::tempdir().unwrap();
    let how = How {
        policy: "linear(0.2, 1)",
        budget: Some(0.3),
        every: 1,
        watching: false,
        samples: None,
    };
    let whole = trained(how, &temp.path().join("whole"), &[]);
    assert!(whole.points[5].flops.is_some());
    // Before the taps are counted, while they are, and after.
    for (cut, cuts) in [&[(1, 1)][..], &[(1, 2), (2, 9)], &[(3, 30)]]
        .iter()
        .enumerate()
    {
        let again = trained(how, &temp.path().join(format!("cut-{cut}")), cuts);
        assert!(again == whole, "cut {cuts:?}:\n{again:#?}\n{whole:#?}");
    }
}

#[test]
fn what_the_cache_has_lost_with_the_process_decides_nothing() {
    let _alone = ALONE.lock();
    let temp = tempfile::tempdir().unwrap();
    let data = samples(64, 7, &Device::flex());
    let trained = |folder: &Path, cut: bool| {
        let how = How {
            policy: "freeze_at(0.1, 0.2)",
            budget: Some(0.3),
            every: 1,
            watching: false,
            samples: None,
        };
        let cached = |net: &Net| prepare(how, net, folder).caching(PrefixCache::in_memory(1 << 20));
        let mut net = Net::new(6);
        let mut freezing = cached(&net);
        freezing.start(&net).unwrap();
        for step in 1..=STEPS {
            let batch: Vec<usize> = (0..16).map(|row| (step * 16 + row) % 64).collect();
            let keys: Vec<InputKey> = batch.iter().map(|row| InputKey::from(*row)).collect();
            let inputs = |asked: &[usize]| {
                let asked: Vec<usize> = asked.iter().map(|row| batch[*row]).collect();
                rows(&data, &asked)
            };
            let _: Tensor<2> = freezing.forward(&net, &keys, inputs).tensor();
            freezing.after_step(&mut net, step).unwrap();
            if cut && step == 33 {
                freezing.note_saved(&net, step).unwrap();
                freezing = cached(&net);
                assert_eq!(freezing.resume(&mut net).unwrap(), Resumed::At { step });
            }
        }
        let checks = freezing.history().checks();
        let misses = checks.last().unwrap().ledger.as_ref().unwrap().cache_misses;
        let steps: Vec<usize> = checks.iter().map(|check| check.step).collect();
        (steps, misses)
    };
    let (steps, misses) = trained(&temp.path().join("whole"), false);
    let (again, more) = trained(&temp.path().join("cut"), true);
    assert_eq!(steps, again);
    assert!(
        more > misses,
        "a new process computes what the old one had kept: {more} and {misses}"
    );
}

#[test]
fn a_model_whose_kept_state_is_gone_is_not_gone_on_with_by_chance() {
    let _alone = ALONE.lock();
    let temp = tempfile::tempdir().unwrap();
    let how = How {
        policy: "grad_norm",
        budget: None,
        every: 1,
        watching: true,
        samples: None,
    };
    let mut net = Net::new(6);
    let mut freezing = prepare(how, &net, temp.path());
    let mut optimizer = optimizer();
    freezing.start(&net).unwrap();
    let mut early = None;
    for step in 1..=24 {
        let gradients = gradients(&net, step as u64);
        freezing.gradients(&net, &gradients);
        net = optimizer.step(0.05, net, gradients);
        freezing.after_step(&mut net, step).unwrap();
        freezing.note_saved(&net, step).unwrap();
        if step == 2 {
            early = Some(net.clone().into_record().into_bytes().unwrap());
        }
    }
    drop(freezing);
    // Bounded: the gradients of each of the latest eight but those at a check, and the weights and the model of each
    // check once.
    let state = temp.path().join("state");
    let kept = std::fs::read_dir(&state).unwrap().count();
    assert!((7..=14).contains(&kept), "{kept}");

    let early = ModuleRecord::from_bytes(early.unwrap()).unwrap();
    let mut early = Net::new(1).load_record(early);
    let before = std::fs::read(temp.path().join("history.jsonl")).unwrap();
    let error = prepare(how, &early, temp.path())
        .resume(&mut early)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("state/") && error.contains("go on from a later one"),
        "{error}"
    );
    assert_eq!(
        std::fs::read(temp.path().join("history.jsonl")).unwrap(),
        before
    );
    assert!(!temp.path().join("replaced-1").exists());

    // A file that is not the one that was kept is no state either.
    for file in std::fs::read_dir(&state).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let error = prepare(how, &net, temp.path())
        .resume(&mut net)
        .unwrap_err()
        .to_string();
    assert!(error.contains("it is not as it was written"), "{error}");
}
