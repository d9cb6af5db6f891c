use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::f16;

/// Where a cache keeps its rows.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Memory,
    Device,
    File(PathBuf),
}

/// Rows of one width, by slot.
#[derive(Debug)]
pub(super) struct Store {
    width: usize,
    half: bool,
    capacity: usize,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Single(Vec<Vec<f32>>),
    Half(Vec<Vec<f16>>),
    /// Grows by doubling, up to the capacity.
    Device(Option<Box<Tensor<2>>>),
    File(File),
}

/// Rows of device memory at first.
const FIRST: usize = 1024;

impl Store {
    pub(super) fn new(place: &Place, half: bool, width: usize, bytes: u64) -> Result<Self, String> {
        let row_bytes = width * if half { 2 } else { 4 };
        let rows = match (place, half) {
            (Place::Memory, false) => Rows::Single(Vec::new()),
            (Place::Memory, true) => Rows::Half(Vec::new()),
            (Place::Device, _) => Rows::Device(None),
            (Place::File(folder), _) => Rows::File(
                tempfile::tempfile_in(folder)
                    .map_err(|error| format!("{}: {error}", folder.display()))?,
            ),
        };
        Ok(Store {
            width,
            half,
            capacity: (bytes / row_bytes.max(1) as u64) as usize,
            rows,
        })
    }

    /// The rows that the budget has room for.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Writes each row that has a slot, and gives all rows as they would be read.
    pub(super) fn write(
        &mut self,
        slots: &[Option<usize>],
        rows: Tensor<2>,
        device: &Device,
    ) -> Result<Tensor<2>, String> {
        if !matches!(rows.dtype(), DType::F32) {
            return Err(format!("they are {:?}, and only f32 is kept", rows.dtype()));
        }
        if let Rows::Device(slab) = &mut self.rows {
            let kept = match self.half {
                true if !device.supports_dtype(DType::F16) => {
                    return Err("the device has no f16".to_string());
                }
                true => rows.cast(DType::F16),
                false => rows,
            };
            write_to_device(slab, slots, &kept, self.capacity);
            return Ok(kept.cast(DType::F32));
        }
        let data = rows.clone().try_into_data();
        let mut values: Vec<f32> = data
            .map_err(|error| error.to_string())?
            .try_to_vec()
            .expect("checked to be f32");
        if self.half {
            for value in &mut values {
                let rounded = f16::from_f32(*value).to_f32();
                if value.is_finite() && !rounded.is_finite() {
                    return Err(format!("{value} is beyond f16's range"));
                }
                *value = rounded;
            }
        }
        for (row, slot) in values.chunks(self.width.max(1)).zip(slots) {
            if let Some(slot) = slot {
                self.write_row(*slot, row).map_err(|e| e.to_string())?;
            }
        }
        match self.half {
            true => Ok(upload(values, slots.len(), self.width, device)),
            false => Ok(rows),
        }
    }

    fn write_row(&mut self, slot: usize, row: &[f32]) -> std::io::Result<()> {
        match &mut self.rows {
            Rows::Single(rows) => put(rows, slot, row.to_vec()),
            Rows::Half(rows) => put(rows, slot, row.iter().map(|v| f16::from_f32(*v)).collect()),
            Rows::Device(_) => unreachable!("written as a whole"),
            Rows::File(file) => {
                let bytes: Vec<u8> = match self.half {
                    true => row
                        .iter()
                        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
                        .collect(),
                    false => row.iter().flat_map(|value| value.to_le_bytes()).collect(),
                };
                file.seek(SeekFrom::Start((slot * bytes.len()) as u64))?;
                file.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// The rows in these slots, in f32 on the device, without autodiff.
    pub(super) fn read(&self, slots: &[usize], device: &Device) -> Result<Tensor<2>, String> {
        let mut values: Vec<f32> = Vec::with_capacity(slots.len() * self.width);
        match &self.rows {
            Rows::Single(rows) => slots.iter().for_each(|slot| values.extend(&rows[*slot])),
            Rows::Half(rows) => slots
                .iter()
                .for_each(|slot| values.extend(rows[*slot].iter().map(|value| value.to_f32()))),
            Rows::Device(slab) => {
                let slab = slab.clone().expect("slots were written");
                let slots: Vec<i32> = slots.iter().map(|slot| *slot as i32).collect();
                let count = slots.len();
                let slots = Tensor::from_data(TensorData::new(slots, [count]), &slab.device());
                return Ok(slab.select(0, slots).cast(DType::F32));
            }
            Rows::File(file) => {
                let mut file = file;
                let mut bytes = vec![0; self.width * if self.half { 2 } else { 4 }];
                for slot in slots {
                    let start = (slot * bytes.len()) as u64;
                    file.seek(SeekFrom::Start(start))
                        .and_then(|_| file.read_exact(&mut bytes))
                        .map_err(|error| error.to_string())?;
                    match self.half {
                        true => {
                            let (halves, _) = bytes.as_chunks::<2>();
                            values.extend(halves.iter().map(|b| f16::from_le_bytes(*b).to_f32()));
                        }
                        false => {
                            let (singles, _) = bytes.as_chunks::<4>();
                            values.extend(singles.iter().map(|b| f32::from_le_bytes(*b)));
                        }
                    }
                }
            }
        }
        Ok(upload(values, slots.len(), self.width, device))
    }
}

/// Puts a row into its slot, which is at most the next one.
fn put<T>(rows: &mut Vec<T>, slot: usize, row: T) {
    match slot < rows.len() {
        true => rows[slot] = row,
        false => rows.push(row),
    }
}

fn upload(values: Vec<f32>, rows: usize, width: usize, device: &Device) -> Tensor<2> {
    let device = device.clone().without_autodiff();
    Tensor::from_data(
        TensorData::new(values, [rows, width]),
        (&device, DType::F32),
    )
}

fn write_to_device(
    slab: &mut Option<Box<Tensor<2>>>,
    slots: &[Option<usize>],
    rows: &Tensor<2>,
    capacity: usize,
) {
    let width = rows.dims()[1];
    let Some(highest) = slots.iter().flatten().max() else {
        return;
    };
    let held = slab.as_ref().map_or(0, |slab| slab.dims()[0]);
    if *highest >= held {
        let wanted = (2 * held).max(FIRST).max(highest + 1).min(capacity);
        let more = Tensor::zeros([wanted - held, width], (&rows.device(), rows.dtype()));
        let grown = match slab.take() {
            Some(slab) => Tensor::cat(vec![*slab, more], 0),
            None => more,
        };
        *slab = Some(Box::new(grown));
    }
    // Rows in a row of slots go in one piece.
    let mut start = 0;
    while start < slots.len() {
        let Some(slot) = slots[start] else {
            start += 1;
            continue;
        };
        let run = slots[start..].iter().enumerate();
        let length = run
            .take_while(|(offset, other)| **other == Some(slot + offset))
            .count();
        let piece = rows.clone().slice([start..start + length, 0..width]);
        let whole = slab.take().expect("made above");
        let whole = whole.slice_assign([slot..slot + length, 0..width], piece);
        *slab = Some(Box::new(whole));
        start += length;
    }
}
