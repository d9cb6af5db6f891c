use serde::{Deserialize, Serialize};

use crate::{Check, FreezePolicy, History, Watched};

/// The rule of AutoFreeze: freezes the layers below the first whose gradient still changes.
///
/// # Formula
///
/// Between two checks `Δ_l = ‖Σ g‖₁` over the gradients of layer `l`, and from one interval to the next
/// `η_l = |Δ_l' - Δ_l| / Δ_l'`, `Δ'` the earlier one. Everything below the first layer whose `η_l` is at least the
/// given percentile of the `η` of all layers that still train is frozen. A percentile that falls between two of
/// them is interpolated linearly. A layer whose `η` is not known counts as changing.
/// Source: Liu et al. 2021, arXiv:2102.01386.
///
/// It needs the gradients of two intervals, which are to have the same number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradNorm {
    /// The percentile, in `[0, 100]`.
    pub percentile: f64,
}

impl Default for GradNorm {
    fn default() -> Self {
        GradNorm { percentile: 50.0 }
    }
}

/// The layers that still train and what decides about them.
struct Active {
    /// `η` of each, from the lowest up.
    changes: Vec<Option<f64>>,
    threshold: f64,
}

impl GradNorm {
    /// None where two intervals are not known.
    fn active(&self, history: &History) -> Option<Active> {
        let [.., before, now] = history.checks() else {
            return None;
        };
        let layers = history.frozen()..history.layers().len();
        let changes: Vec<Option<f64>> = layers.map(|layer| change(layer, before, now)).collect();
        let known = changes.iter().copied().flatten().collect();
        let threshold = percentile(self.percentile, known)?;
        Some(Active { changes, threshold })
    }
}

impl FreezePolicy for GradNorm {
    fn frozen_layers(&self, history: &History) -> usize {
        let latest = history.checks().len().saturating_sub(1);
        let still = |active: Active| {
            let changes = active.changes.iter().zip(history.frozen()..);
            changes
                .take_while(|(change, layer)| {
                    let is_below = change.is_some_and(|change| change < active.threshold);
                    is_below || history.is_fixed(*layer, latest)
                })
                .count()
        };
        history.frozen() + self.active(history).map_or(0, still)
    }

    fn reason(&self, history: &History) -> String {
        let Some(active) = self.active(history) else {
            return "the gradients of two intervals are not known yet; the loop tells them by `FreezeTraining::gradients`"
                .to_string();
        };
        let next = self.frozen_layers(history);
        let layer = history.layers().get(next).map_or("", String::as_str);
        match active
            .changes
            .get(next - history.frozen())
            .copied()
            .flatten()
        {
            Some(change) => format!(
                "the gradient of `{layer}` changed by {change:.4} ≥ {:.4}",
                active.threshold
            ),
            None => format!("how the gradient of `{layer}` changed is not known"),
        }
    }

    fn describe(&self) -> String {
        format!("gradient norm: change below percentile {}", self.percentile)
    }

    fn watches(&self) -> Watched {
        Watched {
            gradients: true,
            ..Watched::default()
        }
    }
}

/// `η` of a layer.
fn change(layer: usize, before: &Check, now: &Check) -> Option<f64> {
    let before = (*before.gradients.get(layer)?)?;
    let now = (*now.gradients.get(layer)?)?;
    let change = (before - now).abs() / before;
    change.is_finite().then_some(change)
}

/// The value at `percent / 100` of the way through the sorted values, between two of them in proportion.
fn percentile(percent: f64, mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let place = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let (below, above) = (
        values[place.floor() as usize],
        values[place.ceil() as usize],
    );
    Some(below + (above - below) * place.fract())
}
