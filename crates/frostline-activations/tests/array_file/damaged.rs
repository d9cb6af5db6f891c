//! Files that are broken, or hold what can't be compared.

use std::fs::File;
use std::io::Write;

use frostline_activations::{ArrayFile, ArrayFileProblem as Problem};

use crate::written::{
    IN_ORDER, VALUES, as_f64, little_endian, npy, npy_with_header, open_npy, open_safetensors,
    problem, safetensors,
};

#[test]
fn other_dtypes_are_named_with_what_to_do() {
    for (descr, named, advice) in [
        ("'|O'", "\"|O\" (Python objects)", "astype(\"float32\")"),
        (
            "'<f16'",
            "\"<f16\" (floating-point numbers of",
            "astype(\"float32\")",
        ),
        ("'<c8'", "\"<c8\" (complex)", "array.real"),
        ("'<U5'", "\"<U5\" (text)", "save the activations"),
        (
            "[('a', '<f4'), ('b', '<i4')]",
            "structured: [('a', '<f4'), ('b', '<i4')], and float16",
            "array[\"field\"]",
        ),
        ("''", "\"\" (unknown)", "astype(\"float32\")"),
    ] {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}");
        let error = open_npy(&npy_with_header(1, &header, &[0; 32])).unwrap_err();
        assert!(matches!(error.problem, Problem::Dtype { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(named) && text.contains(advice), "{text}");
    }
    let header = r#"{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#;
    let bytes = safetensors(header, &[0; 8]);
    let text = open_safetensors(&bytes, None).unwrap_err().to_string();
    assert!(text.starts_with("x.safetensors:a: "), "{text}");
    assert!(
        text.contains("F8_E4M3") && text.contains("torch.float32"),
        "{text}"
    );
}

#[test]
fn a_header_that_makes_no_sense_says_where() {
    for (header, says) in [
        ("", "expected `{` but found its end"),
        ("[1, 2]", "expected `{` but found \"[1, 2]\""),
        (
            "{'descr': '<f4', 'shape': (2,)}",
            "\"fortran_order\" is missing",
        ),
        (
            "{'fortran_order': True, 'shape': (2,)}",
            "\"descr\" is missing",
        ),
        (
            "{'descr': '<f4', 'fortran_order': True}",
            "\"shape\" is missing",
        ),
        (
            "{'descr': '<f4', 'descr': '<f4'}",
            "\"descr\" a second time",
        ),
        ("{'order': 1}", "unknown key \"order\""),
        ("{'descr' '<f4'}", "expected `:`"),
        ("{'descr': '<f4}", "a string without an end"),
        ("{'descr': 4}", "expected a string"),
        ("{'fortran_order': 1}", "expected True or False"),
        (
            "{'shape': (-1, 2)}",
            "the length of an axis but found \"-1, 2)}\"",
        ),
        ("{'shape': (1.5,)}", "expected `)`"),
        (
            "{'shape': (99999999999999999999,)}",
            "the length of an axis",
        ),
        ("{'shape': [2]}", "expected `(`"),
        ("{'descr': '<f4' 'shape': (2,)}", "expected `}`"),
        (
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2,)} + 1",
            "but then follows \"+ 1\"",
        ),
        ("\u{1b}[31m", "found \"\\u{1b}[31m\""), // nothing that a terminal obeys
    ] {
        match problem(open_npy(&npy_with_header(1, header, &[0; 64]))) {
            Problem::Header { problem } => assert!(problem.contains(says), "{header}: {problem}"),
            other => panic!("{header}: {other}"),
        }
    }
    let nested = "[".repeat(60_000);
    assert!(matches!(
        problem(open_npy(&npy_with_header(1, &nested, &[]))),
        Problem::Header { .. }
    ));
    let mut bytes = npy("<f4", "False", "(1,)", &[0; 4]);
    bytes[6] = 4;
    let text = problem(open_npy(&bytes)).to_string();
    assert!(text.contains("version 4.0"), "{text}");
}

#[test]
fn a_safetensors_header_that_makes_no_sense_is_an_error() {
    let entry = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    for header in [
        "".to_string(),
        "{".into(),
        "null".into(),
        "[".repeat(100_000),
        r#"{"a":"#.repeat(100_000),
        "{\u{0}}".into(),
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#.into(),
        r#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#.into(),
        entry("[-2]", 0, 8),
        entry("[3]", 0, 8),  // two values are there
        entry("[2]", 4, 12), // a gap before it
        entry("[2]", 8, 0),
        entry("[4294967296,4294967296]", 0, 8),
    ] {
        let bytes = safetensors(&header, &[0; 8]);
        let found = problem(open_safetensors(&bytes, None));
        assert!(matches!(found, Problem::Header { .. }), "{found}");
        assert!(found.to_string().len() < 1000); // a header's junk isn't repeated at length
    }
    // A sound header, but of a tensor that has as many bits as can be counted.
    let huge = format!(
        r#"{{"a":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}}"#,
        u64::MAX / 8
    );
    let found = problem(open_safetensors(&safetensors(&huge, &[0; 8]), None));
    assert!(matches!(found, Problem::Length { .. }), "{found}");
}

