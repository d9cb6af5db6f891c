//! What the fields of a run folder may hold. A file may have been damaged or written by something else: what is believed
//! here is counted with, drawn and frozen by.

use std::collections::HashSet;

use crate::{Check, Ledger, MetricsPoint, Outcome, RunInfo, Spread};

/// Up to here every count is also an exact floating-point number.
const MOST: usize = 1 << 53;

/// No training is as long: steps of any two can be added.
const LONGEST: usize = 1 << 62;

/// A share that was rounded may pass 1 by so much.
const ROUNDING: f64 = 1e-6;

/// The first field that can't be.
type Found = Result<(), String>;

impl RunInfo {
    /// What no run has, with the field's name.
    pub(crate) fn problem(&self) -> Option<String> {
        let check = || {
            let layers = self.layers.len();
            if layers == 0 {
                return Err("`layers` names none".to_string());
            }
            let mut names = HashSet::new();
            if let Some(twice) = self.layers.iter().find(|name| !names.insert(name.as_str())) {
                return Err(format!("`layers` has two of the name `{twice}`"));
            }
            for (field, steps) in [
                ("length.steps", self.length.steps),
                ("length.steps_per_epoch", self.length.steps_per_epoch),
            ] {
                if steps > LONGEST {
                    return Err(format!("`{field}` is {steps}, but is at most {LONGEST}"));
                }
            }
            count("probe.samples", self.probe.samples)?;
            count("probe.inputs", self.probe.inputs.unwrap_or(0))?;
            if let Some(flops) = &self.forward_flops {
                length("forward_flops", flops.len(), layers)?;
                flops
                    .iter()
                    .try_for_each(|flops| amount("forward_flops", *flops))?;
            }
            if let Some(panes) = &self.panes_probe {
                panes
                    .steps
                    .iter()
                    .try_for_each(|step| count("panes_probe.steps", *step))?;
            }
            amount("began", self.began.unwrap_or(0.0))?;
            self.outcome
                .as_ref()
                .map_or(Ok(()), |outcome| of_outcome(outcome, layers))
        };
        check().err()
    }
}

impl Check {
    /// What no check of a run of so many layers says, after the check before it, with the field's name.
    pub(crate) fn problem(&self, layers: usize, before: Option<&Check>) -> Option<String> {
        let check = || {
            if self.similarity.len() != layers {
                let found = self.similarity.len();
                return Err(format!(
                    "`similarity` has {found} values, but the run has {layers} layers"
                ));
            }
            for (field, values) in [
                ("gradients", &self.gradients),
                ("weight_change", &self.weight_change),
                ("learning_rates", &self.learning_rates),
            ] {
                length_or_none(field, values.len(), layers)?;
                values
                    .iter()
                    .flatten()
                    .try_for_each(|value| amount(field, *value))?;
            }
            length_or_none("chance", self.chance.len(), layers)?;
            self.similarity
                .iter()
                .flatten()
                .try_for_each(|value| finite("similarity", *value))?;
            for by in self.chance.iter().flatten() {
                finite("chance.level", by.level)?;
                finite("chance.upper", by.upper)?;
                finite("chance.corrected", by.corrected.unwrap_or(0.0))?;
                count("chance.samples", by.samples)?;
                count("chance.directions", by.directions)?;
            }
            for (field, values) in [
                ("likeness", &self.likeness),
                ("from_start", &self.from_start),
            ] {
                length_or_none(field, values.len(), layers)?;
                let mut values = values.iter().flatten();
                values.try_for_each(|value| finite(field, *value))?;
            }
            length_or_none("fixed", self.fixed.len(), layers)?;
            length_or_none("gains", self.gains.len(), layers)?;
            let mut gains = self.gains.iter().flatten();
            gains.try_for_each(|gain| finite("gains", *gain))?;
            length_or_none("parts", self.parts.len(), layers)?;
            for parts in self.parts.iter().flatten() {
                finite("parts.own", parts.own)?;
                finite("parts.inherited", parts.inherited)?;
            }
            finite("first_loss", self.first_loss.unwrap_or(0.0))?;
            amount("loss_error", self.loss_error.unwrap_or(0.0))?;
            frozen("frozen", self.frozen, layers)?;
            frozen("decided", self.decided, layers)?;
            count("step", self.step)?;
            if let Some(before) = before.filter(|before| before.step >= self.step) {
                let (step, before) = (self.step, before.step);
                return Err(format!("`step` is {step} after {before}, but steps ascend"));
            }
            amount("epoch", self.epoch)?;
            amount("training_seconds", self.training_seconds)?;
            amount("measuring_seconds", self.measuring_seconds)?;
            amount("cpu_seconds", self.cpu_seconds.unwrap_or(0.0))?;
            finite("learning_rate", self.learning_rate.unwrap_or(0.0))?;
            finite("loss", self.loss.unwrap_or(0.0))?;
            share("accuracy", self.accuracy)?;
            self.ledger
                .as_ref()
                .map_or(Ok(()), |ledger| of_ledger(ledger, layers))
        };
        check().err()
    }
}

