//! Kinds of files and of values, and how much is read of a file.

use std::cell::Cell;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use burn::tensor::DType;
use frostline_activations::{ArrayArchive, ArrayFile, ArrayFileProblem as Problem};

use crate::written::{as_f64, npy, open_npy, problem, safetensors, two_layers};
use crate::zip_written::{stored, zip};

#[test]
fn whole_numbers_of_every_size_and_truth_values_are_read_exactly() {
    for (descr, bytes, values, dtype) in [
        ("|b1", vec![0, 1, 2, 0], vec![0., 1., 1., 0.], DType::F32),
        ("|i1", vec![0x80, 0x7f], vec![-128., 127.], DType::F32),
        ("|u1", vec![0, 255], vec![0., 255.], DType::F32),
        (
            "<i2",
            vec![0, 0x80, 0xff, 0x7f],
            vec![-32768., 32767.],
            DType::F32,
        ),
        (">u2", vec![0xff, 0xfe], vec![65534.], DType::F32),
        ("<i4", vec![0, 0, 0, 0x80], vec![-2147483648.], DType::F64),
        ("<u4", vec![255; 4], vec![4294967295.], DType::F64),
        (">i4", vec![1, 0, 0, 1], vec![16777217.], DType::F64), // no float32 is that
        (
            "<i8",
            (1_i64 << 53).to_le_bytes().to_vec(),
            vec![9007199254740992.],
            DType::F64,
        ),
        (
            "<i8",
            i64::MIN.to_le_bytes().to_vec(),
            vec![-9223372036854775808.],
            DType::F64,
        ),
        (
            "<u8",
            (1_u64 << 63).to_le_bytes().to_vec(),
            vec![9223372036854775808.],
            DType::F64,
        ),
    ] {
        let bytes = npy(descr, "False", &format!("({},)", values.len()), &bytes);
        let read = open_npy(&bytes)
            .unwrap()
            .read_rows(0..values.len())
            .unwrap();
        assert_eq!((as_f64(&read), read.dtype()), (values, dtype), "{descr}");
    }
    for (descr, bytes, value) in [
        ("<i8", ((1_i64 << 53) + 1).to_le_bytes(), "9007199254740993"),
        ("<i8", i64::MAX.to_le_bytes(), "9223372036854775807"),
        ("<u8", u64::MAX.to_le_bytes(), "18446744073709551615"),
    ] {
        let bytes = npy(descr, "False", "(1,)", &bytes);
        let found = open_npy(&bytes)
            .unwrap()
            .read_rows(0..1)
            .unwrap_err()
            .to_string();
        assert!(
            found.contains(value) && found.contains("astype(\"float64\")"),
            "{found}"
        );
    }
}

#[test]
fn dtypes_are_read_as_numpy_reads_them() {
    for (descr, name) in [
        ("=f8", "float64"),
        ("f8", "float64"),
        ("float64", "float64"),
        ("<d", "float64"),
        ("d", "float64"),
        ("double", "float64"),
        ("=f4", "float32"),
        ("float32", "float32"),
        ("|i1", "int8"),
        ("=i1", "int8"),
        ("int8", "int8"),
        ("uint64", "uint64"),
        ("<q", "int64"),
        ("?", "bool"),
        ("bool", "bool"),
        ("e", "float16"),
    ] {
        let bytes = npy(descr, "False", "(2,)", &[0; 16]);
        assert_eq!(open_npy(&bytes).unwrap().dtype_name(), name, "{descr}");
    }
    for descr in ["<l", "<f3", "f", "é", ""] {
        let opened = open_npy(&npy(descr, "False", "(2,)", &[0; 16])).map(|file| file.bytes());
        match (descr, opened) {
            ("f", Ok(8)) => {}
            (_, Err(error)) => assert!(matches!(error.problem, Problem::Dtype { .. }), "{error}"),
            (descr, opened) => panic!("{descr}: {opened:?}"),
        }
    }
}

#[test]
fn one_to_five_axes_are_read() {
    for shape in [
        "(24,)",
        "(24, 1)",
        "(2, 3, 4)",
        "(2, 3, 2, 2)",
        "(2, 3, 2, 1, 2)",
    ] {
        let mut data = Vec::new();
        (0..24).for_each(|k| data.push(k));
        let bytes = npy("|u1", "False", shape, &data);
        let mut file = open_npy(&bytes).unwrap();
        let samples = file.samples();
        let values: Vec<f64> = (0..24).map(f64::from).collect();
        assert_eq!(as_f64(&file.read_rows(0..samples).unwrap()), values);
    }
}

