use std::fmt;

use frostline_activations::{Ledger, Run, Status};

use crate::axis::drawable;
use crate::terminal::{aligned, fixed};

/// A run in numbers: a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The run's name.
    pub name: String,
    /// How it ended; none while it runs, or when it was killed.
    pub status: Option<Status>,
    /// The steps that were done, as far as they are known.
    pub step: usize,
    /// The steps that there were to be.
    pub planned: usize,
    /// The last accuracy that is known and finite, in `[0, 1]`.
    pub accuracy: Option<f64>,
    /// The number of samples behind that accuracy.
    pub test_samples: Option<usize>,
    /// Seconds of training, without measuring and testing.
    pub training_seconds: Option<f64>,
    /// Seconds of measuring.
    pub measuring_seconds: Option<f64>,
    /// Seconds that freezing saved, less those of measuring; none when nothing froze or nobody counted.
    pub saved_seconds: Option<f64>,
    /// Layers frozen at the end.
    pub frozen: usize,
    /// What the policy would have frozen at the end; more than `frozen` in a dry run.
    pub decided: usize,
    /// All layers.
    pub layers: usize,
    /// How many layers were frozen when, in order; without gaps from step 0 to the end.
    pub frost_lines: Vec<FrostLine>,
}

/// The steps at which so many layers were frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrostLine {
    /// The frozen layers, from the input up.
    pub layers: usize,
    /// The first step.
    pub from: usize,
    /// The last step.
    pub to: usize,
}

impl fmt::Display for FrostLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}: from {}", self.layers, self.from)
        } else {
            write!(f, "{}: {}–{}", self.layers, self.from, self.to)
        }
    }
}

impl Summary {
    /// The row of a run.
    pub fn of(run: &Run) -> Self {
        let (end, last) = (run.info.outcome.as_ref(), run.history.last());
        let finite = |value: &f64| drawable(*value);
        let seconds =
            |at_end: Option<f64>, at_check: Option<f64>| at_end.or(at_check).filter(finite);
        let at_end = end.and_then(|end| end.accuracy).filter(finite);
        // Tests know their steps to the last, checks hold the last one before them.
        let tested = || {
            let mut known = run
                .metrics
                .tested()
                .rev()
                .filter_map(|test| test.test_accuracy);
            known.find_map(|accuracy| (accuracy.count == 1).then_some(accuracy.mean))
        };
        let checked = || {
            let mut known = run.history.iter().rev().filter_map(|check| check.accuracy);
            known.find(finite)
        };
        let measuring_seconds = seconds(
            end.map(|end| end.measuring_seconds),
            last.map(|check| check.measuring_seconds),
        );
        let frost_lines = frost_lines(run);
        let frozen = frost_lines.last().map_or(0, |line| line.layers);
        Summary {
            name: run_name(run),
            status: end.map(|end| end.status),
            step: last_step(run),
            planned: run.info.length.steps,
            accuracy: at_end.or_else(tested).or_else(checked),
            // The checks do not say how many samples they asked.
            test_samples: at_end.and(end.and_then(|end| end.test_samples)),
            training_seconds: seconds(
                end.map(|end| end.training_seconds),
                last.map(|check| check.training_seconds),
            ),
            measuring_seconds,
            saved_seconds: ledger(run)
                .filter(|ledger| something_froze(ledger))
                .and_then(|ledger| ledger.saved_seconds(measuring_seconds?))
                .filter(finite),
            frozen,
            decided: match last {
                Some(check) if check.decided > check.frozen => check.decided,
                _ => frozen,
            },
            layers: run.info.layers.len(),
            frost_lines,
        }
    }

    /// Whether a layer was frozen at any time.
    pub(crate) fn froze(&self) -> bool {
        self.frost_lines.iter().any(|line| line.layers > 0)
    }

    /// How it ended, in words.
    pub fn outcome(&self) -> String {
        let (step, planned) = (grouped(self.step), grouped(self.planned));
        match self.status {
            Some(Status::Finished) => "finished".into(),
            Some(Status::Interrupted) => {
                format!("interrupted at step {step} of {planned}")
            }
            Some(Status::Diverged) => format!("diverged at step {step} of {planned}"),
            None => format!("no end recorded, step {step} of {planned}"),
        }
    }

    pub(crate) fn accuracy_text(&self) -> String {
        match (self.accuracy, self.test_samples) {
            (Some(share), Some(n)) => format!("{:.2} % ({} samples)", 100.0 * share, grouped(n)),
            (Some(share), None) => format!("{:.2} %", 100.0 * share),
            (None, _) => "not known".into(),
        }
    }

    pub(crate) fn frozen_text(&self) -> String {
        let frozen = format!("{} of {}", self.frozen, self.layers);
        if self.decided > self.frozen {
            format!("{frozen} (dry run: {} decided)", self.decided)
        } else {
            frozen
        }
    }

    fn saved_text(&self) -> String {
        let saved = self.saved_seconds;
        saved.map_or("–".into(), |seconds| seconds_text(Some(seconds)))
    }

