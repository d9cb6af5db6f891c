//! `frostline` and arrays whose rows, places and floats decide what may be compared, and how.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

fn frostline(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command runs")
}

/// A tensor's name, type, shape and bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn save(path: &Path, tensors: &[Stored]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Noise of mean 0; another seed makes other noise.
fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    (0..count)
        .map(|_| (0..4).map(|_| uniform()).sum())
        .collect()
}

fn f32s(values: &[f64]) -> Vec<u8> {
    let values = values.iter().map(|value| *value as f32);
    values.flat_map(f32::to_le_bytes).collect()
}

/// Rounded to bfloat16, to nearest.
fn bf16s(values: &[f64]) -> Vec<u8> {
    let values = values
        .iter()
        .map(|value| (*value as f32).to_bits() + 0x8000);
    values
        .flat_map(|bits| ((bits >> 16) as u16).to_le_bytes())
        .collect()
}

fn tensor(name: &str, shape: &[usize], values: &[f64]) -> Stored {
    (name.to_string(), Dtype::F32, shape.to_vec(), f32s(values))
}

fn json_of(arguments: &[&str], folder: &Path) -> (Value, String) {
    let output = frostline(arguments, folder);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    (serde_json::from_slice(&output.stdout).expect("JSON"), said)
}

/// `[sample, token, channel]` whose channels sum up to 0 at each token.
fn layer_norm(samples: usize, tokens: usize, channels: usize, seed: u64) -> Vec<f64> {
    let mut values = noise(samples * tokens * channels, seed);
    for row in values.chunks_mut(channels) {
        let mean = row.iter().sum::<f64>() / channels as f64;
        row.iter_mut().for_each(|value| *value -= mean);
        let spread = (row.iter().map(|v| v * v).sum::<f64>() / channels as f64).sqrt();
        row.iter_mut().for_each(|value| *value /= spread);
    }
    values
}

#[test]
fn arrays_of_few_digits_are_judged_by_them_in_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    let values = layer_norm(300, 8, 6, 1);
    let shape = [300, 8, 6];
    let file = folder.path().join("a.safetensors");
    save(
        &file,
        &[("x".to_string(), Dtype::BF16, shape.to_vec(), bf16s(&values))],
    );
    // The same tokens with the channels before them.
    let turned: Vec<f64> = (0..300 * 6 * 8)
        .map(|i| {
            let (sample, channel, token) = (i / 48, i / 8 % 6, i % 8);
            values[(sample * 8 + token) * 6 + channel]
        })
        .collect();
    let turned_shape = vec![300, 6, 8];
    save(
        &folder.path().join("b.safetensors"),
        &[("x".to_string(), Dtype::BF16, turned_shape, bf16s(&turned))],
    );
    for (file, layout) in [("a.safetensors", "tokens"), ("b.safetensors", "ncw")] {
        for (neurons, rank) in [("channels", 5), ("means", 5), ("positions", 40)] {
            let options = ["--layout", layout, "--neurons", neurons, "--json"];
            let layer = format!("{file}:x");
            let arguments = [&["compare", &layer, &layer][..], &options].concat();
            let (found, _) = json_of(&arguments, folder.path());
            assert_eq!(found["rank"], json!([rank, rank]), "{layout} {neurons}");
            let arguments = [&["grid", file, file, "-m", "cca"][..], &options].concat();
            let (found, _) = json_of(&arguments, folder.path());
            let kept = &found["cells"][0][0]["kept"];
            assert_eq!(*kept, json!([rank, rank]), "{layout} {neurons} in a grid");
        }
    }
}

