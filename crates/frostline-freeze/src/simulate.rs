use std::collections::HashSet;

use frostline_activations::Check;

use crate::{Error, FreezePolicy, History};

/// What a policy would have done in a recorded training.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The history as the policy saw it, its decisions and reasons written into its checks.
    pub history: History,
    /// The step at which each layer, from the input up, would first have frozen.
    pub frozen_at: Vec<Option<usize>>,
    /// The share of the training's computation that it would have saved, the frozen layers' forward still computed.
    pub saved: f64,
    /// The same, the frozen layers' outputs cached instead of computed again.
    pub saved_with_cache: f64,
    /// What the two shares are counted by.
    pub cost_shares: CostShares,
    /// What makes all this less believable.
    pub warnings: Vec<String>,
}

/// What is taken for the cost of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostShares {
    /// The operations of its forward.
    Flops,
    /// One layer as much as another, since nothing is known.
    Equal,
}

/// Asks a policy what it would have decided in a recorded training, without training.
///
/// # Formula
///
/// While the lowest layers with share `p` of the forward's cost are frozen, a step saves `⅔ p` of its computation, since
/// backward costs twice as much as forward, and `p` when their outputs are cached. What is saved is the mean over all
/// steps of the training: frozen at progress `t`, `⅔ p (1 - t)` and `p (1 - t)`.
///
/// The cost of measuring is not taken off. `forward_flops` are those of each layer. A policy is asked at the recorded
/// checks and at the steps that it wants; what a frozen layer would have looked like is known, what the layers
/// above it would have become is not. Errors: `NotRecorded` when the policy decides by what the run didn't watch.
pub fn simulate(
    policy: &dyn FreezePolicy,
    recorded: &History,
    forward_flops: Option<&[f64]>,
) -> Result<Simulated, Error> {
    expect_watched(policy, recorded)?;
    let mut warnings = warnings(policy, recorded);
    let layers = recorded.layers();
    let mut history = History::new(layers.to_vec(), recorded.length());
    let mut thawed = 0..0;
    for check in asked(policy, recorded) {
        let frozen = history.frozen();
        let mut check = as_if_frozen(check, frozen);
        // Of what has just thawed there is no earlier look to compare with.
        if let Some(similarity) = check.similarity.get_mut(thawed.clone()) {
            similarity.fill(None);
        }
        if let Some(chance) = check.chance.get_mut(thawed) {
            chance.fill(None);
        }
        history.push(check);
        let now_frozen = history.decide(policy).frozen;
        thawed = now_frozen..now_frozen.max(frozen);
    }
    let froze = |layer| move |check: &&Check| check.frozen > layer;
    let frozen_at = (0..layers.len())
        .map(|layer| history.checks().iter().find(froze(layer)))
        .map(|check| check.map(|check| check.step))
        .collect();
    let known = forward_flops.and_then(|flops| below(flops, layers.len()));
    if forward_flops.is_some() && known.is_none() {
        warnings.push(
            "the layers' operations are not positive numbers, one a layer: all count the same"
                .into(),
        );
    }
    let cost_shares = match known {
        Some(_) => CostShares::Flops,
        None => CostShares::Equal,
    };
    let below = known
        .or_else(|| below(&vec![1.0; layers.len()], layers.len()))
        .unwrap_or_else(|| vec![0.0]);
    let saved_with_cache = saved(&history, &below);
    Ok(Simulated {
        history,
        frozen_at,
        saved: 2.0 / 3.0 * saved_with_cache,
        saved_with_cache,
        cost_shares,
        warnings,
    })
}

