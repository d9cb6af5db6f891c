use frostline_activations::Length;
use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{FreezePolicy, History};

/// The schedule of PipeTransformer without its gradients: every epoch freezes the same share of what still trains.
///
/// # Formula
///
/// After `e` whole epochs `n = ⌈L (1 - (1 - α)^e)⌉` of `L` layers are frozen, at most `L - 1`.
/// Source: He et al. 2021, arXiv:2102.03161.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geometric {
    /// The share, in `[0, 1]`, of the layers still training that an epoch freezes.
    pub alpha: f64,
}

impl Default for Geometric {
    fn default() -> Self {
        Geometric { alpha: 1.0 / 3.0 }
    }
}

impl Geometric {
    fn frozen_after(&self, epochs: usize, layers: usize) -> usize {
        let training = (1.0 - self.alpha).powf(epochs as f64);
        let frozen = (layers as f64 * (1.0 - training) - ROUNDING).ceil() as usize;
        frozen.min(layers.saturating_sub(1))
    }
}

impl FreezePolicy for Geometric {
    fn frozen_layers(&self, history: &History) -> usize {
        self.frozen_after(whole_epochs(history), history.layers().len())
    }

    fn reason(&self, history: &History) -> String {
        format!("{} epochs are done", whole_epochs(history))
    }

    fn describe(&self) -> String {
        format!("geometric: an epoch freezes {:.3} of the rest", self.alpha)
    }

    /// The ends of the epochs that freeze something.
    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        let epoch = length.steps_per_epoch.max(1);
        let frozen = |epochs| self.frozen_after(epochs, layers);
        let all = layers.saturating_sub(1);
        let last = (1..=length.steps / epoch).take_while(|epochs| frozen(epochs - 1) < all);
        last.filter(|&epochs| frozen(epochs) > frozen(epochs - 1))
            .map(|epochs| epochs * epoch)
            .collect()
    }
}

fn whole_epochs(history: &History) -> usize {
    let step = history.latest().map_or(0, |check| check.step);
    step / history.length().steps_per_epoch.max(1)
}
