//! Wrappers around policies, and around each other.

use frostline_freeze::{
    AtMost, Check, Converged, Cubic, DryRun, FreezePolicy, GradNorm, History, Length, Linear,
    Measure, Replay, ThawOnLrDrop, Warmup, Watched,
};

use crate::histories::{LAYERS, LENGTH, answer, at, changed, followed, history};

#[test]
fn a_warm_up_freezes_nothing_and_then_lets_its_policy_answer() {
    let policy = Warmup {
        until: 0.5,
        policy: Linear::default(),
    };
    // Five layers below the last: linear alone has 2 at 49 and 50 %.
    assert_eq!([49, 50, 100].map(|step| answer(&policy, step)), [0, 2, 5]);
    assert_eq!(
        policy.reason(&history([at(10)])),
        "10.0 % of training is done, and nothing freezes before 50.0 %"
    );
    let late = Warmup {
        until: 0.7,
        policy: Cubic::default(),
    };
    // The cubic schedule alone wants 58, 66, 73, 82 and 91. Two that are close together are for policies that compare.
    assert_eq!(late.wanted_steps(LAYERS, LENGTH), [60, 70, 73, 82, 91]);
}

#[test]
fn a_wrapper_of_one_s_own_answers_through_its_policy_what_it_does_not_answer_itself() {
    /// Waits until half of the training.
    struct Later<P>(P);
    impl<P: FreezePolicy> FreezePolicy for Later<P> {
        fn frozen_layers(&self, history: &History) -> usize {
            match history.progress() < 0.5 {
                true => 0,
                false => self.0.frozen_layers(history),
            }
        }

        fn within(&self) -> Option<&dyn FreezePolicy> {
            Some(&self.0)
        }
    }
    let within = DryRun(ThawOnLrDrop {
        factor: 10.0,
        policy: Cubic::default(),
    });
    let policy = Later(within);
    assert_eq!(policy.wanted_steps(LAYERS, LENGTH), [58, 66, 73, 82, 91]);
    assert!(policy.thaws() && policy.is_dry_run());
    let seen = history([at(60)]);
    assert_eq!(policy.reason(&seen), within.reason(&seen));
    assert!(!within.reason(&seen).is_empty());
    let gradients = Later(GradNorm::default());
    assert!(gradients.watches().gradients);
    let by = Later(Converged {
        measure: Some(Measure::default()),
        ..Converged::default()
    });
    assert_eq!(by.measure(), Some(Measure::default()));
}

#[test]
fn at_most_freezes_a_share_of_the_layers_below_the_last() {
    let frozen = |fraction| {
        let policy = AtMost {
            fraction,
            policy: Linear::default(),
        };
        [20, 60, 100].map(|step| answer(&policy, step))
    };
    assert_eq!(frozen(0.5), [1, 2, 2], "half of five is two");
    assert_eq!(
        frozen(0.6),
        [1, 3, 3],
        "0.6 · 5 is 3, whatever floating point says"
    );
    assert_eq!(frozen(0.0), [0, 0, 0]);
    assert_eq!(frozen(1.0), [1, 3, 5]);
}

#[test]
fn everything_thaws_when_the_learning_rate_drops_and_freezes_again_when_it_is_still() {
    let policy = ThawOnLrDrop {
        factor: 10.0,
        policy: Converged {
            threshold: 0.02,
            patience: 0.2,
            ..Converged::default()
        },
    };
    let still = |step, rate| changed(step, rate, &[0.0, 0.001]);
    let checks = [
        at(0),
        still(10, 0.1),
        still(20, 0.1),
        still(30, 0.02),
        still(40, 0.01),
        still(50, 0.01),
        still(60, 0.01),
        still(70, 0.002),
        still(80, 0.001),
    ];
    // Still at 10 and 20; a fifth is no drop, a tenth is. What thawed at 40 is first compared at 60.
    assert_eq!(followed(&policy, &checks), [0, 0, 2, 2, 0, 0, 0, 2, 0]);
    assert!(policy.thaws() && !policy.policy.thaws());
    assert_eq!(
        policy.reason(&history(checks[..5].to_vec())),
        "the learning rate fell from 0.1 to 0.01: everything thaws"
    );
    // With a patience of one check the first comparison after the drop is enough, but not the one that ends with it.
    let hasty = ThawOnLrDrop {
        policy: Converged {
            patience: 0.1,
            ..policy.policy
        },
        ..policy
    };
    assert_eq!(followed(&hasty, &checks), [0, 2, 2, 2, 0, 0, 2, 2, 0]);
}

