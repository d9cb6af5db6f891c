//! Freezing where it is likely to cost little of the loss.

use burn::tensor::Device;
use frostline_activations::{CheckpointSchedule, Status};
use frostline_freeze::{
    Check, CostsAtMost, FreezePolicy, FreezeTraining, Layers, Length, Linear, Probe, Step,
};

use crate::histories::{LAYERS, at, followed, history};
use crate::nets::{Net, gradients, optimizer, samples};

/// One more layer at each fifth of the training, if that costs at most 2 % of the loss.
const POLICY: CostsAtMost<Linear> = CostsAtMost {
    loss: 0.02,
    policy: Linear {
        start: 0.0,
        level: 1.0,
    },
};

/// A check with this loss before it, and these gains of the lowest layers; the last layer gains all else up to 1.
fn gained(step: usize, loss: f64, gains: &[f64]) -> Check {
    let mut all = vec![Some(0.0); LAYERS];
    for (layer, gain) in gains.iter().enumerate() {
        all[layer] = Some(*gain);
    }
    all[LAYERS - 1] = Some(1.0 - gains.iter().sum::<f64>());
    Check {
        loss: Some(loss),
        loss_error: Some(0.0),
        first_loss: (step == 10).then_some(10.0),
        gains: all,
        ..at(step)
    }
}

#[test]
fn the_loss_to_come_is_what_the_last_fifth_took_away_for_the_rest() {
    let checks = history([
        at(0),
        gained(10, 5.0, &[]),
        gained(20, 4.0, &[]),
        gained(30, 3.0, &[]),
        gained(40, 2.5, &[]),
        Check {
            loss_error: Some(0.3),
            ..gained(50, 2.0, &[])
        },
        Check {
            loss: None,
            ..gained(60, 2.0, &[])
        },
    ]);
    let close = |check: usize, expected: f64| {
        let found = checks.loss_to_come(check).unwrap();
        assert!(
            (found - expected).abs() < 1e-12,
            "{check}: {found} {expected}"
        ); // f64 rounding
    };
    assert_eq!([0, 1, 2].map(|check| checks.loss_to_come(check)), [None; 3]);
    // From 5 to 3 while the training became five times as long, three tenths of it done.
    let to_come = |fallen: f64, times: f64, done: f64| fallen / times.ln() * -done.ln();
    close(3, to_come(5.0 - 3.0, 0.25 / 0.05, 0.3) / 3.0);
    close(4, to_come(4.0 - 2.5, 0.35 / 0.15, 0.4) / 2.5);
    close(5, to_come(3.0 - 2.0 + 2.0 * 0.3, 0.45 / 0.25, 0.5) / 2.0);
    assert_eq!(checks.loss_to_come(6), None, "no loss was told");
    // A loss that rises has nothing to come, and one near zero is held against a hundredth of the first.
    let risen = history([
        at(0),
        gained(10, 1.0, &[]),
        gained(20, 1.0, &[]),
        gained(30, 2.0, &[]),
    ]);
    assert_eq!(risen.loss_to_come(3), Some(0.0));
    let tiny = history([
        at(0),
        gained(10, 0.002, &[]),
        gained(20, 0.0, &[]),
        gained(30, 0.001, &[]),
    ]);
    let expected = to_come(0.001, 5.0, 0.3) / 0.1;
    assert!((tiny.loss_to_come(3).unwrap() - expected).abs() < 1e-12);
}

#[test]
fn the_share_of_a_gain_is_of_the_layers_that_train() {
    let checks = history([
        at(0),
        gained(10, 5.0, &[0.1, 0.2]),
        gained(20, 5.0, &[0.3, -0.4]),
        Check {
            frozen: 1,
            ..gained(30, 5.0, &[0.1, 0.1])
        },
        gained(40, 5.0, &[0.0, 0.1]),
    ]);
    let close = |layer, check, expected: f64| {
        let found = checks.gain_share(layer, check).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}"); // f64 rounding
    };
    close(0, 1, 0.1);
    // Both checks together: 0.4, less than nothing, and the last layer's 0.7 and 1.1.
    close(0, 2, 0.4 / 2.2);
    close(1, 2, 0.0);
    // Above what froze at step 30: 0.2 of 0.2, 0.8 and 0.9.
    close(1, 4, 0.2 / 1.9);
    assert_eq!(checks.gain_share(0, 0), None);
    assert_eq!(checks.gain_share(LAYERS, 2), None);
}

