//! Numbers to measure, the same in every run and on every thread.

#![allow(dead_code, reason = "each test program takes what it needs")]

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline::prelude::*;

/// Gaussian numbers in f64 by the sum of twelve uniform ones, from SplitMix64.
pub(crate) fn normal<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    };
    let count = shape.iter().product();
    let mut number = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let values: Vec<f64> = (0..count).map(|_| number()).collect();
    Tensor::from_data(
        TensorData::new(values, shape),
        (&Device::flex(), DType::F64),
    )
}

/// On the host, row by row.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert_dtype(DType::F64);
    data.try_into_vec().unwrap()
}

pub(crate) fn assert_near<const D: usize>(found: Tensor<D>, expected: Tensor<D>, tolerance: f64) {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (numbers(found), numbers(expected));
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, f64::max);
    let size = expected
        .iter()
        .fold(0.0f64, |size, value| size.max(value.abs()));
    assert!(worst <= tolerance * size, "{worst:e} of {size:e}");
}

/// Named layers as if they had been recorded.
pub(crate) fn activations<const D: usize>(layers: &[(&str, Tensor<D>)]) -> Activations {
    let named = layers.iter().cloned();
    named
        .map(|(name, tensor)| frostline::activations::Activation::new(name, tensor))
        .collect()
}
