use frostline_svcca::Measure;
use serde::{Deserialize, Serialize};

use super::largest_of_last;
use crate::{FreezePolicy, History};

/// Freezes the longest run of layers, from the input up, that have stopped changing.
///
/// # Formula
///
/// Layer `l` has converged when its change `(1 - s_l) / (lr / lr_max)` ([`History::change`]) was at most
/// `threshold` at each of the last `patience` checks, `s_l` its similarity to itself at the check
/// before. The measure behind `s_l` is [`measure`](Self::measure).
///
/// Source: the idea of Raghu et al. 2017, section 4.3, decided while training instead of by a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Converged {
    /// The largest change, between two checks, of a layer that counts as converged.
    pub threshold: f64,
    /// At how many checks in a row.
    pub patience: usize,
    /// By what a layer is compared; none for the default, SVCCA at 99 % of the variance.
    #[serde(default)]
    pub measure: Option<Measure>,
}

impl Default for Converged {
    fn default() -> Self {
        Converged {
            threshold: 0.12,
            patience: 2,
            measure: None,
        }
    }
}

impl Converged {
    /// The largest change of a layer in the last `patience` checks, when all of them know it.
    fn largest_change(&self, history: &History, layer: usize) -> Option<f64> {
        largest_of_last(self.patience, history.checks().len(), |check| {
            history.change(layer, check)
        })
    }
}

impl FreezePolicy for Converged {
    fn frozen_layers(&self, history: &History) -> usize {
        (0..history.layers().len())
            .take_while(|&layer| {
                let change = self.largest_change(history, layer);
                change.is_some_and(|change| change <= self.threshold)
            })
            .count()
    }

    fn reason(&self, history: &History) -> String {
        let next = self.frozen_layers(history);
        let Some(layer) = history.layers().get(next) else {
            return "every layer has converged".to_string();
        };
        match self.largest_change(history, next) {
            Some(change) => format!(
                "`{layer}` changed by {change:.4} > {} in the last {} checks",
                self.threshold, self.patience
            ),
            None => format!(
                "`{layer}` has not been compared at {} checks yet",
                self.patience
            ),
        }
    }

    fn describe(&self) -> String {
        let by = self.measure.map(|measure| format!(", by {measure}"));
        format!(
            "converged: change at most {} at {} checks in a row{}",
            self.threshold,
            self.patience,
            by.unwrap_or_default()
        )
    }

    fn measure(&self) -> Option<Measure> {
        self.measure
    }
}
