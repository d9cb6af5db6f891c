//! What a loop reports and how it counts: a check that is due is made, and what can't be is an error that says what to do.

use frostline_activations::{Run, Status};
use frostline_freeze::{
    CheckpointSchedule, Error, FreezeAt, FreezeTraining, GradNorm, Layers, Length, Linear, Never,
    Probe, Resumed, Step, Tested,
};

use burn::module::Module;

use crate::nets::{Block, Net, STEPS, freezing, gradients, optimizer, samples, train_step};
use burn::tensor::Device;

/// The steps of the checks of a loop that reports these steps.
fn checked(reported: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, Never);
    freezing.start(&net).unwrap();
    for step in reported {
        freezing.after_step(&mut net, step).unwrap();
    }
    let checks = freezing.history().checks().iter();
    checks.map(|check| check.step).collect()
}

#[test]
fn a_check_that_is_due_between_two_reported_steps_is_made_at_the_next() {
    // Due are the multiples of five.
    assert_eq!(
        checked((1..=STEPS).step_by(2)),
        [0, 5, 11, 15, 21, 25, 31, 35]
    );
    // Once an epoch: two are due, and one is made.
    assert_eq!(checked((10..=STEPS).step_by(10)), [0, 10, 20, 30, 40]);
    assert_eq!(checked([3, 4, 29, 30, 31, 40]), [0, 29, 30, 40]);
    assert_eq!(checked([STEPS]), [0, STEPS]);
}

#[test]
fn a_check_that_a_policy_wants_and_the_panes_are_made_up_for_too() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(1);
    let policy = FreezeAt { at: vec![0.3, 0.6] };
    let panes = Probe::new(vec![samples(30, 5, &Device::flex())], Net::forward);
    // The budget leaves none but the wanted ones, after 12 and 24 steps of 40, and the last.
    let mut freezing = freezing(&net, policy)
        .measure_at_most(0.0)
        .panes_probe(panes)
        .in_folder(temp.path().join("run"))
        .unwrap();
    freezing.start(&net).unwrap();
    for step in (7..=42).step_by(7) {
        freezing.after_step(&mut net, step).unwrap();
    }
    let checks = freezing.history().checks().iter();
    let checks: Vec<_> = checks.map(|check| (check.step, check.frozen)).collect();
    assert_eq!(checks, [(0, 0), (14, 1), (28, 2), (42, 2)]);
    let trains = |block: &Block| block.weight().is_require_grad();
    assert!(!trains(&net.block1) && !trains(&net.block2) && trains(&net.block3));
    // Planned at 0, 14, 30 and 40.
    let run = Run::open(temp.path().join("run")).unwrap();
    assert_eq!(run.pane_steps(), [0, 14, 35, 42]);
}

