//! Policies on histories written by hand.

use frostline_freeze::{Converged, DryRun, FreezePolicy, History, Length, Linear, Never};

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
fn a_policy_says_why_and_what_it_is() {
    let policy = Converged {
        threshold: 0.02,
        patience: 0.1,
        ..Converged::default()
    };
    let checks = history([at(0), changed(10, 0.1, &[0.01, 0.05])]);
    assert_eq!(
        policy.reason(&checks),
        "`block2` changed by 0.050 > 0.02 for each twentieth of the training, at the check of step 10"
    );
    assert_eq!(
        policy.describe(),
        "converged: change at most 0.02 for 0.1 of training"
    );
    assert_eq!(
        DryRun(policy).describe(),
        format!("dry run of {}", policy.describe())
    );
    assert_eq!(DryRun(policy).frozen_layers(&checks), 1);
    assert!(DryRun(policy).is_dry_run() && !policy.is_dry_run());
}