#[test]
fn another_kind_of_file_is_named_for_what_it_is() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let files: [(&str, &[u8], &str); 23] = [
        (
            "a.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
            "Git LFS",
        ),
        (
            "a.npy",
            b"<!DOCTYPE html><html><body>Not found</body></html>",
            "a web page",
        ),
        ("b.npy", b"\n <HTML lang=en>", "a web page"),
        ("a.npy.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc", "gzip"),
        ("a.bz2", b"BZh91AY", "bzip2"),
        ("a.zst", b"\x28\xb5\x2f\xfd\0\0", "Zstandard"),
        ("a.xz", b"\xfd7zXZ\0\0", "xz"),
        ("a.pkl", b"\x80\x04\x95\x10\0\0\0", "a Python pickle"),
        ("a.pt", b"\x80\x02}q\0.", "a Python pickle"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("a.mat", b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file"),
        ("a.parquet", b"PAR1\x15\x04", "a Parquet file"),
        ("a.feather", b"ARROW1\0\0", "an Arrow or Feather file"),
        ("a.gguf", b"GGUF\x03\0\0\0", "a GGUF file"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        ("a.pdf", b"%PDF-1.7", "a PDF document"),
        ("a.json", b"{\"a\": [1, 2]}", "JSON"),
        (
            "a.csv",
            b"1.0,2.0\n3.0,4.0\n",
            "text that begins with \"1.0,2.0\\n3.0,4.0\\n\"",
        ),
        ("a.txt", "größe".as_bytes(), "text"),
        ("text.safetensors", b"layer,value\n", "text"),
        ("a.tar", &tar, "a tar archive"),
        (
            "a.bin",
            b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09",
            "begins with \"\\0\\u{1}",
        ),
        (
            "a.npz",
            b"PK\x03\x04\x14\0",
            "a zip archive, but it doesn't end",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, says) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let text = ArrayFile::open(&path).unwrap_err().to_string();
        assert!(text.contains(says), "{name}: {text}");
        assert!(!text.chars().any(char::is_control), "{text}");
    }
}

#[test]
fn the_kind_goes_by_the_bytes_and_not_by_the_ending() {
    let folder = tempfile::tempdir().unwrap();
    let array = npy("<f4", "False", "(2, 1)", &[0; 8]);
    for (name, bytes) in [
        ("npz-called.npy", zip(&[stored("a.npy", &array)])),
        ("npy-called.pt", array.clone()),
        ("npy-without-ending", array),
        (
            "safetensors-called.npz",
            safetensors(
                r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#,
                &[0; 8],
            ),
        ),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(ArrayFile::open(&path).unwrap().shape(), [2, 1], "{name}");
    }
}

#[test]
fn an_error_of_a_file_that_is_called_otherwise_names_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let array = npy("<f4", "False", "(2, 1)", &[0; 8]);
    let archive = zip(&[stored("a.npy", &array)]);
    let tensors = safetensors(
        r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#,
        &[0; 8],
    );
    for (name, bytes, is) in [
        (
            "a.safetensors",
            &archive,
            "a zip archive, as .npz and .pt files are",
        ),
        (
            "a.npy",
            &archive,
            "a zip archive, as .npz and .pt files are",
        ),
        ("a.npz", &tensors, "a safetensors file"),
        ("A.PTH", &tensors, "a safetensors file"),
        ("a.pt", &array, "a .npy array"),
    ] {
        let path = folder.path().join(name);
        let says = format!("{name} (by its first bytes {is}): ");
        // The file was cut off, and what to do about that follows.
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let text = ArrayFile::open(&path).unwrap_err().to_string();
        assert!(text.contains(&says) && text.contains("save"), "{text}");
        std::fs::write(&path, bytes).unwrap();
        let named = format!("{}:none", path.display());
        let text = ArrayFile::open(&named).unwrap_err().to_string();
        assert!(text.contains(&says), "{text}");
    }
    // What is called what it is, or nothing in particular, needs no word.
    for (name, bytes) in [("b.npz", &archive), ("b.pt", &archive), ("b.dat", &tensors)] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let text = ArrayFile::open(&path).unwrap_err().to_string();
        assert!(!text.contains("first bytes"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_sockets_and_devices_are_refused_before_they_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.npy");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo is there").success());
    let socket = folder.path().join("socket.npy");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, says) in [
        (pipe.as_path(), "this is a pipe"),
        (&socket, "this is a socket"),
        (Path::new("/dev/null"), "this is a device"),
        (folder.path(), "this is a folder"),
    ] {
        for text in [
            ArrayFile::open(path).unwrap_err().to_string(),
            ArrayArchive::open(path).unwrap_err().to_string(),
        ] {
            assert!(text.contains(says), "{text}");
        }
    }
    let named = format!("{}:block1", pipe.display());
    let text = ArrayFile::open(named).unwrap_err().to_string();
    assert!(text.contains("this is a pipe"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_leads_to_its_file() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join(OsStr::from_bytes(b"l\xe4yers\xff.safetensors"));
    std::fs::write(&path, two_layers()).unwrap();
    assert_eq!(ArrayArchive::open(&path).unwrap().entries().len(), 3);
    let mut named = path.clone().into_os_string();
    named.push(":dense/kernel:0");
    let rows = ArrayFile::open(&named).unwrap().read_rows(0..2).unwrap();
    assert_eq!(as_f64(&rows), [1.0, 2.0]);
    let mut unknown = path.into_os_string();
    unknown.push(OsStr::from_bytes(b":\xff"));
    assert!(matches!(
        problem(ArrayFile::open(unknown)),
        Problem::UnknownTensor { .. }
    ));
}

#[test]
fn a_tensor_is_meant_where_a_neighbour_file_has_the_name_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let layers = folder.path().join("s.safetensors");
    std::fs::write(&layers, two_layers()).unwrap();
    let array = npy("<f4", "False", "(5,)", &[0; 20]);
    for (neighbour, shape) in [
        ("s.safetensors:block1", vec![2, 1]), // the tensor
        ("s.safetensors:other", vec![5]),     // no tensor, so the file
        ("no-archive:other", vec![5]),
    ] {
        let path = folder.path().join(neighbour);
        std::fs::write(&path, &array).unwrap();
        assert_eq!(
            ArrayFile::open(&path).unwrap().shape(),
            shape,
            "{neighbour}"
        );
        // All of a file is asked for by its path alone.
        assert_eq!(ArrayArchive::open(&path).unwrap().entries().len(), 1);
    }
    // A file before the colon that holds nothing doesn't hide the one that has the whole name.
    std::fs::write(folder.path().join("12"), b"half past").unwrap();
    let path = folder.path().join("12:30.npy");
    std::fs::write(&path, &array).unwrap();
    assert_eq!(ArrayFile::open(&path).unwrap().shape(), [5]);
}

/// Counts how often bytes of a file are read.
struct Counted<'a> {
    bytes: Cursor<&'a [u8]>,
    read: &'a Cell<usize>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, place: SeekFrom) -> std::io::Result<u64> {
        self.bytes.seek(place)
    }
}

