//! The header of a safetensors file: its length in 8 bytes, then JSON with each tensor's dtype,
//! shape and place.
//!
//! `SafeTensors::read_metadata` wants the whole file as one slice, and its `Metadata` holds every name
//! three times while it is parsed. This reads the header as a stream, once.

use std::io::{BufReader, Read, Seek};

use safetensors::Dtype;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::element::Element;
use super::stretch::Stretch;
use super::{
    ArrayEntry, ArrayFileProblem, LONGEST_NAME, MOST_ARRAYS, Order, Refused, Stored, check_header,
    excerpt, length,
};

/// The format's own limit, room for about a million tensors.
const LONGEST_HEADER: u64 = 100_000_000;
/// How long the length of the header is.
const LENGTH: u64 = 8;

/// Reads the header, and checks that the tensors fill the file without gaps, as the format demands.
/// They come in the order in which they are stored.
pub(super) fn entries(
    reader: &mut (impl Read + Seek),
) -> Result<Vec<ArrayEntry>, ArrayFileProblem> {
    let found = length(reader)?;
    if found < LENGTH {
        return Err(ArrayFileProblem::Length {
            expected: LENGTH,
            found,
        });
    }
    let mut claimed = [0; LENGTH as usize];
    reader.read_exact(&mut claimed)?;
    let claimed = u64::from_le_bytes(claimed);
    check_header(claimed, found - LENGTH, LONGEST_HEADER)?;
    let header = BufReader::with_capacity(64 << 10, reader.take(claimed));
    let Header(mut tensors) =
        serde_json::from_reader(header).map_err(|error| match error.io_error_kind() {
            Some(kind) => std::io::Error::from(kind).into(),
            None => bad_header(&error.to_string()),
        })?;

    // Empty tensors share their place; by name the order is the same at every reading.
    tensors.sort_by(|(a_name, a), (b_name, b)| {
        (a.data_offsets, a_name).cmp(&(b.data_offsets, b_name))
    });
    let start = LENGTH + claimed;
    let mut end = 0;
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let (from, to) = tensor.data_offsets;
        if from != end || to < from {
            return Err(bad_header(&format!(
                "the tensor `{name}` begins at {from} and ends at {to}, and the one before it ends at {end}"
            )));
        }
        end = to;
        if tensor.bytes() != Some(to - from) {
            return Err(bad_header(&format!(
                "the tensor `{name}` of shape {:?} has {} bytes",
                tensor.shape,
                to - from
            )));
        }
        entries.push(tensor.entry(name, start));
    }
    match start.checked_add(end) {
        Some(expected) if expected == found => Ok(entries),
        expected => Err(ArrayFileProblem::Length {
            expected: expected.unwrap_or(u64::MAX),
            found,
        }),
    }
}

fn bad_header(problem: &str) -> ArrayFileProblem {
    ArrayFileProblem::Header {
        problem: excerpt(problem),
    }
}

/// What the header has on a tensor.
#[derive(serde::Deserialize)]
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Counted from behind the header.
    data_offsets: (u64, u64),
}

impl Tensor {
    /// How long its values are, if that can be counted and is whole.
    fn bytes(&self) -> Option<u64> {
        let bits = self
            .shape
            .iter()
            .try_fold(self.dtype.bitsize(), |bits, &axis| bits.checked_mul(axis))?;
        bits.is_multiple_of(8).then_some(bits as u64 / 8)
    }

    fn entry(self, name: String, start: u64) -> ArrayEntry {
        let (from, to) = self.data_offsets;
        let stored = match element(self.dtype) {
            // Where the last one ends is checked against the file.
            Some(element) => Stored {
                shape: self.shape,
                element,
                big_endian: false,
                order: Order::Rows,
                stretch: Stretch::plain(start.saturating_add(from), to - from),
                start: 0,
            }
            .checked(),
            None => Err(Refused {
                shape: self.shape,
                dtype: format!("{:?}", self.dtype).into(),
                problem: Box::new(unsupported(self.dtype)),
            }),
        };
        ArrayEntry { name, stored }
    }
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::BOOL => Element::Bool,
        Dtype::I8 => Element::Int8,
        Dtype::I16 => Element::Int16,
        Dtype::I32 => Element::Int32,
        Dtype::I64 => Element::Int64,
        Dtype::U8 => Element::UInt8,
        Dtype::U16 => Element::UInt16,
        Dtype::U32 => Element::UInt32,
        Dtype::U64 => Element::UInt64,
        Dtype::F16 => Element::Float16,
        Dtype::BF16 => Element::BFloat16,
        Dtype::F32 => Element::Float32,
        Dtype::F64 => Element::Float64,
        _ => return None,
    })
}

fn unsupported(dtype: Dtype) -> ArrayFileProblem {
    ArrayFileProblem::Dtype {
        dtype: format!("of dtype {dtype:?}"),
        advice: if dtype == Dtype::C64 {
            "save torch.view_as_real(tensor)"
        } else {
            "save tensor.to(torch.float32)"
        },
    }
}

/// The tensors of a header, in the order of the JSON.
struct Header(Vec<(String, Tensor)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with a tensor for each key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else if name.len() > LONGEST_NAME {
                        return Err(Error::custom(format!(
                            "the name of a tensor has {} bytes, and at most {LONGEST_NAME} are read",
                            name.len()
                        )));
                    } else if tensors.len() == MOST_ARRAYS {
                        return Err(Error::custom(format!("more than {MOST_ARRAYS} tensors")));
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Header(tensors))
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}
