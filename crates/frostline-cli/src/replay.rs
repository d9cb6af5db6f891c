use std::path::PathBuf;

use frostline::activations::{Length, Run};
use frostline::freeze::{Converged, CostShares, Error, History, PolicyConfig, Simulated, simulate};
use frostline::report::{aligned, escaped, fixed};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::{out, runs};

/// Prints what each policy would have frozen in each run, and saved; of none, the default one. A policy that decides by what a run
/// didn't record is left out of that run and named.
pub(crate) fn replay(
    folders: &[PathBuf],
    policies: &[PolicyConfig],
    json: bool,
) -> Result<(), Failure> {
    let replayed = folders
        .iter()
        .map(|folder| Replayed::of(runs::open(folder, "replay")?, policies))
        .collect::<Result<Vec<_>, Failure>>()?;
    if json {
        let runs: Vec<Value> = replayed.iter().map(Replayed::json).collect();
        return out::print_json(&runs);
    }
    for (index, run) in replayed.iter().enumerate() {
        let between = if index == 0 { "" } else { "\n" };
        out::print(&format!("{between}{}", run.text()))?;
        run.warn();
    }
    Ok(())
}

/// A run and what policies would have done in it.
struct Replayed {
    run: Run,
    columns: Vec<Column>,
    left_out: Vec<LeftOut>,
}

/// A policy that decides by what the run didn't record.
struct LeftOut {
    policy: String,
    reason: String,
}

/// A policy in a run.
struct Column {
    policy: String,
    found: Simulated,
}

impl Replayed {
    fn of(run: Run, policies: &[PolicyConfig]) -> Result<Self, Failure> {
        if run.history.is_empty() {
            return Err(Failure::Data(format!(
                "{} has nothing to replay: no check was recorded in history.jsonl",
                run.path().display()
            )));
        }
        let recorded = History::of(&run);
        let gains = || {
            recorded
                .checks()
                .iter()
                .any(|check| !check.gains.is_empty())
        };
        let usual = match gains() {
            true => [PolicyConfig::default()],
            false => [PolicyConfig::Converged(Converged::default())],
        };
        let policies = if policies.is_empty() {
            &usual
        } else {
            policies
        };
        let (mut columns, mut left_out) = (Vec::new(), Vec::new());
        for config in policies {
            match Column::of(&run, &recorded, config) {
                Ok(column) => columns.push(column),
                Err(error @ Error::NotRecorded { .. }) => left_out.push(LeftOut {
                    policy: config.to_string(),
                    reason: error.to_string(),
                }),
                Err(error) => return Err(error.into()),
            }
        }
        match &left_out[..] {
            [first, ..] if columns.is_empty() => Err(Failure::Data(format!(
                "{}: {}",
                run.path().display(),
                first.reason
            ))),
            _ => Ok(Replayed {
                run,
                columns,
                left_out,
            }),
        }
    }

    fn json(&self) -> Value {
        let info = &self.run.info;
        let left_out = self.left_out.iter();
        let left_out: Vec<Value> = left_out
            .map(|left_out| json!({"policy": left_out.policy, "reason": left_out.reason}))
            .collect();
        json!({
            "path": self.run.path().display().to_string(),
            "name": info.name,
            "layers": info.layers,
            "length": info.length,
            "measure": info.measure,
            "policies": self.columns.iter().map(|column| column.json(info.length)).collect::<Vec<_>>(),
            "left_out": left_out,
            "problems": self.run.problems,
        })
    }

    fn text(&self) -> String {
        let info = &self.run.info;
        let steps = info.length.steps;
        let mut rows = vec![row(
            "",
            self.columns.iter().map(|column| column.policy.clone()),
        )];
        for (index, layer) in info.layers.iter().enumerate() {
            let cells = self.columns.iter().map(|column| {
                let step = column.found.frozen_at[index];
                step.map_or("-".to_string(), |step| moment(step, info.length))
            });
            rows.push(row(layer, cells));
        }
        let saved = |share: fn(&Simulated) -> f64| {
            let columns = self.columns.iter();
            columns.map(move |column| format!("{} %", fixed(100.0 * share(&column.found), 1)))
        };
        rows.push(row("saved", saved(|found| found.saved)));
        rows.push(row(
            "saved with cache",
            saved(|found| found.saved_with_cache),
        ));
        format!(
            "{}: {} layers, {steps} steps\n\n{}\n{}\n",
            escaped(&self.run.path().display().to_string()),
            info.layers.len(),
            aligned(&rows, &[]),
            self.shares()
        )
    }

