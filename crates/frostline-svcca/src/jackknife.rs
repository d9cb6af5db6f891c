use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{Error, Moments};

/// An estimate with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Of all samples.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Blocks that the error was estimated from.
    pub blocks: usize,
}

/// Block jackknife: the standard error of anything that comes from moments.
///
/// # Formula
/// With θ_k the statistic of everything but block k and θ̄ their mean, `se² = (K-1)/K Σ (θ_k - θ̄)²`;
/// the interval is `θ ± t se`, t the 97.5 % point of Student's law with K - 1 degrees of freedom.
///
/// Blocks should be of equal size and independent, some ten of them. Rows are not drawn with
/// replacement: equal rows raise canonical correlations.
///
/// Source: Künsch 1989, Annals of Statistics 17(3); Tukey 1958 for the interval.
/// Errors: `TooFewBlocks` below 2, `ViewsMismatch`, and those of the statistic.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use frostline_svcca::{Cut, Moments, jackknife};
///
/// let noise = || Tensor::<2>::random([200, 5], Distribution::Normal(0.0, 1.0), &Device::flex());
/// let blocks = (0..10).map(|_| {
///     let mut block = Moments::new();
///     block.add(&[&noise(), &noise()])?;
///     Ok(block)
/// });
/// let blocks = blocks.collect::<Result<Vec<_>, frostline_svcca::Error>>()?;
/// let mean = jackknife(&blocks, |moments| Ok(moments.pair(0, 1)?.svcca(Cut::default())?.mean))?;
/// assert!(mean.standard_error > 0.0 && mean.low < mean.estimate);
/// # Ok::<(), frostline_svcca::Error>(())
/// ```
pub fn jackknife(
    blocks: &[Moments],
    statistic: impl Fn(&Moments) -> Result<f64, Error>,
) -> Result<Interval, Error> {
    if blocks.len() < 2 {
        return Err(Error::TooFewBlocks {
            blocks: blocks.len(),
        });
    }
    let mut all = Moments::new();
    for block in blocks {
        all.merge(block)?;
    }
    let without = blocks.iter().map(|block| statistic(&all.without(block)?));
    let without = without.collect::<Result<Vec<f64>, Error>>()?;
    let count = blocks.len() as f64;
    let mean = without.iter().sum::<f64>() / count;
    let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
    let standard_error = ((count - 1.0) / count * squares).sqrt();
    let law = StudentsT::new(0.0, 1.0, count - 1.0).expect("at least one degree of freedom");
    let reach = law.inverse_cdf(0.975) * standard_error;
    let estimate = statistic(&all)?;
    Ok(Interval {
        estimate,
        standard_error,
        low: estimate - reach,
        high: estimate + reach,
        blocks: blocks.len(),
    })
}
