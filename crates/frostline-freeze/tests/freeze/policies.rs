//! Policies on histories written by hand.

use frostline_freeze::{Check, Converged, DryRun, FreezePolicy, History, Length, Linear, Never};

use crate::histories::{LAYERS, at, changed, history};

#[test]
fn the_linear_schedule_freezes_layer_i_of_l_at_i_over_l_of_the_time() {
    let frozen = |policy: Linear, step| policy.frozen_layers(&history([at(step)]));
    let paper = Linear::default();
    // Five layers below the last: one more at each fifth.
    for (step, expected) in [
        (0, 0),
        (19, 0),
        (20, 1),
        (39, 1),
        (40, 2),
        (60, 3),
        (80, 4),
        (100, 5),
    ] {
        assert_eq!(frozen(paper, step), expected, "step {step}");
    }
    let late = Linear {
        start: 0.5,
        level: 1.0,
    };
    assert_eq!(
        [50, 60, 70, 100].map(|step| frozen(late, step)),
        [0, 1, 2, 5]
    );
    let half = Linear {
        start: 0.0,
        level: 0.4,
    };
    assert_eq!([50, 100].map(|step| frozen(half, step)), [1, 2]);
}

#[test]
fn the_linear_schedule_wants_to_be_asked_when_a_layer_may_freeze() {
    for (start, level, steps, expected) in [
        (0.0, 1.0, 100, vec![20, 40, 60, 80, 100]),
        (0.5, 1.0, 100, vec![60, 70, 80, 90, 100]),
        (0.0, 0.4, 100, vec![50, 100]),
        (0.3, 0.7, 137, vec![69, 96, 124]),
        (0.0, 1.0, 3, vec![1, 2, 3]),
        (0.0, 0.0, 100, vec![]),
    ] {
        let policy = Linear { start, level };
        let length = Length::steps(steps);
        assert_eq!(policy.wanted_steps(LAYERS, length), expected, "{policy:?}");
        let frozen = |step| {
            let mut history = History::new((0..LAYERS).map(|layer| layer.to_string()), length);
            history.push(at(step));
            policy.frozen_layers(&history)
        };
        let changes = (1..=steps).filter(|&step| frozen(step) > frozen(step - 1));
        assert_eq!(changes.collect::<Vec<_>>(), expected, "{policy:?}");
    }
}

#[test]
fn never_freezes_nothing() {
    let still = changed(100, 0.1, &[0.0; LAYERS]);
    assert_eq!(Never.frozen_layers(&history([still.clone(), still])), 0);
}

#[test]
fn converged_freezes_the_longest_prefix_that_was_still_for_long_enough() {
    let policy = Converged {
        threshold: 0.02,
        patience: 2,
        ..Converged::default()
    };
    let frozen = |checks: &[Check]| policy.frozen_layers(&history(checks.to_vec()));
    let still = |step| changed(step, 0.1, &[0.01, 0.019, 0.03, 0.01]);

    assert_eq!(frozen(&[]), 0);
    assert_eq!(frozen(&[at(0)]), 0, "nothing has been compared");
    assert_eq!(
        frozen(&[at(0), still(10)]),
        0,
        "still once, and patience asks for twice"
    );
    assert_eq!(
        frozen(&[at(0), still(10), still(20)]),
        2,
        "block3 moves, so block4 waits"
    );
    let moved = changed(20, 0.1, &[0.01, 0.05, 0.0, 0.0]);
    assert_eq!(
        frozen(&[at(0), still(10), moved]),
        1,
        "block2 moved at the last check"
    );
}

#[test]
fn converged_tells_a_layer_that_is_still_from_a_learning_rate_that_has_fallen() {
    let policy = Converged {
        threshold: 0.02,
        patience: 1,
        ..Converged::default()
    };
    let fast = changed(10, 0.1, &[0.05]);
    // A fifth of the change at a fifth of the rate: not converged.
    let slow = changed(20, 0.02, &[0.01]);
    assert_eq!(policy.frozen_layers(&history([fast.clone(), slow])), 0);
    let still = changed(20, 0.02, &[0.003]);
    assert_eq!(policy.frozen_layers(&history([fast.clone(), still])), 1);
    // At a rate of zero nothing can be said of a layer that still differs.
    let stopped = changed(20, 0.0, &[0.001]);
    assert_eq!(policy.frozen_layers(&history([fast, stopped])), 0);
}

#[test]
fn the_change_of_a_layer_is_its_dissimilarity_at_the_largest_rate_so_far() {
    let warmed_up = history([
        changed(10, 0.01, &[0.1]),
        changed(20, 0.1, &[0.2]),
        changed(30, 0.05, &[0.1]),
        Check {
            learning_rate: None,
            ..changed(40, 0.0, &[0.25])
        },
    ]);
    let changes = [0, 1, 2, 3].map(|check| warmed_up.change(0, check).unwrap());
    for (found, expected) in changes.iter().zip([0.1, 0.2, 0.2, 0.25]) {
        assert!((found - expected).abs() < 1e-12, "{changes:?}"); // f64 rounding
    }
    assert_eq!(warmed_up.change(0, 4), None);
    assert_eq!(warmed_up.change(LAYERS, 0), None);
}

#[test]
fn a_policy_says_why_and_what_it_is() {
    let policy = Converged {
        threshold: 0.02,
        patience: 1,
        ..Converged::default()
    };
    let checks = history([changed(10, 0.1, &[0.01, 0.05])]);
    assert_eq!(
        policy.reason(&checks),
        "`block2` changed by 0.0500 > 0.02 in the last 1 checks"
    );
    assert_eq!(
        policy.describe(),
        "converged: change at most 0.02 at 1 checks in a row"
    );
    assert_eq!(
        DryRun(policy).describe(),
        format!("dry run of {}", policy.describe())
    );
    assert_eq!(DryRun(policy).frozen_layers(&checks), 1);
    assert!(DryRun(policy).is_dry_run() && !policy.is_dry_run());
}
