use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};

use crate::{
    Error, View,
    centred_pair::CentredPair,
    products::{self, Rounding},
    profile::Profile,
};

/// One side of a measure that doesn't whiten: the centred activations, or a rotation of them.
#[derive(Clone, Debug)]
pub(crate) struct Coordinates {
    /// `[sample, coordinate]`, divided by `scale`; none where no neuron varies.
    pub(crate) columns: Option<Tensor<2>>,
    pub(crate) profile: Profile,
    norm: f64,
    trace: f64,
    squared_norms: DVector<f64>,
    scale: f64,
}

impl Coordinates {
    pub(crate) fn of(view: &View) -> Result<Coordinates, Error> {
        let (norm, trace) = view.product_norm_and_trace()?;
        Ok(Coordinates {
            columns: view.coordinates()?,
            profile: Profile::unspecific(view.samples(), view.neurons(), view.constant()),
            norm,
            trace,
            squared_norms: view.squared_norms()?,
            scale: view.scale(),
        })
    }

    pub(crate) fn cross(&self, other: &Coordinates) -> Result<DMatrix<f64>, Error> {
        let (x, y) = (self.columns.as_ref(), other.columns.as_ref());
        products::cross(x, y, Rounding::Least)
    }

    pub(crate) fn against(&self, other: &Coordinates, cross: DMatrix<f64>) -> CentredPair {
        let (a, b) = (&self.squared_norms, &other.squared_norms);
        CentredPair {
            cross,
            norms: [self.norm, other.norm],
            traces: [self.trace, other.trace],
            squared_norms: [a.norm_squared(), a.dot(b), b.norm_squared()],
            scales: [self.scale, other.scale],
            samples: self.profile.samples,
        }
    }
}
