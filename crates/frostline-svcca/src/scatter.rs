//! Products over many samples, on the device where the tensors live.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::DMatrix;

use crate::{
    Error,
    centre::{Precision, read},
};

/// Rows multiplied at a time in f32. Rounding grows with the rows of a block and not with their
/// number: blocks of 1024, 256, 64 rows put the worst coefficient of the reference cases off by
/// 1e-4, 4e-5, 2e-5. Fewer rows mean more reads.
const BLOCK: usize = 128;

/// `aᵀ b: [column of a, column of b]`, on the host.
pub(crate) fn cross(
    a: &Tensor<2>,
    b: &Tensor<2>,
    precision: Precision,
) -> Result<DMatrix<f64>, Error> {
    let ([rows, left], [_, right]) = (a.dims(), b.dims());
    let block = match precision {
        Precision::F64 => rows,
        Precision::F32 => BLOCK,
    };
    let mut sum = DMatrix::zeros(left, right);
    for start in (0..rows).step_by(block) {
        let part = start..rows.min(start + block);
        let (a, b) = (a.clone().slice([part.clone()]), b.clone().slice([part]));
        sum += DMatrix::from_row_slice(left, right, &read(a.transpose().matmul(b))?);
    }
    Ok(sum)
}

/// A host matrix on the device.
pub(crate) fn upload(matrix: &DMatrix<f64>, precision: Precision, device: &Device) -> Tensor<2> {
    let (rows, columns) = matrix.shape();
    // nalgebra keeps columns together, Burn rows: the numbers are those of the transpose.
    let data = TensorData::new(matrix.as_slice().to_vec(), [columns, rows])
        .convert_dtype(precision.dtype());
    Tensor::<2>::from_data(data, (device, precision.dtype())).transpose()
}

/// Whether `tensor` can be multiplied on `device` as it is.
pub(crate) fn lives_on(tensor: &Tensor<2>, device: &Device, dtype: DType) -> bool {
    tensor.device() == *device && tensor.dtype() == dtype
}
