use burn::tensor::{DType, Tensor};
use nalgebra::{DMatrix, DVector};

use crate::{
    Error, View,
    centred_pair::CentredPair,
    precision::{Precision, rounding_unit},
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
    /// Sums of the kernel's rows without its diagonal, negative: `squared_norms`, but for what rounding left of the mean.
    row_sums: DVector<f64>,
    scale: f64,
    rounded: f64,
    precision: Precision,
    /// Singular values, where the measure needs them.
    spectrum: Option<DVector<f64>>,
}

impl Coordinates {
    /// With the singular values where `decomposed`.
    pub(crate) fn of(view: &View, decomposed: bool) -> Result<Coordinates, Error> {
        let (norm, trace) = view.product_norm_and_trace()?;
        let squared_norms = view.squared_norms()?;
        Ok(Coordinates {
            columns: view.coordinates()?,
            profile: Profile {
                floats: Some(view.floats()),
                rows_of_input: view.rows_of_input(),
                ..Profile::unspecific(
                    view.repeats().clone(),
                    view.shared_inputs(view.centred().map(|(centred, _)| centred))?,
                    view.samples(),
                    view.neurons(),
                    view.constant(),
                )
            },
            norm,
            trace,
            row_sums: &squared_norms - view.along_rest()?,
            squared_norms,
            scale: view.scale(),
            rounded: view.rounded_share()?,
            precision: view.precision(),
            spectrum: decomposed.then(|| view.spectrum()).transpose()?,
        })
    }

    pub(crate) fn cross(&self, other: &Coordinates) -> Result<DMatrix<f64>, Error> {
        let (x, y) = (self.columns.as_ref(), other.columns.as_ref());
        products::cross(x, y, self.rounding())
    }

    /// How much a product of these columns may round.
    pub(crate) fn rounding(&self) -> Rounding {
        match self.precision {
            Precision::F64 | Precision::Mixed => Rounding::InF64,
            Precision::F32 => Rounding::Least,
        }
    }

    pub(crate) fn against(&self, other: &Coordinates, cross: DMatrix<f64>) -> CentredPair {
        let (a, b) = (&self.squared_norms, &other.squared_norms);
        let (of_a, of_b) = (&self.row_sums, &other.row_sums);
        CentredPair {
            cross,
            norms: [self.norm, other.norm],
            traces: [self.trace, other.trace],
            squared_norms: [a.norm_squared(), a.dot(b), b.norm_squared()],
            row_sums: [of_a.norm_squared(), of_a.dot(of_b), of_b.norm_squared()],
            scales: [self.scale, other.scale],
            samples: self.profile.samples,
            independent: self.profile.independent_with(&other.profile),
            epsilon: self
                .precision
                .sum_epsilon()
                .max(other.precision.sum_epsilon()),
            held: [self, other]
                .map(|side| match side.precision {
                    Precision::F64 => 0.0,
                    Precision::Mixed | Precision::F32 => rounding_unit(DType::F32),
                })
                .into_iter()
                .fold(0.0, f64::max),
            rounded: [self.rounded, other.rounded],
            cancelled: [0.0; 3],
            spectra: self
                .spectrum
                .clone()
                .zip(other.spectrum.clone())
                .map(|(x, y)| [x, y]),
        }
    }
}
