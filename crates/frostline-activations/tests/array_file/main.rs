//! Array files from elsewhere: every way in which they are stored, and every way in which they are
//! broken. The files are written here by hand, byte by byte.

mod any_bytes;
mod damaged;
mod kinds;
mod named;
mod torch;
mod written;
mod zip_written;
mod zipped;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use burn::tensor::DType;
use frostline_activations::{ArrayFile, ArrayFileProblem as Problem};

use written::{
    BY_COLUMNS, IN_ORDER, VALUES, as_f64, little_endian, npy, npy_with_header, open_npy,
    open_safetensors, problem, safetensors,
};

#[test]
fn every_npy_dtype_byte_order_and_memory_order_gives_the_same_values() {
    for float in ["f2", "f4", "f8"] {
        for (fortran, order) in [("False", IN_ORDER), ("True", BY_COLUMNS)] {
            for endian in ["<", ">"] {
                let size: usize = float[1..].parse().unwrap();
                let mut data = little_endian(float, order);
                if endian == ">" {
                    data.chunks_mut(size).for_each(<[u8]>::reverse);
                }
                let bytes = npy(&format!("{endian}{float}"), fortran, "(2, 3)", &data);
                let mut file = open_npy(&bytes).unwrap();
                assert_eq!(file.shape(), [2, 3]);
                assert_eq!((file.samples(), file.bytes()), (2, 6 * size as u64));
                assert_eq!(file.dtype_name(), format!("float{}", 8 * size));

                let all = file.read_rows(0..2).unwrap();
                assert_eq!(all.shape().to_vec(), [2, 3]);
                let read_as = if float == "f8" {
                    DType::F64
                } else {
                    DType::F32
                };
                assert_eq!(all.dtype(), read_as);
                assert_eq!(as_f64(&all), VALUES, "{endian}{float}, {fortran}");
                let second = file.read_rows(1..2).unwrap();
                assert_eq!(second.shape().to_vec(), [1, 3]);
                assert_eq!(as_f64(&second), VALUES[3..], "{endian}{float}, {fortran}");
            }
        }
    }
}

#[test]
fn every_safetensors_dtype_gives_the_same_values() {
    for (float, stored, name) in [
        ("f2", "F16", "float16"),
        ("bf", "BF16", "bfloat16"),
        ("f4", "F32", "float32"),
        ("f8", "F64", "float64"),
    ] {
        let data = little_endian(float, IN_ORDER);
        let header = format!(
            r#"{{"a":{{"dtype":"{stored}","shape":[3,2],"data_offsets":[0,{}]}}}}"#,
            data.len()
        );
        let bytes = safetensors(&header, &data);
        let mut file = open_safetensors(&bytes, None).unwrap();
        assert_eq!((file.shape(), file.dtype_name()), (&[3, 2][..], name));
        assert_eq!(as_f64(&file.read_rows(0..3).unwrap()), VALUES);
        assert_eq!(as_f64(&file.read_rows(2..3).unwrap()), VALUES[4..]);
    }
}

#[test]
fn versions_two_and_three_python_two_and_other_spacing_are_read() {
    let data = little_endian("f4", IN_ORDER);
    for (version, header) in [
        (
            2,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
        ),
        (
            3,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        ),
        (1, "{'shape':(2L,3L),'fortran_order':False,'descr':'<f4'}"),
        (
            1,
            "  { \"descr\" : \"<f4\" ,\"fortran_order\":False,\n\"shape\" : ( 2 , 3 , ) } \n",
        ),
    ] {
        let bytes = npy_with_header(version, header, &data);
        let all = open_npy(&bytes).unwrap().read_rows(0..2).unwrap();
        assert_eq!(as_f64(&all), VALUES, "{header}");
    }
}

#[test]
fn one_axis_is_one_neuron_and_four_axes_stay_four() {
    let data = little_endian("f4", IN_ORDER);
    for fortran in ["False", "True"] {
        let bytes = npy("<f4", fortran, "(6,)", &data);
        let rows = open_npy(&bytes).unwrap().read_rows(2..5).unwrap();
        assert_eq!(rows.shape().to_vec(), [3]);
        assert_eq!(as_f64(&rows), VALUES[2..5]);
    }
    // [sample, 1, 3, 1] has the neurons of [sample, 3].
    let bytes = npy(
        "<f4",
        "True",
        "(2, 1, 3, 1)",
        &little_endian("f4", BY_COLUMNS),
    );
    let rows = open_npy(&bytes).unwrap().read_rows(0..2).unwrap();
    assert_eq!(rows.shape().to_vec(), [2, 1, 3, 1]);
    assert_eq!(as_f64(&rows), VALUES);
}

