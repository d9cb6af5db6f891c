use nalgebra::DMatrix;

use crate::{Basis, Error, chance::tail_factor, profile::Profile};

/// Orthonormal bases of two views against each other.
#[derive(Clone, Debug)]
pub(crate) struct Whitened {
    pub(crate) profiles: [Profile; 2],
    /// `Qxᵀ Qy: [kept of x, kept of y]`.
    pub(crate) cross: DMatrix<f64>,
    /// The same with all directions that are as strong as the last kept ones; none where no cut falls among equal directions, or
    /// these aren't known.
    pub(crate) cross_with_equal: Option<DMatrix<f64>>,
}

impl Whitened {
    /// Two bases whose product is `cross`.
    pub(crate) fn of(x: &Basis, y: &Basis, cross: DMatrix<f64>) -> Result<Whitened, Error> {
        Ok(Whitened {
            cross_with_equal: x.cross_with_equal(y)?,
            profiles: [x.profile.clone(), y.profile.clone()],
            cross,
        })
    }

    /// What both would keep without the directions among which their cuts fall.
    pub(crate) fn cross_without_equal(&self) -> DMatrix<f64> {
        let sure = |side: &Profile| side.equal.map_or(side.kept(), |equal| equal.first);
        let [x, y] = self.profiles.each_ref().map(sure);
        self.cross.view((0, 0), (x, y)).into_owned()
    }

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

    /// By what correlations of unrelated layers scatter more than those of Gaussian samples, for the largest samples of both; 1
    /// where these aren't known.
    pub(crate) fn tail_factor(&self) -> f64 {
        let [x, y] = &self.profiles;
        let (Some(of_x), Some(of_y)) = (x.leverage, y.leverage) else {
            return 1.0;
        };
        let independent = self.independent();
        let often = x.samples as f64 / independent.max(1) as f64;
        let kept = [x.kept() as f64, y.kept() as f64];
        let diagonal = [often * of_x / kept[0], often * of_y / kept[1]];
        tail_factor(independent, kept, diagonal)
    }
}

fn same_cut(x: &Profile, y: &Profile) -> Result<(), Error> {
    x.check_samples(y)?;
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
