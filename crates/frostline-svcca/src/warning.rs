use std::fmt;

use serde::{Deserialize, Serialize};

/// What to know before believing a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    ConstantNeurons {
        /// How many of x.
        x: usize,
        /// How many of y.
        y: usize,
    },
    /// A view in which no neuron varies: there is nothing to correlate, and the mean is 0.
    NoVariance {
        /// Whether x is such a view.
        x: bool,
        /// Whether y is.
        y: bool,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Warning::FewSamples { samples, dims } => write!(
                f,
                "{samples} samples for {dims} kept directions, fewer than ten each: \
                 compare the mean with the chance level"
            ),
            Warning::ConstantNeurons { x, y } => {
                write!(f, "constant neurons left out: {x} of x, {y} of y")
            }
            Warning::NoVariance { x, y } => {
                let which = match (x, y) {
                    (true, true) => "x and y vary",
                    (true, false) => "x varies",
                    _ => "y varies",
                };
                write!(f, "no neuron of {which}: nothing to correlate")
            }
        }
    }
}