#[test]
fn fortran_order_of_three_axes_runs_through_the_first_fastest() {
    let (n, h, w) = (4, 2, 3);
    let mut data = Vec::new();
    for k in 0..w {
        for j in 0..h {
            for i in 0..n {
                data.extend((100.0 * i as f64 + 10.0 * j as f64 + k as f64).to_le_bytes());
            }
        }
    }
    let bytes = npy("<f8", "True", "(4, 2, 3)", &data);
    let rows = open_npy(&bytes).unwrap().read_rows(1..3).unwrap();
    let expected: Vec<_> = [100.0, 200.0]
        .iter()
        .flat_map(|i| [0.0, 1.0, 2.0, 10.0, 11.0, 12.0].map(|jk| i + jk))
        .collect();
    assert_eq!(as_f64(&rows), expected);
}

#[test]
fn arrays_larger_than_a_block_are_read_whole_and_in_parts() {
    // Both shapes take more than the 1 MiB of a block: many columns of all rows, and columns that
    // are longer than a block allows.
    for (n, d) in [(150_usize, 4001_usize), (70_001, 5)] {
        let value = |i: usize, j: usize| (i * d + j) as f32; // exact below 2^24
        let mut by_rows = Vec::with_capacity(4 * n * d);
        let mut by_columns = Vec::with_capacity(4 * n * d);
        (0..n * d).for_each(|at| by_rows.extend(value(at / d, at % d).to_le_bytes()));
        (0..n * d).for_each(|at| by_columns.extend(value(at % n, at / n).to_le_bytes()));
        for (fortran, data) in [("False", &by_rows), ("True", &by_columns)] {
            let bytes = npy("<f4", fortran, &format!("({n}, {d})"), data);
            let mut file = open_npy(&bytes).unwrap();
            for rows in [0..n, 1..n, 0..n - 1, n / 3..n / 2, n - 1..n] {
                let read: Vec<f32> = file
                    .read_rows(rows.clone())
                    .unwrap()
                    .try_into_vec()
                    .unwrap();
                let first = rows.start * d;
                assert_eq!(read.len(), rows.len() * d);
                let differs = (0..read.len()).find(|&at| read[at] != (first + at) as f32);
                assert_eq!(
                    differs, None,
                    "{n} x {d}, Fortran order {fortran}, rows {rows:?}"
                );
            }
        }
    }
}

#[test]
fn the_last_rows_of_twenty_gigabytes_are_read_without_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (n, d) = (1_000_000_000_u64, 5_u64);
    for fortran in ["False", "True"] {
        let path = folder.path().join("sparse.npy");
        let head = npy("<f4", fortran, &format!("({n}, {d})"), &[]);
        let mut file = File::create(&path).unwrap();
        file.write_all(&head).unwrap();
        file.set_len(head.len() as u64 + 4 * n * d).unwrap();
        for j in 0..d {
            let at = if fortran == "True" {
                j * n + n - 1
            } else {
                (n - 1) * d + j
            };
            file.seek(SeekFrom::Start(head.len() as u64 + 4 * at))
                .unwrap();
            file.write_all(&(j as f32 + 1.0).to_le_bytes()).unwrap();
        }
        let mut array = ArrayFile::open(&path).unwrap();
        assert_eq!(array.bytes(), 20_000_000_000);
        let rows = array
            .read_rows(array.samples() - 2..array.samples())
            .unwrap();
        assert_eq!(as_f64(&rows), [0., 0., 0., 0., 0., 1., 2., 3., 4., 5.]);

        // One byte less, and it isn't whole.
        let whole = head.len() as u64 + 4 * n * d;
        file.set_len(whole - 1).unwrap();
        match problem(ArrayFile::open(&path)) {
            Problem::Length { expected, found } => {
                assert_eq!((expected, found), (whole, whole - 1));
            }
            other => panic!("{other}"),
        }
        assert!(matches!(
            array
                .read_rows(array.samples() - 1..array.samples())
                .unwrap_err()
                .problem,
            Problem::Shrunk
        ));
    }
}

#[test]
fn rows_that_are_not_there_are_an_error_with_the_numbers() {
    let bytes = npy("<f4", "False", "(2, 3)", &little_endian("f4", IN_ORDER));
    let mut file = open_npy(&bytes).unwrap();
    #[allow(clippy::reversed_empty_ranges)] // what a caller may get wrong
    for rows in [
        0..3,
        2..3,
        1..1,
        2..1,
        0..usize::MAX,
        usize::MAX..usize::MAX,
    ] {
        let (start, end) = (rows.start, rows.end);
        let error = file.read_rows(rows).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "x.npy: rows {start} to {end} were asked for; it must be at least one of its 2 rows"
            )
        );
    }
}
