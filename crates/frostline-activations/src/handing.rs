use burn::tensor::Tensor;

use crate::{
    Activation, Activations, Axes, Error,
    listening::{Listening, Wants},
    record::Recorder,
};

/// Runs `forward` while every layer of these activations hands on what it said there instead of what it says now, and gives
/// what the layers said now: each layer's answer to inputs that were recorded before.
///
/// A layer whose tensor has another shape than the recorded one hands on its own. Errors: `TappedTwice`.
pub(crate) fn handing_on<T>(
    recorded: Vec<Activation>,
    forward: impl FnOnce() -> T,
) -> Result<(T, Activations), Error> {
    let listening = Listening::start(Wants::HandOn(HandOn {
        recorded,
        said: Recorder::default(),
    }));
    let output = forward();
    let Wants::HandOn(HandOn { said, .. }) = listening.stop() else {
        unreachable!("it was started above")
    };
    Ok((output, said.recorded()?))
}

/// What layers are to hand on, and what they say.
pub(crate) struct HandOn {
    recorded: Vec<Activation>,
    said: Recorder,
}

impl HandOn {
    /// A tap of this name fired: what stands in its place, if anything does.
    pub(crate) fn hear<const D: usize>(
        &mut self,
        name: String,
        tensor: &Tensor<D>,
        axes: Option<Axes>,
    ) -> Option<Tensor<D>> {
        let recorded = self.recorded.iter().find(|layer| layer.name() == name);
        let instead = recorded.filter(|layer| *layer.shape() == tensor.dims());
        let instead = instead.and_then(|layer| layer.tensor().ok());
        self.said.keep(name, tensor, axes);
        instead
    }
}
