//! How similar are two layers? SVCCA and its relatives on their activations.
//!
//! A layer is what its neurons say about the same samples: a `[sample, neuron]` tensor. Two layers
//! are compared by the correlations of the best-matching directions in the spaces that their
//! neurons span, so it doesn't matter how many neurons each has, nor how they are ordered or rotated.
//! [`Measure`] says what else each measure ignores.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//! use frostline_svcca::{Svcca, svcca};
//!
//! let device = Device::flex();
//! let x = Tensor::<2>::random([500, 10], Distribution::Normal(0.0, 1.0), &device);
//! let mix = Tensor::<2>::random([10, 16], Distribution::Normal(0.0, 1.0), &device);
//! let similarity = svcca(&x, &x.clone().matmul(mix), &Svcca::default())?;
//! assert!(similarity.mean > 0.9);
//! # Ok::<(), frostline_svcca::Error>(())
//! ```
//!
//! [`svcca`] and [`cca`] compare two tensors, [`Measure::between`] does so by any measure's name. More from
//! less work:
//!
//! - [`Pair`]: every measure between two [`View`]s, or two views in [`Moments`], which are gathered batch by
//!   batch and merged;
//! - [`Prepared`] and [`Grid`]: many views against many, each prepared once;
//! - [`Snapshot`]: a layer against itself at other moments of a training;
//! - [`dft_cca`]: convolutional layers, frequency by frequency;
//! - [`Projection`]: a layer reduced to a few directions, or to the neurons that [`most_active_neurons`] and
//!   [`random_neurons`] choose;
//! - [`Chance`], [`jackknife`], [`Correlations::real_directions`] and [`Warning`]: what to judge a number by.
//!
//! The products over samples run on the device where the tensor lives, in f64 where the device has
//! it, else in f32 and summed in f64; the small decompositions run on the host in f64.

mod bartlett;
mod basis;
mod centre;
mod centred_pair;
mod chance;
mod chosen_neurons;
mod cka;
mod comparison;
mod coordinates;
mod correlations;
mod cut;
mod decompose;
mod dft;
mod directions;
mod error;
mod grid;
mod jackknife;
mod measure;
mod moments;
mod nuclear;
mod pair;
mod pls;
mod precision;
mod prepared;
mod procrustes;
mod products;
mod profile;
mod projection;
mod pwcca;
mod range_finder;
mod regression;
mod repeats;
mod rounding_noise;
mod shared_inputs;
mod similarity;
mod snapshot;
mod split_mix;
mod view;
mod warning;
mod whitened;

#[cfg(test)]
mod f32_products;
#[cfg(test)]
mod readback;
#[cfg(test)]
#[path = "../tests/svcca/reference_case/mod.rs"]
mod reference_case;

pub use basis::Basis;
pub use chance::Chance;
pub use chosen_neurons::{most_active_neurons, random_neurons};
pub use cka::Cka;
pub use comparison::{Comparison, MeasureWarning};
pub use correlations::{Correlations, Svcca, cca, correlations, svcca};
pub use cut::Cut;
pub use dft::{DftCca, Fourier, dft_cca};
pub use directions::{AlignedDirections, Directions};
pub use error::Error;
pub use grid::{Cell, Grid, Progress, Wanted};
pub use jackknife::{Interval, jackknife};
pub use measure::{Bias, Measure, Weights};
pub use moments::Moments;
pub use pair::Pair;
pub use pls::Pls;
pub use prepared::Prepared;
pub use procrustes::Procrustes;
pub use projection::Projection;
pub use pwcca::Pwcca;
pub use regression::R2;
pub use rounding_noise::rounding_errors;
pub use similarity::Similarity;
pub use snapshot::Snapshot;
pub use view::View;
pub use warning::{Side, Warning};
