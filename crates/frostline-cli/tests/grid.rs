//! `frostline grid`: which layers are compared, and what is said of their values.

mod made_up_run;

use std::fs;
use std::path::Path;

use made_up_run::{frostline, write};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Noise, as many values as there are samples and neurons; another seed makes other noise.
fn noise(shape: [usize; 2], seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut value = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    let values = (0..shape[0] * shape[1]).map(|_| value());
    values.flat_map(f32::to_le_bytes).collect()
}

/// A tensor's name, type, shape and bytes.
type Stored = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn save(path: &Path, tensors: &[Stored]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn layer(name: &'static str, shape: [usize; 2], seed: u32) -> Stored {
    (name, Dtype::F32, shape.to_vec(), noise(shape, seed))
}

#[test]
fn labels_scalars_and_empty_tensors_are_left_out_and_said() {
    let temp = tempfile::tempdir().unwrap();
    let labels: Vec<u8> = (0..60i64).flat_map(|at| (at % 3).to_le_bytes()).collect();
    save(
        &temp.path().join("layers.safetensors"),
        &[
            layer("conv1", [60, 3], 1),
            layer("conv2", [60, 3], 2),
            ("labels", Dtype::I64, vec![60], labels),
            ("loss", Dtype::F32, vec![], 0.5f32.to_le_bytes().to_vec()),
            ("nothing", Dtype::F32, vec![0, 3], vec![]),
        ],
    );
    let both = ["grid", "layers.safetensors", "layers.safetensors"];
    let output = frostline(&both, temp.path());
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        text(&output.stdout)
            .lines()
            .any(|line| line.starts_with("conv2"))
    );
    for left_out in ["labels", "loss", "nothing"] {
        let line = format!("warning: layers.safetensors: {left_out} is left out: ");
        assert_eq!(said.matches(&line).count(), 1, "{left_out}: {said}");
    }
    let output = frostline(&[&both[..], &["--json"]].concat(), temp.path());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["rows"], json!(["conv1", "conv2"]));
    assert_eq!(found["left_out"].as_array().unwrap().len(), 3);

    // By its name a layer is taken though it has one axis, and what can't be read is an error.
    let named = [&both[..], &["--layers", "labels,conv1"]].concat();
    let output = frostline(&named, temp.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout)
            .lines()
            .any(|line| line.starts_with("labels"))
    );
    let named = [&both[..], &["--layers", "nothing"]].concat();
    let output = frostline(&named, temp.path());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("layers.safetensors:nothing"));
}

#[test]
fn layers_are_chosen_by_name_or_pattern_in_files_and_runs() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    let layers = [
        layer("conv1", [60, 3], 1),
        layer("conv2", [60, 4], 2),
        layer("head", [60, 2], 3),
    ];
    save(&here.join("a.safetensors"), &layers);
    write(&here.join("run"), "run", false);
    let names = |arguments: &[&str]| {
        let output = frostline(&[arguments, &["--json"]].concat(), here);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        // The file and the run have other samples, so that no pair can be compared: data that can't be.
        let compared = found["values"].as_array().unwrap().iter();
        let compared = compared.flat_map(|row| row.as_array().unwrap());
        let code = i32::from(compared.into_iter().all(Value::is_null));
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        [found["rows"].clone(), found["columns"].clone()]
    };
    let file = ["grid", "a.safetensors", "a.safetensors"];
    assert_eq!(
        names(&[&file[..], &["--layers", "conv*"]].concat()),
        [json!(["conv1", "conv2"]), json!(["conv1", "conv2"])]
    );
    let chosen = [
        "grid",
        "a.safetensors",
        "run",
        "-l",
        "conv?",
        "-l",
        "block2",
    ];
    assert_eq!(
        names(&chosen),
        [json!(["conv1", "conv2"]), json!(["block2"])]
    );
    let output = frostline(&["grid", "run", "run", "--layers", "conv9"], here);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("no layer matches `conv9`; there are block1, block2, classifier"),
        "{said}"
    );
}

#[test]
fn a_layer_in_which_nothing_varies_has_no_value_and_the_reason_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let constant: Vec<u8> = (0..120).flat_map(|_| 3.5f32.to_le_bytes()).collect();
    save(
        &temp.path().join("a.safetensors"),
        &[
            layer("conv1", [60, 3], 1),
            ("still", Dtype::F32, vec![60, 2], constant),
        ],
    );
    let both = ["grid", "a.safetensors", "a.safetensors"];
    for measure in [
        "svcca",
        "cca",
        "pwcca",
        "cka",
        "cka_biased",
        "procrustes",
        "r2",
        "pls",
    ] {
        let arguments = [&both[..], &["--measure", measure]].concat();
        let output = frostline(&arguments, temp.path());
        let (table, said) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}");
        let still = table
            .lines()
            .find(|line| line.starts_with("still"))
            .unwrap();
        assert_eq!(still.matches("n/a").count(), 2, "{measure}: {table}");
        assert!(
            said.contains("no neuron of still varies"),
            "{measure}: {said}"
        );
    }
    let output = frostline(&[&both[..], &["--json"]].concat(), temp.path());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["values"][1], json!([null, null]));
    assert_eq!(found["cells"][1][1]["value"], Value::Null);
    assert!(found["cells"][1][1]["error"].is_string());
}

