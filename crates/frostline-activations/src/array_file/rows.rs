use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use burn::tensor::{Element as Value, TensorData};
use half::{bf16, f16};

use super::element::{Element, decoded};
use super::{ArrayFileProblem, Stored};

/// The longest piece that is read at once, in bytes.
const BLOCK: usize = 1 << 20;
/// The longest piece of a column in a block that is turned. A block is then at least 16 columns
/// wide, so that the cache line that a value is written to serves its neighbours too.
const COLUMN: usize = BLOCK / 16;

/// The samples `rows`, row-major.
pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    stored: &Stored,
    rows: Range<usize>,
) -> Result<TensorData, ArrayFileProblem> {
    if rows.is_empty() || rows.end > stored.shape[0] {
        return Err(ArrayFileProblem::Rows {
            start: rows.start,
            end: rows.end,
            samples: stored.shape[0],
        });
    }
    match stored.element {
        Element::Float16 => values(reader, stored, rows, |b| f16::from_le_bytes(b).to_f32()),
        Element::BFloat16 => values(reader, stored, rows, |b| bf16::from_le_bytes(b).to_f32()),
        Element::Float32 => values(reader, stored, rows, f32::from_le_bytes),
        Element::Float64 => values(reader, stored, rows, f64::from_le_bytes),
    }
}

fn values<const N: usize, T: Value>(
    reader: &mut (impl Read + Seek),
    stored: &Stored,
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<TensorData, ArrayFileProblem> {
    let mut shape = stored.shape.clone();
    shape[0] = rows.len();
    let values = if stored.fortran_order {
        columns_turned(reader, stored, rows, from)?
    } else {
        in_order(reader, stored, rows, from)?
    };
    Ok(TensorData::new(values, shape))
}

/// C order: the rows lie one after another.
fn in_order<const N: usize, T: Value>(
    reader: &mut (impl Read + Seek),
    stored: &Stored,
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<Vec<T>, ArrayFileProblem> {
    let width = width(stored);
    let mut values = room(rows.len(), width)?;
    let mut left = rows.len() * width * N;
    let mut block = vec![0; left.min(BLOCK)];
    reader.seek(SeekFrom::Start(place(stored, rows.start * width)))?;
    while left > 0 {
        let piece = &mut block[..left.min(BLOCK)];
        reader.read_exact(piece)?;
        values.extend(decoded(piece, stored.big_endian, from));
        left -= piece.len();
    }
    Ok(values)
}

/// Fortran order: the samples of one neuron lie one after another. Several neurons are read into a
/// block, which is then turned; with all rows asked for they are one piece of the file.
fn columns_turned<const N: usize, T: Value>(
    reader: &mut (impl Read + Seek),
    stored: &Stored,
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<Vec<T>, ArrayFileProblem> {
    let (samples, width) = (stored.shape[0], width(stored));
    let mut values = room(rows.len(), width)?;
    values.resize(rows.len() * width, from([0; N]));

    let tall = rows.len().min(COLUMN / N);
    let wide = (BLOCK / N / tall).clamp(1, width);
    let mut block = vec![0; tall * wide * N];
    let mut targets = Vec::with_capacity(wide);
    for first_column in (0..width).step_by(wide) {
        let columns = first_column..width.min(first_column + wide);
        targets.clear();
        targets.extend(columns.clone().map(|c| row_major(c, &stored.shape[1..])));

        for first_row in rows.clone().step_by(tall) {
            let height = tall.min(rows.end - first_row);
            let piece = &mut block[..height * columns.len() * N];
            if height == samples {
                reader.seek(SeekFrom::Start(place(stored, first_column * samples)))?;
                reader.read_exact(piece)?;
            } else {
                for (part, column) in piece.chunks_exact_mut(height * N).zip(columns.clone()) {
                    let first = column * samples + first_row;
                    reader.seek(SeekFrom::Start(place(stored, first)))?;
                    reader.read_exact(part)?;
                }
            }
            let first_row = first_row - rows.start;
            for (part, target) in piece.chunks_exact(height * N).zip(&targets) {
                let column = decoded(part, stored.big_endian, from);
                let places = values[first_row * width + target..]
                    .iter_mut()
                    .step_by(width);
                places.zip(column).for_each(|(place, value)| *place = value);
            }
        }
    }
    Ok(values)
}

/// How many values a sample has.
fn width(stored: &Stored) -> usize {
    stored.shape[1..].iter().product()
}

/// Where the value with this number begins in the file. It can't overflow: the values were found
/// to lie within the file.
fn place(stored: &Stored, value: usize) -> u64 {
    stored.start + value as u64 * stored.element.size() as u64
}

/// Room for so many values. What is asked for exists in the file, but need not fit the memory.
fn room<T>(rows: usize, width: usize) -> Result<Vec<T>, ArrayFileProblem> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(rows * width)
        .map_err(|_| ArrayFileProblem::Memory {
            rows,
            bytes: rows as u64 * width as u64 * size_of::<T>() as u64,
        })?;
    Ok(values)
}

/// The number in C order of the neuron that has this number in Fortran order.
fn row_major(mut column: usize, shape: &[usize]) -> usize {
    let mut stride: usize = shape.iter().product();
    let mut number = 0;
    for &axis in shape {
        stride /= axis;
        number += column % axis * stride;
        column /= axis;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::row_major;

    #[test]
    fn the_first_axis_runs_fastest_in_fortran_order() {
        let order: Vec<_> = (0..6).map(|column| row_major(column, &[2, 3])).collect();
        assert_eq!(order, [0, 3, 1, 4, 2, 5]);
        assert_eq!(row_major(0, &[]), 0);
    }
}
