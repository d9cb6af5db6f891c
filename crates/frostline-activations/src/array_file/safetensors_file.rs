//! The header of a safetensors file: its length in 8 bytes, then JSON with each tensor's dtype,
//! shape and place.
//!
//! `SafeTensors::read_metadata` wants the whole file as one slice, and adds what the header claims
//! without a check; `Metadata`, which it parses, checks itself and needs the header alone.

use std::io::{Read, Seek};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::element::Element;
use super::{ArrayFileProblem, Stored, excerpt, header_bytes, length};

/// Room for more than a hundred thousand tensors. The format allows 100 MB, but a header takes many
/// times its length while it is parsed.
const LONGEST_HEADER: u64 = 16 << 20;
/// How long the length of the header is.
const LENGTH: u64 = 8;

/// What a safetensors file holds.
pub(super) struct Contents {
    metadata: Metadata,
    /// Where the first tensor begins.
    start: u64,
}

impl Contents {
    /// Reads the header, and checks that the file is exactly as long as it says.
    pub(super) fn read(reader: &mut (impl Read + Seek)) -> Result<Self, ArrayFileProblem> {
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
        let header = header_bytes(reader, claimed, found - LENGTH, LONGEST_HEADER)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| ArrayFileProblem::Header {
                problem: excerpt(&error.to_string()),
            })?;

        let start = LENGTH + claimed;
        match start.checked_add(metadata.data_len() as u64) {
            Some(expected) if expected == found => Ok(Self { metadata, start }),
            expected => Err(ArrayFileProblem::Length {
                expected: expected.unwrap_or(u64::MAX),
                found,
            }),
        }
    }

    /// The names of all tensors, in the order in which they are stored.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        // Empty tensors share their place; by name the order is the same at every reading.
        names.sort_by_cached_key(|name| {
            let place = self.metadata.info(name).map(|info| info.data_offsets);
            (place, name.clone())
        });
        names
    }

    /// The tensor's name, if it exists; without a name the only tensor's.
    pub(super) fn chosen(&self, name: Option<&str>) -> Result<String, ArrayFileProblem> {
        let names = self.names();
        match (name, &names[..]) {
            (_, []) => Err(ArrayFileProblem::NoTensors),
            (None, [only]) => Ok(only.clone()),
            (Some(name), _) if self.metadata.info(name).is_some() => Ok(name.to_string()),
            (Some(name), _) => Err(ArrayFileProblem::UnknownTensor {
                name: excerpt(name),
                names: listed(&names),
            }),
            (None, _) => Err(ArrayFileProblem::SeveralTensors {
                names: listed(&names),
            }),
        }
    }

    /// Where and how this tensor is stored; the name is one of [`names`](Self::names).
    pub(super) fn stored(&self, name: &str) -> Result<Stored, ArrayFileProblem> {
        let info = self
            .metadata
            .info(name)
            .expect("the name is the file's own");
        let (from, to) = info.data_offsets;
        Stored {
            shape: info.shape.clone(),
            element: element(info.dtype)?,
            big_endian: false,
            fortran_order: false,
            start: self.start + from as u64, // within the file: `read` has checked the last end
            bytes: (to - from) as u64,
        }
        .checked()
    }
}

fn element(dtype: Dtype) -> Result<Element, ArrayFileProblem> {
    match dtype {
        Dtype::F16 => Ok(Element::Float16),
        Dtype::BF16 => Ok(Element::BFloat16),
        Dtype::F32 => Ok(Element::Float32),
        Dtype::F64 => Ok(Element::Float64),
        _ => Err(ArrayFileProblem::Dtype {
            dtype: format!("of dtype {dtype:?}"),
            advice: "F16, BF16, F32 and F64 can be: save tensor.to(torch.float32)",
        }),
    }
}

/// At most twenty names.
fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown: Vec<_> = names.iter().take(MOST).map(|name| excerpt(name)).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
