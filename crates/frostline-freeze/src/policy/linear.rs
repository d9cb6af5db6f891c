use frostline_activations::Length;
use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{FreezePolicy, History};

/// The paper's schedule: layers freeze one after another, evenly over the training.
///
/// # Formula
///
/// `n(t) = ⌊level · max(0, (t - start) / (1 - start)) · (L - 1)⌋` of `L` layers at progress `t`.
/// Source: Raghu et al. 2017, arXiv:1706.05806, section 4.3 (`start` 0, `level` 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// The progress, in `[0, 1)`, before which nothing freezes.
    pub start: f64,
    /// The share, in `[0, 1]`, of the layers below the last that is frozen at the end.
    pub level: f64,
}

impl Default for Linear {
    fn default() -> Self {
        Linear {
            start: 0.0,
            level: 1.0,
        }
    }
}

impl FreezePolicy for Linear {
    fn frozen_layers(&self, history: &History) -> usize {
        let below_last = history.layers().len().saturating_sub(1) as f64;
        let since_start = (history.progress() - self.start) / (1.0 - self.start);
        // A float that is negative, not a number or too large becomes 0, 0 or the largest count.
        (self.level * since_start.max(0.0) * below_last + ROUNDING).floor() as usize
    }

    fn reason(&self, history: &History) -> String {
        format!("{:.1} % of training is done", 100.0 * history.progress())
    }

    fn describe(&self) -> String {
        format!(
            "linear from {} of training, up to {}",
            self.start, self.level
        )
    }

    /// The first step at which each layer may freeze.
    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        let below_last = layers.saturating_sub(1);
        let most = self.level * below_last as f64;
        let share = |count: usize| self.start + (1.0 - self.start) * count as f64 / most;
        let mut steps: Vec<usize> = (1..=below_last)
            .take_while(|&count| count as f64 <= most + ROUNDING)
            .map(|count| (share(count) * length.steps as f64 - ROUNDING).ceil() as usize)
            .collect();
        steps.dedup();
        steps
    }
}
