use std::collections::HashSet;

use burn::tensor::{DType, Tensor};
use nalgebra::DMatrix;

use crate::{
    Error,
    precision::rounding_unit,
    products::{read, upload},
    split_mix::SplitMix,
};

/// Which samples of a view say the same as others. A probe that holds an input fifty times holds it once, so chance
/// is that of the samples that differ.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    samples: usize,
    /// Of each sample the number of the first one that is equal; none where all differ, or where it isn't known.
    same: Option<Vec<u32>>,
}

/// Up to so many neurons are looked at themselves, more of them along so many random directions.
const DIRECTIONS: usize = 4;
/// Before this sample, how many candidates with nearly the same first number are compared.
const WINDOW: usize = 64;

impl Repeats {
    /// Every sample differs, or nothing is known of that.
    pub(crate) fn none(samples: usize) -> Repeats {
        Repeats {
            samples,
            same: None,
        }
    }

    /// Looks for equal rows of `centred: [sample, neuron]`. Few numbers a sample are read from the device.
    pub(crate) fn of(centred: &Tensor<2>) -> Result<Repeats, Error> {
        let [samples, neurons] = centred.dims();
        if neurons <= DIRECTIONS {
            let rows = read(centred.clone())?;
            return Ok(Repeats::among(&rows, neurons, 0.0));
        }
        // Signs and not normal numbers: each neuron counts alike.
        let mut random = SplitMix(0x5a3e);
        let signs = DMatrix::from_fn(neurons, DIRECTIONS, |_, _| {
            if random.draw() >> 63 == 0 { 1.0 } else { -1.0 }
        });
        let signs = upload(&signs, centred.dtype(), &centred.device());
        let along = read(centred.clone().matmul(signs))?;
        debug_assert_eq!(along.len(), samples * DIRECTIONS);
        // Equal rows may be summed in other orders, as where a device's blocks end.
        let floats = match centred.dtype() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        Ok(Repeats::among(
            &along,
            DIRECTIONS,
            64.0 * rounding_unit(floats),
        ))
    }

    /// Equal rows among `rows`, given one after the other, up to this share of their size.
    fn among(rows: &[f64], width: usize, tolerance: f64) -> Repeats {
        let samples = rows.len() / width;
        let row = |sample: u32| &rows[sample as usize * width..][..width];
        let equal = |a: u32, b: u32| {
            let size: f64 = row(a).iter().map(|value| value.abs()).sum();
            let mut pairs = row(a).iter().zip(row(b));
            pairs.all(|(a, b)| (a - b).abs() <= tolerance * size)
        };
        let mut order: Vec<u32> = (0..samples as u32).collect();
        order.sort_unstable_by(|a, b| row(*a)[0].total_cmp(&row(*b)[0]).then(a.cmp(b)));
        let mut same: Vec<u32> = (0..samples as u32).collect();
        let mut different: Vec<u32> = Vec::new();
        for sample in order {
            let before = different.iter().rev().take(WINDOW);
            match before.copied().find(|other| equal(*other, sample)) {
                Some(other) => same[sample as usize] = other,
                None => different.push(sample),
            }
        }
        Repeats {
            samples,
            same: (different.len() < samples).then_some(same),
        }
    }

    /// How many samples differ in this view or in the other.
    pub(crate) fn distinct_with(&self, other: &Repeats) -> usize {
        match (&self.same, &other.same) {
            (Some(x), Some(y)) => x.iter().zip(y).collect::<HashSet<_>>().len(),
            _ => self.samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn rows_that_differ_are_told_from_rows_that_repeat() {
        for (neurons, dtype) in [
            (1, DType::F64),
            (3, DType::F32),
            (40, DType::F32),
            (40, DType::F64),
        ] {
            let device = Device::flex();
            let rows = Tensor::<2>::random([700, neurons], Distribution::Normal(3.0, 1.0), &device);
            let rows = rows.cast(dtype);
            let all = Repeats::of(&rows).unwrap();
            assert_eq!(all.distinct_with(&all), 700, "{neurons} {dtype:?}");
            let twice = Tensor::cat(vec![rows.clone(), rows.clone().slice_dim(0, 100..400)], 0);
            let twice = Repeats::of(&twice).unwrap();
            assert_eq!(twice.distinct_with(&twice), 700, "{neurons} {dtype:?}");
            // What repeats in one view but not in the other is another sample.
            let other = Tensor::<2>::random([1000, 3], Distribution::Normal(0.0, 1.0), &device);
            let other = Repeats::of(&other).unwrap();
            assert_eq!(twice.distinct_with(&other), 1000);
        }
    }

    #[test]
    fn a_single_large_value_hides_no_difference() {
        let device = Device::flex();
        let rows = Tensor::<2>::random([300, 9], Distribution::Normal(0.0, 1.0), &device);
        let huge = Tensor::<2>::full([1, 9], 1e8, &device);
        let all = Repeats::of(&Tensor::cat(vec![rows, huge], 0)).unwrap();
        assert_eq!(all.distinct_with(&all), 301);
    }
}
