use burn::tensor::Tensor;

use crate::{Error, products::read};

/// How alike the samples of one input are, where several rows of a view are of one input, such as places of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedInputs {
    /// Rows of each input.
    pub(crate) rows: usize,
    /// `Σ_g ‖Σ_{i in g} x_i‖² / Σ_i ‖x_i‖²` over the inputs g and their rows i: 1 where the rows of an input have nothing in
    /// common, `rows` where they are equal.
    pub(crate) alike: f64,
}

impl SharedInputs {
    /// Every row is an input of its own.
    pub(crate) const NONE: SharedInputs = SharedInputs {
        rows: 1,
        alike: 1.0,
    };

    /// Of centred `columns: [sample, column]`, where `rows` samples in a row are of one input.
    pub(crate) fn of(columns: Option<&Tensor<2>>, rows: usize) -> Result<SharedInputs, Error> {
        let Some(columns) = columns.filter(|_| rows > 1) else {
            return Ok(SharedInputs::NONE);
        };
        let [samples, width] = columns.dims();
        let sums = columns
            .clone()
            .reshape([samples / rows, rows, width])
            .sum_dim(1);
        let square = |columns: Tensor<1>| read((columns.clone() * columns).sum());
        let between = square(sums.reshape([-1]))?[0];
        let whole = square(columns.clone().reshape([-1]))?[0];
        let alike = if whole > 0.0 { between / whole } else { 1.0 };
        Ok(SharedInputs { rows, alike })
    }

    /// As how many independent samples these are good in a comparison, where two views have nothing in common.
    ///
    /// # Formula
    /// `n / (1 + (a_x - 1)(a_y - 1) / (m - 1))` with m rows an input: products of two rows vary by `1 + (m - 1) r_x r_y` times
    /// as much in the mean of an input's as in independent ones, r the correlation of two rows of an input and
    /// `a = 1 + (m - 1) r`.
    ///
    /// Source: Kish 1965, Survey Sampling, for the design effect of clusters.
    pub(crate) fn independent_with(self, other: SharedInputs, samples: usize) -> usize {
        if self.rows < 2 || other.rows != self.rows {
            return samples;
        }
        let more = (self.alike - 1.0).max(0.0) * (other.alike - 1.0).max(0.0);
        let effect = 1.0 + more / (self.rows as f64 - 1.0);
        (samples as f64 / effect).round() as usize
    }
}