#[test]
fn what_is_frozen_between_drops_stays_so_and_a_rate_of_zero_is_no_drop() {
    /// As many layers as its loss says.
    struct ByLoss;
    impl FreezePolicy for ByLoss {
        fn frozen_layers(&self, history: &History) -> usize {
            history.latest().and_then(|check| check.loss).unwrap_or(0.0) as usize
        }
    }
    let check = |step, rate, loss| Check {
        loss: Some(loss),
        ..changed(step, rate, &[])
    };
    let checks = [
        check(10, 1.0, 3.0),
        check(20, 1.0, 1.0),
        check(30, 0.0, 2.0),
        check(40, 0.1, 4.0),
        check(50, 0.1, 1.0),
    ];
    let policy = ThawOnLrDrop {
        factor: 10.0,
        policy: ByLoss,
    };
    assert_eq!(followed(&policy, &checks), [3, 3, 3, 0, 1]);
}

#[test]
fn a_history_since_a_check_forgets_what_that_check_was_compared_with() {
    let checks = history([changed(10, 0.1, &[0.0]), changed(20, 0.01, &[0.0])]);
    let since = checks.since(1);
    assert_eq!(since.checks().len(), 1);
    assert_eq!(since.change(0, 0), None);
    assert_eq!(since.progress(), 0.2);
}

#[test]
fn a_replay_decides_what_was_decided() {
    let recorded = |steps: &[(usize, usize)]| -> Vec<Check> {
        let check = |&(step, frozen)| Check { frozen, ..at(step) };
        steps.iter().map(check).collect()
    };
    let grown = Replay::of(&recorded(&[(0, 0), (10, 0), (20, 2), (30, 2), (40, 3)]));
    assert_eq!(
        [0, 19, 20, 39, 40, 100].map(|step| answer(&grown, step)),
        [0, 0, 2, 2, 3, 3]
    );
    assert_eq!(grown.wanted_steps(LAYERS, LENGTH), [20, 40]);
    assert_eq!(grown.wanted_steps(LAYERS, Length::steps(30)), [20]);
    assert!(!grown.thaws());
    assert_eq!(grown.describe(), "replay: 2 from step 20, 3 from step 40");

    let thawed = Replay::of(&recorded(&[(0, 1), (10, 2), (20, 0)]));
    assert_eq!([0, 10, 20].map(|step| answer(&thawed, step)), [1, 2, 0]);
    assert!(thawed.thaws());
    assert_eq!(answer(&Replay::of(&[]), 50), 0);
}

#[test]
fn wrappers_pass_on_what_the_policy_within_needs() {
    /// Everything that a policy can say.
    struct Demanding;
    impl FreezePolicy for Demanding {
        fn frozen_layers(&self, _history: &History) -> usize {
            LAYERS
        }
        fn is_dry_run(&self) -> bool {
            true
        }
        fn thaws(&self) -> bool {
            true
        }
        fn watches(&self) -> Watched {
            Watched {
                gradients: true,
                weights: true,
                ..Watched::default()
            }
        }
        fn measure(&self) -> Option<Measure> {
            Some(Measure::Procrustes)
        }
        fn wanted_steps(&self, _layers: usize, _length: Length) -> Vec<usize> {
            vec![7]
        }
    }
    let wrapped: [Box<dyn FreezePolicy>; 5] = [
        Box::new(Warmup {
            until: 0.0,
            policy: Demanding,
        }),
        Box::new(AtMost {
            fraction: 1.0,
            policy: Demanding,
        }),
        Box::new(ThawOnLrDrop {
            factor: 10.0,
            policy: Demanding,
        }),
        Box::new(DryRun(Demanding)),
        Box::new(Box::new(Demanding)),
    ];
    for policy in wrapped {
        assert!(policy.is_dry_run() && policy.thaws());
        assert!(policy.watches().gradients && policy.watches().weights);
        assert_eq!(policy.measure(), Some(Measure::Procrustes));
        assert_eq!(policy.wanted_steps(LAYERS, LENGTH), [7]);
        assert!(policy.describe().contains("Demanding"));
    }
}

#[test]
fn wrappers_compose() {
    let policy = Warmup {
        until: 0.3,
        policy: AtMost {
            fraction: 0.4,
            policy: ThawOnLrDrop {
                factor: 10.0,
                policy: Linear::default(),
            },
        },
    };
    let check = |step, rate| changed(step, rate, &[]);
    let checks = [20, 30, 60, 70, 80].map(|step| check(step, if step < 70 { 0.1 } else { 0.01 }));
    // Linear has 1, 1, 3, 3, 4 and, when it wants to be asked, at 40, 2; not before 30, no more than two, and nothing
    // at the drop.
    assert_eq!(followed(&policy, &checks), [0, 1, 2, 2, 0, 2]);
    assert_eq!(
        policy.describe(),
        "linear from 0 of training, up to 1, thawing when the learning rate falls to 1/10, at most 0.4 of \
         the layers, from 0.3 of training"
    );
    assert!(policy.thaws());
    let watching = Warmup {
        until: 0.3,
        policy: DryRun(GradNorm::default()),
    };
    assert!(watching.watches().gradients && watching.is_dry_run());
}
