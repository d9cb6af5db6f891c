//! `.npz` files: those of NumPy, and archives that are broken or meant to do harm.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use frostline_activations::{ArrayArchive, ArrayFile, ArrayFileProblem as Problem};

use crate::written::{BY_COLUMNS, IN_ORDER, VALUES, as_f64, little_endian, npy, problem};
use crate::zip_written::{Entry, deflated, stored, zip};

pub(crate) fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/array_file/files");
    folder.join(name)
}

/// Name, dtype, shape and values of an array; values where it can be read.
type Listed = (String, String, Vec<usize>, Option<Vec<f64>>);

/// Every array of a file.
pub(crate) fn listed(path: &Path) -> Vec<Listed> {
    let mut archive = ArrayArchive::open(path).unwrap();
    (0..archive.entries().len())
        .map(|at| {
            let entry = &archive.entries()[at];
            let name = entry.name().to_string();
            let (dtype, shape) = (entry.dtype_name().to_string(), entry.shape().to_vec());
            let values = archive.array(at).ok().map(|mut array| {
                let samples = array.samples();
                as_f64(&array.read_rows(0..samples).unwrap())
            });
            (name, dtype, shape, values)
        })
        .collect()
}

pub(crate) fn of_bytes(bytes: &[u8]) -> Result<ArrayArchive<Cursor<&[u8]>>, Problem> {
    ArrayArchive::new(Cursor::new(bytes), "x").map_err(|error| error.problem)
}

/// What is wrong with the only array of an archive, when it is opened or read.
fn array_problem(entry: Entry) -> Problem {
    let bytes = zip(&[entry]);
    let mut archive = of_bytes(&bytes).unwrap();
    let read = archive.array(0).and_then(|mut array| {
        let samples = array.samples();
        array.read_rows(0..samples)
    });
    read.expect_err("this entry is broken").problem
}

fn array() -> Vec<u8> {
    npy("<f4", "False", "(2, 3)", &little_endian("f4", IN_ORDER))
}

#[test]
fn archives_of_numpy_are_read_stored_and_compressed() {
    let x = vec![1.5, -2.0, 3.0, 0.25, 5.0, -6.0];
    let turned = vec![1.5, 3.0, 5.0, -2.0, 0.25, -6.0];
    let seen = vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let expected = [
        ("block1", "float64", vec![3, 2], &x),
        ("block2", "float32", vec![2, 3], &turned),
        ("turned", "float64", vec![3, 2], &x),
        ("labels", "int64", vec![3], &vec![7.0, 8.0, 9.0]),
        ("seen", "bool", vec![3, 2], &seen),
    ]
    .map(|(name, dtype, shape, values)| {
        (
            name.to_string(),
            dtype.to_string(),
            shape,
            Some(values.clone()),
        )
    });
    assert_eq!(listed(&file("numpy.npz")), expected);

    let compressed = listed(&file("numpy-compressed.npz"));
    let names: Vec<_> = compressed.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["arr_0", "arr_1"]);
    assert!(
        compressed
            .iter()
            .all(|(_, _, _, values)| values.as_ref() == Some(&x))
    );

    let named = format!("{}:labels", file("numpy.npz").display());
    assert_eq!(ArrayFile::open(named).unwrap().shape(), [3]);
}

#[test]
fn a_deflated_array_is_read_by_any_rows_in_any_order() {
    let (n, d) = (700_usize, 500_usize); // more than a block
    let value = |i: usize, j: usize| (i * d + j) as f32; // exact below 2^24
    for fortran in ["False", "True"] {
        let mut data = Vec::with_capacity(4 * n * d);
        for at in 0..n * d {
            let value = if fortran == "True" {
                value(at % n, at / n)
            } else {
                value(at / d, at % d)
            };
            data.extend(value.to_le_bytes());
        }
        let bytes = zip(&[deflated(
            "a.npy",
            &npy("<f4", fortran, &format!("({n}, {d})"), &data),
        )]);
        let mut archive = of_bytes(&bytes).unwrap();
        let mut file = archive.array(0).unwrap();
        for rows in [0..n, 1..n, 200..350, 10..11, 0..1, n - 1..n] {
            let read: Vec<f32> = file
                .read_rows(rows.clone())
                .unwrap()
                .try_into_vec()
                .unwrap();
            let first = rows.start * d;
            let differs = (0..read.len()).find(|&at| read[at] != (first + at) as f32);
            assert_eq!(differs, None, "Fortran order {fortran}, rows {rows:?}");
        }
    }
}

#[test]
fn archives_with_sixty_four_bit_lengths_are_read() {
    let entries = ["a.npy", "b.npy"].map(|name| Entry {
        zip64: true,
        ..stored(name, &array())
    });
    let bytes = zip(&entries);
    let mut archive = of_bytes(&bytes).unwrap();
    let rows = archive.array(1).unwrap().read_rows(0..2).unwrap();
    assert_eq!(as_f64(&rows), VALUES);
}

