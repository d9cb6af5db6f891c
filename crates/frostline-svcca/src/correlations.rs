use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{
    Basis, Chance, Cut, Error, Measure, Side, View, Warning, bartlett, decompose,
    profile::{EqualDirections, Profile},
    similarity::rounded,
    whitened::{Whitened, enough_samples, same_samples},
};

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
    /// Effective rank of x and y before the cut, as far as finding the kept directions showed it.
    pub rank: [usize; 2],
    /// Neurons of x and y.
    pub neurons: [usize; 2],
    /// Samples of each.
    pub samples: usize,
    /// As how many independent samples these are good: repeated ones count once, and several of one input less than those of
    /// as many inputs.
    pub independent: usize,
    /// The cut that was applied to both.
    pub cut: Cut,
    /// What noise of the kept dimensions would give, in as many samples as these are good for: see [`View::of_inputs`]; repeated ones count once.
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
/// Errors: `SampleMismatch`, `CutMismatch`, and `TooFewSamples` below two samples a kept direction, where any data would
/// correlate strongly.
pub fn correlations(x: &Basis, y: &Basis) -> Result<Correlations, Error> {
    Whitened::check(&x.profile, &y.profile)?;
    Correlations::of(&Whitened::of(x, y, x.cross(y)?)?)
}

impl Correlations {
    /// How many of the correlations are real, by Bartlett's sequential test at 5 %.
    ///
    /// # Formula
    /// The first k for which `T_k = -(n - k - (a + b + 1)/2 + Σ_{i≤k} ρ_i⁻²) ln Π_{i>k} (1 - ρ_i²)` isn't
    /// rejected against χ² with `(a - k)(b - k)` degrees of freedom, a and b the kept directions.
    ///
    /// The law of χ² holds in the limit of many samples: with fewer than ten a direction the test finds some in noise too,
    /// and this is none.
    ///
    /// Source: Bartlett 1954, Journal of the Royal Statistical Society B 16(2); Lawley 1959, Biometrika
    /// 46, for the sum.
    pub fn real_directions(&self) -> Option<usize> {
        bartlett::real_directions(self.coefficients.as_slice(), self.independent, self.kept)
    }

    pub(crate) fn of(whitened: &Whitened) -> Result<Correlations, Error> {
        let [x, y] = &whitened.profiles;
        Whitened::check(x, y)?;
        let kept = [x.kept(), y.kept()];
        let coefficients = coefficients(&whitened.cross)?;
        let count = coefficients.len().max(1) as f64;
        let mean_rho2 = coefficients.norm_squared() / count;
        let mean = coefficients.sum() / count;
        let mut chance = Chance::of(whitened.independent(), kept[0], kept[1], mean_rho2);
        chance.deviation *= whitened.tail_factor();
        let mut warnings = warnings(x, y);
        warnings.extend(cut_among_equal(whitened, mean)?);
        warnings.extend(rounded(Measure::Svcca(x.cut), mean, [x, y]));
        Ok(Correlations {
            mean,
            coefficients,
            kept,
            rank: [x.rank.directions(), y.rank.directions()],
            neurons: [x.neurons, y.neurons],
            samples: x.samples,
            independent: whitened.independent(),
            cut: x.cut,
            chance,
            warnings,
        })
    }
}

/// Singular values of a cross product; rounding can put a correlation of 1 a little above it.
fn coefficients(cross: &DMatrix<f64>) -> Result<DVector<f64>, Error> {
    if cross.is_empty() {
        return Ok(DVector::zeros(0));
    }
    Ok(decompose::singular_values(cross)?.map(|rho| rho.clamp(0.0, 1.0)))
}

/// That cuts fall among directions of equal strength, for each side of which that is so, with the means that come out where all
/// of these directions are kept and where none is. Neither depends on a choice among them.
fn cut_among_equal(whitened: &Whitened, value: f64) -> Result<Vec<Warning>, Error> {
    let sides = [Side::X, Side::Y].into_iter().zip(&whitened.profiles);
    let among = sides.filter_map(|(side, profile)| Some((side, profile, profile.equal?)));
    let among: Vec<_> = among.collect();
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let samples = whitened.profiles[0].samples;
    let mean = |cross: &DMatrix<f64>| {
        let (most, least) = (
            cross.nrows().max(cross.ncols()),
            cross.nrows().min(cross.ncols()),
        );
        if least == 0 || enough_samples(samples, most).is_err() {
            return Ok(None);
        }
        Ok::<_, Error>(Some(coefficients(cross)?.sum() / least as f64))
    };
    let with_all = whitened.cross_with_equal.as_ref().map(mean).transpose()?;
    let with_none = mean(&whitened.cross_without_equal())?;
    let warning =
        |(side, profile, equal): (Side, &Profile, EqualDirections)| Warning::CutAmongEqual {
            side,
            equal: equal.end - equal.first,
            kept: profile.kept(),
            value,
            with_all: with_all.flatten(),
            with_none,
        };
    Ok(among.into_iter().map(warning).collect())
}

/// What to know of two sides whose directions are correlated.
pub(crate) fn warnings(x: &Profile, y: &Profile) -> Vec<Warning> {
    let (samples, dims) = (x.samples, x.kept().max(y.kept()));
    let distinct = x.repeats.distinct_with(&y.repeats);
    let independent = x.independent_with(y);
    let few = (independent < 10 * dims).then_some(Warning::FewSamples {
        samples: independent,
        dims,
    });
    // A layer that has no places has the same row for all places of an input.
    let repeated = (distinct < samples / x.shared.rows())
        .then_some(Warning::RepeatedSamples { samples, distinct });
    few.into_iter()
        .chain(repeated)
        .chain(x.warnings(Side::X))
        .chain(y.warnings(Side::Y))
        .collect()
}
