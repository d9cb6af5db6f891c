//! Products over samples at the frequencies that two layers share, and the correlations they hold.

use std::{collections::BTreeMap, ops::Range};

use nalgebra::{Complex, DMatrix, DVector};
use rayon::prelude::*;

use super::{
    complex_products::{Cross, Hermitian, Parts},
    fourier::whitening,
    frequencies::{self, Shared},
    maps::{Maps, Summary, Sums},
    planes::{BLOCK, rows},
};
use crate::{Error, decompose};

/// What was found at a frequency.
pub(super) struct Found {
    /// Canonical correlations in descending order.
    pub(super) coefficients: DVector<f64>,
    /// Effective rank of x and y.
    pub(super) rank: [usize; 2],
}

impl Found {
    /// From the centred cross product of what x and y keep at `place`, and what makes each orthonormal.
    pub(super) fn of(
        cross: &DMatrix<Complex<f64>>,
        place: Shared,
        [x, y]: [&DMatrix<Complex<f64>>; 2],
    ) -> Result<Found, Error> {
        let rank = [x.ncols(), y.ncols()];
        if rank.contains(&0) {
            let coefficients = DVector::zeros(0);
            return Ok(Found { coefficients, rank });
        }
        let both = if place.conjugate {
            decompose::sandwich(&x.conjugate(), cross, y)
        } else {
            decompose::sandwich(x, cross, y)
        };
        // Rounding can put a correlation of 1 a little above it.
        let coefficients =
            decompose::complex_singular_values(&both)?.map(|rho| rho.clamp(0.0, 1.0));
        Ok(Found { coefficients, rank })
    }
}

/// The products of one frequency.
struct Products {
    place: Shared,
    xx: Hermitian,
    yy: Hermitian,
    xy: Cross,
}

impl Products {
    fn add<const D: usize>(
        &mut self,
        x: &Stream<'_, D>,
        y: &Stream<'_, D>,
        (left, right): &mut (Parts, Parts),
    ) {
        for (x, y) in x.rows(self.place.x).zip(y.rows(self.place.y)) {
            left.fill(x);
            right.fill(y);
            self.xx.add(left);
            self.yy.add(right);
            self.xy.add(left, right);
        }
    }
}

/// What one pass over the samples gives.
pub(super) struct Streamed {
    /// Of each frequency that the layers share.
    pub(super) found: BTreeMap<Shared, Found>,
    /// Of x and y.
    pub(super) summaries: [Summary; 2],
}

/// Compares at all shared frequencies in one pass over the samples; none where a frequency's products
/// can't be trusted.
pub(super) fn streamed<const D: usize>(
    x: &Maps<D>,
    y: &Maps<D>,
    grid: &[Shared],
) -> Result<Option<Streamed>, Error> {
    let (samples, left, right) = (x.shape().samples, x.shape().channels, y.shape().channels);
    let mut all: Vec<Products> = frequencies::distinct(grid)
        .into_iter()
        .map(|place| Products {
            place,
            xx: Hermitian::zero(left),
            yy: Hermitian::zero(right),
            xy: Cross::zero(left, right, place.conjugate),
        })
        .collect();
    let (mut x, mut y) = (Stream::of(x), Stream::of(y));
    let step = BLOCK * rayon::current_num_threads();
    for start in (0..samples).step_by(step) {
        let part = start..samples.min(start + step);
        let (one, other) = rayon::join(|| x.read(part.clone()), || y.read(part.clone()));
        one.and(other)?;
        all.par_iter_mut()
            .for_each_init(Default::default, |parts, products| {
                products.add(&x, &y, parts);
            });
    }
    let (Some(x), Some(y)) = (x.summary(), y.summary()) else {
        return Ok(None);
    };
    let summaries = [x, y];
    let found: Result<Option<_>, Error> = all
        .into_par_iter()
        .map(|products| correlations(products, samples, &summaries).transpose())
        .collect::<Option<Result<_, Error>>>()
        .transpose();
    Ok(found?.map(|found| Streamed { found, summaries }))
}

/// Takes from `cross` what the means add to it.
pub(super) fn centre_cross(
    cross: &mut DMatrix<Complex<f64>>,
    place: Shared,
    samples: usize,
    [x, y]: [&Summary; 2],
) {
    let left = x.mean(place.x).iter();
    // The conjugate is what is meant where x keeps the opposite of what y keeps.
    let left: Vec<_> = left
        .map(|mean| if place.conjugate { *mean } else { mean.conj() })
        .collect();
    for (column, right) in y.mean(place.y).iter().enumerate() {
        for (row, left) in left.iter().enumerate() {
            cross[(row, column)] -= left * right * samples as f64;
        }
    }
}

fn correlations(
    products: Products,
    samples: usize,
    [x, y]: &[Summary; 2],
) -> Result<Option<(Shared, Found)>, Error> {
    let place = products.place;
    let left = whitening(products.xx.lower(), samples, x, place.x);
    let right = whitening(products.yy.lower(), samples, y, place.y);
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    let mut xy = products.xy.whole();
    centre_cross(&mut xy, place, samples, [x, y]);
    Ok(Some((place, Found::of(&xy, place, [&left, &right])?)))
}

/// A layer on its way past, a few blocks of it at a time.
struct Stream<'a, const D: usize> {
    maps: &'a Maps<D>,
    sums: Sums,
    /// `[block][frequency][sample in the block][channel]`
    values: Vec<Complex<f64>>,
}

impl<const D: usize> Stream<'_, D> {
    fn of(maps: &Maps<D>) -> Stream<'_, D> {
        Stream {
            maps,
            sums: maps.no_sums(),
            values: Vec::new(),
        }
    }

    fn read(&mut self, samples: Range<usize>) -> Result<(), Error> {
        let plane = self.maps.shape().plane.count() * self.maps.shape().channels;
        self.values.resize(samples.len() * plane, Complex::ZERO);
        let maps = self.maps;
        let blocks: Vec<_> = self
            .values
            .par_chunks_mut(BLOCK * plane)
            .zip(samples.into_par_iter().step_by(BLOCK))
            .map(|(block, first)| maps.transform(first, block, 1.0))
            .collect();
        self.sums.add_all(blocks)
    }

    fn rows(&self, frequency: usize) -> impl Iterator<Item = &[Complex<f64>]> {
        let count = self.maps.shape().plane.count();
        let blocks = self
            .values
            .chunks(count * BLOCK * self.maps.shape().channels);
        blocks.map(move |block| rows(block, frequency, count))
    }

    /// None where squares may have overflowed or vanished.
    fn summary(self) -> Option<Summary> {
        let fine = self.sums.better_scale().is_none();
        fine.then(|| self.maps.summary(&self.sums, 1.0))
    }
}
