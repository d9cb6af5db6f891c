use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::{
    Cut, Error,
    products::{self, Rounding},
    profile::Profile,
};

/// Orthonormal basis of what a [`Cut`] keeps of a [`crate::View`].
///
/// It is `[sample, kept]` and stays on the device, so it can be held in place of the activations.
#[derive(Clone, Debug)]
pub struct Basis {
    /// None where nothing is kept: not every device has tensors without columns.
    pub(crate) directions: Option<Tensor<2>>,
    /// The directions that the cut left out though they are as strong as the last that it kept; none where there are none, or they
    /// aren't known.
    pub(crate) equal_rest: Option<Tensor<2>>,
    pub(crate) profile: Profile,
}

impl Basis {
    /// How many directions the cut kept.
    pub fn kept(&self) -> usize {
        self.profile.kept()
    }

    /// Samples of the view.
    pub fn samples(&self) -> usize {
        self.profile.samples
    }

    /// Neurons of the view, constant ones included.
    pub fn neurons(&self) -> usize {
        self.profile.neurons
    }

    /// Effective rank of the view before the cut, as far as finding the kept directions showed it.
    pub fn rank(&self) -> usize {
        self.profile.rank.directions()
    }

    /// The cut that made it.
    pub fn cut(&self) -> Cut {
        self.profile.cut
    }

    /// The leading directions, this many at most.
    pub(crate) fn leading(mut self, count: usize) -> Basis {
        if count < self.kept() {
            let narrowed = self.directions.filter(|_| count > 0);
            self.directions = narrowed.map(|directions| directions.narrow(1, 0, count));
            let values = &self.profile.singular_values;
            self.profile.singular_values = values.rows(0, count).into_owned();
            self.profile.noise.truncate(count);
            // Of the directions that were kept before.
            (self.profile.equal, self.profile.leverage) = (None, None);
            self.equal_rest = None;
        }
        self
    }

    /// `Pᵀ Q: [kept of self, kept of other]`, empty where one of them keeps nothing.
    pub(crate) fn cross(&self, other: &Basis) -> Result<DMatrix<f64>, Error> {
        let (p, q) = (self.directions.as_ref(), other.directions.as_ref());
        products::cross(p, q, Rounding::OfOrthonormal)
    }

    /// `Pᵀ Q` of what both would keep with all directions that are as strong as their last ones; none where the cuts fall among
    /// none, or these aren't known.
    pub(crate) fn cross_with_equal(&self, other: &Basis) -> Result<Option<DMatrix<f64>>, Error> {
        let among = |basis: &Basis| basis.profile.equal.is_some();
        let known = |basis: &Basis| !among(basis) || basis.equal_rest.is_some();
        if !(among(self) || among(other)) || !(known(self) && known(other)) {
            return Ok(None);
        }
        let whole = |basis: &Basis| {
            let parts: Vec<Tensor<2>> = [&basis.directions, &basis.equal_rest]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            (!parts.is_empty()).then(|| Tensor::cat(parts, 1))
        };
        let (p, q) = (whole(self), whole(other));
        products::cross(p.as_ref(), q.as_ref(), Rounding::OfOrthonormal).map(Some)
    }

    /// `[sample, direction]`, variance 1: the samples along the directions that `rotation: [kept,
    /// direction]` turns the basis into; none where there are none.
    pub(crate) fn projections(&self, rotation: &DMatrix<f64>) -> Option<Tensor<2>> {
        let directions = self.directions.as_ref().filter(|_| !rotation.is_empty())?;
        let unit = (self.samples() as f64 - 1.0).sqrt();
        let rotation =
            products::upload(&(rotation * unit), directions.dtype(), &directions.device());
        Some(directions.clone().matmul(rotation))
    }
}
