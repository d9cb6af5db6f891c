use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::{Cut, Error, centre::Precision, centre::read, decompose, scatter};

/// Orthonormal basis of what a [`Cut`] keeps of a [`crate::View`].
///
/// It is `[sample, kept]` and stays on the device, so it can be held in place of the activations.
#[derive(Clone, Debug)]
pub struct Basis {
    /// None where nothing is kept: not every device has tensors without columns.
    pub(crate) directions: Option<Tensor<2>>,
    pub(crate) precision: Precision,
    pub(crate) cut: Cut,
    pub(crate) samples: usize,
    pub(crate) neurons: usize,
    pub(crate) constant: usize,
    pub(crate) rank: usize,
}

impl Basis {
    /// How many directions the cut kept.
    pub fn kept(&self) -> usize {
        self.directions
            .as_ref()
            .map_or(0, |directions| directions.dims()[1])
    }

    /// Samples of the view.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Neurons of the view, constant ones included.
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Effective rank of the view before the cut.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The cut that made it.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// `Pᵀ Q: [kept of self, kept of other]`; none where one of them keeps nothing.
    pub(crate) fn cross(&self, other: &Basis) -> Result<Option<DMatrix<f64>>, Error> {
        let (Some(p), Some(q)) = (&self.directions, &other.directions) else {
            return Ok(None);
        };
        if scatter::lives_on(q, &p.device(), p.dtype()) {
            return scatter::cross(p, q, self.precision).map(Some);
        }
        Ok(Some(decompose::cross(&on_host(p)?, &on_host(q)?)))
    }
}

fn on_host(tensor: &Tensor<2>) -> Result<DMatrix<f64>, Error> {
    let [rows, columns] = tensor.dims();
    Ok(DMatrix::from_row_slice(
        rows,
        columns,
        &read(tensor.clone())?,
    ))
}
