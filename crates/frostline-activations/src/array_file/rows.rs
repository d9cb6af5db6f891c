use std::cell::Cell;
use std::io::{Read, Seek};
use std::ops::Range;

use burn::tensor::{Element as Value, TensorData};
use half::{bf16, f16};

use super::element::{Element, decoded};
use super::stretch::StretchReader;
use super::{ArrayFileProblem, Order, Stored};

/// The longest piece that is read at once, in bytes.
const BLOCK: usize = 1 << 20;
/// The longest piece of a column in a block that is turned. A block is then at least 16 columns
/// wide, so that the cache line that a value is written to serves its neighbours too.
const COLUMN: usize = BLOCK / 16;
/// The longest deflated values that are read in an order in which they don't lie: any rows of them
/// take inflating all.
const DEFLATED_COLUMNS: u64 = 1 << 30;

/// The samples `rows`, row-major.
pub(super) fn read<R: Read + Seek>(
    reader: &mut StretchReader<R>,
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
    let bytes = stored.bytes();
    if reader.is_deflated() && stored.order != Order::Rows && bytes > DEFLATED_COLUMNS {
        return Err(ArrayFileProblem::CompressedColumns {
            bytes,
            limit: DEFLATED_COLUMNS,
        });
    }
    let inexact = Cell::new(None);
    let exact = |value: i128| {
        let rounded = value as f64;
        if rounded as i128 != value && inexact.get().is_none() {
            inexact.set(Some(value));
        }
        rounded
    };
    let read = match stored.element {
        Element::Bool => values(reader, stored, rows, |[b]| f32::from(u8::from(b != 0))),
        Element::Int8 => values(reader, stored, rows, |b| f32::from(i8::from_le_bytes(b))),
        Element::Int16 => values(reader, stored, rows, |b| f32::from(i16::from_le_bytes(b))),
        Element::Int32 => values(reader, stored, rows, |b| f64::from(i32::from_le_bytes(b))),
        Element::Int64 => values(reader, stored, rows, |b| {
            exact(i64::from_le_bytes(b).into())
        }),
        Element::UInt8 => values(reader, stored, rows, |[b]| f32::from(b)),
        Element::UInt16 => values(reader, stored, rows, |b| f32::from(u16::from_le_bytes(b))),
        Element::UInt32 => values(reader, stored, rows, |b| f64::from(u32::from_le_bytes(b))),
        Element::UInt64 => values(reader, stored, rows, |b| {
            exact(u64::from_le_bytes(b).into())
        }),
        Element::Float16 => values(reader, stored, rows, |b| f16::from_le_bytes(b).to_f32()),
        Element::BFloat16 => values(reader, stored, rows, |b| bf16::from_le_bytes(b).to_f32()),
        Element::Float32 => values(reader, stored, rows, f32::from_le_bytes),
        Element::Float64 => values(reader, stored, rows, f64::from_le_bytes),
    };
    match inexact.get() {
        Some(value) if read.is_ok() => Err(ArrayFileProblem::Inexact {
            value: value.to_string(),
        }),
        _ => read,
    }
}