fn expect_watched(policy: &dyn FreezePolicy, recorded: &History) -> Result<(), Error> {
    let watched = policy.watches();
    let known = |values: fn(&Check) -> &[Option<f64>]| {
        let mut checks = recorded.checks().iter();
        checks.any(|check| values(check).iter().any(Option::is_some))
    };
    let missing = if watched.gradients && !known(|check| &check.gradients) {
        "the gradients of its layers"
    } else if watched.weights && !known(|check| &check.weight_change) {
        "how far the weights of its layers moved"
    } else if watched.gains && !known(|check| &check.gains) {
        "what the updates of its layers gained"
    } else if watched.parts && recorded.checks().iter().all(|check| check.parts.is_empty()) {
        "which part of its layers' changes was their own"
    } else {
        return Ok(());
    };
    Err(Error::NotRecorded {
        what: missing,
        policy: policy.describe(),
    })
}

fn warnings(policy: &dyn FreezePolicy, recorded: &History) -> Vec<String> {
    let mut warnings = Vec::new();
    if policy.is_dry_run() {
        warnings.push("it is a dry run: it decides and freezes nothing".to_string());
    }
    if let Some(check) = recorded.checks().iter().find(|check| check.frozen > 0) {
        let (step, frozen) = (check.step, check.frozen);
        let layer = &recorded.layers()[..frozen.min(recorded.layers().len())].join(", ");
        warnings.push(format!(
            "from step {step} on {layer} {} frozen in this run, which makes the similarity 1: after that it is not \
             the history of an unfrozen training",
            if frozen == 1 { "was" } else { "were" }
        ));
    }
    let (last, steps) = (
        recorded.latest().map_or(0, |check| check.step),
        recorded.length().steps,
    );
    if last < steps {
        warnings.push(format!(
            "the history ends at step {last} of {steps}; what is frozen there counts as frozen to the end"
        ));
    }
    warnings
}

/// The recorded checks, and between them those that the policy wants, of which only the step is known.
fn asked(policy: &dyn FreezePolicy, recorded: &History) -> Vec<Check> {
    let (length, layers) = (recorded.length(), recorded.layers().len());
    let mut checks = recorded.checks().to_vec();
    let last = recorded.latest().map_or(0, |check| check.step);
    let mut known: HashSet<usize> = checks.iter().map(|check| check.step).collect();
    for step in policy.wanted_steps(layers, length) {
        if step < last && known.insert(step) {
            checks.push(Check {
                step,
                epoch: length.epoch(step),
                similarity: vec![None; layers],
                ..Check::default()
            });
        }
    }
    checks.sort_by_key(|check| check.step);
    checks
}

/// The check as it would have been with so many layers frozen.
fn as_if_frozen(mut check: Check, frozen: usize) -> Check {
    check
        .similarity
        .iter_mut()
        .take(frozen)
        .for_each(|similarity| *similarity = Some(1.0));
    check
        .chance
        .iter_mut()
        .take(frozen)
        .for_each(|chance| *chance = None);
    check
        .gradients
        .iter_mut()
        .take(frozen)
        .for_each(|gradient| *gradient = None);
    check
        .weight_change
        .iter_mut()
        .take(frozen)
        .for_each(|moved| *moved = Some(0.0));
    Check {
        frozen,
        decided: frozen,
        reason: String::new(),
        ledger: None,
        ..check
    }
}

/// The share of the forward's cost below each layer, and of all layers; none for what can't be costs.
fn below(flops: &[f64], layers: usize) -> Option<Vec<f64>> {
    let all: f64 = flops.iter().sum();
    let counted = flops.len() == layers && flops.iter().all(|&flops| flops >= 0.0);
    if !counted || !all.is_finite() || all == 0.0 {
        return None;
    }
    let mut sum = 0.0;
    let mut below = vec![0.0];
    for flops in flops {
        sum += flops;
        below.push(sum / all);
    }
    Some(below)
}

/// `Σ p · Δt` over what was frozen between one check and the next.
fn saved(history: &History, below: &[f64]) -> f64 {
    let (length, checks) = (history.length(), history.checks());
    let ends = checks
        .iter()
        .skip(1)
        .map(|check| length.progress(check.step));
    let spans = checks.iter().zip(ends.chain([1.0]));
    spans
        .map(|(check, end)| below[check.frozen] * (end - length.progress(check.step)))
        .sum()
}
