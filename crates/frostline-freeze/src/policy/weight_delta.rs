use serde::{Deserialize, Serialize};

use super::largest_of_last;
use crate::{FreezePolicy, History, Watched};

/// Freezes the longest run of layers, from the input up, whose weights have stopped moving.
///
/// # Formula
///
/// Layer `l` stands still when `‖W_k - W_{k-1}‖ / ‖W_k‖` of its weights `W`, from one check to the next, was below
/// `threshold` at each of the last `patience` checks.
/// Source: GradES (Wen et al. 2025, arXiv:2509.01842), with weights in place of gradients and divided by their norm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightDelta {
    /// The relative movement below which a layer stands still.
    pub threshold: f64,
    /// At how many checks in a row.
    pub patience: usize,
}

impl Default for WeightDelta {
    fn default() -> Self {
        WeightDelta {
            threshold: 0.01,
            patience: 2,
        }
    }
}

impl WeightDelta {
    /// The largest movement of a layer in the last `patience` checks, when all of them know it.
    fn largest_movement(&self, history: &History, layer: usize) -> Option<f64> {
        let checks = history.checks();
        largest_of_last(self.patience, checks.len(), |check| {
            *checks[check].weight_change.get(layer)?
        })
    }
}

impl FreezePolicy for WeightDelta {
    fn frozen_layers(&self, history: &History) -> usize {
        (0..history.layers().len())
            .take_while(|&layer| {
                // A frozen layer doesn't move, whether or not someone looked.
                let movement = self.largest_movement(history, layer);
                layer < history.frozen() || movement.is_some_and(|moved| moved < self.threshold)
            })
            .count()
    }

    fn reason(&self, history: &History) -> String {
        let next = self.frozen_layers(history);
        let Some(layer) = history.layers().get(next) else {
            return "every layer stands still".to_string();
        };
        match self.largest_movement(history, next) {
            Some(moved) => format!(
                "`{layer}` moved by {moved:.4} ≥ {} in the last {} checks",
                self.threshold, self.patience
            ),
            None => format!(
                "the weights of `{layer}` have not been seen at {} checks yet",
                self.patience
            ),
        }
    }

    fn describe(&self) -> String {
        format!(
            "weight delta: movement below {} at {} checks in a row",
            self.threshold, self.patience
        )
    }

    fn watches(&self) -> Watched {
        Watched {
            weights: true,
            ..Watched::default()
        }
    }
}
