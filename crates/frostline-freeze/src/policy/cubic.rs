use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use frostline_activations::Length;
use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{Error, FreezePolicy, History, Layers};

/// The schedule of FreezeOut: every layer has a time of its own, and its learning rate falls to zero by then.
///
/// # Formula
///
/// Layer `i` of `L`, counted from 1, freezes after `r_i T` of `T` steps, `r_i = (t0 + (1 - t0) i / L)³`. Until then
/// its learning rate after `j` steps is `½ (lr / r_i) (1 + cos(π j / (r_i T)))`, which [`schedule`](Self::schedule)
/// makes. A share of a step counts as a whole one.
/// Source: Brock et al. 2017, arXiv:1706.04983.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cubic {
    /// The cube root of the share of training after which a layer of depth zero would freeze, in `[0, 1]`.
    pub t0: f64,
    /// Whether a layer that trains for a shorter time starts at a rate as much higher, `lr / r_i`; else all start
    /// at `lr`.
    pub scale_lr: bool,
}

impl Default for Cubic {
    fn default() -> Self {
        Cubic {
            t0: 0.8,
            scale_lr: true,
        }
    }
}

impl Cubic {
    /// Learning rates for these layers: a cosine for each, which ends where the layer freezes.
    ///
    /// Give its `step()` to the optimizer at every step; its `base()` is the rate of the last layer.
    /// Errors: `LearningRate` for a layer that would start outside `(0, 1]`, which Burn's cosine does not take.
    pub fn schedule(
        &self,
        layers: &Layers,
        learning_rate: f64,
        length: Length,
    ) -> Result<ModuleLrScheduler, Error> {
        let count = layers.len();
        let cosine = |layer: usize, name: &str| -> Result<LrSchedulerConfig, Error> {
            let rate = match self.scale_lr {
                true => learning_rate / self.share(layer, count),
                false => learning_rate,
            };
            if !(rate > 0.0 && rate <= 1.0) {
                return Err(Error::LearningRate {
                    layer: name.to_string(),
                    rate,
                    base: learning_rate,
                });
            }
            let steps = self.freezing_step(layer, count, length);
            Ok(CosineAnnealingLrSchedulerConfig::new(rate, steps).into())
        };
        let names: Vec<&str> = layers.names().collect();
        // The last layer's cosine is everyone's until a layer has its own.
        let mut schedule = ModuleLrSchedulerConfig::new(cosine(count, names[count - 1])?);
        for layer in 1..count {
            let group = layers.group(layer - 1..layer);
            schedule = schedule.with_group(group, cosine(layer, names[layer - 1])?);
        }
        Ok(schedule
            .init()
            .expect("the rates are in (0, 1] and the steps at least one"))
    }

    /// The share of the training after which a layer, counted from 1, freezes: `r_i`.
    fn share(&self, layer: usize, layers: usize) -> f64 {
        (self.t0 + (1.0 - self.t0) * layer as f64 / layers as f64).powi(3)
    }

    /// The first step after which it is frozen.
    fn freezing_step(&self, layer: usize, layers: usize, length: Length) -> usize {
        let step = self.share(layer, layers) * length.steps as f64;
        ((step - ROUNDING).ceil() as usize).max(1)
    }
}

impl FreezePolicy for Cubic {
    fn frozen_layers(&self, history: &History) -> usize {
        let Some(check) = history.latest() else {
            return 0;
        };
        let layers = history.layers().len();
        (1..layers)
            .take_while(|&layer| self.freezing_step(layer, layers, history.length()) <= check.step)
            .count()
    }

    fn reason(&self, history: &History) -> String {
        let (layers, next) = (history.layers().len(), self.frozen_layers(history) + 1);
        match history.layers().get(next - 1).filter(|_| next < layers) {
            Some(layer) => {
                let step = self.freezing_step(next, layers, history.length());
                format!("`{layer}` freezes at step {step}")
            }
            None => "every layer below the last has had its time".to_string(),
        }
    }

    fn describe(&self) -> String {
        let scaled = if self.scale_lr { "" } else { "not " };
        format!("cubic from t0 = {}, rates {scaled}scaled", self.t0)
    }

    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        let mut steps: Vec<usize> = (1..layers)
            .map(|layer| self.freezing_step(layer, layers, length))
            .filter(|&step| step <= length.steps)
            .collect();
        steps.dedup();
        steps
    }
}