    /// Says what makes the replay less believable, and which policies are not in it.
    fn warn(&self) {
        self.run.problems.iter().for_each(out::warn);
        for left_out in &self.left_out {
            out::warn(format!(
                "{} is left out: {}",
                left_out.policy, left_out.reason
            ));
        }
        for (warning, policies) in self.warnings() {
            if policies.len() == self.columns.len() {
                out::warn(warning);
            } else {
                out::warn(format!("{}: {warning}", policies.join(", ")));
            }
        }
    }

    /// What the saved shares are counted by, and what measuring took, which they leave out.
    fn shares(&self) -> String {
        let by_flops = |column: &Column| column.found.cost_shares == CostShares::Flops;
        let counted = if self.columns.iter().all(by_flops) {
            "layers counted by the operations of their forward"
        } else {
            "every layer counted the same: the run doesn't know their operations"
        };
        let last = self.run.history.last();
        let measuring = last.map(|check| check.measuring_seconds / check.training_seconds);
        match measuring.filter(|share| share.is_finite()) {
            Some(share) => format!(
                "{counted}; measuring took {} % of the training's time",
                fixed(100.0 * share, 1)
            ),
            None => counted.to_string(),
        }
    }

    /// Each warning once, with the policies that it is about.
    fn warnings(&self) -> Vec<(&str, Vec<&str>)> {
        let mut warnings: Vec<(&str, Vec<&str>)> = Vec::new();
        for column in &self.columns {
            for warning in &column.found.warnings {
                match warnings.iter_mut().find(|(known, _)| known == warning) {
                    Some((_, policies)) => policies.push(&column.policy),
                    None => warnings.push((warning, vec![&column.policy])),
                }
            }
        }
        warnings
    }
}

impl Column {
    fn of(run: &Run, recorded: &History, config: &PolicyConfig) -> Result<Self, Error> {
        let policy = config.init()?;
        let flops = run.info.forward_flops.as_deref();
        let mut found = simulate(policy.as_ref(), recorded, flops)?;
        if let Some(measure) = policy.measure()
            && measure.to_string() != run.info.measure
        {
            found.warnings.push(format!(
                "the run compared its layers by {}, not by {measure}, so this is decided by {0}",
                run.info.measure
            ));
        }
        Ok(Column {
            policy: config.to_string(),
            found,
        })
    }

    fn json(&self, length: Length) -> Value {
        let found = &self.found;
        let moment = |step: usize| json!({"step": step, "epoch": length.epoch(step), "progress": length.progress(step)});
        let checks = found.history.checks().iter();
        let checks: Vec<Value> = checks
            .map(|check| {
                let (frozen, decided, reason) = (check.frozen, check.decided, &check.reason);
                json!({"step": check.step, "frozen": frozen, "decided": decided, "reason": reason})
            })
            .collect();
        let shares = match found.cost_shares {
            CostShares::Flops => "flops",
            CostShares::Equal => "equal",
        };
        json!({
            "policy": self.policy,
            "frozen_at": found.frozen_at.iter().map(|step| step.map(moment)).collect::<Vec<_>>(),
            "checks": checks,
            "saved": found.saved,
            "saved_with_cache": found.saved_with_cache,
            "cost_shares": shares,
            "warnings": found.warnings,
        })
    }
}

/// A step, its epoch and progress.
fn moment(step: usize, length: Length) -> String {
    let epoch = length.epoch(step);
    format!(
        "step {step}, epoch {epoch:.1}, {:.0} %",
        100.0 * length.progress(step)
    )
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(first.to_string()).chain(cells).collect()
}
