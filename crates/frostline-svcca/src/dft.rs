mod complex_products;
mod fourier;
mod frequencies;
mod maps;
mod planes;
mod streamed;
mod transform;

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Chance, Error, Side, Warning,
    whitened::{enough_samples, same_samples},
};
use complex_products::{Cross, Parts};
pub use fourier::Fourier;
use frequencies::Shared;
use maps::{Maps, Summary};
use streamed::{Found, Streamed};

/// What two convolutional layers have in common, frequency by frequency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DftCca {
    /// Mean of `mean_per_frequency`.
    pub mean: f64,
    /// `[vertical, horizontal]` frequency: the mean of its coefficients, 0 where one of the layers
    /// doesn't vary at this frequency.
    ///
    /// In the order of the transform: along each axis 0, 1, 2, …, -2, -1. Sequences have one row.
    pub mean_per_frequency: DMatrix<f64>,
    /// Canonical correlations ρ of each frequency, in descending order, each in [0, 1]; as many as the
    /// lower of the two layers' ranks there. Row by row of `mean_per_frequency`.
    pub coefficients: Vec<DVector<f64>>,
    /// How many `[vertical, horizontal]` frequencies the layers share.
    pub frequencies: [usize; 2],
    /// Channels of x and y.
    pub channels: [usize; 2],
    /// Lowest effective rank of x and y over the frequencies at which they vary.
    pub rank: [usize; 2],
    /// Samples of each.
    pub samples: usize,
    /// What noise of these ranks would give at a frequency; its corrected value is of the frequencies
    /// at which both layers vary.
    pub chance: Chance,
    /// What to know before believing the rest.
    pub warnings: Vec<Warning>,
}

/// DFT-CCA of two convolutional layers: the canonical correlations of their channels at each spatial
/// frequency, averaged over the frequencies.
///
/// Transform every channel's map, `X_f: [sample, channel]` for each frequency `f`; the correlations at
/// `f` are the singular values of `Q_fᴴ P_f`, where `Q_f` and `P_f` are orthonormal bases of the centred
/// `X_f` and `Y_f`. Where the data set holds every circular shift of its samples and the layers shift
/// with their input, they are together the correlations of CCA over the flattened maps.
///
/// Of maps of different sizes the low frequencies that both have are compared: along each axis
/// `-m/2 ≤ f < m/2`, m the smaller size. A map of one pixel, such as a logit, meets only the frequency 0.
///
/// The maps are read once, in blocks of samples, and only products over samples are kept, whose size
/// doesn't depend on how many samples there are. Where these products are too ill-conditioned for ten
/// digits the maps are read once more, and compared as [`Fourier`] does. To compare a layer with many,
/// transform it once by [`Fourier::of`].
///
/// Shapes: `x: [sample, channel, height, width]`, and `y` likewise; the height of sequences is 1. An activation whose axes
/// are named gives them by its `maps()`, wherever its channels are. The same samples in the same order; sizes and
/// channels may differ.
/// Source: Raghu et al. 2017, arXiv:1706.05806, section 2 and theorem 1.
/// Errors: those of [`Fourier::of`], `SampleMismatch`, `TooFewSamples` below two samples for each direction of the channels
/// at some frequency.
pub fn dft_cca<const D: usize>(x: &Tensor<D>, y: &Tensor<D>) -> Result<DftCca, Error> {
    let (x, y) = (Maps::of(x)?, Maps::of(y)?);
    same_samples(x.shape().samples, y.shape().samples)?;
    let (size, grid) = frequencies::shared(x.shape().plane, y.shape().plane);
    if let Some(Streamed { found, summaries }) = streamed::streamed(&x, &y, &grid)? {
        let samples = x.shape().samples;
        return put_together(samples, size, &grid, &found, summaries.each_ref());
    }
    Fourier::of_maps(&x)?.dft_cca(&Fourier::of_maps(&y)?)
}

impl DftCca {
    /// Canonical correlations of one frequency, by its place in `mean_per_frequency`.
    pub fn coefficients_at(&self, vertical: usize, horizontal: usize) -> Option<&DVector<f64>> {
        let [height, width] = self.frequencies;
        let inside = vertical < height && horizontal < width;
        inside.then(|| &self.coefficients[vertical * width + horizontal])
    }
}