#[test]
fn rows_of_other_samples_or_places_are_not_paired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.safetensors");
    save(
        &path,
        &[
            tensor("few", &[50, 4, 8], &noise(1600, 1)),
            tensor("many", &[100, 4, 4], &noise(1600, 2)),
            tensor("rows", &[400, 4], &noise(1600, 3)),
        ],
    );
    let options = ["--layout", "ncw", "--neurons", "channels", "--json"];
    let arguments = [&["grid", "g.safetensors", "g.safetensors"][..], &options].concat();
    let (found, _) = json_of(&arguments, folder.path());
    for (row, values) in found["values"].as_array().unwrap().iter().enumerate() {
        for (column, value) in values.as_array().unwrap().iter().enumerate() {
            assert_eq!(value.is_number(), row == column, "{row} {column}: {value}");
        }
    }
    let problems = found["problems"].to_string();
    assert!(problems.contains("50 samples"), "{problems}");

    save(
        &path,
        &[
            tensor("long", &[60, 3, 4, 9], &noise(60 * 108, 1)),
            tensor("square", &[60, 3, 6, 6], &noise(60 * 108, 2)),
        ],
    );
    let options = ["--layout", "nchw", "--neurons", "channels"];
    let layers = ["g.safetensors:long", "g.safetensors:square"];
    let refused = frostline(
        &[&["compare"][..], &layers, &options].concat(),
        folder.path(),
    );
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && said.contains("4 x 9"),
        "{said}"
    );
    let arguments = [
        &["grid", "g.safetensors", "g.safetensors", "--json"][..],
        &options,
    ]
    .concat();
    let (found, _) = json_of(&arguments, folder.path());
    assert!(found["values"][0][1].is_null() && found["values"][0][0].is_number());
}

#[test]
fn maps_come_with_what_unrelated_ones_give_by_dft_cca() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [40, 8, 4, 4];
    let count: usize = shape.iter().product();
    save(
        &folder.path().join("m.safetensors"),
        &[
            tensor("a", &shape, &noise(count, 1)),
            tensor("b", &shape, &noise(count, 2)),
        ],
    );
    let layers = [
        "compare",
        "m.safetensors:a",
        "m.safetensors:b",
        "--layout",
        "nchw",
    ];
    let (found, _) = json_of(&[&layers[..], &["--json"]].concat(), folder.path());
    let (value, level) = (&found["dft_cca"]["mean"], &found["dft_cca"]["chance"]);
    let off = value.as_f64().unwrap() - level.as_f64().unwrap();
    assert!(off.abs() < 0.1, "{value} {level}");
    let warnings = found["warnings"].as_array().unwrap();
    let few = warnings
        .iter()
        .find(|warning| warning["measures"] == json!(["dft_cca"]));
    assert_eq!(few.unwrap()["kind"], "FewSamples");
    let output = frostline(&layers, folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.starts_with("dft_cca"))
        .unwrap();
    let level = format!("{:.3}", level.as_f64().unwrap());
    assert!(line.contains(&level), "{line}");
    assert!(text.contains("dft_cca: 40 samples"), "{text}");

    // Maps that are the same at all places vary at one frequency of sixteen.
    let flat = |seed| {
        let values = noise(40 * 8, seed).into_iter();
        values.flat_map(|value| [value; 16]).collect::<Vec<f64>>()
    };
    save(
        &folder.path().join("m.safetensors"),
        &[tensor("a", &shape, &flat(1)), tensor("b", &shape, &flat(2))],
    );
    let (found, _) = json_of(&[&layers[..], &["--json"]].concat(), folder.path());
    let number = |field: &str| found["dft_cca"][field].as_f64().unwrap();
    let off = number("mean") - number("chance");
    assert!(off.abs() < 0.1 / 16.0, "{}", found["dft_cca"]);
    assert!(number("corrected").abs() < 0.2, "{}", found["dft_cca"]);
}

