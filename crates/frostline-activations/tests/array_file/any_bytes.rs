//! Whatever the bytes are, opening them is an error or gives an array that can be read.

use std::io::Cursor;

use frostline_activations::{ArrayFile, ArrayFileProblem as Problem};
use proptest::prelude::*;

use crate::written::{
    BY_COLUMNS, little_endian, npy, npy_with_header, open_npy, open_safetensors, two_layers,
};

/// What was opened can be read, and its rows are the same however they are read.
fn agrees(mut file: ArrayFile<Cursor<&[u8]>>) {
    let samples = file.samples();
    let all = match file.read_rows(0..samples) {
        Ok(all) => all,
        Err(error) => {
            assert!(matches!(error.problem, Problem::Inexact { .. }), "{error}");
            return;
        }
    };
    let row = all.bytes().len() / samples;
    assert_eq!(all.shape().to_vec(), file.shape());
    for k in 0..samples.min(20) {
        let one = file.read_rows(k..k + 1).unwrap();
        assert_eq!(one.bytes()[..], all.bytes()[k * row..(k + 1) * row]);
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_the_magic_are_an_error_or_an_array(
        version in 0_u8..5,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut file = b"\x93NUMPY".to_vec();
        file.extend([version, 0]);
        file.extend(&bytes);
        if let Ok(file) = open_npy(&file) {
            agrees(file);
        }
        if let Ok(file) = open_safetensors(&bytes, None) {
            agrees(file);
        }
    }

    #[test]
    fn any_header_of_the_three_keys_is_an_error_or_an_array(
        version in 1_u8..4,
        descr in "[<>|=][fiuObcSV](2|4|8|16)?",
        fortran in any::<bool>(),
        shape in proptest::collection::vec(0_u64..6, 0..5),
        junk in "[ (){}:,'a-z0-9]{0,4}",
        data in proptest::collection::vec(any::<u8>(), 0..3000),
    ) {
        let fortran = if fortran { "True" } else { "False" };
        let shape: String = shape.iter().map(|axis| format!("{axis},")).collect();
        let header = format!(
            "{{'descr':'{descr}','fortran_order':{fortran},'shape':({shape}),}}{junk}\n"
        );
        if let Ok(file) = open_npy(&npy_with_header(version, &header, &data)) {
            agrees(file);
        }
    }

    #[test]
    fn one_changed_byte_is_an_error_or_an_array(at in 0_usize..1000, to in any::<u8>()) {
        let mut array = npy("<f4", "True", "(2, 3)", &little_endian("f4", BY_COLUMNS));
        let place = at % array.len();
        array[place] = to;
        if let Ok(file) = open_npy(&array) {
            agrees(file);
        }
        let mut layers = two_layers();
        let place = at % layers.len();
        layers[place] = to;
        for name in ["block1", "dense/kernel:0"] {
            if let Ok(file) = open_safetensors(&layers, Some(name)) {
                agrees(file);
            }
        }
    }
}
