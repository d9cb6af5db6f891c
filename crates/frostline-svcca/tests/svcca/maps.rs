//! Layers to compare.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Complex, DMatrix};

use crate::samples;

/// A layer's maps in the order of a tensor.
pub(crate) struct Maps {
    pub(crate) shape: [usize; 4],
    pub(crate) values: Vec<f64>,
}

impl Maps {
    pub(crate) fn of(shape: [usize; 4], value: impl Fn(usize, usize, usize, usize) -> f64) -> Maps {
        let [samples, channels, height, width] = shape;
        let mut values = Vec::with_capacity(samples * channels * height * width);
        for n in 0..samples {
            for c in 0..channels {
                for i in 0..height {
                    values.extend((0..width).map(|j| value(n, c, i, j)));
                }
            }
        }
        Maps { shape, values }
    }

    pub(crate) fn at(&self, n: usize, c: usize, i: usize, j: usize) -> f64 {
        let [_, channels, height, width] = self.shape;
        self.values[((n * channels + c) * height + i) * width + j]
    }

    pub(crate) fn neurons(&self) -> usize {
        self.shape[1..].iter().product()
    }

    pub(crate) fn tensor(&self) -> Tensor<4> {
        let data = TensorData::new(self.values.clone(), self.shape);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    /// The sum over pixels that defines the transform, at frequency `f` of either sign.
    pub(crate) fn transformed(&self, f: [isize; 2]) -> DMatrix<Complex<f64>> {
        let [samples, channels, height, width] = self.shape;
        let matrix = DMatrix::from_fn(samples, channels, |n, c| {
            let mut sum = Complex::new(0.0, 0.0);
            for i in 0..height {
                for j in 0..width {
                    let turns = f[0] as f64 * i as f64 / height as f64
                        + f[1] as f64 * j as f64 / width as f64;
                    let wave = Complex::from_polar(1.0, -2.0 * std::f64::consts::PI * turns);
                    sum += wave * self.at(n, c, i, j);
                }
            }
            sum
        });
        let mean = matrix.row_sum() / Complex::new(samples as f64, 0.0);
        DMatrix::from_fn(samples, channels, |n, c| matrix[(n, c)] - mean[c])
    }
}

/// Two layers of 60 samples, each with 3 channels of 5 x 6 pixels, that see the same.
pub(crate) fn pair(seed: u64) -> (Maps, Maps) {
    (
        related([60, 3, 5, 6], seed, 1),
        related([60, 3, 5, 6], seed, 2),
    )
}

/// Maps of half what all layers of this seed see and half noise of their own.
pub(crate) fn related(shape: [usize; 4], seed: u64, own: u64) -> Maps {
    let [samples, channels, height, width] = shape;
    let seen = normal(samples * 64 * 4, seed);
    let noise = normal(samples * channels * height * width, seed ^ (own << 32));
    let mix = normal(channels * 4, seed ^ (own << 16));
    Maps::of(shape, |n, c, i, j| {
        let seen = (0..4).map(|k| mix[c * 4 + k] * seen[((n * 4 + k) * 8 + i) * 8 + j]);
        seen.sum::<f64>() + noise[((n * channels + c) * height + i) * width + j]
    })
}

/// Gaussian numbers.
pub(crate) fn normal(count: usize, seed: u64) -> Vec<f64> {
    samples::normal(count, 1, seed).as_slice().to_vec()
}
