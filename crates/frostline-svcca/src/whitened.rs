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
    /// below two samples a kept direction.
    pub(crate) fn check(x: &Profile, y: &Profile) -> Result<(), Error> {
        same_cut(x, y)?;
        enough_samples(x.samples, x.kept().max(y.kept()))
    }

    /// Errors where two sides have no directions to align: as [`Whitened::check`], but `TooFewSamples` where every direction
    /// would correlate perfectly.
    pub(crate) fn check_directions(x: &Profile, y: &Profile) -> Result<(), Error> {
        same_cut(x, y)?;
        let (samples, dims) = (x.samples, x.kept().max(y.kept()));
        if samples <= dims + 1 {
            return Err(Error::TooFewSamples { samples, dims });
        }
        Ok(())
    }

    /// As how many independent samples they are good.
    pub(crate) fn independent(&self) -> usize {
        let [x, y] = &self.profiles;
        x.independent_with(y)
    }
}

fn same_cut(x: &Profile, y: &Profile) -> Result<(), Error> {
    same_samples(x.samples, y.samples)?;
    if x.cut != y.cut {
        return Err(Error::CutMismatch { x: x.cut, y: y.cut });
    }
    Ok(())
}

/// Below two samples a direction the spaces that unrelated layers span share directions for want of room, and nothing
/// is said of them.
pub(crate) fn enough_samples(samples: usize, dims: usize) -> Result<(), Error> {
    if samples < 2 * dims || samples <= dims + 1 {
        Err(Error::TooFewSamples { samples, dims })
    } else {
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
