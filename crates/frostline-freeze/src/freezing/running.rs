//! Whether `Layered::run` makes the same of an input as the network's forward.

use burn::module::Module;
use frostline_activations::{Activation, Activations, record};

use super::{FreezeTraining, lock};
use crate::uses::distance;
use crate::{Error, Features, Layered};

impl<M: Module> FreezeTraining<M> {
    /// What the probe's forward makes of its first batch; none where nothing is kept of frozen layers, and where the batch
    /// is no tensor of floats.
    pub(crate) fn probe_forward(&self, model: &M) -> Result<Option<ProbeForward>, Error> {
        let (Some(_), Some(input), false) =
            (&self.cache, self.probe.first_input(), self.trusts_taps)
        else {
            return Ok(None);
        };
        Ok(Some(ProbeForward {
            layers: self.layers.names().map(str::to_string).collect(),
            input: input.clone(),
            taps: self.probe.taps(model)?.taps,
        }))
    }
}

impl<M: Module + Layered> FreezeTraining<M> {
    /// Compares once, layer by layer, what `run` makes of the probe's first batch with what the probe's forward does. A
    /// difference switches the cache off and waits for the next step as an error. `shape` is that of one input of `run`.
    pub(super) fn compare_run(&mut self, model: &M, shape: impl FnOnce() -> Vec<usize>) {
        if self.cache.is_none() || std::mem::replace(&mut self.compared_run, true) {
            return;
        }
        if let Some(going) = &mut self.going {
            going.clock.trained();
        }
        let compared = match self.probe_forward(model) {
            Ok(Some(forward)) if forward.begins_with(&shape()) => forward.compare(model),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(going) = &mut self.going {
            going.clock.passed();
        }
        if let Err(error) = compared {
            if let Some(cache) = &self.cache {
                lock(cache).switch_off(error.to_string());
            }
            self.pending = Some(error);
        }
    }
}

/// What the probe's forward makes of its first batch.
#[derive(Debug)]
pub(crate) struct ProbeForward {
    layers: Vec<String>,
    input: Activation,
    taps: Activations,
}

impl ProbeForward {
    /// Whether the probe's inputs have this shape each. Where its forward takes others than `run`, there is nothing to
    /// compare.
    pub(crate) fn begins_with(&self, shape: &[usize]) -> bool {
        self.input.shape()[1..] == *shape
    }

    /// Runs each layer on what the one below it gives.
    ///
    /// # Errors
    /// [`Error::RunDiffers`] for the first layer that shows something else.
    pub(crate) fn compare<M: Module + Layered>(&self, model: &M) -> Result<(), Error> {
        let differs = |layer: &str, how: String| Error::RunDiffers {
            layer: layer.to_string(),
            how,
        };
        if model.depth() != self.layers.len() {
            let known = self.layers.get(model.depth()).or(self.layers.last());
            let layer = known.expect("there is a layer");
            let (depth, layers) = (model.depth(), self.layers.len());
            let how = format!("`depth` says {depth} layers, and there are {layers}");
            return Err(differs(layer, how));
        }
        let model = model.valid();
        let mut x = Features::from_activation(&self.input);
        for (layer, name) in self.layers.iter().enumerate() {
            let (out, taps) = record(|| model.run(layer..layer + 1, x))?;
            x = out;
            // A `run` without taps shows its layers' outputs alone, which are what is tapped where the shapes are the same.
            let output = Activation::from_values(name, x.clone().values(), x.shape());
            let shown = match taps.layer(name) {
                Ok(tap) => tap,
                Err(_) if taps.is_empty() => &output,
                Err(_) => {
                    let fired: Vec<&str> = taps.names().collect();
                    let how = format!(
                        "`run({layer}..{}, ..)` doesn't fire its tap, but these: {}",
                        layer + 1,
                        fired.join(", ")
                    );
                    return Err(differs(name, how));
                }
            };
            let expected = self.taps.layer(name)?;
            if expected.shape() != shown.shape() {
                if taps.is_empty() {
                    continue;
                }
                let (run, forward) = (shown.shape(), expected.shape());
                let how =
                    format!("its tap has shape {run:?} in `run` and {forward:?} in the forward");
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

    /// The same of a network that is a part of the model: where already its first layer differs, the model may prepare
    /// the inputs before they come to the network, and nothing is said.
    #[cfg(feature = "train")]
    pub(crate) fn compare_part<M: Module + Layered>(&self, part: &M) -> Result<(), Error> {
        if part
            .devices()
            .iter()
            .any(|device| *device != self.input.device())
        {
            return Ok(());
        }
        match self.compare(part) {
            Err(Error::RunDiffers { layer, .. }) if self.layers.first() == Some(&layer) => Ok(()),
            compared => compared,
        }
    }
}