impl MetricsPoint {
    /// What no point of a run of so many layers says, after the point before it, with the field's name.
    pub(crate) fn problem(&self, layers: usize, before: Option<&MetricsPoint>) -> Option<String> {
        let check = || {
            for (field, spread) in [
                ("loss", self.loss),
                ("learning_rate", self.learning_rate),
                ("test_loss", self.test_loss),
                ("train_accuracy", self.train_accuracy),
                ("test_accuracy", self.test_accuracy),
            ] {
                of_spread(field, spread)?;
            }
            for (field, spread) in [
                ("train_accuracy", self.train_accuracy),
                ("test_accuracy", self.test_accuracy),
            ] {
                share(field, spread.map(|spread| spread.low))?;
                share(field, spread.map(|spread| spread.high))?;
            }
            frozen("frozen", self.frozen, layers)?;
            count("step", self.step)?;
            count("steps", self.steps)?;
            if let Some(before) = before.filter(|before| before.step > self.step) {
                let (step, before) = (self.step, before.step);
                return Err(format!("`step` is {step} after {before}, but steps ascend"));
            }
            amount("epoch", self.epoch)?;
            amount("training_seconds", self.training_seconds)?;
            amount("wall_seconds", self.wall_seconds)?;
            amount("flops", self.flops.unwrap_or(0.0))
        };
        check().err()
    }
}

fn of_spread(field: &str, spread: Option<Spread>) -> Found {
    let Some(Spread {
        mean,
        low,
        high,
        count: values,
    }) = spread
    else {
        return Ok(());
    };
    [mean, low, high]
        .iter()
        .try_for_each(|value| finite(field, *value))?;
    count(field, values)?;
    if values == 0 {
        return Err(format!("`{field}` has a value that stands for no step"));
    }
    match low <= mean && mean <= high {
        true => Ok(()),
        false => Err(format!(
            "`{field}` has a mean of {mean}, which is not from {low} to {high}"
        )),
    }
}

fn of_outcome(outcome: &Outcome, layers: usize) -> Found {
    count("outcome.step", outcome.step)?;
    count("outcome.test_samples", outcome.test_samples.unwrap_or(0))?;
    amount("outcome.training_seconds", outcome.training_seconds)?;
    amount("outcome.measuring_seconds", outcome.measuring_seconds)?;
    amount("outcome.cpu_seconds", outcome.cpu_seconds.unwrap_or(0.0))?;
    share("outcome.accuracy", outcome.accuracy)?;
    outcome
        .ledger
        .as_ref()
        .map_or(Ok(()), |ledger| of_ledger(ledger, layers))
}

