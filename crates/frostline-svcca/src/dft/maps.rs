//! A layer's maps, read block by block and transformed.

use std::ops::Range;

use burn::tensor::{DType, Element, Tensor, TensorData};
use nalgebra::Complex;

use super::{
    fourier::NOISE,
    frequencies::HalfPlane,
    transform::{Pairs, Room, Transform},
};
use crate::{
    Error,
    precision::Floats,
    rounding_noise::{ROUNDING_MARGIN, written},
};

/// Bytes that are read from the device at a time, or two samples.
const READ: usize = 16 << 20;

/// Shape of a layer's maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) samples: usize,
    pub(super) channels: usize,
    pub(super) plane: HalfPlane,
}

impl Shape {
    /// Of `[sample, channel, height, width]`.
    fn of(dims: &[usize]) -> Result<Shape, Error> {
        let [samples, channels, height, width] = *dims else {
            return Err(Error::NotMaps {
                shape: dims.to_vec(),
            });
        };
        let plane = HalfPlane { height, width };
        let shape = Shape {
            samples,
            channels,
            plane,
        };
        if samples == 0 || shape.neurons() == 0 {
            return Err(Error::Empty {
                samples,
                neurons: shape.neurons(),
            });
        }
        if samples < 2 {
            return Err(Error::TooFewSamples {
                samples,
                dims: channels,
            });
        }
        Ok(shape)
    }

    /// Numbers of one sample.
    fn neurons(self) -> usize {
        self.channels * self.pixels()
    }

    fn pixels(self) -> usize {
        self.plane.height * self.plane.width
    }

    /// Samples that are read at a time, an even number.
    fn at_a_time(self) -> usize {
        (READ / (8 * self.neurons()) * 2).max(2)
    }
}

/// Sums over samples, neuron by neuron, of deviations from the pivot.
pub(super) struct Sums {
    sum: Vec<f64>,
    squares: Vec<f64>,
    /// The largest absolute deviation.
    reach: Vec<f64>,
}

impl Sums {
    fn zero(neurons: usize) -> Sums {
        let zeros = || vec![0.0; neurons];
        Sums {
            sum: zeros(),
            squares: zeros(),
            reach: zeros(),
        }
    }

    /// Adds those of blocks, in order, so that the first bad value is the one that is named.
    pub(super) fn add_all(&mut self, blocks: Vec<Result<Sums, Error>>) -> Result<(), Error> {
        for block in blocks {
            let block = block?;
            for i in 0..self.sum.len() {
                self.sum[i] += block.sum[i];
                self.squares[i] += block.squares[i];
                self.reach[i] = self.reach[i].max(block.reach[i]);
            }
        }
        Ok(())
    }

    /// By what to multiply where squares of the deviations would overflow or vanish.
    pub(super) fn better_scale(&self) -> Option<f64> {
        let reach = self.widest();
        let fine = reach == 0.0 || (1e-100..1e100).contains(&reach);
        (!fine).then(|| reach.log2().ceil().clamp(-1000.0, 1000.0).exp2().recip())
    }

    fn widest(&self) -> f64 {
        self.reach.iter().copied().fold(0.0, f64::max)
    }
}

/// What is known of each channel before its frequencies are looked at.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    /// `[frequency][channel]`: mean over samples of the transformed deviations.
    pub(super) mean: Vec<Complex<f64>>,
    /// Sum of squares of the centred maps of each channel; 0 where it never varies.
    pub(super) energy: Vec<f64>,
    /// What rounding can have made of each channel's maps, as a share of the square root of its energy.
    pub(super) noise: Vec<f64>,
}

impl Summary {
    /// The mean of each channel at a frequency.
    pub(super) fn mean(&self, frequency: usize) -> &[Complex<f64>] {
        let channels = self.energy.len();
        &self.mean[frequency * channels..][..channels]
    }

    /// Channels that say the same about every sample.
    pub(super) fn dead(&self) -> usize {
        self.energy.iter().filter(|energy| **energy == 0.0).count()
    }
}

/// A layer's maps on their device, with what it takes to transform them.
pub(super) struct Maps<const D: usize> {
    maps: Tensor<D>,
    shape: Shape,
    /// The mean of each neuron over the first samples. Deviations from it are small enough to be
    /// squared and summed, and where a neuron never changes they are zero.
    pivot: Vec<f64>,
    floats: Floats,
    transform: Transform,
}

