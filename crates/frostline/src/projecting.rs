use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::Tensor;
use frostline_activations::replacing;
use frostline_svcca::Projection;

use crate::Error;

/// Runs one `forward` in which the layer `name` keeps only what a projection leaves of its output: how well does the
/// network answer from a few directions of this layer?
///
/// `D` is the rank of the layer's tensor. [`projecting_each`] is the same for more than one layer.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use frostline::prelude::*;
/// use frostline::projecting;
/// use frostline::svcca::most_active_neurons;
///
/// let net = |x: Tensor<2>| (x * 2.0).tap("fc1") + 1.0;
/// let images = Tensor::random([50, 8], Distribution::Normal(0.0, 1.0), &Device::flex());
/// let (_, activations) = record(|| net(images.clone()))?;
/// let fc1 = activations.view("fc1")?;
///
/// let kept = Projection::keeping(&fc1, &most_active_neurons(&fc1, 3)?)?;
/// let logits: Tensor<2> = projecting::<2, _>("fc1", &kept, || net(images))?;
/// # assert_eq!(logits.dims(), [50, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Raghu et al. 2017, arXiv:1706.05806, figure 2.
/// Errors: those of [`replacing`], and `NotTheseNeurons` where the projection is of another layer.
pub fn projecting<const D: usize, T>(
    name: &str,
    projection: &Projection,
    forward: impl FnOnce() -> T,
) -> Result<T, Error> {
    let failed = Rc::new(RefCell::new(None));
    let (projection, fails) = (projection.clone(), failed.clone());
    let replace = move |activations: Tensor<D>| match projection.apply(activations.clone()) {
        Ok(left) => left,
        Err(error) => {
            fails.replace(Some(error));
            activations
        }
    };
    let output = replacing(name, replace, forward)?;
    match failed.take() {
        Some(error) => Err(error.into()),
        None => Ok(output),
    }
}

/// Runs one `forward` in which each of these layers keeps only what its projection leaves: how small can a network be
/// made without training again?
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use frostline::prelude::*;
/// use frostline::projecting_each;
/// use frostline::svcca::most_active_neurons;
///
/// let net = |x: Tensor<2>| ((x * 2.0).tap("fc1").tanh()).tap("fc2") + 1.0;
/// let images = Tensor::random([50, 8], Distribution::Normal(0.0, 1.0), &Device::flex());
/// let (_, activations) = record(|| net(images.clone()))?;
/// let mut kept = Vec::new();
/// for layer in ["fc1", "fc2"] {
///     let neurons = activations.view(layer)?;
///     kept.push((layer, Projection::keeping(&neurons, &most_active_neurons(&neurons, 3)?)?));
/// }
/// let logits: Tensor<2> = projecting_each::<2, _>(&kept, || net(images))?;
/// # assert_eq!(logits.dims(), [50, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All layers' tensors have the rank `D`; for layers of other ranks put one call into the other's forward.
/// Source: Raghu et al. 2017, arXiv:1706.05806, section 4.4.
/// Errors: those of [`projecting`].
pub fn projecting_each<const D: usize, T>(
    layers: &[(&str, Projection)],
    forward: impl FnOnce() -> T,
) -> Result<T, Error> {
    let mut inner: Box<dyn FnOnce() -> Result<T, Error> + '_> = Box::new(|| Ok(forward()));
    for (name, projection) in layers {
        inner = Box::new(move || projecting::<D, _>(name, projection, inner)?);
    }
    inner()
}
