use std::collections::{HashMap, HashSet};

use burn::tensor::{DType, Tensor};

use crate::{
    Error,
    precision::{Floats, Precision, rounding_unit},
    products::{read, upload},
    range_finder::gaussian,
};

/// Which samples of a view say the same as others. A probe that holds an input fifty times holds it once, so chance
/// is that of the samples that differ.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    samples: usize,
    /// Of each sample the number of the first one that is equal; none where all differ.
    same: Option<Vec<u32>>,
    /// Whether equal rows may be of different samples, as those of labels are: the view then shows that samples differ, but not
    /// that they are the same.
    says_little: bool,
}

/// Random directions along which rows are compared.
const DIRECTIONS: usize = 4;
/// Before this sample, how many candidates with nearly the same first number are compared.
const WINDOW: usize = 64;
/// With fewer possible rows than so many times the samples, some meet by chance.
const ROOM: f64 = 10.0;
/// A neuron that takes fewer values says nothing of repeated samples: labels and classes repeat by themselves.
const FEWEST_VALUES: usize = 8;

impl Repeats {
    /// Every sample differs, or nothing is known of that.
    pub(crate) fn none(samples: usize) -> Repeats {
        Repeats {
            samples,
            same: None,
            says_little: false,
        }
    }

    /// Looks for equal rows of `centred: [sample, neuron]`. Few numbers a sample are read from the device.
    /// Its values were rounded to `floats`.
    pub(crate) fn of(
        centred: &Tensor<2>,
        precision: Precision,
        floats: Floats,
    ) -> Result<Repeats, Error> {
        let [samples, neurons] = centred.dims();
        let columns = if precision == Precision::F32 {
            centred.clone()
        } else {
            centred.clone().cast(DType::F64)
        };
        // Normal numbers, so that not even whole activations add up to the same by other ways.
        let directions = upload(
            &gaussian(neurons, DIRECTIONS),
            columns.dtype(),
            &columns.device(),
        );
        let along = read(columns.clone().matmul(directions))?;
        // Equal rows may be summed in other orders, as where a device's blocks end.
        let tolerance = 64.0 * rounding_unit(columns.dtype());
        let found = Repeats::among(&along, DIRECTIONS, tolerance);
        if found.same.is_none() {
            return Ok(found);
        }
        // Of continuous neurons each row has a value of its own.
        let some = [0, neurons / 3, 2 * neurons / 3, neurons - 1];
        let (mut continuous, mut levels) = (false, 1.0f64);
        for neuron in some {
            let values = read(columns.clone().slice_dim(1, neuron..neuron + 1))?;
            let values: HashSet<u64> = values.iter().map(|value| value.to_bits()).collect();
            continuous |= values.len() >= FEWEST_VALUES.max(3 * found.distinct() / 10);
            levels = levels.max(possible_levels(&values, floats));
        }
        // So few values are possible that different samples meet by chance.
        let crowded = levels.ln() * neurons as f64 <= (ROOM * samples as f64).ln();
        Ok(Repeats {
            says_little: !continuous || crowded,
            ..found
        })
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
            says_little: false,
        }
    }

    /// How many samples differ in this view.
    fn distinct(&self) -> usize {
        match &self.same {
            Some(same) => same.iter().collect::<HashSet<_>>().len(),
            None => self.samples,
        }
    }

    /// How often each sample that differs in this view or in the other is there; none where all differ.
    ///
    /// Samples repeat where those that are equal in one view are so in the other. Where they are not, equal rows are of a layer
    /// that says little, and not of one sample. At least one of both has to say more than labels do.
    fn counts(&self, other: &Repeats) -> Option<Vec<usize>> {
        let (x, y) = (self.same.as_ref()?, other.same.as_ref()?);
        let mut counts = HashMap::new();
        for pair in x.iter().zip(y) {
            *counts.entry(pair).or_insert(0) += 1;
        }
        let telling = [self, other].into_iter().filter(|view| !view.says_little);
        let most = telling.map(Repeats::distinct).max()?;
        // A little more, for a sparse layer gives some samples the same row.
        (4 * counts.len() <= 5 * most).then(|| counts.into_values().collect())
    }

    /// How many samples differ in this view or in the other.
    pub(crate) fn distinct_with(&self, other: &Repeats) -> usize {
        let counts = self.counts(other);
        counts.map_or(self.samples, |counts| counts.len())
    }

    /// As how many independent samples they are good: `n² / Σ c²` where a sample is there c times.
    ///
    /// Source: Kish 1965, Survey Sampling.
    pub(crate) fn independent_with(&self, other: &Repeats) -> usize {
        let Some(counts) = self.counts(other) else {
            return self.samples;
        };
        let squares: f64 = counts.iter().map(|count| (*count as f64).powi(2)).sum();
        ((self.samples as f64).powi(2) / squares).round() as usize
    }
}

