use nalgebra::{Complex, DMatrix};
use rayon::prelude::*;

use super::{
    frequencies::HalfPlane,
    maps::{Maps, Summary},
};
use crate::Error;

/// Samples that are kept together: enough of them to multiply at full speed.
pub(super) const BLOCK: usize = 128;

/// The transform of a layer's maps: for each frequency of the half plane a complex
/// `[sample, channel]` matrix.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    pub(super) samples: usize,
    pub(super) channels: usize,
    pub(super) frequencies: HalfPlane,
    pub(super) summary: Summary,
    /// `[block][frequency][sample in the block][channel]`, not far from the mean over samples.
    values: Vec<Complex<f64>>,
}

impl Planes {
    pub(super) fn of<const D: usize>(maps: &Maps<D>) -> Result<Planes, Error> {
        let shape = maps.shape();
        let plane = shape.plane.count() * shape.channels;
        let transformed = |scale| {
            let mut values = vec![Complex::ZERO; shape.samples * plane];
            let blocks = values
                .par_chunks_mut(BLOCK * plane)
                .enumerate()
                .map(|(i, block)| maps.transform(i * BLOCK, block, scale));
            let mut sums = maps.no_sums();
            sums.add_all(blocks.collect())?;
            Ok::<_, Error>((values, sums))
        };
        let (mut values, mut sums) = transformed(1.0)?;
        let better = sums.better_scale();
        if let Some(scale) = better {
            drop(values);
            (values, sums) = transformed(scale)?;
        }
        Ok(Planes {
            samples: shape.samples,
            channels: shape.channels,
            frequencies: shape.plane,
            summary: maps.summary(&sums, better.unwrap_or(1.0)),
            values,
        })
    }

    /// The matrix of a frequency, row by row, in parts of whole rows.
    pub(super) fn rows(&self, frequency: usize) -> impl Iterator<Item = &[Complex<f64>]> {
        let count = self.frequencies.count();
        let blocks = self.values.chunks(count * BLOCK * self.channels);
        blocks.map(move |block| rows(block, frequency, count))
    }

    /// Puts a centred matrix in the place of a frequency's; its missing columns are zeros.
    pub(super) fn replace(&mut self, frequency: usize, by: &DMatrix<Complex<f64>>) {
        let (count, channels) = (self.frequencies.count(), self.channels);
        self.summary.mean[frequency * channels..][..channels].fill(Complex::ZERO);
        let blocks = self.values.chunks_mut(count * BLOCK * channels);
        for (block, first) in blocks.zip((0..).step_by(BLOCK)) {
            let size = block.len() / count;
            let rows = block[frequency * size..][..size].chunks_exact_mut(channels);
            for (row, at) in rows.zip(first..) {
                row.fill(Complex::ZERO);
                for (value, by) in row.iter_mut().zip(by.row(at).iter()) {
                    *value = *by;
                }
            }
        }
    }
}

/// The rows of one frequency in a block that holds `count` of them.
pub(super) fn rows(block: &[Complex<f64>], frequency: usize, count: usize) -> &[Complex<f64>] {
    let size = block.len() / count;
    &block[frequency * size..][..size]
}