fn of_ledger(ledger: &Ledger, layers: usize) -> Found {
    length_or_none("ledger.layers", ledger.layers.len(), layers)?;
    for of in &ledger.layers {
        amount("ledger.layers.forward", of.forward)?;
        amount("ledger.layers.backward", of.backward)?;
        // Below zero for a layer that froze too late to make up for filling the cache.
        finite("ledger.layers.saved_forward", of.saved_forward)?;
        finite("ledger.layers.saved_backward", of.saved_backward)?;
    }
    amount("ledger.measuring_flops", ledger.measuring_flops)?;
    if ledger.at_frozen.len() > layers {
        let (found, most) = (ledger.at_frozen.len(), layers);
        return Err(format!(
            "`ledger.at_frozen` has {found} entries, but of {layers} layers it has at most {most}"
        ));
    }
    for at in &ledger.at_frozen {
        count("ledger.at_frozen.steps", at.steps)?;
        amount("ledger.at_frozen.seconds", at.seconds)?;
    }
    for (field, inputs) in [
        ("ledger.cache_hits", ledger.cache_hits),
        ("ledger.cache_misses", ledger.cache_misses),
    ] {
        count(field, usize::try_from(inputs).unwrap_or(usize::MAX))?;
    }
    amount("ledger.caching_seconds", ledger.caching_seconds)?;
    count("ledger.panes.evaluations", ledger.panes.evaluations)?;
    count("ledger.panes.samples", ledger.panes.samples)?;
    amount("ledger.panes.seconds", ledger.panes.seconds)?;
    amount("ledger.panes.flops", ledger.panes.flops)
}

fn finite(field: &str, value: f64) -> Found {
    match value.is_finite() {
        true => Ok(()),
        false => Err(format!("`{field}` is {value}, but has to be finite")),
    }
}

/// Seconds, operations, norms: from 0, and small enough that sums of them are finite.
fn amount(field: &str, value: f64) -> Found {
    match (0.0..=1e150).contains(&value) {
        true => Ok(()),
        false => Err(format!(
            "`{field}` is {value}, but has to be from 0 to 1e150"
        )),
    }
}

fn share(field: &str, value: Option<f64>) -> Found {
    match value {
        Some(value) if !(-ROUNDING..=1.0 + ROUNDING).contains(&value) => {
            Err(format!("`{field}` is {value}, but a share is in [0, 1]"))
        }
        _ => Ok(()),
    }
}

fn count(field: &str, value: usize) -> Found {
    match value <= MOST {
        true => Ok(()),
        false => Err(format!(
            "`{field}` is {value}, but a count is at most {MOST}"
        )),
    }
}

fn frozen(field: &str, value: usize, layers: usize) -> Found {
    let most = layers.saturating_sub(1);
    match value <= most {
        true => Ok(()),
        false => Err(format!(
            "`{field}` is {value}, but of {layers} layers at most {most} can be frozen: the last one always trains"
        )),
    }
}

fn length(field: &str, found: usize, layers: usize) -> Found {
    match found == layers {
        true => Ok(()),
        false => Err(format!(
            "`{field}` has {found} values, but the run has {layers} layers"
        )),
    }
}

