use std::ops::Range;

use burn::tensor::Tensor;
use frostline_activations::Activation;

/// A network whose forward can be entered above any of its layers, so that the outputs of frozen layers can
/// be kept instead of computed again.
///
/// ```
/// use std::ops::Range;
/// # use burn::{module::Module, nn::Linear, tensor::{Tensor, activation::relu}};
/// use frostline_activations::Tap;
/// use frostline_freeze::{Features, Layered};
///
/// # #[derive(Module, Debug)] struct Net { block1: Linear, block2: Linear, head: Linear }
/// impl Layered for Net {
///     fn depth(&self) -> usize {
///         3
///     }
///
///     fn run(&self, layers: Range<usize>, x: Features) -> Features {
///         layers.fold(x, |x, layer| {
///             let x: Tensor<2> = x.tensor();
///             Features::new(match layer {
///                 0 => relu(self.block1.forward(x)).tap("block1"),
///                 1 => relu(self.block2.forward(x)).tap("block2"),
///                 _ => self.head.forward(x).tap("head"),
///             })
///         })
///     }
/// }
///
/// impl Net {
///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
///         self.run(0..self.depth(), Features::new(x)).tensor()
///     }
/// }
/// ```
pub trait Layered {
    /// The number of layers.
    fn depth(&self) -> usize;

    /// Runs these layers, numbered from the input up as in [`Layers`](crate::Layers), on what goes into the
    /// first of them, and gives what comes out of the last.
    ///
    /// Rows must not depend on each other in frozen layers, and they don't: a frozen batch norm uses its running
    /// statistics. An empty range gives `x` back.
    fn run(&self, layers: Range<usize>, x: Features) -> Features;
}

/// What flows from one layer to the next: a tensor of any rank, its first dimension the sample.
#[derive(Clone, Debug)]
pub struct Features {
    flat: Tensor<1>,
    shape: Vec<usize>,
}

impl Features {
    /// Keeps a tensor, its autodiff graph included, and forgets its rank.
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        Features {
            shape: tensor.dims().to_vec(),
            flat: tensor.reshape([-1]),
        }
    }

    /// Rows of this shape, flattened.
    pub(crate) fn from_rows(rows: Tensor<2>, shape: &[usize]) -> Self {
        Features {
            shape: std::iter::once(rows.dims()[0])
                .chain(shape.iter().copied())
                .collect(),
            flat: rows.reshape([-1]),
        }
    }

    /// Each sample flattened to a row, without its autodiff graph.
    pub(crate) fn rows(self) -> Tensor<2> {
        let rows = self.shape[0];
        self.flat
            .without_autodiff()
            .reshape([rows, self.shape[1..].iter().product()])
    }

    /// All values in row-major order, without their autodiff graph.
    pub(crate) fn values(self) -> Tensor<1> {
        self.flat.without_autodiff()
    }

    /// What a probe's batch or a tap holds.
    pub(crate) fn from_activation(activation: &Activation) -> Self {
        Features {
            shape: activation.shape().to_vec(),
            flat: activation.values(),
        }
    }

    /// The shape, samples first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The tensor.
    ///
    /// # Panics
    /// If it has another rank: a layer of the network asked for what the one below doesn't give.
    pub fn tensor<const D: usize>(self) -> Tensor<D> {
        let shape: [usize; D] = self.shape.as_slice().try_into().unwrap_or_else(|_| {
            panic!(
                "a layer takes a tensor of rank {D}, but the layer below it gives shape {:?}",
                self.shape
            )
        });
        self.flat.reshape(shape)
    }
}