#[test]
fn a_layer_that_never_varies_has_no_number_in_json() {
    let folder = tempfile::tempdir().unwrap();
    save(
        &folder.path().join("f.safetensors"),
        &[
            tensor("flat", &[60, 3, 2, 2], &[0.7; 720]),
            tensor("x", &[60, 3, 2, 2], &noise(720, 1)),
        ],
    );
    for (x, y) in [("flat", "x"), ("x", "flat"), ("flat", "flat")] {
        let [x, y] = [x, y].map(|name| format!("f.safetensors:{name}"));
        let arguments = ["compare", &x, &y, "--layout", "nchw", "--json"];
        let (found, _) = json_of(&arguments, folder.path());
        let fields = [
            "cca",
            "svcca",
            "svcca_singular_values",
            "pwcca",
            "cka",
            "procrustes",
            "r2",
            "chance",
            "bartlett",
        ];
        for field in fields {
            assert!(found[field].is_null(), "{x} {y} {field}: {}", found[field]);
        }
        assert!(found["dft_cca"]["mean"].is_null(), "{}", found["dft_cca"]);
        assert_eq!(found["similarities"], json!([]));
    }
}

#[test]
fn what_is_no_layer_is_left_out_and_the_others_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<u8> = (0..60i64)
        .flat_map(|at| ((1i64 << 53) + 2 * at + 1).to_le_bytes())
        .collect();
    save(
        &folder.path().join("odd.safetensors"),
        &[
            tensor("block1", &[30, 2], &noise(60, 1)),
            tensor("deep", &[30, 1, 1, 1, 1, 2], &noise(60, 2)),
            ("ids".to_string(), Dtype::I64, vec![30, 2], ids),
            tensor("tokens", &[30, 2, 2], &noise(120, 3)),
        ],
    );
    let grid = ["grid", "odd.safetensors", "odd.safetensors", "--json"];
    let (found, said) = json_of(&grid, folder.path());
    assert_eq!(found["rows"], json!(["block1"]));
    for (name, why) in [
        ("deep", "3 to 5 axes"),
        ("ids", "float64"),
        ("tokens", "--layout"),
    ] {
        let line = said
            .lines()
            .find(|line| line.contains(&format!("{name} is left out")));
        let line = line.unwrap_or_else(|| panic!("{name}: {said}"));
        assert!(line.contains(why), "{line}");
    }
    // What is asked for by name is an error.
    for name in ["deep", "ids", "tokens"] {
        let output = frostline(&[&grid[..], &["--layers", name]].concat(), folder.path());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(name), "{said}");
    }
}

#[test]
fn a_grid_in_parts_is_the_grid_as_a_whole() {
    // More pairs than are held at a time, so that rows come in several parts.
    let folder = tempfile::tempdir().unwrap();
    let layers: Vec<Stored> = (0..190)
        .map(|at| tensor(&format!("layer{at:03}"), &[6, 1], &noise(6, at + 1)))
        .collect();
    save(&folder.path().join("many.safetensors"), &layers);
    let grid = [
        "grid",
        "many.safetensors",
        "many.safetensors",
        "-m",
        "cca",
        "--json",
    ];
    let (found, _) = json_of(&grid, folder.path());
    let values = found["values"].as_array().unwrap();
    let cells = found["cells"].as_array().unwrap();
    assert_eq!((values.len(), cells.len()), (190, 190));
    for at in 0..190 {
        assert_eq!(values[at].as_array().unwrap().len(), 190);
        assert!(
            (values[at][at].as_f64().unwrap() - 1.0).abs() < 1e-6,
            "{at}"
        );
        let mirrored = (at + 37) % 190;
        let (one, other) = (&values[at][mirrored], &values[mirrored][at]);
        assert!((one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-6);
        assert_eq!(cells[at][mirrored]["value"], *one);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_as_a_picture_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    save(
        &folder.path().join("a.safetensors"),
        &[tensor("x", &[30, 2], &noise(60, 1))],
    );
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let output = frostline(
        &["grid", "a.safetensors", "a.safetensors", "--svg", "pipe"],
        folder.path(),
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && said.contains("pipe or a socket"),
        "{said}"
    );
}
