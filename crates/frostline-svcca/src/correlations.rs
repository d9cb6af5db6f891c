use burn::tensor::Tensor;
use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use crate::{Basis, Chance, Cut, Error, View, Warning, decompose};

/// How to compare by [`svcca`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Svcca {
    /// What to keep of each view before correlating.
    pub cut: Cut,
}

/// What two views have in common, and what to judge it by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlations {
    /// Canonical correlations ρ in descending order, `min(kept)` of them, each in [0, 1].
    pub coefficients: DVector<f64>,
    /// `Σρ / min(kept)`; 0 where nothing is kept.
    ///
    /// The mean alone can't tell some pairs apart: read it with `kept` and `chance`.
    pub mean: f64,
    /// Directions kept of x and y.
    pub kept: [usize; 2],
    /// Effective rank of x and y before the cut.
    pub rank: [usize; 2],
    /// Neurons of x and y.
    pub neurons: [usize; 2],
    /// Samples of each.
    pub samples: usize,
    /// The cut that was applied to both.
    pub cut: Cut,
    /// What noise of the kept dimensions would give.
    pub chance: Chance,
    /// What to know before believing the rest.
    pub warnings: Vec<Warning>,
}

/// SVCCA: canonical correlations of what the cut keeps of each view.
///
/// Keep the leading singular directions of `x` and `y`, then correlate them as [`cca`] does.
///
/// Shapes: `x: [sample, neuron_x]`, `y: [sample, neuron_y]`, the same samples in the same order.
/// Source: Raghu et al. 2017, arXiv:1706.05806.
/// Errors: those of [`View::new`] and [`correlations`], `BadCut`.
pub fn svcca(x: &Tensor<2>, y: &Tensor<2>, options: &Svcca) -> Result<Correlations, Error> {
    options.cut.check()?;
    // Before the work, so that the answer doesn't wait for two decompositions.
    same_samples(x.dims()[0], y.dims()[0])?;
    let x = View::new(x)?.basis(options.cut)?;
    let y = View::new(y)?.basis(options.cut)?;
    correlations(&x, &y)
}

/// Canonical correlations of `x` and `y`: the singular values of `Qxᵀ Qy`, where `Qx` and `Qy` are
/// orthonormal bases of the centred activations.
///
/// Shapes: `x: [sample, neuron_x]`, `y: [sample, neuron_y]`, the same samples in the same order.
/// Source: Björck & Golub 1973, Mathematics of Computation 27(123).
/// Errors: those of [`View::new`] and [`correlations`].
pub fn cca(x: &Tensor<2>, y: &Tensor<2>) -> Result<Correlations, Error> {
    svcca(x, y, &Svcca { cut: Cut::All })
}

/// Canonical correlations of two bases: the core of [`svcca`], for many pairs of few views.
///
/// Errors: `SampleMismatch`, `CutMismatch`, and `TooFewSamples` where any data would give 1: when
/// plain CCA has no more samples than neurons, or a kept basis spans every centred sample.
pub fn correlations(x: &Basis, y: &Basis) -> Result<Correlations, Error> {
    same_samples(x.samples(), y.samples())?;
    if x.cut() != y.cut() {
        return Err(Error::CutMismatch {
            x: x.cut(),
            y: y.cut(),
        });
    }
    let (samples, cut) = (x.samples(), x.cut());
    let (kept, neurons) = ([x.kept(), y.kept()], [x.neurons(), y.neurons()]);
    let dims = kept[0].max(kept[1]);
    if cut == Cut::All && samples <= neurons[0].max(neurons[1]) {
        return Err(Error::TooFewSamples {
            samples,
            dims: neurons[0].max(neurons[1]),
        });
    }
    if samples <= dims + 1 {
        return Err(Error::TooFewSamples { samples, dims });
    }

    let coefficients = match x.cross(y)? {
        // Rounding can put a correlation of 1 a little above it.
        Some(cross) => decompose::singular_values(&cross)?.map(|rho| rho.clamp(0.0, 1.0)),
        None => DVector::zeros(0),
    };
    let count = coefficients.len().max(1) as f64;
    let mean = coefficients.sum() / count;
    let mean_rho2 = coefficients.norm_squared() / count;
    Ok(Correlations {
        coefficients,
        mean,
        kept,
        rank: [x.rank(), y.rank()],
        neurons,
        samples,
        cut,
        chance: Chance::of(samples, kept[0], kept[1], mean_rho2),
        warnings: warnings(x, y),
    })
}

fn same_samples(x: usize, y: usize) -> Result<(), Error> {
    if x == y {
        Ok(())
    } else {
        Err(Error::SampleMismatch { x, y })
    }
}

fn warnings(x: &Basis, y: &Basis) -> Vec<Warning> {
    let (samples, dims) = (x.samples(), x.kept().max(y.kept()));
    let few = samples < 10 * dims;
    let constant = x.constant + y.constant > 0;
    let flat = x.rank() == 0 || y.rank() == 0;
    [
        few.then_some(Warning::FewSamples { samples, dims }),
        constant.then_some(Warning::ConstantNeurons {
            x: x.constant,
            y: y.constant,
        }),
        flat.then_some(Warning::NoVariance {
            x: x.rank() == 0,
            y: y.rank() == 0,
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
