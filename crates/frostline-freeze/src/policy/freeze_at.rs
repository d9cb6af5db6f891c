use frostline_activations::Length;
use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{FreezePolicy, History};

/// A schedule given by hand: when each layer freezes.
///
/// # Formula
///
/// Layer `i` from the input up is frozen from progress `at[i]` on, and never where there is no such number; what lies
/// above a layer that trains trains too, so the count at `t` is the length of the longest run of `at[i] ≤ t` from the
/// start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FreezeAt {
    /// Shares of the training, each in `[0, 1]`, from the input up.
    pub at: Vec<f64>,
}

impl FreezePolicy for FreezeAt {
    fn frozen_layers(&self, history: &History) -> usize {
        let progress = history.progress() + ROUNDING;
        self.at.iter().take_while(|at| **at <= progress).count()
    }

    fn reason(&self, history: &History) -> String {
        let next = self.frozen_layers(history);
        match (history.layers().get(next), self.at.get(next)) {
            (Some(layer), Some(at)) => format!("`{layer}` freezes at {} % of training", 100.0 * at),
            _ => "no more layers are to freeze".to_string(),
        }
    }

    fn describe(&self) -> String {
        let at: Vec<String> = self.at.iter().map(f64::to_string).collect();
        format!("each layer at its share of training: {}", at.join(", "))
    }

    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        let below_last = self.at.iter().take(layers.saturating_sub(1));
        let step = |at: &f64| (at * length.steps as f64 - ROUNDING).ceil() as usize;
        let mut steps: Vec<usize> = below_last.map(step).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    fn doubts(&self, layers: usize, _length: Length) -> Vec<String> {
        let (given, below_last) = (self.at.len(), layers.saturating_sub(1));
        let mut doubts = Vec::new();
        if given > below_last {
            doubts.push(format!(
                "the policy has {given} shares of the training, but of {layers} layers only the lower {below_last} can \
                 freeze, since the last always trains: the last {} do nothing",
                given - below_last
            ));
        }
        if !self.at.is_sorted() {
            doubts.push(format!(
                "a layer freezes no sooner than those below it, whatever its share: {}",
                self.at
                    .iter()
                    .map(f64::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        doubts
    }
}
