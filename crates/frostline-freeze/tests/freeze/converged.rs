//! When a layer has converged, and when it only stands still.

use frostline_activations::OwnAndInherited;
use frostline_freeze::{Check, Converged, FreezePolicy, Watched};

use crate::histories::{LAYERS, at, changed, followed, history};

/// Slow means a change of at most 0.02 for a fifth of the training: two checks that are ten steps apart.
const POLICY: Converged = Converged {
    threshold: 0.02,
    patience: 0.2,
    measure: None,
    by_own: false,
};

fn frozen(checks: &[Check]) -> usize {
    POLICY.frozen_layers(&history(checks.to_vec()))
}

fn reason(checks: &[Check]) -> String {
    POLICY.reason(&history(checks.to_vec()))
}

fn slow(step: usize) -> Check {
    changed(step, 0.1, &[0.01, 0.019, 0.03, 0.01])
}

#[test]
fn the_longest_run_of_layers_freezes_that_were_slow_for_long_enough() {
    assert_eq!(frozen(&[at(0), slow(10)]), 0, "slow for a tenth only");
    assert!(reason(&[at(0), slow(10)]).contains("watched for 10.0 % of the training"));
    assert_eq!(
        frozen(&[at(0), slow(10), slow(20)]),
        2,
        "block3 moves, so block4 waits"
    );
    let moved = |step| changed(step, 0.1, &[0.01, 0.05, 0.0, 0.0]);
    assert_eq!(frozen(&[at(0), slow(10), moved(20)]), 1);
    assert_eq!(
        frozen(&[at(0), moved(10), slow(20)]),
        1,
        "not slow for long"
    );
    assert_eq!(frozen(&[]), 0);
    assert_eq!(frozen(&[at(0)]), 0);
    assert_eq!(reason(&[at(0)]), "nothing has been compared yet");
}

#[test]
fn a_layer_in_which_nothing_trains_does_not_have_to_learn() {
    let still = |step| Check {
        from_start: vec![Some(1.0); LAYERS],
        ..changed(step, 0.1, &[0.0, 0.01, 0.01, 0.01])
    };
    let seen = [at(0), still(10), still(20)];
    assert_eq!(frozen(&seen), 0);
    let fixed = seen.map(|check| Check {
        fixed: vec![true, false, false, false, false, false],
        ..check
    });
    assert_eq!(frozen(&fixed), 1, "and the next has to");
}

#[test]
fn a_layer_that_became_another_between_checks_that_are_far_apart_is_not_slow() {
    // A quarter of the training apart: a layer of which nothing is left changes by 1 / 5.
    let redrawn = |step| changed(step, 0.1, &[0.5, 0.01, 0.01, 0.01]);
    let policy = Converged {
        threshold: 0.5,
        patience: 0.1,
        ..POLICY
    };
    let seen = history([at(0), redrawn(25), redrawn(50)]);
    assert!((seen.change(0, 2).unwrap() - 0.2).abs() < 1e-6);
    assert_eq!(policy.frozen_layers(&seen), 0);
    let reason = policy.reason(&seen);
    assert!(
        reason.contains("`block1` moved by 1.000 of at most 1"),
        "{reason}"
    );
    // Half of that may be a steady pace.
    let drifted = |step| changed(step, 0.1, &[0.2, 0.3, 0.01, 0.01]);
    let seen = history([at(0), drifted(25), drifted(50)]);
    assert_eq!(policy.frozen_layers(&seen), 1);
}

#[test]
fn patience_is_counted_in_training_and_not_in_checks() {
    // Five steps apart, a movement half as large is the same change.
    let half = |step: usize| {
        let slow = slow(step);
        let similarity = slow.similarity.iter();
        let similarity = similarity.map(|s| s.map(|s| 1.0 - (1.0 - s) / 4.0));
        Check {
            similarity: similarity.collect(),
            ..slow.clone()
        }
    };
    let checks = [at(0), half(5), half(10), half(15), half(20)];
    assert_eq!(followed(&POLICY, &checks), [0, 0, 0, 0, 2]);
    // One check that is twenty steps later is long enough alone, and the same movement is half the change.
    assert_eq!(followed(&POLICY, &[at(0), slow(20)]), [0, 4]);
}

#[test]
fn a_rate_that_falls_is_no_convergence() {
    let fast = changed(10, 0.1, &[0.05]);
    // A fifth of the movement at a fifth of the rate, and a tenth of it.
    let as_fast = [
        at(0),
        fast.clone(),
        changed(20, 0.02, &[0.05]),
        changed(30, 0.02, &[0.05]),
    ];
    assert_eq!(frozen(&as_fast), 0);
    let slower = [
        at(0),
        fast,
        changed(20, 0.02, &[0.01]),
        changed(30, 0.02, &[0.01]),
    ];
    assert_eq!(frozen(&slower), 1);
    // At a rate of zero nothing can be said.
    let stopped = [at(0), slow(10), changed(20, 0.0, &[0.0])];
    assert_eq!(frozen(&stopped), 0);
    assert!(reason(&stopped).contains("is not known at the check of step 20"));
}

