//! Which files `frostline compare` and `frostline grid` read layers from, and as what.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SAMPLES: usize = 40;
const CHANNELS: usize = 3;

fn frostline(arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .output()
        .expect("the command runs")
}

fn compared(x: &Path, y: &Path, options: &[&str]) -> Value {
    let mut arguments = vec![OsStr::new("compare"), x.as_ref(), y.as_ref()];
    arguments.extend(options.iter().map(OsStr::new));
    arguments.push(OsStr::new("--json"));
    let output = frostline(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What is said of files that can't be compared, and the exit code.
fn refused(x: &Path, y: &Path, options: &[&str]) -> (i32, String) {
    let mut arguments = vec![OsStr::new("compare"), x.as_ref(), y.as_ref()];
    arguments.extend(options.iter().map(OsStr::new));
    let output = frostline(&arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    (output.status.code().expect("no signal"), said)
}

/// A file of NumPy or PyTorch that the reader's own tests have.
fn real(name: &str) -> PathBuf {
    let folder = "../frostline-activations/tests/array_file/files";
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(name)
}

fn npy(descr: &str, shape: &[usize], body: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|axis| format!("{axis},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape})}}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

/// An array of whole numbers, which every type holds.
fn value(sample: usize, channel: usize, position: usize) -> i16 {
    let mixed = (sample * 31 + channel * 17 + position * 7 + sample * sample * (channel + 2)) % 101;
    mixed as i16 - 50
}

/// The means over so many positions, `[sample, channel]`.
fn means(positions: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for sample in 0..SAMPLES {
        for channel in 0..CHANNELS {
            let sum: i16 = (0..positions).map(|at| value(sample, channel, at)).sum();
            body.extend((f64::from(sum) / positions as f64).to_le_bytes());
        }
    }
    npy("<f8", &[SAMPLES, CHANNELS], &body)
}

#[test]
fn arrays_of_three_to_five_axes_are_layers_by_their_layout() {
    let folder = tempfile::tempdir().unwrap();
    let (maps, dense) = (
        folder.path().join("maps.npy"),
        folder.path().join("dense.npy"),
    );
    for (space, layouts) in [
        (vec![4], [("ncw", true), ("nwc", false), ("tokens", false)]),
        (
            vec![2, 3],
            [("nchw", true), ("nhwc", false), ("channels-first", true)],
        ),
        (
            vec![2, 3, 2],
            [("ncdhw", true), ("ndhwc", false), ("channels-last", false)],
        ),
    ] {
        let positions: usize = space.iter().product();
        fs::write(&dense, means(positions)).unwrap();
        for (layout, first) in layouts {
            let mut body = Vec::new();
            let (outer, inner) = if first {
                (CHANNELS, positions)
            } else {
                (positions, CHANNELS)
            };
            for sample in 0..SAMPLES {
                for i in 0..outer {
                    for j in 0..inner {
                        let (channel, position) = if first { (i, j) } else { (j, i) };
                        body.extend(value(sample, channel, position).to_le_bytes());
                    }
                }
            }
            let mut shape = vec![SAMPLES];
            shape.extend(first.then_some(CHANNELS));
            shape.extend(&space);
            shape.extend((!first).then_some(CHANNELS));
            fs::write(&maps, npy("<i2", &shape, &body)).unwrap();

            let found = compared(&maps, &dense, &["--layout", layout]);
            assert_eq!(
                found["d"],
                serde_json::json!([CHANNELS, CHANNELS]),
                "{layout}"
            );
            for side in ["y_from_x", "x_from_y"] {
                let gap = (found["r2"][side].as_f64().unwrap() - 1.0).abs();
                assert!(gap < 1e-6, "{layout}: {}", found["r2"]); // means are taken in f32
            }
            for (neurons, samples, width) in [
                ("channels", SAMPLES * positions, CHANNELS),
                ("positions", SAMPLES, CHANNELS * positions),
            ] {
                let found = compared(&maps, &maps, &["--layout", layout, "--neurons", neurons]);
                let shape = serde_json::json!([samples, [width, width]]);
                assert_eq!(
                    serde_json::json!([found["n"], found["d"]]),
                    shape,
                    "{layout}, {neurons}"
                );
            }
        }
    }
}

#[test]
fn a_layout_that_an_array_cannot_have_or_lacks_is_bad_usage_that_names_the_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps.npy");
    for (shape, options, says) in [
        (&[4, 3, 2][..], &[][..], "--layout tokens"),
        (&[4, 3, 2, 2], &[], "--layout nchw"),
        (
            &[4, 3, 2, 2],
            &["--layout", "tokens"],
            "[sample, token, channel]",
        ),
        (&[4, 3, 2, 2, 1], &[], "--layout nchw"),
    ] {
        let count: usize = shape.iter().product();
        fs::write(&path, npy("|u1", shape, &vec![7; count])).unwrap();
        let (code, said) = refused(&path, &path, options);
        assert!(code == 2 && said.contains(says), "{code}: {said}");
    }
    fs::write(&path, npy("|u1", &[4, 3, 2, 2, 1, 1], &[7; 48])).unwrap();
    let (code, said) = refused(&path, &path, &["--layout", "nchw"]);
    assert!(code == 1 && said.contains("3 to 5 axes"), "{code}: {said}");
}

#[test]
fn one_axis_is_one_neuron() {
    let folder = tempfile::tempdir().unwrap();
    let body: Vec<u8> = (0..SAMPLES).map(|at| value(at, 0, 0) as u8).collect();
    let (flat, column) = (
        folder.path().join("flat.npy"),
        folder.path().join("column.npy"),
    );
    fs::write(&flat, npy("|i1", &[SAMPLES], &body)).unwrap();
    fs::write(&column, npy("|i1", &[SAMPLES, 1], &body)).unwrap();
    let found = compared(&flat, &column, &[]);
    assert_eq!(found["d"], serde_json::json!([1, 1]));
    assert!((found["cca"]["mean"].as_f64().unwrap() - 1.0).abs() < 1e-9);
}

#[test]
fn files_of_numpy_and_torch_are_compared() {
    for (file, array) in [
        ("numpy.npz", "block1"),
        ("numpy.npz", "turned"),
        ("numpy-compressed.npz", "arr_1"),
        ("torch-dict.pt", "nested.turned"),
        ("torch-list.pt", "1"),
        ("torch-old.pt", "a"),
    ] {
        let mut path = real(file).into_os_string();
        path.push(format!(":{array}"));
        let found = compared(Path::new(&path), &real("torch-tensor.pt"), &[]);
        assert_eq!(found["n"], 3, "{file}:{array}");
        let cosine = found["procrustes"]["cosine"].as_f64().unwrap();
        assert!((cosine - 1.0).abs() < 1e-6, "{file}:{array}: {cosine}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_is_compared() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9.npy"));
    fs::write(&path, means(2)).unwrap();
    let found = compared(&path, &path, &[]);
    assert_eq!(found["n"], SAMPLES);
}

#[test]
fn a_grid_leaves_out_what_is_no_layer_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layers.safetensors");
    let body: Vec<u8> = (0..SAMPLES * 2).map(|at| value(at, 1, at) as u8).collect();
    let tensor = |dtype, shape: &[usize], bytes: usize| {
        safetensors::tensor::TensorView::new(dtype, shape.to_vec(), &body[..bytes]).unwrap()
    };
    use safetensors::Dtype;
    let file = safetensors::serialize(
        [
            ("block1", tensor(Dtype::I8, &[SAMPLES, 2], 2 * SAMPLES)),
            ("labels", tensor(Dtype::U8, &[SAMPLES], SAMPLES)),
            ("step", tensor(Dtype::I8, &[], 1)),
            ("nothing", tensor(Dtype::F32, &[0, 4], 0)),
            ("eighth", tensor(Dtype::F8_E4M3, &[SAMPLES, 2], 2 * SAMPLES)),
        ],
        None,
    );
    fs::write(&path, file.unwrap()).unwrap();
    let output = frostline(&[
        "grid".as_ref(),
        path.as_ref(),
        path.as_ref(),
        "--json".as_ref(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(output.status.success(), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["rows"], serde_json::json!(["block1"]));
    for name in ["labels", "step", "nothing", "eighth"] {
        assert!(said.contains(&format!("{name} is left out")), "{said}");
    }

    fs::write(
        &path,
        safetensors::serialize([("step", tensor(Dtype::I8, &[], 1))], None).unwrap(),
    )
    .unwrap();
    let output = frostline(&["grid".as_ref(), path.as_ref(), path.as_ref()]);
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(
        output.status.code() == Some(1) && said.contains("no layer to compare"),
        "{said}"
    );
}
