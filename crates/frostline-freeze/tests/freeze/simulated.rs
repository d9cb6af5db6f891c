//! What a policy would have done in a recorded training.

use frostline_freeze::{
    Check, Converged, CostShares, Cubic, DryRun, Error, FreezePolicy, GradNorm, History, Linear,
    Never, PolicyConfig, Replay, Simulated, ThawOnLrDrop, WeightDelta, simulate,
};

use crate::histories::{LAYERS, at, changed, history, moved, pulled};
use crate::nets::{Net, freezing, run};

fn simulated(policy: &dyn FreezePolicy, recorded: &History) -> Simulated {
    simulate(policy, recorded, None).unwrap()
}

fn counts(simulated: &Simulated) -> Vec<(usize, usize)> {
    let checks = simulated.history.checks().iter();
    checks.map(|check| (check.step, check.frozen)).collect()
}

/// A check every ten steps at which nothing is known.
fn blank() -> History {
    history((0..=10).map(|check| at(10 * check)))
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} {expected}"); // f64 rounding
}

#[test]
fn a_schedule_saves_what_its_layers_cost_for_as_long_as_they_are_frozen() {
    let linear = simulated(&Linear::default(), &blank());
    assert_eq!(
        linear.frozen_at,
        [Some(20), Some(40), Some(60), Some(80), Some(100), None]
    );
    // A sixth of the forward from 20, 40, 60 and 80 % on: (0.8 + 0.6 + 0.4 + 0.2) / 6.
    close(linear.saved_with_cache, 2.0 / 6.0);
    close(linear.saved, 2.0 / 3.0 * 2.0 / 6.0);
    assert_eq!(linear.cost_shares, CostShares::Equal);
    assert!(linear.warnings.is_empty(), "{:?}", linear.warnings);

    let flops = [6.0, 1.0, 1.0, 1.0, 1.0, 2.0];
    let counted = simulate(&Linear::default(), &blank(), Some(&flops)).unwrap();
    // (6 · 0.8 + 0.6 + 0.4 + 0.2) / 12
    close(counted.saved_with_cache, 0.5);
    close(counted.saved, 1.0 / 3.0);
    assert_eq!(counted.cost_shares, CostShares::Flops);

    let never = simulated(&Never, &blank());
    assert_eq!((never.saved, never.saved_with_cache), (0.0, 0.0));
    assert_eq!(never.frozen_at, [None; LAYERS]);
}

#[test]
fn operations_that_cannot_be_are_left_out_and_said() {
    for flops in [
        &[1.0; 5][..],
        &[0.0; 6],
        &[f64::NAN; 6],
        &[-1.0, 9.0, 1.0, 1.0, 1.0, 1.0],
    ] {
        let found = simulate(&Linear::default(), &blank(), Some(flops)).unwrap();
        assert_eq!(found.cost_shares, CostShares::Equal);
        close(found.saved_with_cache, 2.0 / 6.0);
        assert!(found.warnings[0].contains("all count the same"));
    }
}

#[test]
fn a_policy_is_asked_at_the_steps_that_it_wants() {
    let recorded = history([at(0), at(50), at(100)]);
    let cubic = simulated(&Cubic::default(), &recorded);
    assert_eq!(
        cubic.frozen_at,
        [Some(58), Some(66), Some(73), Some(82), Some(91), None]
    );
    close(
        cubic.saved_with_cache,
        (0.42 + 0.34 + 0.27 + 0.18 + 0.09) / 6.0,
    );
}

