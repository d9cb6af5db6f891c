use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::{
    Bias, Cka, Correlations, Error, Measure, Pls, Procrustes, Pwcca, R2, Side, Warning,
    centred_pair::CentredPair,
    correlations::warnings,
    profile::Profile,
    whitened::{Whitened, same_samples},
};

/// One number for two layers, whatever it was measured by, with what unrelated layers would give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// The measure.
    pub measure: Measure,
    /// Higher is more alike; between 0 and 1 but for `pls`, and for `cka` where noise makes it negative.
    pub value: f64,
    /// Directions kept of x and y where the measure whitens, else neurons that vary.
    pub kept: [usize; 2],
    /// As many independent samples as those of the layers are good for: repeated ones count once, and several of one input
    /// less than those of as many inputs (see [`View::of_inputs`](crate::View::of_inputs)).
    pub samples: usize,
    /// What unrelated layers of these samples and directions give in the mean: see [`crate::Chance`] for canonical
    /// correlations, and the other measures for theirs. 1 where any layers give 1.
    pub chance: f64,
    /// What unrelated layers hardly exceed: `chance` and two standard deviations. A value up to this says nothing. Gaussian layers
    /// exceed it about one time in twenty; a few samples far larger than all others are allowed for, as [`Chance`](crate::Chance) says.
    pub chance_upper: f64,
    /// The value freed of chance, `(value - chance) / (1 - chance)`: 0 for unrelated layers in the mean, 1 for equal ones.
    /// None for `pls`, which has no largest value, and where chance alone gives 1.
    pub corrected: Option<f64>,
    /// What to know before believing it.
    pub warnings: Vec<Warning>,
}

/// What a measure gives for unrelated layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) mean: f64,
    /// One standard deviation.
    pub(crate) deviation: f64,
}

impl Similarity {
    /// The value against its chance level.
    fn judged(measure: Measure, value: f64, level: Level, [x, y]: [&Profile; 2]) -> Similarity {
        let most = if measure == Measure::Pls {
            f64::INFINITY
        } else {
            1.0
        };
        let chance = level.mean.min(most);
        let corrected = (value - chance) / (most - chance);
        Similarity {
            measure,
            value,
            kept: [x, y].map(|side| side.compared()),
            samples: x.independent_with(y),
            chance,
            chance_upper: (level.mean + 2.0 * level.deviation).min(most),
            corrected: (most.is_finite() && chance < most).then_some(corrected),
            warnings: warnings(x, y),
        }
    }

    /// Whether unrelated layers may well give this value.
    pub fn is_chance(&self) -> bool {
        self.value <= self.chance_upper
    }

    pub(crate) fn of_whitened(
        measure: Measure,
        whitened: &Whitened,
        loadings: Option<[&DMatrix<f64>; 2]>,
    ) -> Result<Similarity, Error> {
        let [x, y] = &whitened.profiles;
        same_samples(x.samples, y.samples)?;
        for (side, profile) in [(Side::X, x), (Side::Y, y)] {
            if profile.kept() == 0 {
                return Err(Error::NoVariance { side, measure });
            }
        }
        match (measure, loadings) {
            (Measure::Pwcca(weights), Some(loadings)) => {
                let correlations = Correlations::of(whitened)?;
                let found = Pwcca::of(whitened, loadings)?;
                let level = found.chance(weights, &correlations.chance);
                let value = found.value(weights);
                let mut similarity = Similarity::judged(measure, value, level, [x, y]);
                similarity.warnings.extend(found.not_unique(weights));
                similarity.warnings.extend(rounded(measure, value, [x, y]));
                Ok(similarity)
            }
            (Measure::R2, _) => {
                let found = R2::of(whitened);
                let value = found.y_from_x.ok_or(Error::TooFewSamples {
                    samples: x.samples,
                    dims: x.kept(),
                })?;
                let level = Level {
                    mean: found.chance[0],
                    deviation: found.deviation[0],
                };
                let mut similarity = Similarity::judged(measure, value, level, [x, y]);
                similarity.warnings.extend(rounded(measure, value, [x, y]));
                Ok(similarity)
            }
            _ => {
                let found = Correlations::of(whitened)?;
                let level = Level {
                    mean: found.chance.mean_rho,
                    deviation: found.chance.deviation,
                };
                let mut similarity = Similarity::judged(measure, found.mean, level, [x, y]);
                similarity.warnings = found.warnings;
                Ok(similarity)
            }
        }
    }

    pub(crate) fn of_centred(
        measure: Measure,
        pair: &CentredPair,
        [x, y]: [Profile; 2],
    ) -> Result<Similarity, Error> {
        pair.need_variance(measure)?;
        let cka = || Cka::of(pair);
        // Rounding the activations adds to their norms, and to the sums over both hardly anything.
        let share = pair.rounded.iter().sum::<f64>();
        let (value, level, doubt) = match measure {
            Measure::Cka(bias) => {
                let found = cka();
                let value = match bias {
                    Bias::Biased => found.biased,
                    Bias::Debiased => found.need_debiased(pair.samples)?,
                };
                (value, Cka::chance(pair, bias), found.doubt(pair, bias))
            }
            Measure::Pls => {
                let total = Pls::of(pair)?.total;
                (total, Pls::chance(pair)?, share / 2.0 * total)
            }
            _ => {
                let cosine = Procrustes::of(pair)?.cosine;
                (cosine, Procrustes::chance(pair)?, share / 2.0 * cosine)
            }
        };
        // Half of what varies: nothing is left that could be told from rounding.
        if let Some(largest) = pair.rounded.into_iter().find(|share| *share > MOST_ROUNDED) {
            return Err(Error::HiddenByRounding {
                measure,
                doubt: doubt.max(largest * value.abs()),
            });
        }
        let visible = VISIBLE_DOUBT
            * value
                .abs()
                .max(if measure == Measure::Pls { 0.0 } else { 1.0 });
        let more = (doubt > visible).then(|| Warning::Rounded {
            measure: measure.to_string(),
            doubt,
        });
        let mut similarity = Similarity::judged(measure, value, level, [&x, &y]);
        similarity.warnings.extend(more);
        Ok(similarity)
    }
}

/// Rounding that may move a value by less needs no word: three digits are shown.
const VISIBLE_DOUBT: f64 = 1e-4;
/// Above this share of a layer's sum of squares, what rounding made of it is no longer a small part.
const MOST_ROUNDED: f64 = 0.25;

/// That rounding has lowered the correlations of two sides visibly, where it has.
pub(crate) fn rounded(measure: Measure, value: f64, sides: [&Profile; 2]) -> Option<Warning> {
    let doubt = value * sides.iter().map(|side| side.lowered()).sum::<f64>();
    (doubt > 10.0 * VISIBLE_DOUBT).then(|| Warning::Rounded {
        measure: measure.to_string(),
        doubt,
    })
}
