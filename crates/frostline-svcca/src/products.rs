//! Products over many samples, on the device where the tensors live, and what is read back of them.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::DMatrix;

use crate::{Error, decompose, precision::Precision};

/// Rows multiplied at a time in f32 where the product is decomposed. Rounding grows with the rows of
/// a block and not with their number: blocks of 1024, 256, 64 rows put the worst coefficient of the
/// reference cases off by 1e-4, 4e-5, 2e-5.
const FINE: usize = 128;
/// The same where the product is only looked at, as that of two orthonormal bases: the device's own
/// product sums in blocks too.
const COARSE: usize = 8192;
/// Rows multiplied at a time in f64: bounds the copy that a cast makes.
const ROWS: usize = 16_384;
/// Width of the column panels of a symmetric product, of which only one triangle is computed.
const PANEL: usize = 64;

/// `aᵀ a: [column, column]`, on the host: for `a` in f32 summed in f64, for `Mixed` multiplied in
/// f64 too.
pub(crate) fn gram(a: &Tensor<2>, precision: Precision) -> Result<DMatrix<f64>, Error> {
    let [rows, width] = a.dims();
    let mut sum = DMatrix::zeros(width, width);
    let wide = precision != Precision::F32;
    let slab = if wide { ROWS } else { slab(FINE, width) };
    for start in (0..rows).step_by(slab) {
        let mut part = a.clone().slice_dim(0, start..rows.min(start + slab));
        if wide {
            part = part.cast(DType::F64);
        }
        for left in (0..width).step_by(PANEL) {
            let panel = part
                .clone()
                .slice([0..part.dims()[0], left..width.min(left + PANEL)]);
            let rest = part.clone().slice([0..part.dims()[0], left..width]);
            let block = if wide { ROWS } else { FINE };
            let product = read(summed(&panel, &rest, block))?;
            // A row of the product is what stands below the diagonal in a column of the whole.
            for (i, row) in product.chunks_exact(width - left).enumerate() {
                let mut column = sum.column_mut(left + i);
                let below = &mut column.as_mut_slice()[left..];
                below
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
    }
    sum.fill_upper_triangle_with_lower_triangle();
    Ok(sum)
}

/// `aᵀ b: [column of a, column of b]`, on the host.
///
/// None has no columns. Tensors that share no device or no dtype are multiplied on the host.
pub(crate) fn cross(
    a: Option<&Tensor<2>>,
    b: Option<&Tensor<2>>,
    rounding: Rounding,
) -> Result<DMatrix<f64>, Error> {
    let width = |side: Option<&Tensor<2>>| side.map_or(0, |columns| columns.dims()[1]);
    let (left, right) = (width(a), width(b));
    let (Some(a), Some(b)) = (a, b) else {
        return Ok(DMatrix::zeros(left, right));
    };
    let [rows, _] = a.dims();
    if a.device() != b.device() || a.dtype() != b.dtype() {
        return Ok(decompose::product(&on_host(a)?, &on_host(b)?));
    }
    let wide = rounding == Rounding::InF64;
    let block = match (a.dtype(), rounding) {
        (_, Rounding::InF64) => ROWS,
        (DType::F64, _) => ROWS,
        (_, Rounding::Least) => FINE,
        (_, Rounding::OfOrthonormal) => COARSE,
    };
    let slab = slab(block, left.max(right));
    let mut sum = DMatrix::zeros(left, right);
    for start in (0..rows).step_by(slab) {
        let part = start..rows.min(start + slab);
        let (mut a, mut b) = (a.clone().slice([part.clone()]), b.clone().slice([part]));
        if wide {
            (a, b) = (a.cast(DType::F64), b.cast(DType::F64));
        }
        // Burn keeps rows together, nalgebra columns: the numbers of the transpose.
        let product = read(summed(&b, &a, block))?;
        let sums = sum.as_mut_slice().iter_mut();
        sums.zip(&product).for_each(|(sum, value)| *sum += value);
    }
    Ok(sum)
}

/// How much a product in f32 may round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// As little as possible: digits of the product get lost later.
    Least,
    /// Not beyond f64's, on a device that has it, whatever the activations are held in.
    InF64,
    /// Between bases whose columns have norm 1: what rounds is a millionth of the result.
    OfOrthonormal,
}

/// So many rows are summed on the device before they are read that what is read stays below a
/// sixty-fourth of the activations themselves.
fn slab(block: usize, width: usize) -> usize {
    (64 * width).max(8192).next_multiple_of(block)
}

/// `aᵀ b` on the device, in blocks of rows summed pairwise, so that rounding grows with a block and
/// the logarithm of their number.
fn summed(a: &Tensor<2>, b: &Tensor<2>, block: usize) -> Tensor<2> {
    let [rows, _] = a.dims();
    let mut sums: Vec<(u32, Tensor<2>)> = Vec::new();
    for start in (0..rows).step_by(block) {
        let part = start..rows.min(start + block);
        let (a, b) = (a.clone().slice([part.clone()]), b.clone().slice([part]));
        let (mut level, mut sum) = (0, a.transpose().matmul(b));
        while let Some((_, other)) = sums.pop_if(|(other, _)| *other == level) {
            (level, sum) = (level + 1, sum + other);
        }
        sums.push((level, sum));
    }
    let whole = sums
        .into_iter()
        .map(|(_, sum)| sum)
        .rev()
        .reduce(|a, b| a + b);
    whole.expect("a tensor has at least one row: views without are refused")
}

/// A host matrix on the device.
pub(crate) fn upload(matrix: &DMatrix<f64>, dtype: DType, device: &Device) -> Tensor<2> {
    let (rows, columns) = matrix.shape();
    // nalgebra keeps columns together, Burn rows: the numbers are those of the transpose.
    let data = TensorData::new(matrix.as_slice().to_vec(), [columns, rows]).convert_dtype(dtype);
    Tensor::<2>::from_data(data, (device, dtype)).transpose()
}

/// A tensor on the host.
pub(crate) fn on_host(tensor: &Tensor<2>) -> Result<DMatrix<f64>, Error> {
    let [rows, columns] = tensor.dims();
    Ok(DMatrix::from_row_slice(
        rows,
        columns,
        &read(tensor.clone())?,
    ))
}

/// The numbers of a tensor, row by row.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>, Error> {
    let data = tensor.try_into_data()?;
    #[cfg(test)]
    counted::add(data.num_elements() * data.dtype().size());
    // Several times faster than the general conversion.
    if let Ok(values) = data.as_slice::<f32>() {
        return Ok(values.iter().copied().map(f64::from).collect());
    }
    Ok(data
        .convert_dtype(DType::F64)
        .try_into_vec()
        .expect("converted to f64 on the line above"))
}

/// Bytes that this thread has read back from devices.
#[cfg(test)]
pub(crate) mod counted {
    use std::cell::Cell;

    thread_local!(static BYTES: Cell<usize> = const { Cell::new(0) });

    pub(crate) fn add(bytes: usize) {
        BYTES.set(BYTES.get() + bytes);
    }

    /// What `work` reads back.
    pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = BYTES.get();
        let result = work();
        (result, BYTES.get() - before)
    }
}
