//! How many samples the batches of a probe have, and whether they are the first axis of every tap.

use std::any::Any;

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};

use super::Probe;
use crate::{Activation, Activations, Error, Layout};

/// The length of the first axis of a batch that is a tensor of numbers or of booleans.
pub(super) fn first_axis(batch: &dyn Any) -> Option<usize> {
    fn of<const D: usize>(batch: &dyn Any) -> Option<usize> {
        let float = || Some(batch.downcast_ref::<Tensor<D>>()?.dims()[0]);
        let int = || Some(batch.downcast_ref::<Tensor<D, Int>>()?.dims()[0]);
        let bool = || Some(batch.downcast_ref::<Tensor<D, Bool>>()?.dims()[0]);
        float().or_else(int).or_else(bool)
    }
    let low = of::<1>(batch).or_else(|| of::<2>(batch));
    let low = low.or_else(|| of::<3>(batch)).or_else(|| of::<4>(batch));
    low.or_else(|| of::<5>(batch)).or_else(|| of::<6>(batch))
}

/// A batch or an output, where it is a tensor of floats.
pub(super) fn float(name: &str, value: &dyn Any) -> Option<Activation> {
    fn of<const D: usize>(name: &str, value: &dyn Any) -> Option<Activation> {
        let tensor = value.downcast_ref::<Tensor<D>>()?;
        Some(Activation::new(name, tensor.clone()))
    }
    let low = of::<1>(name, value).or_else(|| of::<2>(name, value));
    let low = low
        .or_else(|| of::<3>(name, value))
        .or_else(|| of::<4>(name, value));
    low.or_else(|| of::<5>(name, value))
        .or_else(|| of::<6>(name, value))
}

/// What to do about samples that are this axis.
pub(crate) fn swap_advice(axis: usize) -> String {
    format!(
        ". Here they seem to be axis {axis}: tap `x.clone().swap_dims(0, {axis})` in place of `x`"
    )
}

/// How the number of samples is known, and what to do where a tap has another.
pub(crate) fn samples_first(known: &str, advice: &str) -> String {
    format!("({known}); the samples must be the first axis of every tap{advice}")
}

/// How many samples a batch has, and how that is known.
struct Known {
    samples: usize,
    from: String,
}

impl<M: Module> Probe<M> {
    /// How many samples a batch has, once it is sure that they are the first axis of every tap.
    ///
    /// # Errors
    /// [`Error::SamplesUnknown`], [`Error::BatchesDiffer`], and [`Error::SamplesDiffer`] for the first layer whose first
    /// axis is not the samples.
    pub(super) fn samples_in(
        &self,
        batch: usize,
        activations: &Activations,
    ) -> Result<usize, Error> {
        let Known { samples, from } = self.known(batch, activations)?;
        // Rows that were laid out place by place before they were tapped are what this layout makes of places.
        let laid_out = |layer: &Activation| match *layer.shape() {
            [rows, _] => {
                let every_place = self.kept_layout() == Some(Layout::Channels);
                every_place && samples > 0 && rows % samples == 0
            }
            _ => false,
        };
        let other = |layer: &&Activation| layer.shape()[0] != samples && !laid_out(layer);
        let Some(layer) = activations.iter().find(other) else {
            return Ok(samples);
        };
        let mut advice = match layer.axis_of_length(samples) {
            Some(axis) => swap_advice(axis),
            None => format!(
                ", and none of its axes is that long: where samples were laid out in rows, tap the tensor reshaped to \
                 [{samples}, ..]"
            ),
        };
        if self.samples.is_none() && self.masks.is_none() {
            advice += ". If the batch has another number of samples, say it by `.samples([..])`";
        }
        Err(Error::SamplesDiffer {
            name: layer.name().to_string(),
            shape: layer.shape().to_vec(),
            batch: format!(" in batch {batch} of the probe"),
            samples,
            advice: samples_first(&from, &advice),
        })
    }

    /// How many samples all batches have together, when the first has so many: more than there are where the number
    /// isn't known beforehand and the last batch is smaller.
    pub(super) fn inputs(&self, first: usize) -> usize {
        let masks = self.masks.as_ref();
        let masks = masks.map(|masks| masks.of_batches.iter().map(|mask| mask.dims()[0]).sum());
        let given = self.samples.as_ref().map(|samples| samples.iter().sum());
        let tensors = self.first_axes.iter().copied().sum();
        let known = given.or(masks).or(tensors);
        known.unwrap_or(first * self.batches)
    }

    fn known(&self, batch: usize, activations: &Activations) -> Result<Known, Error> {
        if let Some(samples) = &self.samples {
            self.one_each(samples.len(), "the numbers of samples")?;
            let (samples, from) = (samples[batch], "as the probe was given them".to_string());
            return Ok(Known { samples, from });
        }
        if let Some(masks) = &self.masks {
            let [samples, tokens] = masks.of_batches[batch].dims();
            let from = format!("its mask is [{samples}, {tokens}], [sample, token]");
            return Ok(Known { samples, from });
        }
        if let Some(samples) = self.first_axes[batch] {
            let from = "the first axis of its tensor".to_string();
            return Ok(Known { samples, from });
        }
        // Of three axes any may be the samples, of two and of maps only the first.
        let certain = activations.iter().find(|layer| layer.shape().len() != 3);
        match certain {
            Some(layer) => Ok(Known {
                samples: layer.shape()[0],
                from: format!("as layer `{}` has, {:?}", layer.name(), layer.shape()),
            }),
            None => Err(Error::SamplesUnknown {
                batch,
                layers: activations.listed(),
            }),
        }
    }
}
