use burn::tensor::Tensor;

use crate::{Axes, listening};

/// One word that names a layer's output: `x.tap("block1")`.
pub trait Tap {
    /// Returns the tensor unchanged. While a [`record`](crate::record) runs on this thread, keeps a detached
    /// copy of it, on its device, under `name`; inside [`replacing`](crate::replacing) that name, returns what
    /// stands in its place.
    ///
    /// When no recorder is active, a tap is one relaxed atomic load.
    fn tap(self, name: &str) -> Self;

    /// The same, with what the tensor's axes mean: `x.tap_as("encoder", Axes::Tokens)`.
    ///
    /// A tensor of three axes needs that here, at the [`Probe`](crate::Probe), or at its
    /// [`Activations`](crate::Activations).
    fn tap_as(self, name: &str, axes: Axes) -> Self;
}

impl<const D: usize> Tap for Tensor<D> {
    #[inline]
    fn tap(self, name: &str) -> Self {
        if listening::anyone() {
            listening::heard(self, name, None)
        } else {
            self
        }
    }

    #[inline]
    fn tap_as(self, name: &str, axes: Axes) -> Self {
        if listening::anyone() {
            listening::heard(self, name, Some(axes))
        } else {
            self
        }
    }
}

/// Runs `forward` with `name.` before every tap in it: for modules that are used more than once.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use frostline_activations::{Tap, record, scope};
///
/// let block = |x: Tensor<2>| (x * 2.0).tap("double");
/// let x = Tensor::ones([4, 3], &Device::flex());
/// let (_, activations) = record(|| {
///     let x = scope("first", || block(x));
///     scope("second", || block(x))
/// })?;
/// assert_eq!(activations.names().collect::<Vec<_>>(), ["first.double", "second.double"]);
/// # Ok::<(), frostline_activations::Error>(())
/// ```
pub fn scope<T>(name: &str, forward: impl FnOnce() -> T) -> T {
    let _within = listening::anyone().then(|| listening::enter(name));
    forward()
}
