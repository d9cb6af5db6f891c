use burn::tensor::ExecutionError;

use crate::Cut;

/// Why two layers can't be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The two views have a different number of samples.
    #[error(
        "x has {x} samples but y has {y}; both must come from the same inputs in the same order"
    )]
    SampleMismatch {
        /// Samples of x.
        x: usize,
        /// Samples of y.
        y: usize,
    },
    /// So few samples that any data would give the same answer.
    #[error(
        "{samples} samples are too few for {dims} dimensions: with that few, unrelated layers \
         correlate perfectly; record more samples or keep fewer directions"
    )]
    TooFewSamples {
        /// Samples of the view.
        samples: usize,
        /// Dimensions, the larger of the two views'.
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
    /// Activations so large that their singular values can't be written as f64.
    #[error("activations as large as {peak:e} overflow f64; scale them down first")]
    TooLarge {
        /// The largest absolute activation.
        peak: f64,
    },
    /// A cut that keeps nothing, or more than there is.
    #[error(
        "cut {cut:?} is out of range: a share lies above 0 and at most at 1, a count of directions is at least 1"
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
    #[error("the device failed")]
    Device(#[from] ExecutionError),
}
