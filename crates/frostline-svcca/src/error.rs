use burn::tensor::ExecutionError;

use crate::{Cut, Measure, Side};

/// Why two layers can't be compared.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The two views have a different number of samples.
    #[error("{}", self.named("x", "y"))]
    SampleMismatch {
        /// Samples of x.
        x: usize,
        /// Samples of y.
        y: usize,
    },
    /// Below two samples a direction: unrelated layers correlate strongly, and perfectly with no more samples than
    /// directions.
    #[error(
        "{samples} {} too few for {dims} {}: below two samples a direction even unrelated layers \
         correlate strongly; record at least {} samples, better {}, or keep fewer directions",
        if *samples == 1 { "sample is" } else { "samples are" },
        if *dims == 1 { "direction" } else { "directions" }, (2 * dims).max(dims + 2), 10 * dims.max(&1)
    )]
    TooFewSamples {
        /// Samples of the view.
        samples: usize,
        /// Directions, the larger of the two views' counts.
        dims: usize,
    },
    /// An activation is NaN or infinite.
    #[error("activation at sample {row}, neuron {column} is {value}; every one must be finite")]
    NotFinite {
        /// Row of the first bad value, in row-major order.
        row: usize,
        /// Its column.
        column: usize,
        /// The value itself.
        value: f64,
    },
    /// The activations have no samples or no neurons.
    #[error("activations of shape [{samples}, {neurons}] hold nothing to compare")]
    Empty {
        /// Rows.
        samples: usize,
        /// Columns.
        neurons: usize,
    },
    /// A tensor that holds no maps.
    #[error(
        "a tensor of shape {shape:?} holds no maps [sample, channel, height, width]. A sequence's height is 1, and whether \
         three axes are [sample, channel, place] or [sample, token, neuron] isn't guessed: reshape the one to \
         [sample, channel, 1, place], and swap the last axes of the other before (an activation whose axes are named \
         gives its `.maps()`)"
    )]
    NotMaps {
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// Activations so large that their singular values can't be written as f64.
    #[error("activations as large as {peak:e} overflow f64; scale them down first")]
    TooLarge {
        /// The largest absolute activation.
        peak: f64,
    },
    /// Activations so small that the weights which bring their directions to variance 1 can't be written
    /// as f64.
    #[error(
        "activations with a singular value of {singular_value:e} need weights beyond f64; scale them up first"
    )]
    TooSmall {
        /// The smallest that was kept.
        singular_value: f64,
    },
    /// Rows that can't be as many of each input.
    #[error("{samples} samples can't be of {inputs} inputs, as many of each")]
    NotOfInputs {
        /// Rows of the view.
        samples: usize,
        /// Inputs that they were said to be of.
        inputs: usize,
    },
    /// Rows of another number of inputs on either side, such as places of fewer maps.
    #[error("{}", self.named("x", "y"))]
    InputMismatch {
        /// Rows of each view.
        samples: usize,
        /// Inputs that the rows of x are of.
        x: usize,
        /// Inputs that the rows of y are of.
        y: usize,
    },
    /// A cut that keeps nothing, or more than there is.
    #[error(
        "a cut that keeps {cut} is out of range: a share lies above 0 and at most at 1, a count of directions is at least 1"
    )]
    BadCut {
        /// The cut as it was asked for.
        cut: Cut,
    },
    /// The two bases were cut by different rules, so no one cut describes the result.
    #[error("x keeps {x} but y keeps {y}; cut both alike")]
    CutMismatch {
        /// Cut of x.
        x: Cut,
        /// Cut of y.
        y: Cut,
    },
    /// A measure of this name doesn't exist.
    #[error(
        "no measure is called \"{name}\"; there are svcca, svcca(0.95), svcca_singular_values, \
         svcca_directions(20), cca, pwcca, pwcca_x, pwcca_y, cka, cka_biased, procrustes, r2 and pls"
    )]
    UnknownMeasure {
        /// The name as it was given.
        name: String,
    },
    /// The two sides were prepared for different measures.
    #[error("x was prepared for {x} but y for {y}; prepare both alike")]
    MeasureMismatch {
        /// Measure of x.
        x: Measure,
        /// Measure of y.
        y: Measure,
    },
    /// A view in which no neuron varies, where the measure has no value without variance.
    #[error("{}", self.named("x", "y"))]
    NoVariance {
        /// Which view.
        side: Side,
        /// The measure.
        measure: Measure,
    },
    /// So few samples that the debiased estimate doesn't exist, or so much noise that it has no sign.
    #[error(
        "debiased CKA needs 4 samples or more and views that vary beyond noise; here are {samples} \
         samples: record more, or ask for the biased estimate"
    )]
    NoDebiasedEstimate {
        /// Samples of each view.
        samples: usize,
    },
    /// A value that rounding may have made: it is a difference of sums much larger than itself, or of activations that are
    /// rounded by as much as they vary.
    #[error(
        "{measure} is hidden by rounding, and may be off by {doubt:.1e}: single values dominate its sums, or a mean is far \
         larger than what varies about it; look for outliers, take the mean off before the activations are rounded, or \
         compare in f64"
    )]
    HiddenByRounding {
        /// The measure.
        measure: Measure,
        /// By how much the value may be off.
        doubt: f64,
    },
    /// Batches or moments that don't describe the same views.
    #[error("the moments are of views with {expected:?} neurons, but these have {found:?}")]
    ViewsMismatch {
        /// Neurons of each view so far.
        expected: Vec<usize>,
        /// Neurons of each view in what came.
        found: Vec<usize>,
    },
    /// Block moments too few, or too alike, to estimate an error from.
    #[error("a jackknife needs at least 2 blocks; here are {blocks}")]
    TooFewBlocks {
        /// Blocks that there are.
        blocks: usize,
    },
    /// A count of directions or neurons below 1 or beyond what there is.
    #[error("{asked} {what} can't be kept of {most}: at least 1, and at most all of them")]
    BadCount {
        /// Directions or neurons.
        what: &'static str,
        /// The count as it was asked for.
        asked: usize,
        /// How many there are.
        most: usize,
    },
    /// Weights of directions of another view.
    #[error(
        "the weights are of {weights} neurons but the view has {neurons}; both must be of one layer"
    )]
    NeuronMismatch {
        /// Rows of the weights.
        weights: usize,
        /// Neurons of the view.
        neurons: usize,
    },
    /// A weight is NaN or infinite.
    #[error(
        "the weight of neuron {neuron} in direction {direction} is {value}; every one must be finite"
    )]
    BadWeight {
        /// Row of the first bad value, column by column.
        neuron: usize,
        /// Its column.
        direction: usize,
        /// The value itself.
        value: f64,
    },
    /// A neuron that the layer doesn't have.
    #[error("there is no neuron {neuron}: the layer has {neurons}, counted from 0")]
    UnknownNeuron {
        /// The neuron asked for.
        neuron: usize,
        /// How many there are.
        neurons: usize,
    },
    /// A neuron that was named twice.
    #[error("neuron {neuron} is named twice; name each once")]
    RepeatedNeuron {
        /// The neuron.
        neuron: usize,
    },
    /// Activations of another layer than the one that a projection is of.
    #[error(
        "a projection of {neurons} neurons doesn't fit a tensor of shape {shape:?}: neurons are the last axis of \
         [sample, neuron], either of [sample, token, neuron] and [sample, channel, place], and the channels of \
         [sample, channel, height, width], unless `Projection::along` names their axis"
    )]
    NotTheseNeurons {
        /// Neurons of the projection.
        neurons: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// Three axes, two of which are as long as a projection has neurons.
    #[error(
        "a tensor of shape {shape:?} has two axes of {neurons}, as many as the projection has neurons: say with \
         `.along(1)` that it is [sample, channel, place], or with `.along(2)` that it is [sample, token, neuron]"
    )]
    WhichNeurons {
        /// Neurons of the projection.
        neurons: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// A decomposition didn't converge, or gave values that aren't finite.
    #[error("the {what} of a {rows} x {columns} matrix failed")]
    DecompositionFailed {
        /// Which decomposition.
        what: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// The device failed while it computed or was read.
    #[error("the device failed: {0}")]
    Device(#[from] ExecutionError),
}

impl Error {
    /// Whether the measure has no value for these views, while others may have.
    pub(crate) fn is_undefined(&self) -> bool {
        matches!(
            self,
            Error::TooFewSamples { .. }
                | Error::NoVariance { .. }
                | Error::NoDebiasedEstimate { .. }
                | Error::HiddenByRounding { .. }
        )
    }
}

impl Error {
    /// The error with the layers' names in the places of x and y.
    pub fn named(&self, x: &str, y: &str) -> String {
        match self {
            Error::SampleMismatch { x: of_x, y: of_y } => format!(
                "{x} has {of_x} samples but {y} has {of_y}; both must come from the same inputs in the same order"
            ),
            Error::InputMismatch {
                samples,
                x: of_x,
                y: of_y,
            } => format!(
                "the {samples} rows of {x} are of {of_x} inputs but those of {y} are of {of_y}; both must be of the same \
                 inputs in the same order"
            ),
            Error::NoVariance { side, measure } => {
                let layer = if *side == Side::X { x } else { y };
                format!("no neuron of {layer} varies beyond rounding, so {measure} has no value")
            }
            other => other.to_string(),
        }
    }
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
