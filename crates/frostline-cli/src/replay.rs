use std::path::PathBuf;

use frostline::activations::{Length, Run};
use frostline::freeze::{CostShares, History, PolicyConfig, Simulated, simulate};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Prints what each policy would have frozen in each run, and saved.
pub(crate) fn replay(
    folders: &[PathBuf],
    policies: &[PolicyConfig],
    json: bool,
) -> Result<(), Failure> {
    let replayed = folders
        .iter()
        .map(|folder| Replayed::of(Run::open(folder)?, policies))
        .collect::<Result<Vec<_>, Failure>>()?;
    if json {
        let runs: Vec<Value> = replayed.iter().map(Replayed::json).collect();
        println!("{}", serde_json::to_string_pretty(&runs)?);
        return Ok(());
    }
    for (index, run) in replayed.iter().enumerate() {
        if index > 0 {
            println!();
        }
        run.print();
    }
    Ok(())
}

/// A run and what policies would have done in it.
struct Replayed {
    run: Run,
    columns: Vec<Column>,
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
        let columns = policies
            .iter()
            .map(|config| Column::of(&run, &recorded, config))
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(Replayed { run, columns })
    }

    fn json(&self) -> Value {
        let info = &self.run.info;
        json!({
            "path": self.run.path(),
            "name": info.name,
            "layers": info.layers,
            "length": info.length,
            "measure": info.measure,
            "policies": self.columns.iter().map(|column| column.json(info.length)).collect::<Vec<_>>(),
            "problems": self.run.problems,
        })
    }

    fn print(&self) {
        let info = &self.run.info;
        let steps = info.length.steps;
        println!(
            "{}: {} layers, {steps} steps\n",
            self.run.path().display(),
            info.layers.len()
        );
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
            columns.map(move |column| format!("{:.1} %", 100.0 * share(&column.found)))
        };
        rows.push(row("saved", saved(|found| found.saved)));
        rows.push(row(
            "saved with cache",
            saved(|found| found.saved_with_cache),
        ));
        print_aligned(&rows);
        println!("\n{}", self.shares());
        for problem in &self.run.problems {
            eprintln!("warning: {problem}");
        }
        for (warning, policies) in self.warnings() {
            match policies.len() == self.columns.len() {
                true => eprintln!("warning: {warning}"),
                false => eprintln!("warning: {}: {warning}", policies.join(", ")),
            }
        }
    }

    /// What the saved shares are counted by, and what measuring took, which they leave out.
    fn shares(&self) -> String {
        let by_flops = |column: &Column| column.found.cost_shares == CostShares::Flops;
        let counted = match self.columns.iter().all(by_flops) {
            true => "layers counted by the operations of their forward",
            false => "every layer counted the same: the run doesn't know their operations",
        };
        let last = self.run.history.last();
        let measuring = last.map(|check| check.measuring_seconds / check.training_seconds);
        match measuring.filter(|share| share.is_finite()) {
            Some(share) => format!(
                "{counted}; measuring took {:.1} % of the training's time",
                100.0 * share
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
    fn of(run: &Run, recorded: &History, config: &PolicyConfig) -> Result<Self, Failure> {
        let policy = config.init()?;
        let flops = run.info.forward_flops.as_deref();
        let mut found = simulate(policy.as_ref(), recorded, flops)
            .map_err(|error| Failure::Data(format!("{}: {error}", run.path().display())))?;
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
    // Control characters would move the cursor, or worse.
    let first = first.replace(char::is_control, " ");
    std::iter::once(first).chain(cells).collect()
}

fn print_aligned(rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        println!("{}", line.join("  ").trim_end());
    }
}
