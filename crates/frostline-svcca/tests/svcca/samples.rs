//! Samples to measure.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::DMatrix;

/// Two views of 120 samples with 12 and 9 neurons that share four directions, spectra that fall to a
/// few hundredths.
pub(crate) fn related(seed: u64) -> (DMatrix<f64>, DMatrix<f64>) {
    let shared = normal(120, 4, seed);
    let falling = |columns: usize, salt: u64| {
        let turn = normal(columns, columns, seed ^ salt).qr().q();
        let own = normal(120, columns, seed ^ (salt + 1));
        let mixed = DMatrix::from_fn(120, columns, |i, j| {
            let part = if j < 4 { shared[(i, j)] } else { 0.0 };
            (part + 0.5 * own[(i, j)]) * 0.6f64.powi(j as i32)
        });
        mixed * turn
    };
    (falling(12, 0x10), falling(9, 0x20))
}

/// Gaussian numbers by the sum of twelve uniform ones, from SplitMix64.
pub(crate) fn normal(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    };
    DMatrix::from_fn(rows, columns, |_, _| {
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    })
}

/// In f64 on flex.
pub(crate) fn tensor(matrix: &DMatrix<f64>) -> Tensor<2> {
    let rows = matrix.transpose().as_slice().to_vec();
    let data = TensorData::new(rows, [matrix.nrows(), matrix.ncols()]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}
