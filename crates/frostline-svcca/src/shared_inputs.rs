use std::sync::Arc;

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::{Error, products::on_host};

/// How alike the samples of one input are, where several rows of a view are of one input, such as places of a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedInputs {
    /// `[row of an input, row of an input]`: the mean product of two rows of an input, of trace 1; none where every row is an
    /// input of its own, or where nothing is known of that.
    alike: Option<Arc<DMatrix<f64>>>,
}

/// Rows of an input up to which each is held against each: 32 x 32 places.
const MOST_ROWS: usize = 1024;

impl SharedInputs {
    /// Of centred `columns: [sample, column]`, where `rows` samples in a row are of one input.
    pub(crate) fn of(columns: Option<&Tensor<2>>, rows: usize) -> Result<SharedInputs, Error> {
        let Some(columns) = columns.filter(|_| (2..=MOST_ROWS).contains(&rows)) else {
            return Ok(SharedInputs::default());
        };
        let [samples, width] = columns.dims();
        let inputs = samples / rows;
        let by_row = columns.clone().reshape([inputs, rows, width]);
        let by_row = by_row.swap_dims(0, 1).reshape([rows, inputs * width]);
        let products = on_host(&by_row.clone().matmul(by_row.transpose()))?;
        let trace = products.trace();
        let alike = (trace > 0.0).then(|| Arc::new(products / trace));
        Ok(SharedInputs { alike })
    }

    /// Rows of each input, where they are more than one.
    pub(crate) fn rows(&self) -> usize {
        self.alike.as_ref().map_or(1, |alike| alike.nrows())
    }

    /// As how many independent samples these are good in a comparison, where two views have nothing in common: see
    /// [`View::of_inputs`](crate::View::of_inputs).
    pub(crate) fn independent_with(&self, other: &SharedInputs, samples: usize) -> usize {
        let (Some(x), Some(y)) = (&self.alike, &other.alike) else {
            return samples;
        };
        if x.shape() != y.shape() {
            return samples;
        }
        let effect = x.nrows() as f64 * x.dot(y);
        (samples as f64 / effect.max(1.0)).round() as usize
    }
}
