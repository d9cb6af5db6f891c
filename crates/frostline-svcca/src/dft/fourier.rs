use burn::tensor::Tensor;
use nalgebra::{Complex, DMatrix};
use rayon::prelude::*;

use super::{
    complex_products::{Hermitian, Parts},
    frequencies::HalfPlane,
    maps::{Maps, Summary},
    planes::Planes,
};
use crate::{Error, decompose};

/// Rounding of the transform, as a share of what a channel's maps hold in all: fainter than that, and than the rounding of
/// the floats in which the maps came, a frequency says nothing. The transform's own error is a few ε; this leaves a margin.
pub(super) const NOISE: f64 = 32.0 * f64::EPSILON;

/// Above this bound on the condition of a frequency's scatter, its inverse would carry less than ten
/// digits, and the frequency's own singular vectors are computed instead.
const TRUSTED: f64 = 1e6;

/// Frequencies of which singular vectors are held at a time.
const BATCH: usize = 16;

/// A convolutional layer's maps, transformed and made ready for comparison by
/// [`dft_cca`](Fourier::dft_cca) with many others.
///
/// It holds a complex f64 number for every two of the layer's, twice the bytes of f32 maps.
#[derive(Clone, Debug)]
pub struct Fourier {
    pub(super) planes: Planes,
    /// Per frequency `[channel, rank]`: the centred plane times this is orthonormal.
    pub(super) whitening: Vec<DMatrix<Complex<f64>>>,
}

impl Fourier {
    /// Transforms `maps: [sample, channel, height, width]`; the height of sequences is 1.
    ///
    /// The maps are read once, in blocks of samples, and worked on by rayon's threads on the host, in
    /// f64.
    ///
    /// Errors: `NotMaps` for tensors of other than four axes, `Empty`, `TooFewSamples` below two, `NotFinite` with the first bad sample and the place in its flattened maps,
    /// `TooLarge`.
    pub fn of<const D: usize>(maps: &Tensor<D>) -> Result<Fourier, Error> {
        Fourier::of_maps(&Maps::of(maps)?)
    }

    /// Samples of the layer.
    pub fn samples(&self) -> usize {
        self.planes.samples
    }

    /// Channels of the layer, those that never vary included.
    pub fn channels(&self) -> usize {
        self.planes.channels
    }

    /// `[height, width]` of its maps; the height of sequences is 1.
    pub fn size(&self) -> [usize; 2] {
        let HalfPlane { height, width } = self.planes.frequencies;
        [height, width]
    }

    pub(super) fn of_maps<const D: usize>(maps: &Maps<D>) -> Result<Fourier, Error> {
        let mut planes = Planes::of(maps)?;
        let count = planes.frequencies.count();
        let found: Vec<_> = (0..count)
            .into_par_iter()
            .map(|frequency| by_cholesky(&planes, frequency))
            .collect();
        let mut whitening = Vec::with_capacity(count);
        let mut ill = Vec::new();
        for (frequency, found) in found.into_iter().enumerate() {
            if found.is_none() {
                ill.push(frequency);
            }
            whitening.push(found.unwrap_or_default());
        }
        for batch in ill.chunks(BATCH) {
            let found: Vec<_> = batch
                .par_iter()
                .map(|frequency| by_singular_vectors(&planes, *frequency))
                .collect();
            for (frequency, basis) in batch.iter().zip(found) {
                let basis = basis?;
                planes.replace(*frequency, &basis);
                whitening[*frequency] = DMatrix::identity(planes.channels, basis.ncols());
            }
        }
        Ok(Fourier { planes, whitening })
    }
}