#[test]
fn nothing_freezes_while_the_rate_rises() {
    let warming = |step: usize, rate| changed(step, rate, &[0.001; LAYERS]);
    let checks = [
        at(0),
        warming(10, 0.02),
        warming(20, 0.06),
        warming(30, 0.1),
        warming(40, 0.1),
    ];
    assert_eq!(followed(&POLICY, &checks), [0, 0, 0, 0, 5]);
    assert_eq!(reason(&checks[..4]), "the learning rate is still rising");
}

#[test]
fn nothing_freezes_before_the_loss_has_fallen() {
    let with = |first, loss, error| {
        let at_loss = |step| Check {
            first_loss: (step == 10).then_some(first),
            loss: Some(loss),
            loss_error: Some(error),
            ..slow(step)
        };
        [at(0), at_loss(10), at_loss(20)]
    };
    // A network on its plateau at ln 10, after a first loss that was a little above.
    assert_eq!(frozen(&with(2.45, 2.303, 0.001)), 0);
    assert!(reason(&with(2.45, 2.303, 0.001)).contains("has not yet fallen by 10 %"));
    assert_eq!(frozen(&with(2.45, 2.1, 0.01)), 2);
    assert_eq!(
        frozen(&with(2.45, 2.1, 0.2)),
        0,
        "chance may have made it fall"
    );
    // A logarithm of a likelihood may be negative.
    assert_eq!(frozen(&with(-1.0, -1.05, 0.001)), 0);
    assert_eq!(frozen(&with(-1.0, -3.0, 0.001)), 2);
    let silent = [at(0), slow(10), slow(20)].map(|check| Check {
        loss: None,
        first_loss: None,
        ..check
    });
    assert_eq!(frozen(&silent), 0);
    assert!(reason(&silent).contains("has not told its loss"));
}

#[test]
fn a_layer_that_stands_still_from_the_first_has_not_converged() {
    let where_it_began = |check: Check| Check {
        from_start: vec![Some(0.99); LAYERS],
        ..check
    };
    let still = [at(0), slow(10), slow(20)].map(where_it_began);
    assert_eq!(frozen(&still), 0);
    assert!(reason(&still).contains("`block1` is slow, but it was from the first check on"));
    // One that moved first, and then by half of that at most, has.
    let settled = [
        at(0),
        changed(10, 0.1, &[0.03, 0.03]),
        changed(20, 0.1, &[0.014, 0.018]),
        changed(30, 0.1, &[0.014, 0.018]),
    ]
    .map(where_it_began);
    assert_eq!(frozen(&settled), 1);
    // One whose updates are known to gain has learnt, whatever SVCCA sees of it.
    let gains = [at(0), slow(10), slow(20)]
        .map(where_it_began)
        .map(|check| Check {
            gains: vec![
                Some(0.5),
                Some(0.0),
                Some(0.5),
                Some(0.5),
                Some(0.5),
                Some(0.5),
            ],
            ..check
        });
    assert_eq!(frozen(&gains), 1, "block2 gains nothing");
    // What an earlier version recorded says nothing of the start.
    let unknown = [at(0), slow(10), slow(20)].map(|check| Check {
        from_start: Vec::new(),
        ..check
    });
    assert_eq!(frozen(&unknown), 0);
}

#[test]
fn a_freeze_does_not_look_like_convergence() {
    let fast = |step| changed(step, 0.1, &[0.01, 0.05, 0.05]);
    // From here on block2 inherits nothing: it is slow, but against a check before the freeze.
    let inherited_nothing = |step| changed(step, 0.1, &[0.0, 0.01, 0.03]);
    let checks = [
        at(0),
        fast(10),
        fast(20),
        inherited_nothing(30),
        inherited_nothing(40),
        inherited_nothing(50),
    ];
    assert_eq!(followed(&POLICY, &checks), [0, 0, 1, 1, 2, 2]);
    let known = history(checks[..4].to_vec());
    assert_eq!(known.frost_line_since(), 0);
    let simulated =
        frostline_freeze::simulate(&POLICY, &history(checks[..5].to_vec()), None).unwrap();
    assert_eq!(simulated.history.frost_line_since(), 2);
}

#[test]
fn by_its_own_change_a_layer_is_judged_across_a_freeze() {
    let policy = Converged {
        by_own: true,
        ..POLICY
    };
    assert_eq!(
        policy.watches(),
        Watched {
            parts: true,
            ..Watched::default()
        }
    );
    // Every layer changes by a half, hardly by its own weights: a change of 0.01 in two twentieths.
    let own = |step, own: f64| Check {
        parts: vec![
            Some(OwnAndInherited {
                own: 1.0 - (own * 2.0f64).powi(2),
                inherited: 0.0,
            });
            LAYERS
        ],
        ..changed(step, 0.1, &[])
    };
    let checks = [at(0), own(10, 0.01), own(20, 0.01)];
    assert_eq!(followed(&policy, &checks), [0, 0, 5]);
    let checks = [at(0), own(10, 0.01), own(20, 0.03)];
    assert_eq!(followed(&policy, &checks), [0, 0, 0]);
    let unwatched = history([at(0), slow(10), slow(20)]);
    assert_eq!(policy.frozen_layers(&unwatched), 0, "nobody watched");
    let refused = frostline_freeze::simulate(&policy, &unwatched, None).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("which part of its layers' changes")
    );
}
