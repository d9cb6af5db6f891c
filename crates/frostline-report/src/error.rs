/// Why a picture could not be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to draw; the page says so in words instead.
    #[error("{0}")]
    Nothing(String),
    /// A pane's values do not fit its names.
    #[error(
        "the pane of step {step} names {rows} rows and {columns} columns, but row {row} of its {given} rows has {values} values"
    )]
    PaneShape {
        /// The pane.
        step: usize,
        /// Names of rows.
        rows: usize,
        /// Names of columns.
        columns: usize,
        /// The first row that does not fit, from 0; `given` where rows are missing.
        row: usize,
        /// Rows of values.
        given: usize,
        /// Values in that row.
        values: usize,
    },
    /// A number is not finite, or not in `[0, 1]` where it must be.
    #[error("{what} is {value}; it must be a number between 0 and 1")]
    OutOfRange {
        /// Which number.
        what: String,
        /// What it is.
        value: f64,
    },
}

/// A similarity or a fraction, as given by the caller.
pub(crate) fn unit(value: f64, what: impl FnOnce() -> String) -> Result<f64, Error> {
    // Sums of single precision products leave [0, 1] by about this much.
    const ROUNDING: f64 = 1e-5;
    if value.is_finite() && (-ROUNDING..=1.0 + ROUNDING).contains(&value) {
        Ok(value.clamp(0.0, 1.0))
    } else {
        Err(Error::OutOfRange {
            what: what(),
            value,
        })
    }
}
