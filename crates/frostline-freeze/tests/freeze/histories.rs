//! Histories written by hand.

use frostline_freeze::{Check, FreezePolicy, History, Length};

pub(crate) const LAYERS: usize = 6;

/// A training of 100 steps, ten of them an epoch.
pub(crate) const LENGTH: Length = Length {
    steps: 100,
    steps_per_epoch: 10,
};

pub(crate) fn history(checks: impl IntoIterator<Item = Check>) -> History {
    let names = (1..=LAYERS).map(|layer| format!("block{layer}"));
    let mut history = History::new(names, LENGTH);
    for check in checks {
        history.push(check);
    }
    history
}

pub(crate) fn at(step: usize) -> Check {
    Check {
        step,
        epoch: LENGTH.epoch(step),
        similarity: vec![None; LAYERS],
        ..Check::default()
    }
}

/// A check at which the lowest layers were as far from similar to the check before, and the rest by a half.
pub(crate) fn dissimilar(step: usize, rate: f64, by: &[f64]) -> Check {
    let all = by.iter().copied().chain(std::iter::repeat(0.5));
    Check {
        learning_rate: Some(rate),
        similarity: all.take(LAYERS).map(|by| Some(1.0 - by)).collect(),
        ..at(step)
    }
}

/// A check ten steps after the one before, in a training whose largest rate is 0.1: these were the changes of the lowest layers,
/// and the rest changed by a half. The loss has fallen, and every layer is far from where it began.
pub(crate) fn changed(step: usize, rate: f64, changes: &[f64]) -> Check {
    // Ten steps of a hundred are two twentieths.
    let movements = changes.iter().chain(std::iter::repeat(&0.5));
    let squares: Vec<f64> = movements
        .take(LAYERS)
        .map(|change| (change * 2.0 * rate / 0.1).powi(2))
        .collect();
    Check {
        loss: Some(1.0),
        first_loss: Some(2.0),
        from_start: vec![Some(0.5); LAYERS],
        ..dissimilar(step, rate, &squares)
    }
}

/// A check at which these were the sums of the gradients.
pub(crate) fn pulled(step: usize, gradients: [f64; LAYERS]) -> Check {
    Check {
        gradients: gradients.map(Some).to_vec(),
        ..at(step)
    }
}

/// A check before which the weights of the lowest layers moved by so much, and the rest by a half.
pub(crate) fn moved(step: usize, movements: &[f64]) -> Check {
    let all = movements.iter().copied().chain(std::iter::repeat(0.5));
    Check {
        weight_change: all.take(LAYERS).map(Some).collect(),
        ..at(step)
    }
}

/// What a policy answers at a step of which nothing else is known.
pub(crate) fn answer(policy: &dyn FreezePolicy, step: usize) -> usize {
    policy.frozen_layers(&history([at(step)]))
}

/// What is frozen after each check of a training that follows the policy.
pub(crate) fn followed(policy: &dyn FreezePolicy, checks: &[Check]) -> Vec<usize> {
    let simulated = frostline_freeze::simulate(policy, &history(checks.to_vec()), None).unwrap();
    let checks = simulated.history.checks().iter();
    checks.map(|check| check.frozen).collect()
}
