//! The two-dimensional Fourier transform of real maps, two at a time.

use std::{slice::ChunksExact, sync::Arc};

use nalgebra::Complex;
use rustfft::{Fft, FftPlanner};

use super::frequencies::HalfPlane;

/// Numbers that are transformed together: few enough to stay in the nearest cache.
const TOGETHER: usize = 4096;

/// Complex numbers between two transformed maps, so that the same frequency of many maps doesn't
/// fall into the same few lines of the cache.
const GAP: usize = 4;

/// The transform of `[height, width]` maps, planned once.
///
/// # Formula
/// With `z = a + ib` and its transform `Z`, the transforms of the real maps are
/// `A(f) = (Z(f) + conj Z(-f)) / 2` and `B(f) = (Z(f) - conj Z(-f)) / 2i`.
pub(super) struct Transform {
    plane: HalfPlane,
    kept: Vec<(usize, usize)>,
    along_width: Arc<dyn Fft<f64>>,
    along_height: Arc<dyn Fft<f64>>,
}

/// Room for the maps that are transformed together.
pub(super) struct Room {
    /// `[map][row][column]`: `(a + ib) / 2`, to be filled in.
    pub(super) maps: Vec<Complex<f64>>,
    /// `[map][column][row]`, with a gap after each map.
    turned: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl Transform {
    pub(super) fn of(plane: HalfPlane) -> Transform {
        let mut planner = FftPlanner::new();
        Transform {
            plane,
            kept: plane.kept().collect(),
            along_width: planner.plan_fft_forward(plane.width),
            along_height: planner.plan_fft_forward(plane.height),
        }
    }

    /// How many maps are best transformed together.
    pub(super) fn together(&self) -> usize {
        (TOGETHER / self.pixels()).max(1)
    }

    /// Room for that many maps.
    pub(super) fn room(&self) -> Room {
        let maps = self.together();
        let scratch = [&self.along_width, &self.along_height]
            .map(|along| along.get_inplace_scratch_len())
            .into_iter()
            .max();
        Room {
            maps: vec![Complex::ZERO; maps * self.pixels()],
            turned: vec![Complex::ZERO; maps * (self.pixels() + GAP)],
            scratch: vec![Complex::ZERO; scratch.unwrap_or(0)],
        }
    }

    /// Transforms the first `maps` of the room and hands out each frequency with `A` and `B` of all maps.
    pub(super) fn run(&self, room: &mut Room, maps: usize, mut put: impl FnMut(usize, Pairs<'_>)) {
        let (HalfPlane { height, width }, pixels) = (self.plane, self.pixels());
        let filled = &mut room.maps[..maps * pixels];
        self.along_width
            .process_with_scratch(filled, &mut room.scratch);
        let turned = room.turned.chunks_exact_mut(pixels + GAP);
        for (map, turned) in filled.chunks_exact(pixels).zip(turned) {
            let turned = &mut turned[..pixels];
            for (column, values) in turned.chunks_exact_mut(height).enumerate() {
                for (value, row) in values.iter_mut().zip(map.chunks_exact(width)) {
                    *value = row[column];
                }
            }
            self.along_height
                .process_with_scratch(turned, &mut room.scratch);
        }
        let turned = &room.turned[..maps * (pixels + GAP)];
        for (frequency, &(row, column)) in self.kept.iter().enumerate() {
            let (opposite_row, opposite_column) = self.plane.opposite(row, column);
            let pairs = Pairs {
                maps: turned.chunks_exact(pixels + GAP),
                here: column * height + row,
                there: opposite_column * height + opposite_row,
            };
            put(frequency, pairs);
        }
    }

    fn pixels(&self) -> usize {
        self.plane.height * self.plane.width
    }
}

/// `A(f)` and `B(f)` of one map after the other.
pub(super) struct Pairs<'a> {
    maps: ChunksExact<'a, Complex<f64>>,
    here: usize,
    there: usize,
}

impl Iterator for Pairs<'_> {
    type Item = (Complex<f64>, Complex<f64>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let map = self.maps.next()?;
        let (z, opposite) = (map[self.here], map[self.there]);
        Some((
            Complex::new(z.re + opposite.re, z.im - opposite.im),
            Complex::new(z.im + opposite.im, opposite.re - z.re),
        ))
    }
}
