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
        /// As many independent samples as those of the views are good for: repeated ones count once, and those of one input less
        /// than those of as many inputs.
        samples: usize,
        /// Kept directions, the larger of the two views'.
        dims: usize,
    },
    /// Samples that are equal in both views: the same input several times tells nothing new. The chance level is that of
    /// the samples that differ.
    RepeatedSamples {
        /// Samples of each view.
        samples: usize,
        /// Samples that differ from each other in at least one of the views.
        distinct: usize,
    },
    /// Projection-weighted CCA where canonical correlations are equal: their directions, and with them their weights, can be
    /// turned into each other, so the value is one of many.
    NotUnique {
        /// How many correlations equal another.
        equal: usize,
        /// No choice of directions gives a value below this.
        low: f64,
        /// No choice of directions gives a value above this.
        high: f64,
    },
    /// Rounding may have moved a value visibly.
    Rounded {
        /// The name of the measure.
        measure: String,
        /// By how much the value may be off.
        doubt: f64,
    },
    /// Neurons that say the same about every sample; they were left out.
    DeadNeurons {
        /// The view that the warning is about.
        side: Side,
        /// The number of such neurons.
        count: usize,
    },
    /// A view in which no neuron varies: there is nothing to correlate, and the value is 0.
    NoVariance {
        /// The view that the warning is about.
        side: Side,
    },
    /// Neurons that obey a linear law, up to the rounding of the activations: fewer directions than varying neurons.
    RankDeficient {
        /// The view that the warning is about.
        side: Side,
        /// Directions that stand clear of rounding.
        rank: usize,
        /// Neurons.
        neurons: usize,
    },
    /// Directions too faint to be told from the rounding of moments or of a device's f32 products:
    /// they were left out, though they may be real. Compare the activations themselves, in f64.
    IllConditioned {
        /// The view that the warning is about.
        side: Side,
        /// Directions that stand clear of rounding.
        rank: usize,
    },
    /// The cut falls so near to a cumulative share that another device, or another order of
    /// summing, may keep one direction more or less.
    CutIsClose {
        /// The view that the warning is about.
        side: Side,
        /// Distance between the nearest cumulative share and the cut's.
        margin: f64,
    },
    /// Activations that came in longer floats than they fill, such as bf16 saved as f32: what is fainter than the rounding of the
    /// shorter ones was left out.
    Widened {
        /// The view that the warning is about.
        side: Side,
        /// The floats that hold every value, such as `bfloat16`.
        floats: String,
    },
    /// The cut falls among directions of equal strength, as far as rounding can tell. These can be turned into each other, so
    /// which of them are kept, and with it the value, is one choice of many.
    CutAmongEqual {
        /// The view that the warning is about.
        side: Side,
        /// How many directions are as strong as the last that is kept.
        equal: usize,
        /// How many directions are kept.
        kept: usize,
        /// The value, with the directions that the cut happened to keep of these.
        value: f64,
        /// The value with all of these directions, of both views where both cuts fall among equal ones; none where they are too
        /// many for the samples, or not all are known.
        with_all: Option<f64>,
        /// The value with none of these directions; none where nothing is left.
        with_none: Option<f64>,
    },
    /// Frequencies at which a layer's maps don't vary: nothing to correlate there, and the value is 0.
    FlatFrequencies {
        /// The layer that the warning is about.
        side: Side,
        /// The number of such frequencies.
        count: usize,
        /// The number of frequencies that are compared.
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

/// A count of directions in words.
struct Directions(usize);

impl fmt::Display for Directions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 direction"),
            count => write!(f, "{count} directions"),
        }
    }
}

impl Warning {
    /// The view that the warning is about; none where it is about both, or about samples or measures.
    pub fn side(&self) -> Option<Side> {
        match self {
            Warning::DeadNeurons { side, .. }
            | Warning::NoVariance { side }
            | Warning::RankDeficient { side, .. }
            | Warning::IllConditioned { side, .. }
            | Warning::CutIsClose { side, .. }
            | Warning::Widened { side, .. }
            | Warning::CutAmongEqual { side, .. }
            | Warning::FlatFrequencies { side, .. } => Some(*side),
            _ => None,
        }
    }

    /// The warning with the layers' names in the places of x and y.
    pub fn named(&self, x: &str, y: &str) -> String {
        let layer = match self.side() {
            Some(Side::Y) => y,
            _ => x,
        };
        match self {
            Warning::FewSamples { samples, dims } => format!(
                "{samples} samples for {}, fewer than ten each: compare the value with its chance level",
                Directions(*dims)
            ),
            Warning::RepeatedSamples { samples, distinct } => format!(
                "only {distinct} of the {samples} samples differ; repeated ones tell nothing new, and chance counts \
                 them once"
            ),
            Warning::NotUnique { equal, low, high } => format!(
                "pwcca is not unique: {equal} correlations are equal, and by the choice of their directions it lies \
                 between {low:.3} and {high:.3}"
            ),
            Warning::Rounded { measure, doubt } => {
                format!("rounding may have moved {measure} by {doubt:.1e}")
            }
            Warning::DeadNeurons { count: 1, .. } => {
                format!("1 neuron of {layer} never varies and was left out")
            }
            Warning::DeadNeurons { count, .. } => {
                format!("{count} neurons of {layer} never vary and were left out")
            }
            Warning::NoVariance { .. } => {
                format!("no neuron of {layer} varies beyond rounding: nothing to correlate")
            }
            Warning::RankDeficient { rank, neurons, .. } => format!(
                "the {neurons} neurons of {layer} span {} only; what is fainter is rounding",
                Directions(*rank)
            ),
            Warning::IllConditioned { rank, .. } => format!(
                "of {layer} only {} clear of rounding; fainter ones were left out: compare the activations themselves \
                 in f64",
                match rank {
                    1 => "1 direction stands".to_string(),
                    rank => format!("{rank} directions stand"),
                }
            ),
            Warning::CutIsClose { margin, .. } => format!(
                "the cut of {layer} is within {margin:.0e} of a direction's share: one more or less \
                 may be kept elsewhere"
            ),
            Warning::Widened { floats, .. } => format!(
                "the values of {layer} are {floats} in longer floats: its directions are judged by the precision of {floats}"
            ),
            Warning::CutAmongEqual {
                equal,
                kept,
                value,
                with_all,
                with_none,
                ..
            } => format!(
                "the value isn't unique: the cut keeps {kept} of {layer}, and falls among {equal} that are equally strong, of \
                 which others may be kept as well; {}. Keep more or fewer, or compare by cca",
                by_choice(*value, *with_all, *with_none),
                kept = Directions(*kept)
            ),
            Warning::FlatFrequencies { count, of, .. } => {
                format!("{layer} doesn't vary at {count} of {of} frequencies: they count as 0")
            }
            Warning::Undefined { measure, reason } => format!("no value of {measure}: {reason}"),
        }
    }
}

/// The value, what comes out with all and with none of the directions among which a cut falls, and the range of these.
fn by_choice(value: f64, with_all: Option<f64>, with_none: Option<f64>) -> String {
    let mut parts = vec![format!("as cut it is {value:.3}")];
    parts.extend(with_all.map(|all| format!("with all of them {all:.3}")));
    parts.extend(with_none.map(|none| format!("with none of them {none:.3}")));
    let others = with_all.into_iter().chain(with_none);
    let [low, high] = others.fold([value; 2], |[low, high], other| {
        [low.min(other), high.max(other)]
    });
    match parts.len() {
        1 => parts.remove(0),
        _ => format!("{}, a range from {low:.3} to {high:.3}", parts.join(", ")),
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named("x", "y"))
    }
}