#[test]
fn a_header_longer_than_the_file_or_than_any_array_needs_is_not_allocated() {
    let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend([b' '; 100]);
    assert!(matches!(
        problem(open_npy(&bytes)),
        Problem::HeaderCutOff {
            claimed: 0xffff_ffff,
            present: 100
        }
    ));
    let mut bytes = u64::MAX.to_le_bytes().to_vec();
    bytes.extend(b"{}");
    assert!(matches!(
        problem(open_safetensors(&bytes, None)),
        Problem::HeaderCutOff {
            claimed: u64::MAX,
            present: 2
        }
    ));

    // Files that are as long as they say, without taking that much of the disk.
    let folder = tempfile::tempdir().unwrap();
    for (name, head) in [
        ("long.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f".to_vec()),
        ("long.safetensors", (1_u64 << 34).to_le_bytes().to_vec()),
    ] {
        let path = folder.path().join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(&head).unwrap();
        file.set_len(1 << 35).unwrap();
        assert!(matches!(
            problem(ArrayFile::open(&path)),
            Problem::HeaderTooLong { .. }
        ));
    }
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    for fortran in ["False", "True"] {
        for version in [1, 2] {
            let header =
                format!("{{'descr': '<f4', 'fortran_order': {fortran}, 'shape': (2, 3), }}\n");
            let whole = npy_with_header(version, &header, &little_endian("f4", IN_ORDER));
            open_npy(&whole).unwrap();
            for length in 0..whole.len() {
                let error = open_npy(&whole[..length]).unwrap_err();
                if length >= whole.len() - 24 {
                    let numbers = format!("{} bytes long, but it is {length}", whole.len());
                    assert!(error.to_string().contains(&numbers), "{error}");
                }
            }
        }
    }
    let header = r#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let whole = safetensors(header, &little_endian("f4", IN_ORDER));
    open_safetensors(&whole, None).unwrap();
    for length in 0..whole.len() {
        open_safetensors(&whole[..length], None).unwrap_err();
        open_safetensors(&whole[..length], Some("a")).unwrap_err();
    }
}

#[test]
fn bytes_behind_the_values_are_left_alone_in_npy_and_refused_in_safetensors() {
    let mut bytes = npy("<f4", "False", "(2, 3)", &little_endian("f4", IN_ORDER));
    bytes.extend(b"another array");
    let rows = open_npy(&bytes).unwrap().read_rows(0..2).unwrap();
    assert_eq!(as_f64(&rows), VALUES);

    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let bytes = safetensors(header, &[0; 9]);
    let expected = bytes.len() as u64 - 1;
    assert!(matches!(
        problem(open_safetensors(&bytes, None)),
        Problem::Length { expected: e, found } if (e, found) == (expected, expected + 1)
    ));
}

#[test]
fn shapes_without_values_or_beyond_counting_are_errors() {
    for shape in ["(0,)", "(0, 3)", "(3, 0)", "(18446744073709551615, 2, 0)"] {
        let found = problem(open_npy(&npy("<f4", "False", shape, &[])));
        assert!(
            matches!(found, Problem::NoValues { .. }),
            "{shape}: {found}"
        );
    }
    for shape in ["(4294967296, 4294967296)", "(18446744073709551615,)"] {
        let found = problem(open_npy(&npy("<f8", "False", shape, &[0; 64])));
        assert!(
            matches!(found, Problem::TooLarge { .. }),
            "{shape}: {found}"
        );
    }
    // The values can be counted, the end of the file can't.
    let found = problem(open_npy(&npy(
        "<f2",
        "False",
        "(9223372036854775807,)",
        &[0; 64],
    )));
    assert!(matches!(found, Problem::TooLarge { .. }), "{found}");

    for (shape, axes) in [
        ("()".to_string(), 0),
        (format!("({})", "1,".repeat(65)), 65),
    ] {
        let found = problem(open_npy(&npy("<f4", "False", &shape, &[0; 4])));
        assert!(
            matches!(found, Problem::Axes { axes: a } if a == axes),
            "{found}"
        );
    }
    let header = r#"{"a":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}"#;
    let found = problem(open_safetensors(&safetensors(header, &[]), None));
    assert!(matches!(found, Problem::NoValues { .. }), "{found}");
    let header = r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
    let found = problem(open_safetensors(&safetensors(header, &[0; 4]), None));
    assert!(matches!(found, Problem::Axes { axes: 0 }), "{found}");
}