#[test]
fn an_entry_that_cannot_be_read_says_why_and_leaves_the_others() {
    let encrypted = Entry {
        flags: 1,
        ..stored("a.npy", &array())
    };
    let found = array_problem(encrypted).to_string();
    assert!(found.contains("it is encrypted"), "{found}");
    for (method, says) in [
        (12, "compressed by bzip2"),
        (93, "compressed by Zstandard"),
        (7, "compressed by method 7"),
    ] {
        let entry = Entry {
            method,
            ..stored("a.npy", &array())
        };
        let found = array_problem(entry).to_string();
        assert!(
            found.contains(says) && found.contains("numpy.savez"),
            "{found}"
        );
    }
    let bytes = zip(&[
        stored("readme.txt", b"nothing to read"),
        stored("a.npy", &array()),
        stored("short.npy", &array()[..90]),
    ]);
    let mut archive = of_bytes(&bytes).unwrap();
    let problems = archive
        .entries()
        .iter()
        .map(|entry| entry.problem().is_some());
    assert_eq!(problems.collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(
        as_f64(&archive.array(1).unwrap().read_rows(0..2).unwrap()),
        VALUES
    );
    assert!(matches!(
        archive.array(0).unwrap_err().problem,
        Problem::NoArray
    ));
    assert!(matches!(
        archive.array(2).unwrap_err().problem,
        Problem::Length { .. }
    ));
}

#[test]
fn an_entry_that_lies_about_its_bytes_is_an_error_and_takes_no_more_than_it_has() {
    // A billion values in a few bytes: more than can be deflated to that.
    let head = npy("<f8", "False", "(1000000000,)", &[]);
    let bomb = Entry {
        length: head.len() as u64 + 8_000_000_000,
        ..deflated("a.npy", &head)
    };
    let bomb = Entry {
        zip64: true,
        ..bomb
    };
    assert!(matches!(array_problem(bomb), Problem::Archive { .. }));
    // As many as could be, but the bytes end.
    let head = npy("<f8", "False", "(1000,)", &[]);
    let short = Entry {
        length: head.len() as u64 + 8000,
        ..deflated("a.npy", &head)
    };
    let found = array_problem(short).to_string();
    assert!(found.contains("fewer bytes"), "{found}");

    let mut broken = deflated("a.npy", &array());
    broken.bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    assert!(matches!(array_problem(broken), Problem::Damaged { .. }));
    for entry in [stored("a.npy", &array()), deflated("a.npy", &array())] {
        let other = Entry {
            checksum: entry.checksum ^ 1,
            ..entry
        };
        let found = array_problem(other).to_string();
        assert!(found.contains("checksum"), "{found}");
    }
    // A checksum of 0 is that of a writer that made none.
    let bytes = zip(&[Entry {
        checksum: 0,
        ..stored("a.npy", &array())
    }]);
    let rows = of_bytes(&bytes)
        .unwrap()
        .array(0)
        .unwrap()
        .read_rows(0..2)
        .unwrap();
    assert_eq!(as_f64(&rows), VALUES);

    let two_lengths = Entry {
        length: 1,
        ..stored("a.npy", &array())
    };
    assert!(matches!(
        array_problem(two_lengths),
        Problem::Archive { .. }
    ));
}

#[test]
fn an_archive_that_is_cut_off_overlaps_or_names_two_arrays_alike_is_an_error() {
    let whole = zip(&[stored("a.npy", &array()), deflated("b.npy", &array())]);
    of_bytes(&whole).unwrap();
    for length in 5..whole.len() {
        assert!(of_bytes(&whole[..length]).is_err());
    }
    // The bytes of one entry under many names: a bomb.
    let shared = Entry {
        place_of: Some(0),
        ..deflated("b.npy", &array())
    };
    let found = of_bytes(&zip(&[deflated("a.npy", &array()), shared])).unwrap_err();
    assert!(found.to_string().contains("in the same place"), "{found}");

    let alike = zip(&[stored("a.npy", &array()), stored("a.npy", &array())]);
    let found = of_bytes(&alike);
    let found = found.unwrap_err().to_string();
    assert!(found.contains("two arrays are called `a`"), "{found}");

    let mut bytes = zip(&[stored("a.npy", &array())]);
    let claimed = bytes.len() - 22 + 10;
    bytes[claimed..claimed + 2].copy_from_slice(&[0xf0, 0xff]); // as many entries
    assert!(matches!(of_bytes(&bytes), Err(Problem::Archive { .. })));
}

#[test]
fn a_zip_archive_of_other_things_says_so() {
    let found = of_bytes(&zip(&[stored("xl/workbook.xml", b"<")]))
        .unwrap_err()
        .to_string();
    assert!(
        found.contains("a zip archive without .npy arrays"),
        "{found}"
    );
    let empty = zip(&[]);
    let empty = of_bytes(&empty).unwrap();
    assert!(empty.entries().is_empty());
    assert!(matches!(
        problem(empty.into_array(None)),
        Problem::NoTensors
    ));
}

#[test]
fn a_large_compressed_array_in_fortran_order_is_refused_before_it_is_inflated_often() {
    // Zeros deflate to a thousandth; only its header is looked at.
    let head = npy("<f8", "True", "(67108864, 3)", &[]);
    let mut zeros = deflated("a.npy", &head);
    zeros.length = head.len() as u64 + 3 * (8 << 26);
    zeros.bytes.resize(3 << 20, 0);
    let found = array_problem(zeros);
    assert!(
        matches!(found, Problem::CompressedColumns { .. }),
        "{found}"
    );
}

#[test]
fn by_columns_is_what_numpy_calls_fortran_order() {
    let data = little_endian("f4", BY_COLUMNS);
    let bytes = zip(&[deflated("a.npy", &npy("<f4", "True", "(2, 3)", &data))]);
    let rows = of_bytes(&bytes)
        .unwrap()
        .array(0)
        .unwrap()
        .read_rows(0..2)
        .unwrap();
    assert_eq!(as_f64(&rows), VALUES);
}