#[test]
fn layers_freeze_as_long_as_their_costs_add_up_to_little() {
    // The loss falls by a fifth of itself in each tenth, at first.
    let losses = [5.0, 4.0, 3.2, 2.6, 2.1, 2.09, 2.08, 2.07, 2.06, 2.05];
    let checks: Vec<Check> = std::iter::once(at(0))
        .chain((1..=10).map(|i| gained(10 * i, losses[i - 1], &[0.005, 0.5])))
        .collect();
    // Linear alone has 1, 2, 3, 4 and 5 from 20, 40, 60, 80 and 100 on.
    let frozen = followed(&POLICY, &checks);
    assert_eq!(frozen, [0, 0, 0, 1, 1, 1, 1, 3, 4, 4, 5]);
    let at_50 = history(checks[..6].to_vec());
    let reason = POLICY.reason(&at_50);
    assert!(
        reason.contains("freezing `block2` now is likely to raise the loss by"),
        "{reason}"
    );
    assert_eq!(
        POLICY.describe(),
        "linear from 0 of training, up to 1, at a cost of at most 2 % of the loss"
    );
    assert!(POLICY.watches().gains);
}

#[test]
fn what_would_save_next_to_nothing_does_not_freeze() {
    use frostline_activations::{LayerFlops, Ledger};
    // Each layer's backward pass is 2 of its 3 parts of the operations, and there are six layers.
    let layers = vec![
        LayerFlops {
            forward: 1.0,
            backward: 2.0,
            ..LayerFlops::default()
        };
        LAYERS
    ];
    let counted = |check: Check| Check {
        ledger: Some(Ledger {
            layers: layers.clone(),
            ..Ledger::default()
        }),
        ..check
    };
    let losses = [5.0, 4.0, 3.2, 2.6, 2.1, 2.09, 2.08, 2.07, 2.06, 2.05];
    let until = |last: usize| {
        let checks = (1..=last).map(|i| gained(10 * i, losses[i - 1], &[0.005, 0.5]));
        let checks: Vec<Check> = std::iter::once(at(0)).chain(checks.map(counted)).collect();
        history(checks)
    };
    // At 60 % one layer saves 0.4 · 2 / 18, at 90 % four save 0.1 · 8 / 18, at the end nothing is left.
    let early = until(6);
    assert!(POLICY.frozen_layers(&early) >= 1);
    assert!(POLICY.frozen_layers(&until(9)) >= 1);
    let late = until(10);
    assert_eq!(POLICY.frozen_layers(&late), 0);
    assert!(
        POLICY
            .reason(&late)
            .contains("would save 0.0 % of the training's operations")
    );
}

#[test]
fn what_is_not_known_freezes_nothing_and_says_what_to_tell() {
    let without_gains = [10, 20, 30, 40].map(|step| Check {
        gains: Vec::new(),
        ..gained(step, 1.0, &[])
    });
    let checks: Vec<Check> = std::iter::once(at(0)).chain(without_gains).collect();
    assert_eq!(followed_all(&checks), [0; 5]);
    let reason = POLICY.reason(&history(checks));
    assert!(reason.contains("has to tell its gradients"), "{reason}");
    let without_loss = [10, 20, 30, 40].map(|step| Check {
        loss: None,
        ..gained(step, 1.0, &[0.1])
    });
    let checks: Vec<Check> = std::iter::once(at(0)).chain(without_loss).collect();
    assert_eq!(followed_all(&checks), [0; 5]);
    let reason = POLICY.reason(&history(checks));
    assert!(reason.contains("has to tell its loss"), "{reason}");
}

/// What a training froze that knew as much as these checks.
fn followed_all(checks: &[Check]) -> Vec<usize> {
    let mut known = Vec::new();
    let mut frozen = Vec::new();
    for check in checks {
        let before = frozen.last().copied().unwrap_or(0);
        known.push(Check {
            frozen: before,
            ..check.clone()
        });
        frozen.push(POLICY.frozen_layers(&history(known.clone())));
    }
    frozen
}

#[test]
fn a_loop_that_tells_its_gradients_knows_what_its_updates_gain() {
    let mut net = Net::new(3);
    let probe = Probe::new(vec![samples(120, 99, &Device::flex())], Net::forward);
    let length = Length::steps(40);
    let mut freezing = FreezeTraining::new(Layers::of(&net).unwrap(), probe, POLICY, length)
        .checking(CheckpointSchedule::EverySteps(5));
    let mut optimizer = optimizer();
    freezing.start(&net).unwrap();
    for step in 1..=40 {
        let gradients = gradients(&net, step as u64);
        freezing.gradients(&net, &gradients);
        net = optimizer.step(0.05, net, gradients);
        let told = Step {
            loss: Some(1.0),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
    }
    freezing.finish(Status::Finished, 40, None).unwrap();
    let checks = freezing.history().checks();
    assert!(checks[0].gains.is_empty());
    // Momentum aside, a step down a gradient gains.
    assert!(
        checks[1]
            .gains
            .iter()
            .all(|gain| gain.is_some_and(|gain| gain > 0.0))
    );
    // A loss that stands still has nothing to come: the schedule decides, up to the end, where a freeze would save nothing.
    let frozen: Vec<usize> = checks.iter().map(|check| check.frozen).collect();
    assert_eq!(*frozen.last().unwrap(), 2);
    let last = checks.last().unwrap();
    assert_eq!(last.gains[0], None, "it is frozen");
    assert!(last.gains[3].is_some());
}
