use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};
use nalgebra::DMatrix;

use crate::{Error, products::on_host, split_mix::SplitMix};

/// How alike the samples of one input are, where several rows of a view are of one input, such as places of a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedInputs {
    /// `[row of an input, row of an input]`: the mean product of two rows of an input, of trace 1; none where every row is an
    /// input of its own, or where nothing is known of that. Of many rows, some stand for all.
    alike: Option<Arc<DMatrix<f64>>>,
    /// How many rows an input has; 0 where there is nothing known.
    rows: usize,
}

/// Rows of an input up to which each is held against each: 32 x 32 places.
const MOST_ROWS: usize = 1024;

impl SharedInputs {
    /// Of centred `columns: [sample, column]`, where `rows` samples in a row are of one input.
    pub(crate) fn of(columns: Option<&Tensor<2>>, rows: usize) -> Result<SharedInputs, Error> {
        let Some(columns) = columns.filter(|_| rows > 1) else {
            return Ok(SharedInputs::default());
        };
        let [samples, width] = columns.dims();
        let inputs = samples / rows;
        let by_row = columns.clone().reshape([inputs, rows, width]);
        let by_row = by_row.swap_dims(0, 1);
        let (some, by_row) = if rows > MOST_ROWS {
            let drawn = drawn(rows);
            let indices = TensorData::new(drawn, [MOST_ROWS]);
            let indices = Tensor::<1, Int>::from_data(indices, &columns.device());
            (MOST_ROWS, by_row.select(0, indices))
        } else {
            (rows, by_row)
        };
        let by_row = by_row.reshape([some, inputs * width]);
        let products = on_host(&by_row.clone().matmul(by_row.transpose()))?;
        let trace = products.trace();
        let alike = (trace > 0.0).then(|| Arc::new(products / trace));
        Ok(SharedInputs { alike, rows })
    }

    /// Rows of each input, where they are more than one.
    pub(crate) fn rows(&self) -> usize {
        self.rows.max(1)
    }

    /// As how many independent samples these are good in a comparison, where two views have nothing in common: see
    /// [`View::of_inputs`](crate::View::of_inputs).
    pub(crate) fn independent_with(&self, other: &SharedInputs, samples: usize) -> usize {
        let (Some(x), Some(y)) = (&self.alike, &other.alike) else {
            return samples;
        };
        if self.rows != other.rows {
            return samples;
        }
        let some = x.nrows() as f64;
        let own = x.diagonal().dot(&y.diagonal());
        // Of two rows that differ there are more pairs among all rows than among some.
        let pairs = (self.rows - 1) as f64 / (some - 1.0);
        let effect = some * (own + pairs * (x.dot(y) - own));
        (samples as f64 / effect.max(1.0)).round() as usize
    }
}

/// Rows that stand for all, ascending: always the same ones, and at no even distance, so that all distances are among them.
fn drawn(rows: usize) -> Vec<i64> {
    let mut random = SplitMix(rows as u64);
    let mut chosen: Vec<(u64, i64)> = (0..rows as i64).map(|row| (random.draw(), row)).collect();
    chosen.sort_unstable();
    chosen.truncate(MOST_ROWS);
    let mut chosen: Vec<i64> = chosen.into_iter().map(|(_, row)| row).collect();
    chosen.sort_unstable();
    chosen
}