/// How many values a neuron may have taken within its range: those on the grid on which all of them lie, if they lie on one, and
/// no more than its floats have.
fn possible_levels(values: &HashSet<u64>, floats: Floats) -> f64 {
    // Within a few factors of two, where most values are.
    let of_floats = 4.0 / floats.unit();
    let mut sorted: Vec<f64> = values.iter().map(|bits| f64::from_bits(*bits)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]);
    let least = gaps.clone().fold(f64::INFINITY, f64::min);
    let range = sorted
        .last()
        .zip(sorted.first())
        .map_or(0.0, |(last, first)| last - first);
    // The mean was taken off, which rounds.
    let mut whole = gaps.map(|gap| gap / least);
    let on_grid = whole.all(|gap| (gap - gap.round()).abs() < 1e-3 * gap.min(10.0));
    if on_grid && least > 0.0 {
        of_floats.min(range / least + 1.0)
    } else {
        of_floats
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Int};

    use super::*;

    fn of(rows: &Tensor<2>, precision: Precision) -> Repeats {
        Repeats::of(rows, precision, Floats::of(rows).unwrap()).unwrap()
    }

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
            // Of 700 random f32 two are the same once in a while.
            let apart = Tensor::<1, Int>::arange(0..700, &device).float() * 16.0;
            let rows = (rows + apart.unsqueeze_dim(1)).cast(dtype);
            let all = of(&rows, Precision::F64);
            assert_eq!(all.distinct_with(&all), 700, "{neurons} {dtype:?}");
            let twice = Tensor::cat(vec![rows.clone(), rows.clone().slice_dim(0, 100..400)], 0);
            let twice = of(&twice, Precision::F64);
            assert_eq!(twice.distinct_with(&twice), 700, "{neurons} {dtype:?}");
            // What repeats in one view but not in the other is another sample.
            let other = Tensor::<2>::random([1000, 3], Distribution::Normal(0.0, 1.0), &device);
            let other = of(&other, Precision::F64);
            assert_eq!(twice.distinct_with(&other), 1000);
        }
    }

    #[test]
    fn a_single_large_value_hides_no_difference() {
        let device = Device::flex();
        let rows = Tensor::<2>::random([300, 9], Distribution::Normal(0.0, 1.0), &device);
        let huge = Tensor::<2>::full([1, 9], 1e8, &device);
        let all = of(&Tensor::cat(vec![rows, huge], 0), Precision::F64);
        assert_eq!(all.distinct_with(&all), 301);
    }

    #[test]
    fn rows_of_layers_that_say_little_are_not_samples_that_repeat() {
        // Independent labels of ten and of five classes; sums of whole numbers.
        let labels = |classes: usize, step: usize| {
            let hot =
                |i: usize| f32::from(u8::from((i / classes * step / 7) % classes == i % classes));
            let values: Vec<f32> = (0..300 * classes).map(hot).collect();
            let data = burn::tensor::TensorData::new(values, [300, classes]);
            of(&Tensor::from_data(data, &Device::flex()), Precision::Mixed)
        };
        let (x, y) = (labels(10, 31), labels(5, 17));
        assert_eq!(x.distinct_with(&y), 300);
        assert_eq!(x.distinct_with(&x), 300);
    }

    #[test]
    fn a_sample_that_is_there_most_of_the_time_leaves_hardly_any() {
        let rows = Tensor::<2>::random([40, 6], Distribution::Normal(0.0, 1.0), &Device::flex());
        let one = rows.clone().slice_dim(0, 0..1).repeat_dim(0, 500);
        let all = of(&Tensor::cat(vec![rows, one], 0), Precision::Mixed);
        assert_eq!(
            (all.distinct_with(&all), all.independent_with(&all)),
            (40, 1)
        );
    }
}
