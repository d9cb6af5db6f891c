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

    /// The first of so many epochs after which `count` layers are frozen, found by halving: more of them are frozen after
    /// more epochs, and a training may have any number of them.
    fn epochs_until(&self, count: usize, layers: usize, epochs: usize) -> usize {
        let (mut fewer, mut enough) = (0, epochs);
        while enough - fewer > 1 {
            let middle = fewer + (enough - fewer) / 2;
            match self.frozen_after(middle, layers) < count {
                true => fewer = middle,
                false => enough = middle,
            }
        }
        enough
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
        let epochs = length.steps / epoch;
        let all = self.frozen_after(epochs, layers);
        let mut ends: Vec<usize> = (1..=all)
            .map(|count| epoch * self.epochs_until(count, layers, epochs))
            .collect();
        ends.dedup();
        ends
    }
}

fn whole_epochs(history: &History) -> usize {
    let step = history.latest().map_or(0, |check| check.step);
    step / history.length().steps_per_epoch.max(1)
}