/// `[channel, rank]` by which to multiply a centred plane so that it becomes orthonormal, from the
/// lower triangle of its scatter before centring; none where that can't be trusted.
///
/// # Formula
/// With the correlation matrix `R = D^-½ S D^-½ = L Lᴴ`: `W = D^-½ L⁻ᴴ`.
pub(super) fn whitening(
    mut scatter: DMatrix<Complex<f64>>,
    samples: usize,
    summary: &Summary,
    frequency: usize,
) -> Option<DMatrix<Complex<f64>>> {
    let (mean, energy, channels) = (summary.mean(frequency), &summary.energy, scatter.nrows());
    let noise = &summary.noise;
    for column in 0..channels {
        for row in column..channels {
            scatter[(row, column)] -= mean[row].conj() * mean[column] * samples as f64;
        }
    }
    let share = |channel: usize| scatter[(channel, channel)].re / energy[channel];
    let varying: Vec<usize> = (0..channels)
        .filter(|channel| energy[*channel] > 0.0 && share(*channel) > noise[*channel].powi(2))
        .collect();
    if varying.is_empty() {
        return Some(DMatrix::zeros(channels, 0));
    }
    // In units of each channel's spread at this frequency, so that a faint one is as good as any.
    let unit: Vec<f64> = varying
        .iter()
        .map(|channel| scatter[(*channel, *channel)].re.sqrt().recip())
        .collect();
    let correlation = DMatrix::from_fn(varying.len(), varying.len(), |row, column| {
        let (row, column) = (row.max(column), row.min(column));
        scatter[(varying[row], varying[column])] * (unit[row] * unit[column])
    });
    let inverse = decompose::inverse_cholesky(&correlation)?;
    // The trace of R⁻¹ is at least 1 over its smallest eigenvalue.
    let trace = inverse.norm_squared();
    let clear = |channel: &usize| share(*channel) / trace > noise[*channel].powi(2);
    if !(trace < TRUSTED && varying.iter().all(clear)) {
        return None;
    }
    let mut whitening = DMatrix::zeros(channels, varying.len());
    for (i, channel) in varying.iter().enumerate() {
        for column in i..varying.len() {
            whitening[(*channel, column)] = inverse[(column, i)].conj() * unit[i];
        }
    }
    Some(whitening)
}

fn by_cholesky(planes: &Planes, frequency: usize) -> Option<DMatrix<Complex<f64>>> {
    let (mut parts, mut scatter) = (Parts::default(), Hermitian::zero(planes.channels));
    for rows in planes.rows(frequency) {
        parts.fill(rows);
        scatter.add(&parts);
    }
    whitening(scatter.lower(), planes.samples, &planes.summary, frequency)
}

/// An orthonormal basis of a centred plane, `[sample, rank]`.
fn by_singular_vectors(planes: &Planes, frequency: usize) -> Result<DMatrix<Complex<f64>>, Error> {
    let (samples, channels) = (planes.samples, planes.channels);
    // In units of each channel's energy over all frequencies, so that rounding is alike in all.
    let unit = |energy: &f64| {
        if *energy > 0.0 {
            energy.sqrt().recip()
        } else {
            0.0
        }
    };
    let unit: Vec<f64> = planes.summary.energy.iter().map(unit).collect();
    let mean = planes.summary.mean(frequency);
    let mut centred = DMatrix::zeros(samples, channels);
    let rows = planes
        .rows(frequency)
        .flat_map(|rows| rows.chunks_exact(channels));
    for (row, values) in rows.enumerate() {
        for (channel, value) in values.iter().enumerate() {
            centred[(row, channel)] = (value - mean[channel]) * unit[channel];
        }
    }
    let (values, vectors) = decompose::complex_left_singular(&centred)?;
    // A direction has norm 1 over the channels, which bounds what their noise adds along it.
    let varying = planes.summary.energy.iter().zip(&planes.summary.noise);
    let noise = varying.filter(|(energy, _)| **energy > 0.0);
    let noise = noise.map(|(_, noise)| noise * noise).sum::<f64>().sqrt();
    let floor = (samples as f64 * f64::EPSILON * values[0]).max(noise);
    let rank = values.iter().filter(|value| **value > floor).count();
    Ok(vectors.columns(0, rank).into_owned())
}
