use crate::axis::drawable;

/// Why a picture could not be drawn.
#[derive(Clone, PartialEq, thiserror::Error)]
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
    /// A number that is to be drawn is not finite, or too large for an axis.
    #[error("{what} is {value}; it must be finite, and less than 1e100 in size")]
    NotDrawable {
        /// Which number.
        what: String,
        /// What it is.
        value: f64,
    },
    /// A number on a logarithmic axis is not above 0.
    #[error("{what} is {value}; on a logarithmic axis it must be more than 0")]
    NotPositive {
        /// Which number.
        what: String,
        /// What it is.
        value: f64,
    },
    /// Two lists that belong together do not have the same length.
    #[error("there are {given} {what} for {wanted} {of}; each needs one")]
    Length {
        /// What the list is of, and whose.
        what: String,
        /// Its length.
        given: usize,
        /// What it belongs to.
        of: &'static str,
        /// How many of those there are.
        wanted: usize,
    },
    /// An interval or a range ends before it begins.
    #[error("{what} goes from {low} to {high}; the second must be the larger one")]
    Backwards {
        /// Which interval.
        what: String,
        /// Where it begins.
        low: f64,
        /// Where it ends.
        high: f64,
    },
    /// A sample is of a class that has no name.
    #[error("sample {sample} is of class {label}, but only {classes} classes are named, from 0 on")]
    NoSuchClass {
        /// The first such sample, from 0.
        sample: usize,
        /// Its class.
        label: usize,
        /// The named classes.
        classes: usize,
    },
}

/// A number that an axis can hold, as given by the caller.
pub(crate) fn number(value: f64, what: impl FnOnce() -> String) -> Result<f64, Error> {
    match drawable(value) {
        true => Ok(value),
        false => Err(Error::NotDrawable {
            what: what(),
            value,
        }),
    }
}

/// An interval `[low, high]` as given by the caller.
pub(crate) fn interval(ends: [f64; 2], what: impl Fn() -> String) -> Result<[f64; 2], Error> {
    for end in ends {
        number(end, || format!("an end of {}", what()))?;
    }
    match ends[0] <= ends[1] {
        true => Ok(ends),
        false => Err(Error::Backwards {
            what: what(),
            low: ends[0],
            high: ends[1],
        }),
    }
}

/// As many as they must be.
pub(crate) fn length(
    given: usize,
    what: impl FnOnce() -> String,
    wanted: usize,
    of: &'static str,
) -> Result<(), Error> {
    match given == wanted {
        true => Ok(()),
        false => Err(Error::Length {
            what: what(),
            given,
            of,
            wanted,
        }),
    }
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

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
