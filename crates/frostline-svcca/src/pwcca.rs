use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{
    Chance, Error, Warning, Weights, decompose, directions::Rotations, similarity::Level,
    whitened::Whitened,
};

/// Projection-weighted CCA: canonical correlations weighted by how much of a layer lies along each.
///
/// # Formula
/// With h_i the orthonormal canonical variates of a side and x_j its centred neurons,
/// `α_i = Σ_j |⟨h_i, x_j⟩|` and the value is `Σ α_i ρ_i / Σ α_i`.
///
/// Not symmetric: the weights are those of x or of y. Where m correlations are equal (within 1e-6, or what rounding
/// of the activations can make of equal ones), their variates can be
/// turned into each other and their weights depend on the choice. Neuron j has the part g_j in their span, whatever the
/// choice, so their weights sum up to at least `Σ_j ‖g_j‖₂` and at most `√m` times that: `range_x` and `range_y` hold
/// what the value can be, and [`crate::Warning::NotUnique`] says so.
///
/// Source: Morcos, Raghu, Bengio 2018, arXiv:1806.05759, section 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pwcca {
    /// Weighted by x.
    pub x: f64,
    /// Weighted by y.
    pub y: f64,
    /// Between what `x` lies by the choice of variates of equal correlations; both `x` where none are.
    pub range_x: [f64; 2],
    /// The same of `y`.
    pub range_y: [f64; 2],
    /// How many correlations equal another.
    pub equal: usize,
    /// Weighted by the layer with fewer neurons; by x where both have as many.
    pub default: f64,
    /// `α / Σ α` of x, in the order of the correlations.
    pub weights_x: DVector<f64>,
    /// The same of y.
    pub weights_y: DVector<f64>,
    /// Canonical correlations in descending order.
    pub coefficients: DVector<f64>,
}

impl Pwcca {
    /// `loadings` are `Qᵀ X: [kept, neuron]` of either side.
    pub(crate) fn of(whitened: &Whitened, loadings: [&DMatrix<f64>; 2]) -> Result<Pwcca, Error> {
        let rotations = Rotations::of(&whitened.cross)?;
        let coefficients = rotations.correlations;
        let along = [
            along(&rotations.x, loadings[0]),
            along(&rotations.y, loadings[1]),
        ];
        let [weights_x, weights_y] = along.each_ref().map(weights);
        let [of_x, of_y] = &whitened.profiles;
        // What rounding takes off a correlation of 1, and how far it turns two variates into each other.
        let lowered = of_x.most_lowered() + of_y.most_lowered();
        let turned = (2.0 * lowered / of_x.samples as f64).sqrt();
        let groups = groups(&coefficients, EQUAL.max(2.0 * (lowered + turned)));
        let [range_x, range_y] = along.map(|along| range(&along, &coefficients, &groups));
        let several = groups.iter().map(ExactSizeIterator::len);
        let equal = several.filter(|count| *count > 1).sum();
        let (x, y) = (coefficients.dot(&weights_x), coefficients.dot(&weights_y));
        Ok(Pwcca {
            x,
            y,
            range_x,
            range_y,
            equal,
            default: if of_x.neurons <= of_y.neurons { x } else { y },
            weights_x,
            weights_y,
            coefficients,
        })
    }

    /// What unrelated layers give, whose canonical correlations are `chance`: their mean, as the weights know nothing of
    /// them, and more from draw to draw than the mean where few directions have the weight.
    pub(crate) fn chance(&self, weights: Weights, chance: &Chance) -> Level {
        let by = match weights {
            Weights::Default if self.default == self.x => &self.weights_x,
            Weights::X => &self.weights_x,
            _ => &self.weights_y,
        };
        let spread = (chance.mean_rho2 - chance.mean_rho.powi(2)).max(0.0);
        let uneven = by.norm_squared() - 1.0 / by.len().max(1) as f64;
        Level {
            mean: chance.mean_rho,
            deviation: (chance.deviation.powi(2) + spread * uneven.max(0.0)).sqrt(),
        }
    }

    /// That the value by these weights is one of many, where it is.
    pub(crate) fn not_unique(&self, weights: Weights) -> Option<Warning> {
        let [low, high] = match weights {
            Weights::Default if self.default == self.x => self.range_x,
            Weights::X => self.range_x,
            _ => self.range_y,
        };
        let equal = self.equal;
        (high - low > VISIBLE).then_some(Warning::NotUnique { equal, low, high })
    }

    /// The value by these weights.
    pub fn value(&self, weights: Weights) -> f64 {
        match weights {
            Weights::Default => self.default,
            Weights::X => self.x,
            Weights::Y => self.y,
        }
    }
}

/// Correlations nearer to each other than this are equal, in any floats.
const EQUAL: f64 = 1e-6;
/// A narrower range is one value to three digits.
const VISIBLE: f64 = 1e-3;

/// `⟨h_i, x_j⟩ = rotationᵀ loadings: [direction, neuron]`, relative to the largest loading: the sum of large activations
/// may overflow.
fn along(rotation: &DMatrix<f64>, loadings: &DMatrix<f64>) -> DMatrix<f64> {
    let largest = loadings.amax();
    if rotation.ncols() == 0 || largest == 0.0 {
        return DMatrix::zeros(rotation.ncols(), loadings.ncols());
    }
    decompose::product(rotation, &(loadings / largest))
}

/// `α / Σ α`, α the row sums of absolute values.
fn weights(along: &DMatrix<f64>) -> DVector<f64> {
    let sums = DVector::from_fn(along.nrows(), |i, _| along.row(i).lp_norm(1));
    match sums.sum() {
        0.0 => sums,
        whole => sums / whole,
    }
}

/// Runs of equal correlations, nearer to their first than `apart`.
fn groups(coefficients: &DVector<f64>, apart: f64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for i in 0..coefficients.len() {
        match groups.last_mut() {
            Some(last) if coefficients[last.start] - coefficients[i] < apart => last.end = i + 1,
            _ => groups.push(i..i + 1),
        }
    }
    groups
}

/// The least and the largest `Σ A_g ρ_g / Σ A_g`, each group's `A_g` being within its bounds.
fn range(along: &DMatrix<f64>, coefficients: &DVector<f64>, groups: &[Range<usize>]) -> [f64; 2] {
    let bounds = groups.iter().map(|group| {
        let part = along.rows(group.start, group.len());
        let least = if group.len() == 1 {
            part.lp_norm(1)
        } else {
            part.column_iter().map(|column| column.norm()).sum::<f64>()
        };
        let mean = coefficients.rows(group.start, group.len()).mean();
        (mean, least, least * (group.len() as f64).sqrt())
    });
    let bounds: Vec<(f64, f64, f64)> = bounds.collect();
    // Such a ratio is largest where the groups above some correlation weigh most and the others least.
    let value = |largest: bool, split: usize| {
        let (mut sum, mut whole) = (0.0, 0.0);
        for (at, (rho, least, most)) in bounds.iter().enumerate() {
            let weight = if (at < split) == largest { most } else { least };
            sum += weight * rho;
            whole += weight;
        }
        if whole > 0.0 { sum / whole } else { 0.0 }
    };
    let splits = 0..=bounds.len();
    let low = splits.clone().map(|split| value(false, split));
    let high = splits.map(|split| value(true, split));
    [
        low.fold(f64::INFINITY, f64::min),
        high.fold(f64::NEG_INFINITY, f64::max),
    ]
}
