use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the two views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The first.
    X,
    /// The second.
    Y,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::X => "x",
            Side::Y => "y",
        })
    }
}

/// What to know before believing a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
#[non_exhaustive]
pub enum Warning {
    /// Fewer than ten samples a dimension: noise alone correlates visibly, see [`crate::Chance`].
    FewSamples {
        /// Samples of each view.
        samples: usize,
        /// Kept directions, the larger of the two views'.
        dims: usize,
    },
    /// Neurons that say the same about every sample; they were left out.
    DeadNeurons {
        /// Whose.
        side: Side,
        /// How many.
        count: usize,
    },
    /// A view in which no neuron varies: there is nothing to correlate, and the value is 0.
    NoVariance {
        /// Which.
        side: Side,
    },
    /// Neurons that repeat what others say: fewer independent directions than varying neurons.
    RankDeficient {
        /// Whose.
        side: Side,
        /// Independent directions.
        rank: usize,
        /// Neurons.
        neurons: usize,
    },
    /// Directions too faint to be told from the rounding of moments or of a device's f32 products:
    /// they were left out, though they may be real. Compare the activations themselves, in f64.
    IllConditioned {
        /// Whose.
        side: Side,
        /// Directions that stand clear of rounding.
        rank: usize,
    },
    /// The cut falls so near to a cumulative share that another device, or another order of
    /// summing, may keep one direction more or less.
    CutIsClose {
        /// Whose.
        side: Side,
        /// Distance between the nearest cumulative share and the cut's.
        margin: f64,
    },
    /// Frequencies at which a layer's maps don't vary: nothing to correlate there, and the value is 0.
    FlatFrequencies {
        /// Whose.
        side: Side,
        /// How many.
        count: usize,
        /// Of how many that are compared.
        of: usize,
    },
    /// A measure that isn't defined for these views.
    Undefined {
        /// Its name.
        measure: String,
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::FewSamples { samples, dims } => write!(
                f,
                "{samples} samples for {dims} directions, fewer than ten each: \
                 compare the mean with the chance level"
            ),
            Warning::DeadNeurons { side, count: 1 } => {
                write!(f, "1 neuron of {side} never varies and was left out")
            }
            Warning::DeadNeurons { side, count } => {
                write!(f, "{count} neurons of {side} never vary and were left out")
            }
            Warning::NoVariance { side } => {
                write!(f, "no neuron of {side} varies: nothing to correlate")
            }
            Warning::RankDeficient {
                side,
                rank,
                neurons,
            } => write!(
                f,
                "the {neurons} neurons of {side} span {rank} directions only"
            ),
            Warning::IllConditioned { side, rank } => write!(
                f,
                "only {rank} directions of {side} stand clear of rounding; fainter ones were left \
                 out: compare the activations themselves in f64"
            ),
            Warning::CutIsClose { side, margin } => write!(
                f,
                "the cut of {side} is within {margin:.0e} of a direction's share: one more or less \
                 may be kept elsewhere"
            ),
            Warning::FlatFrequencies { side, count, of } => write!(
                f,
                "{side} doesn't vary at {count} of {of} frequencies: they count as 0"
            ),
            Warning::Undefined { measure, reason } => write!(f, "{measure} is undefined: {reason}"),
        }
    }
}
