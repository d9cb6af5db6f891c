use serde::{Deserialize, Serialize};

/// What a training computed and what freezing saved it, from its start on.
///
/// Floating-point operations are counted from the shapes of parameters: `f` for a layer's forward, `2f` for
/// its backward, one `f` for the gradient of its weights and one for that of its input. The lowest layer
/// that trains has no use for the second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Each layer, from the input up. Empty while the operations a step are not known.
    pub layers: Vec<LayerFlops>,
    /// Operations of evaluating the probe and of comparing layers, about.
    pub measuring_flops: f64,
    /// Steps and their seconds by how many layers were frozen: the first entry is with none.
    pub at_frozen: Vec<StepTime>,
    /// Inputs whose frozen prefix came from the cache.
    pub cache_hits: u64,
    /// Inputs whose frozen prefix was computed.
    pub cache_misses: u64,
    /// Seconds of keeping, fetching and moving up cached outputs: a part of the seconds of training.
    pub caching_seconds: f64,
    /// What the probe of the panes cost: a part of neither training nor measuring.
    #[serde(default)]
    pub panes: PanesCost,
}

/// What it cost to evaluate the model on the probe of the panes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PanesCost {
    /// How often it was evaluated.
    pub evaluations: usize,
    /// Samples of all evaluations together.
    pub samples: usize,
    /// Seconds, those of writing the activations to the run folder among them.
    pub seconds: f64,
    /// Floating-point operations, 0 where those of a sample are not known.
    pub flops: f64,
}

/// Floating-point operations of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerFlops {
    /// Forward, computed.
    pub forward: f64,
    /// Backward, computed.
    pub backward: f64,
    /// Forward, not computed since the outputs were cached, less what bringing the cache up to date computed: below zero
    /// for a layer that froze too late to make up for that.
    pub saved_forward: f64,
    /// Backward, not computed since the layer was frozen.
    pub saved_backward: f64,
}

/// Steps with one number of frozen layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// How many.
    pub steps: usize,
    /// Their seconds, measuring and testing left out.
    pub seconds: f64,
}

impl StepTime {
    /// The mean seconds of a step, when there was one.
    pub fn mean(&self) -> Option<f64> {
        (self.steps > 0).then(|| self.seconds / self.steps as f64)
    }
}

impl Ledger {
    /// Operations that training and measuring computed; those of [`panes`](Self::panes) are apart.
    pub fn spent_flops(&self) -> f64 {
        let layers = self.layers.iter();
        layers
            .map(|layer| layer.forward + layer.backward)
            .sum::<f64>()
            + self.measuring_flops
    }

    /// Operations that freezing saved, less those of measuring.
    pub fn saved_flops(&self) -> f64 {
        let layers = self.layers.iter();
        layers
            .map(|layer| layer.saved_forward + layer.saved_backward)
            .sum::<f64>()
            - self.measuring_flops
    }

    /// Seconds that freezing saved: what the steps would have taken at the mean of those before anything
    /// froze, less what they took and less `measuring` seconds.
    ///
    /// None when no step was done with nothing frozen, so that there is nothing to compare with.
    pub fn saved_seconds(&self, measuring: f64) -> Option<f64> {
        let usual = self.at_frozen.first()?.mean()?;
        let saved = self.at_frozen.iter();
        let saved: f64 = saved.map(|at| usual * at.steps as f64 - at.seconds).sum();
        Some(saved - measuring)
    }

    /// The share of the inputs whose frozen prefix came from the cache, when one was used.
    pub fn hit_rate(&self) -> Option<f64> {
        let asked = self.cache_hits + self.cache_misses;
        (asked > 0).then(|| self.cache_hits as f64 / asked as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_less_what_measuring_took() {
        let layer = LayerFlops {
            forward: 10.0,
            backward: 20.0,
            saved_forward: 5.0,
            saved_backward: 8.0,
        };
        let ledger = Ledger {
            layers: vec![layer; 2],
            measuring_flops: 6.0,
            at_frozen: vec![
                StepTime {
                    steps: 10,
                    seconds: 20.0,
                },
                StepTime {
                    steps: 5,
                    seconds: 4.0,
                },
            ],
            cache_hits: 3,
            cache_misses: 1,
            caching_seconds: 0.5,
            panes: PanesCost {
                evaluations: 4,
                samples: 8000,
                seconds: 3.0,
                flops: 1e6,
            },
        };
        // The pictures' cost is a part of neither.
        assert_eq!(ledger.spent_flops(), 66.0);
        assert_eq!(ledger.saved_flops(), 20.0);
        // Two seconds a step: five steps would have taken ten and took four.
        assert_eq!(ledger.saved_seconds(1.0), Some(5.0));
        assert_eq!(ledger.hit_rate(), Some(0.75));
        assert_eq!(Ledger::default().saved_seconds(1.0), None);
        assert_eq!(Ledger::default().hit_rate(), None);
    }
}