impl<const D: usize> Maps<D> {
    pub(super) fn of(maps: &Tensor<D>) -> Result<Maps<D>, Error> {
        let shape = Shape::of(&maps.dims())?;
        let maps = maps.clone().without_autodiff();
        let data = read(&maps, 0..shape.at_a_time().min(shape.samples).min(128))?;
        let pivot = match data.dtype() {
            DType::F64 => mean::<f64>(&data, shape.neurons()),
            _ => mean::<f32>(&data, shape.neurons()),
        };
        Ok(Maps {
            floats: Floats::of(&maps)?,
            maps,
            shape,
            pivot,
            transform: Transform::of(shape.plane),
        })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Fills `block: [frequency][sample][channel]`, whose samples begin at `first`, with the transform
    /// of deviations times `scale`.
    pub(super) fn transform(
        &self,
        first: usize,
        block: &mut [Complex<f64>],
        scale: f64,
    ) -> Result<Sums, Error> {
        match self.maps.dtype() {
            DType::F64 => self.transform_floats::<f64>(first, block, scale),
            _ => self.transform_floats::<f32>(first, block, scale),
        }
    }

    /// Sums of no samples.
    pub(super) fn no_sums(&self) -> Sums {
        Sums::zero(self.shape.neurons())
    }

    pub(super) fn summary(&self, sums: &Sums, scale: f64) -> Summary {
        let (channels, pixels) = (self.shape.channels, self.shape.pixels());
        let samples = self.shape.samples as f64;
        // A pixel that varies by no more than the rounding of its own values is constant.
        let came = self.floats.unit();
        let least = (2.0 * came).max(4.0 * f64::EPSILON);
        let varies = |i: usize| sums.reach[i] > least * (scale * self.pivot[i]).abs();
        let energy = (0..channels).map(|channel| {
            let here = channel * pixels..(channel + 1) * pixels;
            if !here.clone().any(varies) {
                return 0.0;
            }
            let centred = here.map(|i| sums.squares[i] - sums.sum[i] * sums.sum[i] / samples);
            centred.sum::<f64>().max(0.0)
        });
        let energy: Vec<f64> = energy.collect();
        // About zero, as the values were rounded.
        let whole = |i: usize| {
            let pivot = scale * self.pivot[i];
            sums.squares[i] + 2.0 * pivot * sums.sum[i] + samples * pivot * pivot
        };
        let noise = energy.iter().enumerate().map(|(channel, energy)| {
            let here = channel * pixels..(channel + 1) * pixels;
            let size = here.map(whole).sum::<f64>().max(0.0);
            let numbers = samples * pixels as f64;
            let rounding =
                ROUNDING_MARGIN * written(self.floats, size, numbers as usize, scale.recip());
            NOISE.max(rounding / energy.sqrt())
        });
        let noise = noise.collect();

        let mut mean = vec![Complex::ZERO; self.shape.plane.count() * channels];
        let (mut room, together) = (self.transform.room(), self.transform.together());
        for first in (0..channels).step_by(together) {
            let count = together.min(channels - first);
            let here = first * pixels..(first + count) * pixels;
            for (map, sum) in room.maps.iter_mut().zip(&sums.sum[here]) {
                *map = Complex::new(0.5 * sum / samples, 0.0);
            }
            self.transform.run(&mut room, count, |frequency, pairs| {
                let means = &mut mean[frequency * channels + first..];
                for (mean, (a, _)) in means.iter_mut().zip(pairs) {
                    *mean = a;
                }
            });
        }
        Summary {
            mean,
            energy,
            noise,
        }
    }

    fn transform_floats<E: Float>(
        &self,
        first: usize,
        block: &mut [Complex<f64>],
        scale: f64,
    ) -> Result<Sums, Error> {
        let (shape, neurons) = (self.shape, self.shape.neurons());
        let samples = block.len() / (shape.plane.count() * shape.channels);
        let mut sums = Sums::zero(neurons);
        let mut room = self.transform.room();
        for start in (0..samples).step_by(shape.at_a_time()) {
            let part = start..samples.min(start + shape.at_a_time());
            let data = read(&self.maps, first + part.start..first + part.end)?;
            let values = floats::<E>(&data);
            for (at, pair) in part.step_by(2).zip(values.chunks(2 * neurons)) {
                let put = |frequency: usize, channel: usize, pairs: Pairs<'_>| {
                    let at = (frequency * samples + at) * shape.channels;
                    let (a, b) = block[at..].split_at_mut(shape.channels);
                    let a = &mut a[channel..];
                    if pair.len() > neurons {
                        for ((a, b), pair) in a.iter_mut().zip(&mut b[channel..]).zip(pairs) {
                            (*a, *b) = pair;
                        }
                    } else {
                        for (a, pair) in a.iter_mut().zip(pairs) {
                            *a = pair.0;
                        }
                    }
                };
                self.transform_pair(pair, scale, &mut sums, &mut room, put);
            }
            // The transform adds up as many numbers as a map has pixels.
            let bound = sums.widest() * shape.pixels() as f64;
            if !bound.is_finite() || !sums.sum.iter().all(|sum| sum.is_finite()) {
                return Err(self.bad(first + start, values));
            }
        }
        Ok(sums)
    }

