//! Which file and which tensor a path means.

use std::path::Path;

use frostline_activations::{ArrayArchive, ArrayFile, ArrayFileProblem as Problem};

use crate::written::{as_f64, npy, open_safetensors, problem, safetensors, two_layers, written};

fn names(path: &Path) -> Vec<String> {
    let archive = ArrayArchive::open(path).unwrap();
    let entries = archive.entries().iter();
    entries.map(|entry| entry.name().to_string()).collect()
}

#[test]
fn what_is_no_array_file_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: &Path| ArrayFile::open(path).unwrap_err().to_string();
    assert!(text(folder.path()).contains("this is a folder"));
    assert!(text(&folder.path().join("none.npy")).contains("no such file"));
    assert!(text(&folder.path().join("none.safetensors:a")).contains("none.safetensors: there is"));
    for (name, bytes, says) in [
        ("empty.npy", &b""[..], "the file is empty"),
        ("empty.safetensors", b"", "the file is empty"),
        (
            "x.npz",
            b"PK\x03\x04......",
            "zip archive, but it doesn't end",
        ),
        ("x.npy", b"\x80\x04\x95......", "a Python pickle"),
        ("x.h5", b"\x89HDF\r\n\x1a\n..", "an HDF5 file"),
        (
            "x.csv",
            b"1.0,2.0,3.0\n",
            "text that begins with \"1.0,2.0,3.0\\n\"",
        ),
        ("short.npy", b"\x93NUM", "12 bytes long, but it is 4"),
        ("short.safetensors", b"\x93", "8 bytes long, but it is 1"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let text = text(&path);
        assert!(text.contains(name) && text.contains(says), "{text}");
    }
}

#[test]
fn a_tensor_is_named_behind_a_colon_whatever_colons_path_and_name_hold() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "layers.safetensors",
        "run:2:layers.safetensors",
        "layers:bin",
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, two_layers()).unwrap();
        let open = |tensor: &str| ArrayFile::open(format!("{}:{tensor}", path.display()));

        let block1 = open("block1").unwrap().read_rows(0..2).unwrap();
        assert_eq!(as_f64(&block1), [3.0, 4.0]);
        let kernel = open("dense/kernel:0").unwrap().read_rows(0..2).unwrap();
        assert_eq!(as_f64(&kernel), [1.0, 2.0]);

        let listed = "dense/kernel:0, block1, steps"; // as stored
        assert_eq!(names(&path).join(", "), listed);
        let absent = open("block2").unwrap_err().to_string();
        assert!(
            absent.contains(&format!("no tensor `block2`; it holds {listed}")),
            "{absent}"
        );
        let unnamed = ArrayFile::open(&path).unwrap_err().to_string();
        assert!(
            unnamed.contains("several tensors") && unnamed.contains(listed),
            "{unnamed}"
        );
        let steps = open("steps").unwrap().read_rows(0..1).unwrap();
        assert_eq!(steps.shape().to_vec(), [1]);
    }
    let (_folder, path) = written(&npy("<f4", "False", "(1,)", &[0; 4]), "12:30.npy");
    assert_eq!(ArrayFile::open(&path).unwrap().shape(), [1]);
    let named = format!("{}:a", path.display());
    assert!(matches!(problem(ArrayFile::open(named)), Problem::Nameless));
    assert_eq!(names(&path), ["12:30"]);
}

#[test]
fn a_file_without_tensors_and_one_with_very_many_say_so_briefly() {
    let (_folder, path) = written(&safetensors("{}", &[]), "none.safetensors");
    assert!(matches!(
        problem(ArrayFile::open(&path)),
        Problem::NoTensors
    ));
    assert!(names(&path).is_empty());

    let entries: Vec<_> = (0..50)
        .map(|k| {
            let offsets = format!("[{},{}]", 4 * k, 4 * k + 4);
            format!(r#""l{k}":{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}"#)
        })
        .collect();
    let bytes = safetensors(&format!("{{{}}}", entries.join(",")), &[0; 200]);
    let text = open_safetensors(&bytes, None).unwrap_err().to_string();
    assert!(text.ends_with("l18, l19 and 30 more"), "{text}");
}