#[test]
fn a_loop_that_counts_from_nought_or_anew_in_every_epoch_is_told_so() {
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, Never);
    let error = freezing.after_step(&mut net, 0).unwrap_err().to_string();
    assert!(error.contains("the first step is 1"), "{error}");
    freezing.start(&net).unwrap();
    let mut refused = |step: usize| match freezing.after_step(&mut net, step) {
        Err(error @ Error::StepOrder { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(0).contains("the first step is 1"));
    for step in 1..=7 {
        freezing.after_step(&mut net, step).unwrap();
    }
    let mut refused = |step: usize| freezing.after_step(&mut net, step).unwrap_err().to_string();
    assert!(refused(7).contains("step 7: it was told before; call `after_step` once"));
    let said = refused(1);
    assert!(
        said.contains("it comes after step 7") && said.contains("each epoch"),
        "{said}"
    );
    // What was refused has left no trace.
    freezing.after_step(&mut net, 8).unwrap();
    let steps: Vec<usize> = freezing
        .metrics()
        .unwrap()
        .points()
        .iter()
        .map(|point| point.step)
        .collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_training_without_a_length_is_refused_before_it_begins() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(1);
    for length in [
        Length::epochs(10, 0),
        Length::epochs(0, 10),
        Length::steps(0),
        Length {
            steps: 10,
            steps_per_epoch: 0,
        },
    ] {
        let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
        let path = temp.path().join("run");
        let mut freezing = FreezeTraining::new(Layers::of(&net).unwrap(), probe, Never, length)
            .checking(CheckpointSchedule::Steps(vec![0]))
            .going_on_in(&path);
        for error in [
            freezing.start(&net).unwrap_err(),
            freezing.after_step(&mut net, 1).unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(matches!(error, Error::NoLength { .. }), "{said}");
            assert!(said.contains("num_items().div_ceil(batch_size)"), "{said}");
        }
        assert!(!path.exists());
    }
}

#[test]
fn gradients_that_the_policy_needs_and_nobody_tells_are_asked_for_once() {
    let said = |tells: bool| {
        let mut net = Net::new(3);
        let mut freezing = freezing(&net, GradNorm::default());
        freezing.start(&net).unwrap();
        for step in 1..=20 {
            if tells {
                freezing.gradients(&net, &gradients(&net, step as u64));
            }
            freezing.after_step(&mut net, step).unwrap();
        }
        let checks = freezing.history().checks().iter();
        let warnings = checks.flat_map(|check| check.warnings.clone());
        warnings
            .filter(|warning| warning.contains("`FreezeTraining::gradients`"))
            .count()
    };
    assert_eq!((said(false), said(true)), (1, 0));
}

#[test]
fn an_end_before_the_length_and_checks_that_nobody_reached_are_noted_with_the_end() {
    let mut net = Net::new(3);
    let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
    let layers = Layers::of(&net).unwrap();
    let mut short =
        FreezeTraining::new(layers, probe, Never, Length::steps(40)).measure_at_most(1e-9);
    short.start(&net).unwrap();
    for step in 1..=10 {
        let told = Step {
            samples: Some(16),
            ..Step::from(step)
        };
        short.after_step(&mut net, told).unwrap();
    }
    let notes = short.finish(Status::Finished, 10, None).unwrap().notes;
    assert!(notes[0].contains("finished at step 10 of 40"), "{notes:?}");
    assert!(notes[1].contains("checks were passed over"), "{notes:?}");
    let whole = |status| {
        let mut net = Net::new(3);
        let mut freezing = freezing(&net, Linear::default());
        freezing.start(&net).unwrap();
        for step in 1..=STEPS {
            freezing.after_step(&mut net, step).unwrap();
        }
        freezing.finish(status, STEPS, None).unwrap().notes
    };
    assert_eq!(whole(Status::Finished), [""; 0]);
}

#[test]
fn a_layer_that_the_user_keeps_fixed_is_known_and_holds_no_other_back() {
    let mut net = Net::new(3);
    net.block1 = net.block1.no_grad();
    let mut freezing = freezing(&net, GradNorm { percentile: 100.0 });
    freezing.start(&net).unwrap();
    let mut optimizer = optimizer();
    for step in 1..=20 {
        let gradients = gradients(&net, step as u64);
        freezing.gradients(&net, &gradients);
        net = optimizer.step(0.05, net, gradients);
        freezing.after_step(&mut net, step).unwrap();
    }
    let checks = freezing.history().checks();
    assert_eq!(checks[1].fixed, [true, false, false, false]);
    assert!(checks[2].frozen >= 1, "{}", checks[2].reason);
}

#[test]
fn a_run_begins_and_ends_once() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, Never).going_on_in(temp.path());
    freezing.start(&net).unwrap();
    freezing.after_step(&mut net, 5).unwrap();
    let error = freezing.start(&net).unwrap_err();
    assert!(matches!(error, Error::Begun), "{error}");
    let error = freezing.resume(&mut net).unwrap_err();
    assert!(matches!(error, Error::Begun), "{error}");
    freezing.finish(Status::Interrupted, 5, None).unwrap();
    for error in [
        freezing.after_step(&mut net, 6).unwrap_err(),
        freezing.finish(Status::Finished, 6, None).unwrap_err(),
        freezing.start(&net).unwrap_err(),
    ] {
        assert!(
            error
                .to_string()
                .contains("has ended (interrupted at step 5)"),
            "{error}"
        );
    }
    // The model may be saved after the end, and is known then.
    freezing.note_saved(&net, 5).unwrap();
    let run = Run::open(temp.path()).unwrap();
    assert_eq!((run.history.len(), run.metrics.points().len()), (2, 1));
    assert_eq!(run.info.outcome.unwrap().status, Status::Interrupted);
    let mut again = crate::nets::freezing(&net, Never).going_on_in(temp.path());
    assert_eq!(again.resume(&mut net).unwrap(), Resumed::At { step: 5 });
}

#[test]
fn an_accuracy_in_per_cent_is_refused_where_it_comes_in() {
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, Never);
    freezing.start(&net).unwrap();
    let told = |accuracy, train_accuracy| Step {
        accuracy,
        train_accuracy,
        ..Step::from(1)
    };
    for told in [told(Some(71.5), None), told(None, Some(-0.1))] {
        let error = freezing.after_step(&mut net, told).unwrap_err().to_string();
        assert!(error.contains("a share in [0, 1]"), "{error}");
    }
    freezing
        .after_step(&mut net, told(Some(1.0), Some(0.0)))
        .unwrap();
    let tested = Tested {
        accuracy: 71.5,
        samples: 10,
    };
    let error = freezing
        .finish(Status::Finished, 1, Some(tested))
        .unwrap_err()
        .to_string();
    assert!(error.contains("`accuracy` is 71.5"), "{error}");
    freezing.finish(Status::Finished, 1, None).unwrap();
}

#[test]
fn a_check_that_cannot_be_written_is_told_and_neither_weights_nor_decisions_are_lost() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, FreezeAt { at: vec![0.25] })
        .in_folder(&path)
        .unwrap();
    let mut optimizer = optimizer();
    freezing.start(&net).unwrap();
    let (checkpoints, elsewhere) = (path.join("checkpoints"), path.join("elsewhere"));
    std::fs::rename(&checkpoints, &elsewhere).unwrap();
    std::fs::write(&checkpoints, "a file in the place of the folder").unwrap();
    let mut failed = Vec::new();
    for step in 1..=12 {
        net = train_step(net, &mut optimizer, step as u64);
        if let Err(error) = freezing.after_step(&mut net, step) {
            assert!(
                error.to_string().contains("could not be written"),
                "{error}"
            );
            failed.push(step);
        }
    }
    // Told at every step until it is written; the check of step 10 froze all the same.
    assert_eq!(failed, (5..=12).collect::<Vec<_>>());
    assert!(!net.block1.weight().is_require_grad() && net.block2.weight().is_require_grad());
    std::fs::remove_file(&checkpoints).unwrap();
    std::fs::rename(&elsewhere, &checkpoints).unwrap();
    for step in 13..=15 {
        freezing.after_step(&mut net, step).unwrap();
    }
    let run = Run::open(&path).unwrap();
    let steps: Vec<_> = run
        .history
        .iter()
        .map(|check| (check.step, check.frozen))
        .collect();
    assert_eq!(steps, [(0, 0), (5, 0), (10, 1), (15, 1)]);
    assert_eq!(run.checkpoints(), [0, 5, 10, 15]);
    assert_eq!(run.metrics.points().len(), 15);
}
