//! Whether `Layered::run` makes the same of an input as the network's forward.

use burn::module::Module;
use frostline_activations::{Activation, record};

use super::{FreezeTraining, lock};
use crate::uses::distance;
use crate::{Error, Features, Layered};

impl<M: Module + Layered> FreezeTraining<M> {
    /// Compares once, layer by layer, what `run` makes of the probe's first batch with what the probe's forward does. A
    /// difference switches the cache off and waits for the next step as an error.
    pub(super) fn compare_run(&mut self, model: &M) {
        if self.cache.is_none() || std::mem::replace(&mut self.compared_run, true) {
            return;
        }
        if self.trusts_taps {
            return;
        }
        if let Err(error) = self.untimed_run(model) {
            if let Some(cache) = &self.cache {
                lock(cache).switch_off(error.to_string());
            }
            self.pending = Some(error);
        }
    }

    fn untimed_run(&mut self, model: &M) -> Result<(), Error> {
        if let Some(going) = &mut self.going {
            going.clock.trained();
        }
        let compared = self.run_as_the_forward(model);
        if let Some(going) = &mut self.going {
            going.clock.passed();
        }
        compared
    }

    fn run_as_the_forward(&self, model: &M) -> Result<(), Error> {
        let Some(input) = self.probe.first_input() else {
            return Ok(());
        };
        let names: Vec<&str> = self.layers.names().collect();
        let differs = |layer: &str, how: String| Error::RunDiffers {
            layer: layer.to_string(),
            how,
        };
        if model.depth() != names.len() {
            let known = names.get(model.depth()).or(names.last());
            let layer = known.expect("there is a layer");
            let (depth, layers) = (model.depth(), names.len());
            let how = format!("`depth` says {depth} layers, and there are {layers}");
            return Err(differs(layer, how));
        }
        let forward = self.probe.taps(model)?.taps;
        let model = model.valid();
        let mut x = Features::from_activation(input);
        for (layer, name) in names.iter().enumerate() {
            let (out, taps) = record(|| model.run(layer..layer + 1, x))?;
            x = out;
            // A `run` without taps shows its layers' outputs alone, which are what is tapped where the shapes are.
            let output = Activation::from_values(*name, x.clone().values(), x.shape());
            let shown = match taps.layer(name) {
                Ok(tap) => tap,
                Err(_) if taps.is_empty() => &output,
                Err(_) => {
                    let fired: Vec<&str> = taps.names().collect();
                    let range = format!("{layer}..{}", layer + 1);
                    let how = format!(
                        "`run({range}, ..)` doesn't fire its tap, but these: {}",
                        fired.join(", ")
                    );
                    return Err(differs(name, how));
                }
            };
            let expected = forward.layer(name)?;
            if taps.is_empty() && expected.shape() != shown.shape() {
                continue;
            }
            if expected.shape() != shown.shape() {
                let how = format!(
                    "its tap has shape {:?} in `run` and {:?} in the forward",
                    shown.shape(),
                    expected.shape()
                );
                return Err(differs(name, how));
            }
            let between = distance(expected, shown)?;
            if between.is_more_than_rounding() {
                let how = format!(
                    "of the probe's first batch its values differ by {:.2e}, where the largest is {:.2e}",
                    between.difference, between.largest
                );
                return Err(differs(name, how));
            }
        }
        Ok(())
    }
}
