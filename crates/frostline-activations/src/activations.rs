use burn::tensor::{Device, Tensor, TensorData};

use crate::{Error, Layout};

/// What one layer answered in one forward, detached, on the device where it was computed.
#[derive(Clone, Debug)]
pub struct Activation {
    name: String,
    shape: Vec<usize>,
    flat: Tensor<1>,
}

impl Activation {
    /// Keeps `tensor` under `name`, without its autodiff graph.
    pub fn new<const D: usize>(name: impl Into<String>, tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let flat = tensor.without_autodiff().reshape([-1]);
        Activation {
            name: name.into(),
            shape,
            flat,
        }
    }

    /// The layer's name, its scopes included.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape that the layer gave.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The device where the activation lives.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// The activation as it was tapped. Errors: `RankMismatch`.
    pub fn tensor<const D: usize>(&self) -> Result<Tensor<D>, Error> {
        let shape: [usize; D] =
            self.shape
                .as_slice()
                .try_into()
                .map_err(|_| Error::RankMismatch {
                    name: self.name.clone(),
                    shape: self.shape.clone(),
                    asked: D,
                })?;
        Ok(self.flat.clone().reshape(shape))
    }

    /// The activation as `[sample, neuron]`. Errors: `EmptyActivation`.
    pub fn view(&self, layout: Layout) -> Result<Tensor<2>, Error> {
        if self.shape.contains(&0) {
            return Err(Error::EmptyActivation {
                name: self.name.clone(),
                shape: self.shape.clone(),
            });
        }
        Ok(layout.view(self.flat.clone(), &self.shape))
    }

    /// The values on the host, in row-major order.
    pub(crate) fn to_data(&self) -> Result<TensorData, Error> {
        self.flat.try_to_data().map_err(|source| Error::Device {
            name: self.name.clone(),
            problem: source.to_string(),
        })
    }
}

/// The activations of one forward, or of all batches of a [`Probe`](crate::Probe), in the order in
/// which the taps fired.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    layers: Vec<Activation>,
}

impl Activations {
    /// The layers' names, in the order of the forward.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(Activation::name)
    }

    /// The activations, in the order of the forward.
    pub fn iter(&self) -> impl Iterator<Item = &Activation> {
        self.layers.iter()
    }

    /// How many layers were tapped.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether no tap fired.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// One layer's activation. Errors: `UnknownLayer`, with the names that exist.
    pub fn layer(&self, name: &str) -> Result<&Activation, Error> {
        let found = self.layers.iter().find(|layer| layer.name == name);
        found.ok_or_else(|| Error::UnknownLayer {
            name: name.to_string(),
            recorded: self.listed(),
        })
    }

    /// One layer as `[sample, neuron]` in the default layout, channel means.
    /// Errors: `UnknownLayer`, `EmptyActivation`.
    pub fn view(&self, name: &str) -> Result<Tensor<2>, Error> {
        self.view_as(name, Layout::default())
    }

    /// One layer as `[sample, neuron]`. Errors: `UnknownLayer`, `EmptyActivation`.
    pub fn view_as(&self, name: &str, layout: Layout) -> Result<Tensor<2>, Error> {
        self.layer(name)?.view(layout)
    }

    /// All names, comma separated, for messages.
    pub(crate) fn listed(&self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }
}

/// The activations in the order of the forward, one at a time, so that each can be let go of before the next.
impl IntoIterator for Activations {
    type Item = Activation;
    type IntoIter = std::vec::IntoIter<Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.layers.into_iter()
    }
}

impl FromIterator<Activation> for Activations {
    fn from_iter<I: IntoIterator<Item = Activation>>(layers: I) -> Self {
        Activations {
            layers: layers.into_iter().collect(),
        }
    }
}