#[test]
fn a_policy_that_looks_at_layers_decides_by_what_was_recorded() {
    let recorded = history([
        at(0),
        changed(10, 0.1, &[0.01, 0.3]),
        changed(20, 0.1, &[0.01, 0.3]),
        // Four times as far from the check before.
        changed(60, 0.1, &[1.2, 0.04]),
        changed(100, 0.1, &[1.2, 0.04]),
    ]);
    let patient = Converged {
        threshold: 0.1,
        patience: 0.2,
        ..Converged::default()
    };
    let found = simulated(&patient, &recorded);
    // Once the first layer is frozen it is still, though in the recorded run it moved again.
    assert_eq!(
        counts(&found),
        [(0, 0), (10, 0), (20, 1), (60, 2), (100, 2)]
    );
    assert_eq!(found.frozen_at[..3], [Some(20), Some(60), None]);
    close(found.saved_with_cache, (0.8 + 0.4) / 6.0);
    let reason = &found.history.checks()[2].reason;
    assert!(
        reason.contains("`block2` changed by 0.300 > 0.1"),
        "{reason}"
    );
    let same = simulated(&Replay::of(found.history.checks()), &recorded);
    assert_eq!(counts(&same), counts(&found));
}

#[test]
fn what_thaws_saves_nothing_from_there_on() {
    let still = |step, rate| changed(step, rate, &[0.0]);
    let recorded = history([
        at(0),
        still(20, 0.1),
        still(60, 0.01),
        changed(100, 0.01, &[]),
    ]);
    let policy = ThawOnLrDrop {
        factor: 10.0,
        policy: Converged {
            threshold: 0.2,
            patience: 0.0,
            ..Converged::default()
        },
    };
    let found = simulated(&policy, &recorded);
    assert_eq!(counts(&found), [(0, 0), (20, 1), (60, 0), (100, 0)]);
    close(found.saved_with_cache, 0.4 / 6.0);
}

#[test]
fn a_dry_run_decides_and_saves_nothing() {
    let found = simulated(&DryRun(Linear::default()), &blank());
    assert_eq!(found.history.latest().unwrap().decided, 5);
    assert_eq!((found.saved, found.frozen_at[0]), (0.0, None));
    assert!(found.warnings[0].contains("dry run"));
}

#[test]
fn what_the_run_did_not_record_is_an_error_or_a_warning() {
    let missing = |policy: &dyn FreezePolicy| match simulate(policy, &blank(), None) {
        Err(error @ Error::NotRecorded { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(missing(&GradNorm::default()).contains("the gradients of its layers"));
    assert!(missing(&WeightDelta::default()).contains("how far the weights"));
    let watched = history([pulled(50, [1.0; LAYERS]), pulled(100, [1.0; LAYERS])]);
    assert!(simulate(&GradNorm::default(), &watched, None).is_ok());
    let watched = history([at(0), moved(100, &[])]);
    assert!(simulate(&WeightDelta::default(), &watched, None).is_ok());

    let froze = Check {
        frozen: 2,
        ..changed(40, 0.1, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    };
    let patient = Converged {
        patience: 0.5,
        ..Converged::default()
    };
    let found = simulated(&patient, &history([at(0), froze]));
    assert!(
        found.warnings[0].contains("from step 40 on block1, block2 were frozen"),
        "{:?}",
        found.warnings
    );
    assert!(found.warnings[1].contains("ends at step 40 of 100"));
    // Its own decisions count, not the recorded ones.
    assert_eq!(counts(&found), [(0, 0), (40, 0)]);
}

#[test]
fn a_policy_decides_on_the_history_of_its_own_training_what_it_decided_in_it() {
    for text in [
        "linear",
        "cubic",
        "geometric",
        "converged(0.3, 1)",
        "weight_delta(0.2, 1)",
        "warmup(0.5, at_most(0.7, converged(1, 1)))",
        "thaw_on_lr_drop(10, converged(0.3, 1, cka))",
    ] {
        let policy = || text.parse::<PolicyConfig>().unwrap().init().unwrap();
        let net = Net::new(5);
        let mut training = freezing(&net, policy());
        run(net, &mut training);
        let found = simulated(&policy(), training.history());
        let decided = |history: &History| {
            let checks = history.checks().iter();
            checks
                .map(|check| (check.step, check.frozen, check.reason.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            decided(&found.history),
            decided(training.history()),
            "{text}"
        );
    }
}
