//! The reference cases: two `.npy` files and what is expected of them.

#![allow(dead_code, reason = "each test reads its part of the cases")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::Value;

/// One folder of the reference.
pub(crate) struct Case {
    /// Folder name.
    pub(crate) name: String,
    /// `expected.json`.
    pub(crate) expected: Value,
    folder: PathBuf,
}

impl Case {
    /// Both views on `device`, in the floats they are stored in.
    pub(crate) fn views(&self, device: &Device) -> [Tensor<2>; 2] {
        ["x.npy", "y.npy"].map(|file| read_npy(&self.folder.join(file), device))
    }

    /// Both layers of a convolutional case as Burn orders them, `[sample, channel, height, width]`;
    /// the files keep the channels last.
    pub(crate) fn maps(&self, device: &Device) -> [Tensor<4>; 2] {
        ["x.npy", "y.npy"].map(|file| {
            let maps: Tensor<4> = read_npy(&self.folder.join(file), device);
            maps.permute([0, 3, 1, 2])
        })
    }
}

/// The dense cases that belong to the repository, in order of name.
pub(crate) fn own_cases() -> Vec<Case> {
    cases(OWN, "dense")
}

/// The convolutional cases that belong to the repository, in order of name.
pub(crate) fn own_maps() -> Vec<Case> {
    cases(OWN, "conv_nhwc")
}

/// The dense cases beside the repository, more and larger; empty where there are none.
pub(crate) fn shared_cases() -> Vec<Case> {
    cases(SHARED, "dense")
}

/// The convolutional cases beside the repository; empty where there are none.
pub(crate) fn shared_maps() -> Vec<Case> {
    cases(SHARED, "conv_nhwc")
}

/// A list of numbers.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list of numbers");
    list.iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

const OWN: &str = "../../tests/reference";
const SHARED: &str = "../../../shared/reference";

fn cases(folder: &str, kind: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut cases: Vec<Case> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .map(|folder| {
            let text = fs::read_to_string(folder.join("expected.json")).expect("expected.json");
            let expected: Value = serde_json::from_str(&text).expect("JSON");
            let name = expected["case"].as_str().expect("a name").to_owned();
            Case {
                name,
                expected,
                folder,
            }
        })
        .filter(|case| case.expected["kind"] == kind)
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Reads what NumPy writes for an array of little-endian f32 or f64 in C order (NEP 1).
fn read_npy<const D: usize>(path: &Path, device: &Device) -> Tensor<D> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]);
    assert!(header.contains("'fortran_order': False"), "{header}");
    let shape: Vec<usize> = header
        .split(['(', ')'])
        .nth(1)
        .expect("a shape")
        .split(',')
        .filter_map(|part| part.trim().parse().ok())
        .collect();
    let body = &bytes[start..];
    let (data, dtype) = if header.contains("<f8") {
        let (words, _) = body.as_chunks::<8>();
        let values: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
        (TensorData::new(values, shape), DType::F64)
    } else {
        assert!(header.contains("<f4"), "{header}");
        let (words, _) = body.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        (TensorData::new(values, shape), DType::F32)
    };
    Tensor::from_data(data, (device, dtype))
}
