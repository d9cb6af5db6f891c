use nalgebra::DMatrix;

use crate::{Error, profile::Profile};

/// Orthonormal bases of two views against each other.
#[derive(Clone, Debug)]
pub(crate) struct Whitened {
    pub(crate) profiles: [Profile; 2],
    /// `Qxᵀ Qy: [kept of x, kept of y]`.
    pub(crate) cross: DMatrix<f64>,
}

impl Whitened {
    /// Errors where two sides can't be correlated: `SampleMismatch`, `CutMismatch`, and `TooFewSamples`
    /// where any data would correlate perfectly.
    pub(crate) fn check(x: &Profile, y: &Profile) -> Result<(), Error> {
        same_samples(x.samples, y.samples)?;
        if x.cut != y.cut {
            return Err(Error::CutMismatch { x: x.cut, y: y.cut });
        }
        let samples = x.samples;
        let neurons = x.neurons.max(y.neurons);
        if x.cut == crate::Cut::All && samples <= neurons {
            return Err(Error::TooFewSamples {
                samples,
                dims: neurons,
            });
        }
        let dims = x.kept().max(y.kept());
        if samples <= dims + 1 {
            return Err(Error::TooFewSamples { samples, dims });
        }
        Ok(())
    }
}

pub(crate) fn same_samples(x: usize, y: usize) -> Result<(), Error> {
    if x == y {
        Ok(())
    } else {
        Err(Error::SampleMismatch { x, y })
    }
}