#[test]
fn the_header_of_ten_thousand_tensors_is_read_once() {
    let count = 10_000;
    let entries: Vec<_> = (0..count)
        .map(|k| {
            let offsets = format!("[{},{}]", 4 * k, 4 * k + 4);
            format!(r#""l{k}":{{"dtype":"F32","shape":[1,1],"data_offsets":{offsets}}}"#)
        })
        .collect();
    let layers = safetensors(&format!("{{{}}}", entries.join(",")), &vec![0; 4 * count]);
    let arrays: Vec<_> = (0..count)
        .map(|k| {
            stored(
                &format!("l{k}.npy"),
                &npy("<f4", "False", "(1, 1)", &[0; 4]),
            )
        })
        .collect();
    let arrays = zip(&arrays);
    for (bytes, path) in [(&layers, "x.safetensors"), (&arrays, "x.npz")] {
        let read = Cell::new(0);
        let bytes = Cursor::new(&bytes[..]);
        let length = bytes.get_ref().len();
        let mut archive = ArrayArchive::new(Counted { bytes, read: &read }, path).unwrap();
        for k in 0..count {
            let at = archive.position(&format!("l{k}")).unwrap();
            archive.array(at).unwrap().read_rows(0..1).unwrap();
        }
        // Twice at most: an .npy header in a zip archive is read again for its checksum.
        assert!(
            read.get() < 2 * length + 100_000,
            "{} of {length}",
            read.get()
        );
    }
}

#[test]
fn a_safetensors_header_beyond_sixteen_mib_is_read() {
    let count = 140_000;
    let entries: Vec<_> = (0..count)
        .map(|k| {
            let name = format!(
                "encoder.layers.{k}.self_attention.output.dense.activation.{:060}",
                0
            );
            format!(
                r#""{name}":{{"dtype":"U8","shape":[1,1],"data_offsets":[{k},{}]}}"#,
                k + 1
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    assert!(header.len() > 16 << 20);
    let bytes = safetensors(&header, &vec![7; count]);
    let mut archive = ArrayArchive::new(Cursor::new(&bytes), "x.safetensors").unwrap();
    assert_eq!(archive.entries().len(), count);
    let last = archive.array(count - 1).unwrap().read_rows(0..1).unwrap();
    assert_eq!(as_f64(&last), [7.0]);
}

#[test]
fn a_safetensors_file_with_a_name_twice_or_another_metadata_is_told_apart() {
    let tensor = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    let twice = format!(
        r#"{{"a":{tensor},"a":{}}}"#,
        tensor.replace("[0,1]", "[1,2]")
    );
    let bytes = safetensors(&twice, &[0; 2]);
    let found = ArrayArchive::new(Cursor::new(&bytes), "x")
        .unwrap_err()
        .to_string();
    assert!(found.contains("two arrays are called `a`"), "{found}");

    let metadata =
        format!(r#"{{"__metadata__":{{"layers":"[]","n":{{"deep":[[1]]}}}},"a":{tensor}}}"#);
    let bytes = safetensors(&metadata, &[0]);
    let archive = ArrayArchive::new(Cursor::new(&bytes), "x").unwrap();
    let names: Vec<_> = archive.entries().iter().map(|entry| entry.name()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn names_reach_no_terminal_as_they_are() {
    let header = r#"{"\u001b[31mred":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("\u{1b}[2J.safetensors");
    std::fs::write(&path, safetensors(header, &[0])).unwrap();
    for text in [
        ArrayFile::open(&path).unwrap_err().to_string(),
        ArrayFile::open(format!("{}:\u{7}", path.display()))
            .unwrap_err()
            .to_string(),
        ArrayFile::open(folder.path().join("\u{9b}.npy"))
            .unwrap_err()
            .to_string(),
    ] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
