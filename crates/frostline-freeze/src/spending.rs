use frostline_activations::{LayerFlops, Ledger, StepTime};

use crate::Counted;

/// Keeps the ledger of a training.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spending {
    /// Operations of each layer's forward for one sample.
    flops: Option<Vec<f64>>,
    ledger: Ledger,
    /// Operations of training, those of outputs that came from the cache among them: by what the budget for measuring is
    /// counted, so that no decision depends on what the cache has, which a killed process loses.
    offered: f64,
    /// What the cache had counted when it was last asked.
    cached: Counted,
    /// Operations of comparing the layers at a check.
    comparing: f64,
}

impl Spending {
    pub(crate) fn new(flops: Option<Vec<f64>>, ledger: Ledger) -> Self {
        let layers = ledger.layers.iter();
        let offered = layers.map(|layer| layer.forward + layer.saved_forward + layer.backward);
        Spending {
            flops,
            offered: offered.sum(),
            ledger,
            cached: Counted::default(),
            comparing: 0.0,
        }
    }

    /// Says what comparing the layers at a check takes, besides evaluating the probe.
    pub(crate) fn comparing(&mut self, operations: f64) {
        self.comparing = operations;
    }

    /// The operations by which the budget is counted.
    pub(crate) fn offered(&self) -> f64 {
        self.offered
    }

    /// Goes on from so many of them.
    pub(crate) fn offer(&mut self, operations: f64) {
        self.offered = operations;
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What training and measuring have computed, where it is counted.
    pub(crate) fn flops(&self) -> Option<f64> {
        (!self.ledger.layers.is_empty()).then(|| self.ledger.spent_flops())
    }

    /// A step on so many samples, the lowest `frozen` layers frozen and, of those, `cached` not computed for
    /// any sample.
    pub(crate) fn step(&mut self, samples: Option<usize>, frozen: usize, cached: bool) {
        let (Some(flops), Some(samples)) = (&self.flops, samples) else {
            return;
        };
        let layers = &mut self.ledger.layers;
        layers.resize(flops.len(), LayerFlops::default());
        for (layer, (of, flops)) in layers.iter_mut().zip(flops).enumerate() {
            let whole = flops * samples as f64;
            // The lowest layer that trains needs no gradient of its input.
            let backward = |lowest| if layer == lowest { whole } else { 2.0 * whole };
            match layer < frozen {
                true => {
                    of.saved_backward += backward(0);
                    self.offered += whole;
                    // What the cache had to compute is taken off again when it tells.
                    let forward = if cached {
                        &mut of.saved_forward
                    } else {
                        &mut of.forward
                    };
                    *forward += whole;
                }
                false => {
                    of.forward += whole;
                    of.backward += backward(frozen);
                    self.offered += whole + backward(frozen);
                    of.saved_backward += backward(0) - backward(frozen);
                }
            }
        }
    }

    /// What the cache has counted so far in this process.
    pub(crate) fn cache(&mut self, counted: &Counted) {
        let before = std::mem::replace(&mut self.cached, counted.clone());
        self.ledger.cache_hits += counted.hits - before.hits;
        self.ledger.cache_misses += counted.misses - before.misses;
        self.ledger.caching_seconds += (counted.time - before.time).as_secs_f64();
        let Some(flops) = &self.flops else { return };
        for (layer, computed) in counted.computed.iter().enumerate() {
            let inputs = computed - before.computed.get(layer).unwrap_or(&0);
            if let (Some(of), Some(flops)) = (self.ledger.layers.get_mut(layer), flops.get(layer)) {
                of.forward += flops * inputs as f64;
                of.saved_forward -= flops * inputs as f64;
            }
        }
    }

    /// Whether one more look with so many samples keeps measuring within this share of the training, in operations;
    /// none where they aren't known.
    pub(crate) fn allows(&self, share: f64, samples: usize) -> Option<bool> {
        let trained = self.offered;
        let measured = self.ledger.measuring_flops + self.measuring(samples);
        (trained > 0.0).then_some(measured <= share * trained)
    }

    /// The probe was asked with so many samples.
    pub(crate) fn probed(&mut self, samples: usize) {
        self.ledger.measuring_flops += self.measuring(samples);
    }

    /// So many samples were evaluated to see which parameters act on which taps.
    pub(crate) fn looked_at(&mut self, samples: usize) {
        self.ledger.measuring_flops += self.forward(samples);
    }

    fn forward(&self, samples: usize) -> f64 {
        let forward: f64 = self.flops.iter().flatten().sum();
        forward * samples as f64
    }

    /// Operations of a check with so many samples.
    fn measuring(&self, samples: usize) -> f64 {
        self.forward(samples) + self.comparing
    }

    /// The probe of the panes was evaluated with so many samples, which took so many seconds.
    pub(crate) fn pictured(&mut self, samples: usize, seconds: f64) {
        let flops = self.forward(samples);
        let panes = &mut self.ledger.panes;
        panes.evaluations += 1;
        panes.samples += samples;
        panes.seconds += seconds;
        panes.flops += flops;
    }

    /// So many steps with `frozen` layers frozen took so many seconds.
    pub(crate) fn time(&mut self, frozen: usize, steps: usize, seconds: f64) {
        let at = &mut self.ledger.at_frozen;
        if at.len() <= frozen {
            at.resize(frozen + 1, StepTime::default());
        }
        at[frozen].steps += steps;
        at[frozen].seconds += seconds;
    }
}