fn values<const N: usize, T: Value>(
    reader: &mut StretchReader<impl Read + Seek>,
    stored: &Stored,
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<TensorData, ArrayFileProblem> {
    let mut shape = stored.shape.clone();
    shape[0] = rows.len();
    let values = match &stored.order {
        Order::Rows => in_order(reader, stored, rows, from)?,
        Order::Columns => columns_turned(reader, stored, rows, from)?,
        Order::Strides(strides) => gathered(reader, stored, strides, rows, from)?,
    };
    Ok(TensorData::new(values, shape))
}

/// C order: the rows lie one after another.
fn in_order<const N: usize, T: Value>(
    reader: &mut StretchReader<impl Read + Seek>,
    stored: &Stored,
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<Vec<T>, ArrayFileProblem> {
    let width = width(stored);
    let mut values = room(rows.len(), width)?;
    let mut left = rows.len() * width * N;
    let mut block = vec![0; left.min(BLOCK)];
    reader.go_to(place(stored, rows.start * width))?;
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
    reader: &mut StretchReader<impl Read + Seek>,
    stored: &Stored,
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<Vec<T>, ArrayFileProblem> {
    let (samples, width) = (stored.shape[0], width(stored));
    let mut values = room(rows.len(), width)?;
    values.resize(rows.len() * width, from([0; N]));

    let tall = rows.len().min(COLUMN / N);
    let wide = if reader.is_deflated() {
        1 // never back, since that means inflating everything again
    } else {
        (BLOCK / N / tall).clamp(1, width)
    };
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
                reader.go_to(place(stored, first_column * samples))?;
                reader.read_exact(piece)?;
            } else {
                for (part, column) in piece.chunks_exact_mut(height * N).zip(columns.clone()) {
                    let first = column * samples + first_row;
                    reader.go_to(place(stored, first))?;
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

/// An axis of values that lie in some order.
struct Axis {
    length: usize,
    /// How many values further a step along it is in the file.
    stride: usize,
    /// And among the values that are read.
    step: usize,
}

/// Values with other strides, such as a view of a larger array. The axes are walked in the order in
/// which they lie in the file, and pieces of it are read whose values are then put in their places.
fn gathered<const N: usize, T: Value>(
    reader: &mut StretchReader<impl Read + Seek>,
    stored: &Stored,
    strides: &[usize],
    rows: Range<usize>,
    from: impl Fn([u8; N]) -> T + Copy,
) -> Result<Vec<T>, ArrayFileProblem> {
    let width = width(stored);
    let mut values = room(rows.len(), width)?;
    values.resize(rows.len() * width, from([0; N]));

    let mut axes = Vec::new();
    let mut step = 1;
    for at in (0..stored.shape.len()).rev() {
        let length = if at == 0 {
            rows.len()
        } else {
            stored.shape[at]
        };
        let stride = strides[at];
        axes.push(Axis {
            length,
            stride,
            step,
        });
        step *= length;
    }
    axes.retain(|axis| axis.length > 1);
    axes.sort_by_key(|axis| std::cmp::Reverse(axis.stride));

    // As many of the last axes as lie in one block, and a run of the one before them.
    let span = |axes: &[Axis]| {
        let spans = axes.iter().map(|axis| (axis.length - 1) * axis.stride);
        1 + spans.sum::<usize>()
    };
    let most = BLOCK / N;
    let fits = |&at: &usize| span(&axes[at..]) <= most;
    let inner = (0..=axes.len()).find(fits).unwrap_or(axes.len()); // no axis spans one value
    let inner_span = span(&axes[inner..]);
    let (outer, inner) = axes.split_at(inner);
    let whole = Axis {
        length: 1,
        stride: 1,
        step: 1,
    };
    let (cut, outer) = outer.split_last().unwrap_or((&whole, &[]));
    let run = 1 + (most - inner_span) / cut.stride.max(1);
    let run = run.min(cut.length);

    let mut block = vec![0; (inner_span + (run - 1) * cut.stride) * N];
    let mut place_of = vec![0; outer.len()];
    let first = rows.start * strides[0];
    loop {
        let along = |number: fn(&Axis) -> usize| {
            let steps = outer.iter().zip(&place_of);
            steps
                .map(|(axis, place)| number(axis) * place)
                .sum::<usize>()
        };
        let (source, target) = (first + along(|axis| axis.stride), along(|axis| axis.step));
        for start in (0..cut.length).step_by(run) {
            let run = run.min(cut.length - start);
            let piece = &mut block[..(inner_span + (run - 1) * cut.stride) * N];
            reader.go_to(place(stored, source + start * cut.stride))?;
            reader.read_exact(piece)?;
            for at in 0..run {
                let piece = &piece[at * cut.stride * N..];
                let target = target + (start + at) * cut.step;
                put(piece, inner, stored.big_endian, from, &mut values[target..]);
            }
        }
        // The next places of the outer axes, the last one fastest.
        let Some(at) = (0..outer.len())
            .rev()
            .find(|&at| place_of[at] + 1 < outer[at].length)
        else {
            return Ok(values);
        };
        place_of[at] += 1;
        place_of[at + 1..].fill(0);
    }
}

/// Puts the values in `bytes`, which lie along these axes, in their places.
fn put<const N: usize, T>(
    bytes: &[u8],
    axes: &[Axis],
    big_endian: bool,
    from: impl Fn([u8; N]) -> T + Copy,
    values: &mut [T],
) {
    match axes {
        [] => values[0] = decoded(bytes, big_endian, from).next().expect("one value"),
        [axis, axes @ ..] => {
            for at in 0..axis.length {
                let bytes = &bytes[at * axis.stride * N..];
                put(bytes, axes, big_endian, from, &mut values[at * axis.step..]);
            }
        }
    }
}

/// How many values a sample has.
fn width(stored: &Stored) -> usize {
    stored.shape[1..].iter().product()
}

/// Where the value with this number begins in the stretch. It can't overflow: the values were found
/// to lie within it.
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
