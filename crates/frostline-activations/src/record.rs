use burn::tensor::Tensor;

use crate::{
    Activation, Activations, Axes, Error,
    listening::{Listening, Wants},
};

/// Runs `forward` and gives its output with what the taps in it saw.
///
/// Only taps on this thread are seen. Inside another `record`, the inner one listens alone. Where a layer is
/// [replaced](crate::replacing), around the record or within it, the record sees what stands in its place.
/// Errors: `TappedTwice`.
pub fn record<T>(forward: impl FnOnce() -> T) -> Result<(T, Activations), Error> {
    let listening = Listening::start(Wants::Everything(Recorder::default()));
    let output = forward();
    let Wants::Everything(recorder) = listening.stop() else {
        unreachable!("a recorder was started two lines above")
    };
    Ok((output, recorder.recorded()?))
}

#[derive(Default)]
pub(crate) struct Recorder {
    layers: Vec<Activation>,
    tapped_twice: Option<String>,
}

impl Recorder {
    pub(crate) fn keep<const D: usize>(
        &mut self,
        name: String,
        tensor: &Tensor<D>,
        axes: Option<Axes>,
    ) {
        if self.layers.iter().any(|layer| layer.name() == name) {
            self.tapped_twice.get_or_insert(name);
            return;
        }
        let layer = Activation::new(name, tensor.clone());
        self.layers.push(match axes {
            Some(axes) => layer.with_axes(axes),
            None => layer,
        });
    }

    /// Errors: `TappedTwice`.
    pub(crate) fn recorded(self) -> Result<Activations, Error> {
        match self.tapped_twice {
            Some(name) => Err(Error::TappedTwice { name }),
            None => Ok(self.layers.into_iter().collect()),
        }
    }
}