fn length_or_none(field: &str, found: usize, layers: usize) -> Found {
    match found {
        0 => Ok(()),
        found => length(field, found, layers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByChance, LayerFlops, StepTime};

    fn check() -> Check {
        Check {
            step: 5,
            similarity: vec![Some(0.5), None],
            ..Check::default()
        }
    }

    /// What is said of a check of two layers that comes after step 4.
    fn said(change: impl FnOnce(&mut Check)) -> String {
        let (mut changed, before) = (check(), Check { step: 4, ..check() });
        change(&mut changed);
        changed.problem(2, Some(&before)).unwrap_or_default()
    }

    #[test]
    fn each_field_of_a_check_is_told_when_it_cannot_be() {
        assert_eq!(said(|_| ()), "");
        let by = ByChance {
            samples: 9,
            directions: 2,
            level: 0.1,
            upper: 0.2,
            corrected: None,
        };
        let ledger = || Ledger {
            layers: vec![LayerFlops::default(); 2],
            ..Ledger::default()
        };
        for (field, found) in [
            ("frozen", said(|c| c.frozen = 2)),
            ("decided", said(|c| c.decided = usize::MAX)),
            ("step", said(|c| c.step = 4)),
            ("step", said(|c| c.step = MOST + 1)),
            ("similarity", said(|c| c.similarity.truncate(1))),
            ("similarity", said(|c| c.similarity[0] = Some(f64::NAN))),
            ("gradients", said(|c| c.gradients = vec![None; 3])),
            (
                "weight_change",
                said(|c| c.weight_change = vec![Some(-1.0), None]),
            ),
            ("chance", said(|c| c.chance = vec![None])),
            (
                "chance.samples",
                said(|c| {
                    c.chance = vec![
                        Some(ByChance {
                            samples: MOST + 1,
                            ..by
                        }),
                        None,
                    ]
                }),
            ),
            ("training_seconds", said(|c| c.training_seconds = -1.0)),
            ("measuring_seconds", said(|c| c.measuring_seconds = 1e200)),
            ("epoch", said(|c| c.epoch = f64::INFINITY)),
            ("likeness", said(|c| c.likeness = vec![None; 3])),
            ("fixed", said(|c| c.fixed = vec![true; 3])),
            ("from_start", said(|c| c.from_start = vec![None])),
            ("parts", said(|c| c.parts = vec![None])),
            ("loss_error", said(|c| c.loss_error = Some(-1.0))),
            (
                "learning_rates",
                said(|c| c.learning_rates = vec![Some(0.1)]),
            ),
            ("accuracy", said(|c| c.accuracy = Some(75.0))),
            (
                "ledger.layers",
                said(|c| {
                    c.ledger = Some(Ledger {
                        layers: vec![LayerFlops::default()],
                        ..ledger()
                    })
                }),
            ),
            (
                "ledger.at_frozen",
                said(|c| {
                    c.ledger = Some(Ledger {
                        at_frozen: vec![StepTime::default(); 3],
                        ..ledger()
                    })
                }),
            ),
            (
                "ledger.cache_hits",
                said(|c| {
                    c.ledger = Some(Ledger {
                        cache_hits: u64::MAX,
                        ..ledger()
                    })
                }),
            ),
        ] {
            assert!(
                found.starts_with(&format!("`{field}` ")),
                "{field}: {found}"
            );
        }
    }

    #[test]
    fn a_point_says_its_values_with_the_least_below_the_greatest_and_accuracies_as_shares() {
        let spread = |mean, low, high| {
            Some(Spread {
                mean,
                low,
                high,
                count: 1,
            })
        };
        let point = |change: fn(&mut MetricsPoint)| {
            let mut point = MetricsPoint {
                step: 3,
                steps: 1,
                ..MetricsPoint::default()
            };
            change(&mut point);
            point
        };
        let said = |point: MetricsPoint| point.problem(2, None).unwrap_or_default();
        assert_eq!(said(point(|_| ())), "");
        let loss = MetricsPoint {
            loss: spread(3.0, 1.0, 2.0),
            ..point(|_| ())
        };
        assert!(said(loss).starts_with("`loss` has a mean of 3"));
        let accuracy = MetricsPoint {
            test_accuracy: spread(50.0, 50.0, 50.0),
            ..point(|_| ())
        };
        assert!(said(accuracy).starts_with("`test_accuracy` is 50"));
        assert!(said(point(|p| p.frozen = 2)).starts_with("`frozen` is 2"));
        assert!(said(point(|p| p.wall_seconds = -1.0)).starts_with("`wall_seconds` is -1"));
        let later = point(|p| p.step = 4);
        assert!(
            point(|_| ())
                .problem(2, Some(&later))
                .unwrap()
                .starts_with("`step` is 3 after 4")
        );
        // A test stands at the step before it.
        assert_eq!(point(|_| ()).problem(2, Some(&point(|_| ()))), None);
    }
}