#[test]
fn every_value_comes_with_its_chance_level_and_what_makes_it_less_believable() {
    let temp = tempfile::tempdir().unwrap();
    // Six neurons of which the last never varies, for 30 samples: fewer than ten a direction.
    let shape = [30, 6];
    let mut dead = noise(shape, 5);
    for sample in 0..30 {
        dead[(sample * 6 + 5) * 4..][..4].copy_from_slice(&1.0f32.to_le_bytes());
    }
    save(
        &temp.path().join("a.safetensors"),
        &[
            ("conv1", Dtype::F32, shape.to_vec(), dead),
            layer("conv2", shape, 9),
        ],
    );
    let both = ["grid", "a.safetensors", "a.safetensors", "--measure", "cca"];
    let output = frostline(&[&both[..], &["--json"]].concat(), temp.path());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cell = &found["cells"][0][1];
    let number = |field: &str| {
        cell[field]
            .as_f64()
            .unwrap_or_else(|| panic!("{field}: {cell}"))
    };
    assert_eq!(found["values"][0][1], cell["value"]);
    assert!(
        number("chance") > 0.2 && number("chance") < number("chance_upper"),
        "{cell}"
    );
    let corrected = (number("value") - number("chance")) / (1.0 - number("chance"));
    assert!((number("corrected") - corrected).abs() < 1e-9, "{cell}"); // f64 rounding
    assert_eq!(cell["kept"], json!([5, 6]));
    let kinds: Vec<&Value> = cell["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| &warning["kind"])
        .collect();
    assert!(kinds.contains(&&json!("FewSamples")) && kinds.contains(&&json!("DeadNeurons")));

    let output = frostline(&both, temp.path());
    let (table, said) = (text(&output.stdout), text(&output.stderr));
    assert!(table.contains('~'), "unrelated layers are marked: {table}");
    // One line a layer, and one for all pairs that have few samples.
    assert_eq!(
        said.matches("1 neuron of conv1 never varies").count(),
        1,
        "{said}"
    );
    assert!(
        said.contains("conv1 against conv1 and 3 more pairs: 30 samples for"),
        "{said}"
    );
}

#[test]
fn a_grid_is_not_written_over_what_it_reads() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    save(&here.join("a.safetensors"), &[layer("conv1", [60, 3], 1)]);
    write(&here.join("run"), "run", false);
    let before = fs::read(here.join("a.safetensors")).unwrap();
    for (input, svg) in [
        ("a.safetensors", "a.safetensors"),
        ("a.safetensors", "./run/../a.safetensors"),
        ("run", "run/run.json"),
        ("run", "run/checkpoints/step-00000400.safetensors"),
    ] {
        let output = frostline(&["grid", input, input, "--svg", svg], here);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("would be written over"), "{said}");
    }
    assert_eq!(fs::read(here.join("a.safetensors")).unwrap(), before);
}

/// Activations of as many samples, with an array of ones in them.
fn with_a_dead_layer(name: &'static str) -> Stored {
    let ones = (0..60 * 2).flat_map(|_| 1f32.to_le_bytes());
    (name, Dtype::F32, vec![60, 2], ones.collect())
}

#[test]
fn layers_without_variance_are_named_in_one_line() {
    let temp = tempfile::tempdir().unwrap();
    let conv = || layer("conv", [60, 3], 1);
    let dead = with_a_dead_layer;
    save(
        &temp.path().join("a.safetensors"),
        &[conv(), dead("dead"), dead("gone")],
    );
    save(&temp.path().join("b.safetensors"), &[conv(), dead("dead")]);
    for (b, layers) in [
        ("a", "dead, gone"),
        ("b", "dead, gone in the rows, dead in the columns"),
    ] {
        let b = format!("{b}.safetensors");
        let output = frostline(&["grid", "a.safetensors", &b], temp.path());
        assert!(output.status.success());
        let said = text(&output.stderr);
        let expected =
            format!("no neuron of {layers} varies beyond rounding, so svcca has no value");
        assert!(said.contains(&expected), "{said}");
        assert_eq!(said.matches("varies beyond rounding").count(), 1, "{said}");
    }
}

#[test]
fn a_cut_among_equal_directions_is_one_line_for_a_layer_with_the_size_of_the_doubt() {
    let temp = tempfile::tempdir().unwrap();
    // Eight sines of the same strength: white data, of which 99 % of the variance would be all eight.
    let waves: Vec<u8> = (0..64 * 8)
        .flat_map(|at| {
            let (sample, wave) = (at / 8, at % 8 + 1);
            let phase = std::f64::consts::TAU * f64::from(sample * wave) / 64.0;
            (phase.sin() as f32).to_le_bytes()
        })
        .collect();
    let white = |name| (name, Dtype::F32, vec![64, 8], waves.clone());
    let layers = [white("one"), white("two"), layer("conv", [64, 3], 1)];
    save(&temp.path().join("a.safetensors"), &layers);
    let arguments = [
        "grid",
        "a.safetensors",
        "a.safetensors",
        "--measure",
        "svcca_directions(5)",
    ];
    let output = frostline(&arguments, temp.path());
    assert!(output.status.success());
    let said = text(&output.stderr);
    for name in ["one", "two"] {
        let lines = said
            .lines()
            .filter(|line| line.contains(&format!("5 directions of {name},")));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(
            lines[0].contains("more pairs: the value isn't unique"),
            "{said}"
        );
        assert!(lines[0].contains("with all of them"), "{said}");
    }
}