    pub(crate) fn frost_line_text(&self) -> String {
        /// Frost lines at either end; those between become an ellipsis.
        const SHOWN: usize = 4;
        let lines: Vec<String> = self.frost_lines.iter().map(FrostLine::to_string).collect();
        let shown = match lines.len() {
            count if count > 2 * SHOWN + 1 => [
                &lines[..SHOWN],
                &[format!("… {} more …", grouped(count - 2 * SHOWN))],
                &lines[count - SHOWN..],
            ]
            .concat(),
            _ => lines,
        };
        match shown.first() {
            Some(first) => {
                let first = first.replacen(':', " layers:", 1);
                [vec![first], shown[1..].to_vec()].concat().join(", ")
            }
            None => "no checks".into(),
        }
    }
}

/// The runs as a table of aligned columns, for a terminal; with what freezing saved where a run knows it.
pub fn text_table(runs: &[&Run]) -> String {
    let mut head = vec![
        "run",
        "outcome",
        "test accuracy",
        "training",
        "measuring",
        "frozen",
        "steps at each frost line",
    ];
    let saved = runs.iter().any(|run| ledger(run).is_some());
    if saved {
        head.insert(SAVED, "saved");
    }
    let mut rows = vec![head.into_iter().map(String::from).collect()];
    for (run, name) in runs.iter().zip(run_names(runs)) {
        let summary = Summary::of(run);
        let mut row = vec![
            name,
            summary.outcome(),
            summary.accuracy_text(),
            seconds_text(summary.training_seconds),
            seconds_text(summary.measuring_seconds),
            summary.frozen_text(),
            summary.frost_line_text(),
        ];
        if saved {
            row.insert(SAVED, summary.saved_text());
        }
        rows.push(row);
    }
    let right: &[usize] = if saved { &[3, 4, SAVED] } else { &[3, 4] };
    aligned(&rows, right)
}

/// The column of what freezing saved.
const SAVED: usize = 5;

/// What the run computed and saved: at its end, or else at the last check that knows.
pub(crate) fn ledger(run: &Run) -> Option<&Ledger> {
    let at_end = run.info.outcome.as_ref();
    let at_end = at_end.and_then(|end| end.ledger.as_ref());
    let mut checks = run.history.iter().rev();
    at_end.or_else(|| checks.find_map(|check| check.ledger.as_ref()))
}

/// Whether a step was done with frozen layers.
pub(crate) fn something_froze(ledger: &Ledger) -> bool {
    ledger.at_frozen.iter().skip(1).any(|at| at.steps > 0)
}

/// The runs' names; those that are the same are numbered.
pub(crate) fn run_names(runs: &[&Run]) -> Vec<String> {
    let names: Vec<String> = runs.iter().map(|run| run_name(run)).collect();
    let count = |among: &[String], name: &String| among.iter().filter(|n| *n == name).count();
    let numbered = |(index, name): (usize, &String)| match count(&names, name) {
        1 => name.clone(),
        _ => format!("{name} ({})", count(&names[..=index], name)),
    };
    names.iter().enumerate().map(numbered).collect()
}

/// With a comma between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut groups: Vec<&str> = vec![&digits[..first]];
    groups.extend(
        (first..digits.len())
            .step_by(3)
            .map(|at| &digits[at..at + 3]),
    );
    groups.retain(|group| !group.is_empty());
    groups.join(",")
}

pub(crate) fn seconds_text(seconds: Option<f64>) -> String {
    seconds.map_or("not known".into(), |s| format!("{} s", fixed(s, 1)))
}

/// The last step that anything is known of.
pub(crate) fn last_step(run: &Run) -> usize {
    let outcome = run.info.outcome.as_ref().map_or(0, |end| end.step);
    let checked = run.history.iter().map(|check| check.step).max();
    let reported = run.metrics.points().last().map(|point| point.step);
    outcome.max(checked.max(reported).unwrap_or(0))
}

fn run_name(run: &Run) -> String {
    match run.info.name.trim() {
        "" => "unnamed run".into(),
        name => name.into(),
    }
}

fn frost_lines(run: &Run) -> Vec<FrostLine> {
    let mut lines: Vec<FrostLine> = Vec::new();
    if run.history.is_empty() {
        return lines;
    }
    lines.push(FrostLine {
        layers: 0,
        from: 0,
        to: 0,
    });
    let end = run.info.length.steps.max(last_step(run));
    for check in &run.history {
        let line = lines.last_mut().expect("one was pushed above");
        line.to = check.step;
        if check.step >= end {
            // What freezes after the last step has trained to the end.
            continue;
        }
        if check.frozen != line.layers {
            lines.push(FrostLine {
                layers: check.frozen,
                from: check.step,
                to: check.step,
            });
        }
    }
    let line = lines.last_mut().expect("one was pushed above");
    line.to = line.to.max(last_step(run));
    // Layers that are frozen before the first step never trained.
    if lines.len() > 1 && lines[0].to == 0 {
        lines.remove(0);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_kept_apart() {
        let written = [0, 999, 1000, 10_000, 123_456, 5_000_000].map(grouped);
        assert_eq!(
            written,
            ["0", "999", "1,000", "10,000", "123,456", "5,000,000"]
        );
    }
}
