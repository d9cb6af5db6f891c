//! Tiny files, and short ways to open them.

use std::io::Cursor;
use std::path::PathBuf;

use burn::tensor::TensorData;
use frostline_activations::{ArrayFile, ArrayFileError, ArrayFileProblem as Problem};

/// Exact in all four formats, so that no test here needs a tolerance.
pub(crate) const VALUES: [f64; 6] = [1.5, -2.0, 3.0, 0.25, 5.0, -6.0];

pub(crate) fn npy_with_header(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}   \n");
    npy_with_header(1, &header, data)
}

pub(crate) fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// `VALUES` in this order as little endian bytes; `float` is `f2`, `f4`, `f8` or `bf`.
pub(crate) fn little_endian(float: &str, order: [usize; 6]) -> Vec<u8> {
    let encode = |value: f64| match float {
        "f2" => half::f16::from_f64(value).to_le_bytes().to_vec(),
        "bf" => half::bf16::from_f64(value).to_le_bytes().to_vec(),
        "f4" => (value as f32).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    order.iter().flat_map(|&at| encode(VALUES[at])).collect()
}

pub(crate) const IN_ORDER: [usize; 6] = [0, 1, 2, 3, 4, 5];
/// Where the values of a row-major [2, 3] lie in Fortran order.
pub(crate) const BY_COLUMNS: [usize; 6] = [0, 3, 1, 4, 2, 5];

pub(crate) fn written(bytes: &[u8], name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

pub(crate) fn open_npy(bytes: &[u8]) -> Result<ArrayFile<Cursor<&[u8]>>, ArrayFileError> {
    ArrayFile::from_npy(Cursor::new(bytes), "x.npy")
}

pub(crate) fn open_safetensors<'a>(
    bytes: &'a [u8],
    name: Option<&str>,
) -> Result<ArrayFile<Cursor<&'a [u8]>>, ArrayFileError> {
    ArrayFile::from_safetensors(Cursor::new(bytes), "x.safetensors", name)
}

pub(crate) fn problem<R>(opened: Result<ArrayFile<R>, ArrayFileError>) -> Problem {
    opened.err().expect("this file is broken").problem
}

pub(crate) fn as_f64(data: &TensorData) -> Vec<f64> {
    data.clone().convert::<f64>().try_into_vec().unwrap()
}

/// Two layers, the second of which is stored first, and a counter.
pub(crate) fn two_layers() -> Vec<u8> {
    let header = concat!(
        r#"{"__metadata__":{"format":"pt"},"#,
        r#""block1":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]},"#,
        r#""dense/kernel:0":{"dtype":"F64","shape":[2,1],"data_offsets":[0,16]},"#,
        r#""steps":{"dtype":"I64","shape":[1],"data_offsets":[24,32]}}"#
    );
    let mut data = Vec::new();
    [1.0_f64, 2.0]
        .iter()
        .for_each(|v| data.extend(v.to_le_bytes()));
    [3.0_f32, 4.0]
        .iter()
        .for_each(|v| data.extend(v.to_le_bytes()));
    data.extend(7_i64.to_le_bytes());
    safetensors(header, &data)
}
