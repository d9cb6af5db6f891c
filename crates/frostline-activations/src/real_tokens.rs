use burn::tensor::{Bool, Tensor};

use crate::{Error, Pooled};

/// Which tokens of a batch are real and which are padding, on the host.
#[derive(Clone, Debug)]
pub(crate) struct RealTokens {
    /// `[sample, token]`, row by row: true for a real token.
    real: Vec<bool>,
    samples: usize,
    tokens: usize,
}

impl RealTokens {
    /// Of a mask `[sample, token]` whose value is `real` where a token is real.
    ///
    /// # Errors
    /// [`Error::NoRealTokens`], [`Error::Device`].
    pub(crate) fn of(mask: &Tensor<2, Bool>, real: bool, batch: usize) -> Result<Self, Error> {
        let [samples, tokens] = mask.dims();
        let data = mask.try_to_data().map_err(|source| Error::Device {
            name: format!("mask of batch {batch}"),
            problem: source.to_string(),
        })?;
        let mask = RealTokens {
            real: data.iter::<bool>().map(|value| value == real).collect(),
            samples,
            tokens,
        };
        match (0..samples).find(|sample| mask.row(*sample).next().is_none()) {
            Some(row) => Err(Error::NoRealTokens { batch, row }),
            None => Ok(mask),
        }
    }

    pub(crate) fn samples(&self) -> usize {
        self.samples
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    pub(crate) fn any_padding(&self) -> bool {
        self.real.contains(&false)
    }

    /// `[sample, token]`: true for padding.
    pub(crate) fn padding(&self) -> Vec<bool> {
        self.real.iter().map(|real| !real).collect()
    }

    /// The numbers of the real tokens when those of all samples are counted through.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        let all = self.real.iter().enumerate();
        all.filter(|(_, real)| **real).map(|(place, _)| place)
    }

    /// `[sample, token]`: the weights whose sum is the mean over the real tokens of cell `at` of `cells`.
    pub(crate) fn means_over(&self, at: usize, cells: usize) -> Vec<f64> {
        let mut weights = vec![0.0; self.real.len()];
        for sample in 0..self.samples {
            let tokens: Vec<usize> = self.row(sample).collect();
            let cell = Pooled::cell(at, cells, tokens.len());
            for token in &tokens[cell.clone()] {
                weights[sample * self.tokens + token] = 1.0 / cell.len() as f64;
            }
        }
        weights
    }

    /// The real tokens of a sample.
    fn row(&self, sample: usize) -> impl Iterator<Item = usize> {
        let row = &self.real[sample * self.tokens..][..self.tokens];
        let all = row.iter().enumerate();
        all.filter(|(_, real)| **real).map(|(token, _)| token)
    }
}
