use frostline_activations::{Check, Length, Run};
use serde::{Deserialize, Serialize};

use crate::{FreezePolicy, History};

/// Decides what a recorded run decided, at the same steps.
///
/// # Formula
///
/// `n` is the `frozen` of the last recorded check at or before the step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Steps, ascending, with the count from each on: where it changed.
    changes: Vec<(usize, usize)>,
}

impl Replay {
    /// What these checks decided.
    pub fn of(checks: &[Check]) -> Self {
        let mut recorded: Vec<(usize, usize)> = checks
            .iter()
            .map(|check| (check.step, check.frozen))
            .collect();
        recorded.sort_by_key(|&(step, _)| step);
        let mut changes: Vec<(usize, usize)> = Vec::new();
        for (step, frozen) in recorded {
            // Of two checks at one step the later one counts.
            changes.pop_if(|(last, _)| *last == step);
            if changes.last().map_or(0, |&(_, before)| before) != frozen {
                changes.push((step, frozen));
            }
        }
        Replay { changes }
    }

    /// The last change so far: its step and the count from there on.
    fn latest(&self, history: &History) -> Option<(usize, usize)> {
        let now = history.latest()?.step;
        let changes = self.changes.iter().take_while(|(step, _)| *step <= now);
        changes.last().copied()
    }
}

impl From<&Run> for Replay {
    fn from(run: &Run) -> Self {
        Replay::of(&run.history)
    }
}

impl FreezePolicy for Replay {
    fn frozen_layers(&self, history: &History) -> usize {
        self.latest(history).map_or(0, |(_, frozen)| frozen)
    }

    fn reason(&self, history: &History) -> String {
        match self.latest(history) {
            Some((step, frozen)) => {
                format!("the recorded run had {frozen} frozen from step {step} on")
            }
            None => "the recorded run had nothing frozen yet".to_string(),
        }
    }

    fn describe(&self) -> String {
        let changes = self.changes.iter();
        let changes: Vec<String> = changes
            .map(|(step, n)| format!("{n} from step {step}"))
            .collect();
        match changes.is_empty() {
            true => "replay: nothing".to_string(),
            false => format!("replay: {}", changes.join(", ")),
        }
    }

    fn thaws(&self) -> bool {
        !self.changes.is_sorted_by_key(|&(_, frozen)| frozen)
    }

    fn wanted_steps(&self, _layers: usize, length: Length) -> Vec<usize> {
        let steps = self.changes.iter().map(|&(step, _)| step);
        steps.filter(|&step| step <= length.steps).collect()
    }
}