    /// Transforms two samples, or the one that is left at the end.
    fn transform_pair<E: Float>(
        &self,
        pair: &[E],
        scale: f64,
        sums: &mut Sums,
        room: &mut Room,
        mut put: impl FnMut(usize, usize, Pairs<'_>),
    ) {
        let (pixels, together) = (self.shape.pixels(), self.transform.together());
        let (a, b) = pair.split_at(self.shape.neurons());
        for first in (0..self.shape.channels).step_by(together) {
            let channels = together.min(self.shape.channels - first);
            let here = first * pixels..(first + channels) * pixels;
            let neurons = Neurons {
                pivot: &self.pivot[here.clone()],
                scale,
                sum: &mut sums.sum[here.clone()],
                squares: &mut sums.squares[here.clone()],
                reach: &mut sums.reach[here.clone()],
            };
            neurons.fill(&mut room.maps, &a[here.clone()], b.get(here));
            let put = |frequency, pairs: Pairs<'_>| put(frequency, first, pairs);
            self.transform.run(room, channels, put);
        }
    }

    /// The first value that isn't finite, or where there is none the largest.
    fn bad<E: Float>(&self, first: usize, values: &[E]) -> Error {
        let neurons = self.shape.neurons();
        let values = || values.iter().map(|value| (*value).into());
        match values().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((at, value)) => Error::NotFinite {
                row: first + at / neurons,
                column: at % neurons,
                value,
            },
            None => Error::TooLarge {
                peak: values().map(f64::abs).fold(0.0, f64::max),
            },
        }
    }
}

/// The neurons that are worked on.
struct Neurons<'a> {
    pivot: &'a [f64],
    scale: f64,
    sum: &'a mut [f64],
    squares: &'a mut [f64],
    reach: &'a mut [f64],
}

impl Neurons<'_> {
    /// Takes deviations `a` and `b`, adds them to the sums and writes `(a + ib) / 2`.
    fn fill<E: Float>(self, maps: &mut [Complex<f64>], a: &[E], b: Option<&[E]>) {
        let size = self.pivot.len();
        let (sum, squares, reach) = (
            &mut self.sum[..size],
            &mut self.squares[..size],
            &mut self.reach[..size],
        );
        let (maps, a) = (&mut maps[..size], &a[..size]);
        let Some(b) = b else {
            for i in 0..size {
                let a = (a[i].into() - self.pivot[i]) * self.scale;
                sum[i] += a;
                squares[i] += a * a;
                reach[i] = larger(reach[i], a.abs());
                maps[i] = Complex::new(0.5 * a, 0.0);
            }
            return;
        };
        let b = &b[..size];
        for i in 0..size {
            let a = (a[i].into() - self.pivot[i]) * self.scale;
            let b = (b[i].into() - self.pivot[i]) * self.scale;
            sum[i] += a + b;
            squares[i] += a * a + b * b;
            reach[i] = larger(reach[i], larger(a.abs(), b.abs()));
            maps[i] = Complex::new(0.5 * a, 0.5 * b);
        }
    }
}

/// What a layer's numbers are read as.
trait Float: Element + Into<f64> {}
impl Float for f32 {}
impl Float for f64 {}

/// As `f64::max` where none is NaN, in one instruction. A NaN shows in the sums.
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

fn mean<E: Float>(data: &TensorData, neurons: usize) -> Vec<f64> {
    let values = floats::<E>(data);
    let (first, rest) = values.split_at(neurons);
    let mut sum = vec![0.0; neurons];
    for sample in rest.chunks_exact(neurons) {
        for ((sum, value), first) in sum.iter_mut().zip(sample).zip(first) {
            *sum += (*value).into() - (*first).into();
        }
    }
    let count = (values.len() / neurons) as f64;
    let neurons = first.iter().zip(sum);
    neurons
        .map(|(first, sum)| (*first).into() + sum / count)
        .collect()
}

fn read<const D: usize>(maps: &Tensor<D>, samples: Range<usize>) -> Result<TensorData, Error> {
    let data = maps.clone().slice([samples]).try_into_data()?;
    Ok(match data.dtype() {
        DType::F64 => data,
        _ => data.convert_dtype(DType::F32),
    })
}

fn floats<E: Float>(data: &TensorData) -> &[E] {
    data.as_slice().expect("read as f64 or converted to f32")
}
