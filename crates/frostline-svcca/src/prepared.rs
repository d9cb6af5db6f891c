use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::{
    Basis, Cut, Error, Measure, Similarity, View,
    coordinates::Coordinates,
    products::{self, Rounding},
    profile::Profile,
    whitened::{Whitened, same_samples},
};

/// What a measure needs of one view: prepared once, compared with many.
///
/// It stays on the device and holds `[sample, kept]`, or for the measures that don't whiten
/// `[sample, neuron]`, in place of the view.
#[derive(Clone, Debug)]
pub struct Prepared {
    measure: Measure,
    columns: Columns,
}

#[derive(Clone, Debug)]
enum Columns {
    Whitened {
        basis: Box<Basis>,
        /// `Qᵀ X: [kept, neuron]`, where the measure weights by it.
        loadings: Option<DMatrix<f64>>,
    },
    Centred(Box<Coordinates>),
}

impl Measure {
    /// What this measure needs of `view`.
    ///
    /// Errors: those of [`View::basis`].
    pub fn prepare(self, view: &View) -> Result<Prepared, Error> {
        self.check()?;
        let columns = match self.cut() {
            Some(cut) => {
                let basis = view.basis(cut)?;
                let loadings = self
                    .is_weighted()
                    .then(|| view.loadings(&basis))
                    .transpose()?;
                Columns::Whitened {
                    basis: Box::new(basis),
                    loadings,
                }
            }
            None => Columns::Centred(Box::new(Coordinates::of(view, self.decomposes())?)),
        };
        Ok(Prepared {
            measure: self,
            columns,
        })
    }

    /// Measures between two layers.
    ///
    /// Shapes: `x: [sample, neuron_x]`, `y: [sample, neuron_y]`, the same samples in the same order.
    /// Errors: those of [`View::new`] and of [`Prepared::similarity`].
    pub fn between(self, x: &Tensor<2>, y: &Tensor<2>) -> Result<Similarity, Error> {
        same_samples(x.dims()[0], y.dims()[0])?;
        let (x, y) = (View::new(x)?, View::new(y)?);
        self.prepare(&x)?.similarity(&self.prepare(&y)?)
    }

    /// Whether it weights by how much of each neuron lies along a direction.
    pub(crate) fn is_weighted(self) -> bool {
        matches!(self, Measure::Pwcca(_))
    }

    /// Whether it needs the singular values of each side.
    pub(crate) fn decomposes(self) -> bool {
        !matches!(self, Measure::Cka(_))
    }

    /// The cut before it whitens; none where it doesn't.
    pub(crate) fn cut(self) -> Option<Cut> {
        match self {
            Measure::Svcca(cut) => Some(cut),
            Measure::Pwcca(_) | Measure::R2 => Some(Cut::All),
            Measure::Cka(_) | Measure::Procrustes | Measure::Pls => None,
        }
    }
}

impl Prepared {
    /// For which measure.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// Whether any neuron of the view varies, beyond rounding.
    pub fn varies(&self) -> bool {
        self.columns().is_some()
    }

    /// Samples of the view.
    pub fn samples(&self) -> usize {
        self.profile().samples
    }

    /// Neurons of the view, constant ones included.
    pub fn neurons(&self) -> usize {
        self.profile().neurons
    }

    /// Measures against another view.
    ///
    /// Errors: `SampleMismatch`, `InputMismatch`, `MeasureMismatch`, and those of the measure: `TooFewSamples` where any
    /// data would correlate perfectly, `NoVariance`, `NoDebiasedEstimate`, `TooLarge`.
    pub fn similarity(&self, other: &Prepared) -> Result<Similarity, Error> {
        self.measured(other, self.cross(other)?)
    }

    /// `[sample, direction]`, variance 1: the samples along the directions that `rotation` turns the basis
    /// into, as a [`crate::Cell`] has them. None where the measure doesn't whiten, or nothing is kept.
    pub fn projections(&self, rotation: &DMatrix<f64>) -> Option<Tensor<2>> {
        let Columns::Whitened { basis, .. } = &self.columns else {
            return None;
        };
        basis.projections(rotation)
    }

    /// The basis, where the measure whitens.
    pub(crate) fn basis(&self) -> Option<&Basis> {
        match &self.columns {
            Columns::Whitened { basis, .. } => Some(basis),
            Columns::Centred(_) => None,
        }
    }

    /// The product of the columns of both.
    ///
    /// Errors: `SampleMismatch`, `MeasureMismatch`.
    pub(crate) fn cross(&self, other: &Prepared) -> Result<DMatrix<f64>, Error> {
        self.check(other)?;
        products::cross(self.columns(), other.columns(), self.rounding())
    }

    /// The value from `cross`, the product of the columns of both.
    pub(crate) fn measured(
        &self,
        other: &Prepared,
        cross: DMatrix<f64>,
    ) -> Result<Similarity, Error> {
        self.check(other)?;
        match (&self.columns, &other.columns) {
            (Columns::Centred(x), Columns::Centred(y)) => {
                let profiles = [self.profile().clone(), other.profile().clone()];
                Similarity::of_centred(self.measure, &x.against(y, cross), profiles)
            }
            (Columns::Whitened { basis: x, .. }, Columns::Whitened { basis: y, .. }) => {
                let loadings = self.loadings().zip(other.loadings()).map(|(x, y)| [x, y]);
                let whitened = Whitened::of(x, y, cross)?;
                Similarity::of_whitened(self.measure, &whitened, loadings)
            }
            _ => unreachable!("both are prepared for one measure, which whitens or doesn't"),
        }
    }

    /// `[sample, column]`; none where nothing varies or is kept.
    pub(crate) fn columns(&self) -> Option<&Tensor<2>> {
        match &self.columns {
            Columns::Whitened { basis, .. } => basis.directions.as_ref(),
            Columns::Centred(coordinates) => coordinates.columns.as_ref(),
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.columns().map_or(0, |columns| columns.dims()[1])
    }

    /// How much a product of these columns may round in f32.
    pub(crate) fn rounding(&self) -> Rounding {
        match &self.columns {
            Columns::Whitened { .. } => Rounding::OfOrthonormal,
            Columns::Centred(coordinates) => coordinates.rounding(),
        }
    }

    /// Whether both can be compared at all.
    pub(crate) fn check(&self, other: &Prepared) -> Result<(), Error> {
        if self.measure != other.measure {
            return Err(Error::MeasureMismatch {
                x: self.measure,
                y: other.measure,
            });
        }
        self.profile().check_samples(other.profile())
    }

    fn profile(&self) -> &Profile {
        match &self.columns {
            Columns::Whitened { basis, .. } => &basis.profile,
            Columns::Centred(coordinates) => &coordinates.profile,
        }
    }

    fn loadings(&self) -> Option<&DMatrix<f64>> {
        match &self.columns {
            Columns::Whitened { loadings, .. } => loadings.as_ref(),
            Columns::Centred(_) => None,
        }
    }
}