impl Fourier {
    /// Compares two transformed layers as [`dft_cca()`] does.
    ///
    /// Errors: `SampleMismatch`, `TooFewSamples` below two samples for each direction of the channels at some frequency.
    pub fn dft_cca(&self, other: &Fourier) -> Result<DftCca, Error> {
        let (x, y, samples) = (self, other, self.samples());
        same_samples(samples, y.samples())?;
        let (size, grid) = frequencies::shared(x.planes.frequencies, y.planes.frequencies);
        let found = frequencies::distinct(&grid)
            .into_par_iter()
            .map(|place| {
                let (mut left, mut right) = (Parts::default(), Parts::default());
                let mut cross = Cross::zero(x.channels(), y.channels(), place.conjugate);
                for (x, y) in x.planes.rows(place.x).zip(y.planes.rows(place.y)) {
                    left.fill(x);
                    right.fill(y);
                    cross.add(&left, &right);
                }
                let mut cross = cross.whole();
                let summaries = [&x.planes.summary, &y.planes.summary];
                streamed::centre_cross(&mut cross, place, samples, summaries);
                let whitening = [&x.whitening[place.x], &y.whitening[place.y]];
                Ok((place, Found::of(&cross, place, whitening)?))
            })
            .collect::<Result<_, Error>>()?;
        let summaries = [&x.planes.summary, &y.planes.summary];
        put_together(samples, size, &grid, &found, summaries)
    }
}

fn put_together(
    samples: usize,
    size: [usize; 2],
    grid: &[Shared],
    found: &BTreeMap<Shared, Found>,
    summaries: [&Summary; 2],
) -> Result<DftCca, Error> {
    // f and -f are the same entry.
    let found: Vec<&Found> = grid.iter().map(|place| &found[place]).collect();
    let coefficients: Vec<_> = found.iter().map(|f| f.coefficients.clone()).collect();
    let means = coefficients
        .iter()
        .map(|rho| rho.sum() / rho.len().max(1) as f64);
    let mean_per_frequency = DMatrix::from_row_iterator(size[0], size[1], means);
    let count: usize = coefficients.iter().map(|rho| rho.len()).sum();
    let squares: f64 = coefficients.iter().map(DVector::norm_squared).sum();
    let ranks = [0, 1].map(|side| found.iter().map(|f| f.rank[side]).collect::<Vec<_>>());
    let rank = ranks.each_ref().map(|ranks| lowest(ranks));
    enough_samples(samples, ranks.iter().flatten().copied().max().unwrap_or(0))?;
    Ok(DftCca {
        mean: mean_per_frequency.mean(),
        mean_per_frequency,
        frequencies: size,
        channels: summaries.map(|summary| summary.energy.len()),
        rank,
        samples,
        chance: Chance::of(samples, rank[0], rank[1], squares / count.max(1) as f64),
        warnings: warnings(samples, summaries, &ranks),
        coefficients,
    })
}

/// The lowest rank that isn't 0; 0 where there is no other.
fn lowest(ranks: &[usize]) -> usize {
    ranks
        .iter()
        .copied()
        .filter(|rank| *rank > 0)
        .min()
        .unwrap_or(0)
}

fn warnings(samples: usize, summaries: [&Summary; 2], ranks: &[Vec<usize>; 2]) -> Vec<Warning> {
    let dims = ranks.iter().flatten().copied().max().unwrap_or(0);
    let mut warnings = Vec::new();
    if samples < 10 * dims {
        warnings.push(Warning::FewSamples { samples, dims });
    }
    for ((side, summary), ranks) in [Side::X, Side::Y].into_iter().zip(summaries).zip(ranks) {
        let (dead, rank, of) = (summary.dead(), lowest(ranks), ranks.len());
        let flat = ranks.iter().filter(|rank| **rank == 0).count();
        if dead > 0 {
            warnings.push(Warning::DeadNeurons { side, count: dead });
        }
        if flat == of {
            warnings.push(Warning::NoVariance { side });
        } else if flat > 0 {
            warnings.push(Warning::FlatFrequencies {
                side,
                count: flat,
                of,
            });
        }
        let neurons = summary.energy.len() - dead;
        if flat < of && rank < neurons {
            warnings.push(Warning::RankDeficient {
                side,
                rank,
                neurons,
            });
        }
    }
    warnings
}
