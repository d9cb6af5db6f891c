//! `frostline compare` and `frostline grid`: the reference cases, and files that are wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn frostline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .output()
        .expect("the command runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = frostline(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Exit code and what is said on stderr; nothing on stdout.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = frostline(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().expect("no signal"), said)
}

fn cases() -> Vec<(PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../../tests/reference", "../../../shared/reference"];
    let mut cases = Vec::new();
    for folder in folders.map(|folder| root.join(folder)) {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for case in entries.map(|entry| entry.expect("a folder").path()) {
            if let Ok(text) = fs::read_to_string(case.join("expected.json")) {
                cases.push((case, serde_json::from_str(&text).expect("JSON")));
            }
        }
    }
    cases
}

/// Compares numbers, and lists of them, within a tolerance.
fn close(name: &str, found: &Value, expected: &Value, within: f64) {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{name}");
            let pairs = found.iter().zip(expected);
            pairs.for_each(|(found, expected)| close(name, found, expected, within));
        }
        _ => {
            let number =
                |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{name}: {value}"));
            let gap = (number(found) - number(expected)).abs();
            assert!(gap <= within, "{name}: {found} against {expected}");
        }
    }
}

/// The field names that the command promises, and what the reference calls them.
#[test]
fn the_reference_cases_pass_through_the_command() {
    let mut compared = 0;
    for (folder, expected) in cases() {
        let name = folder.file_name().unwrap().to_string_lossy().to_string();
        let (x, y) = (folder.join("x.npy"), folder.join("y.npy"));
        let (x, y) = (x.to_str().unwrap(), y.to_str().unwrap());
        let single = expected["dtype"] == "float32";
        let pick = |double: f64, float: f64| if single { float } else { double };
        if expected["kind"] == "conv_nhwc" {
            let found = json(&["compare", x, y, "--layout", "nhwc", "--json"]);
            let (found, expected) = (&found["dft_cca"], &expected["dft_cca"]);
            close(&name, &found["mean"], &expected["mean"], pick(1e-10, 2e-7));
            let each = "mean_per_frequency";
            close(&name, &found[each], &expected[each], pick(1e-10, 1e-6));
            compared += 1;
            continue;
        }
        let found = json(&["compare", x, y, "--json"]);
        assert_eq!(found["n"], expected["n"], "{name}");
        assert_eq!(
            found["d"],
            serde_json::json!([expected["d1"], expected["d2"]]),
            "{name}"
        );
        // Where a layer doesn't vary no number says so.
        if expected["rank_x"] == 0 || expected["rank_y"] == 0 {
            let fields = [
                "cca",
                "svcca",
                "pwcca",
                "cka",
                "r2",
                "procrustes",
                "bartlett",
                "chance",
            ];
            for field in fields {
                assert!(found[field].is_null(), "{name} {field}: {}", found[field]);
            }
            compared += 1;
            continue;
        }
        close(
            &name,
            &found["cka"]["biased"],
            &expected["cka_linear"]["biased"],
            pick(1e-12, 1e-6),
        );
        if expected["cka_linear"]["debiased"].is_null() {
            assert!(found["cka"]["debiased"].is_null(), "{name}");
        } else {
            let debiased = &expected["cka_linear"]["debiased"];
            close(
                &name,
                &found["cka"]["debiased"],
                debiased,
                pick(1e-12, 1e-6),
            );
        }
        // Where something isn't defined there is null and a warning that names it.
        let undefined = |field: &str, measure: &str| {
            assert!(found[field].is_null(), "{name} {field}");
            let warnings = found["warnings"].as_array().expect("a list");
            let named = |w: &&Value| {
                let measures = w["measure"].as_str().unwrap_or_default().split(", ");
                match w["kind"].as_str() {
                    // A layer that doesn't vary leaves all measures without a value.
                    Some("NoVariance") => w["measures"].as_array().is_some_and(Vec::is_empty),
                    kind => {
                        kind == Some("Undefined")
                            && measures.into_iter().any(|name| name == measure)
                    }
                }
            };
            assert!(
                warnings.iter().any(|w| named(&w)),
                "{name} {measure}: {warnings:?}"
            );
        };
        if expected["procrustes"]["cosine"].is_null() {
            undefined("procrustes", "procrustes");
        } else {
            let cosine = &expected["procrustes"]["cosine"];
            close(
                &name,
                &found["procrustes"]["cosine"],
                cosine,
                pick(1e-12, 3e-6),
            );
        }
        let hard = if name == "cond_1e10" { 1e-6 } else { 1e-10 };
        let r2 = &expected["linreg_r2"];
        for (side, rank) in [("y_from_x", "rank_x"), ("x_from_y", "rank_y")] {
            // Below two samples a direction there is no share to speak of.
            let enough = expected["n"].as_u64() >= expected[rank].as_u64().map(|rank| 2 * rank);
            if enough {
                close(&name, &found["r2"][side], &r2[side], pick(hard, 1e-6));
            } else {
                assert!(found["r2"][side].is_null(), "{name} {side}");
            }
        }
        compared += 1;
        if expected["cca_error"].is_string() {
            undefined("cca", "cca");
            assert!(
                found["pwcca"].is_null()
                    && found["bartlett"].is_null()
                    && found["chance"].is_null()
            );
            continue;
        }
        let rank = serde_json::json!([expected["rank_x"], expected["rank_y"]]);
        assert_eq!(found["rank"], rank, "{name}");
        close(
            &name,
            &found["cca"]["coefs"],
            &expected["cca"]["coefs"],
            pick(hard, 1e-6),
        );
        close(
            &name,
            &found["cca"]["mean"],
            &expected["cca"]["mean"],
            pick(hard, 2e-7),
        );
        for (field, reference) in [
            ("svcca", "svcca_099_variance"),
            ("svcca_singular_values", "svcca_099_singular_value_sum"),
        ] {
            let (found, expected) = (&found[field], &expected[reference]);
            let margin = expected["cut_margin"].as_f64();
            if single && margin.is_some_and(|margin| margin <= 1e-5) {
                continue;
            }
            let kept = serde_json::json!([expected["kept_x"], expected["kept_y"]]);
            assert_eq!(found["kept"], kept, "{name} {field}");
            assert_eq!(found["cut"], 0.99);
            close(
                &name,
                &found["coefs"],
                &expected["coefs"],
                pick(1e-10, 1e-6),
            );
            close(&name, &found["mean"], &expected["mean"], pick(1e-10, 2e-7));
        }
        if expected["pwcca"]["well_defined"] == true {
            for side in ["x", "y", "default"] {
                let hard = if name == "cond_1e10" { 1e-6 } else { 1e-9 };
                close(
                    &name,
                    &found["pwcca"][side],
                    &expected["pwcca"][side],
                    pick(hard, 1e-5),
                );
            }
        }
        if expected["bartlett"]["k_hat"].is_u64() {
            assert_eq!(found["bartlett"], expected["bartlett"]["k_hat"], "{name}");
        }
        if expected["wachter_null"]["mean_rho"].is_f64() {
            // Integrated numerically on both sides.
            let (chance, null) = (&found["chance"], &expected["wachter_null"]);
            // Of a single direction the law is known for any number of samples, not in the limit alone.
            if expected["rank_x"] != 1 && expected["rank_y"] != 1 {
                close(&name, &chance["mean_rho"], &null["mean_rho"], 1e-9);
            }
            close(&name, &chance["mean_rho2"], &null["mean_rho2"], 1e-9);
        }
    }
    assert!(compared >= 24, "{compared}");
}

#[test]
fn the_fields_are_those_that_are_promised() {
    let (x, y) = (
        reference("gauss_indep_n500", "x.npy"),
        reference("gauss_indep_n500", "y.npy"),
    );
    let output = frostline(&["compare", &x, &y, "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let fields = [
        "n",
        "d",
        "rank",
        "cca",
        "svcca",
        "svcca_singular_values",
        "pwcca",
        "cka",
        "procrustes",
        "r2",
        "participation_ratio",
        "chance",
        "bartlett",
        "dft_cca",
        "similarities",
        "warnings",
    ];
    let found: Value = serde_json::from_str(&text).unwrap();
    let object = found.as_object().unwrap();
    assert!(
        fields.iter().all(|field| object.contains_key(*field)),
        "{text}"
    );
    assert_eq!(object.len(), fields.len());
    let table = frostline(&["compare", &x, &y]);
    let table = String::from_utf8(table.stdout).unwrap();
    for measure in [
        "svcca",
        "cca",
        "pwcca",
        "cka",
        "procrustes",
        "r2",
        "bartlett",
    ] {
        assert!(table.contains(measure), "{table}");
    }
}

#[test]
fn wrong_files_are_refused_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    };
    let good = reference("identical", "x.npy");
    let whole = fs::read(&good).unwrap();
    let truncated = file("truncated.npy", &whole[..whole.len() - 100]);
    let empty = file("empty.npy", b"");
    let text = file("text.npy", b"1.0 2.0\n3.0 4.0\n");
    let object = file("object.npy", &npy("|O", "(2, 2)", &[0; 32]));
    let infinite: Vec<u8> = [1.0, f64::INFINITY, 3.0, 4.0]
        .iter()
        .flat_map(|v: &f64| v.to_le_bytes())
        .collect();
    let infinite = file("infinite.npy", &npy("<f8", "(2, 2)", &infinite));
    let short = file("short.npy", &npy("<f8", "(2, 2)", &[0; 32]));
    let missing = folder
        .path()
        .join("missing.npy")
        .to_str()
        .unwrap()
        .to_string();
    for (path, what) in [
        (&truncated, "truncated.npy"),
        (&empty, "empty"),
        (&text, "text.npy"),
        (&object, "object"),
        (&infinite, "inf"),
        (&short, "samples"),
        (&missing, "missing.npy"),
    ] {
        let second = if path == &infinite { path } else { &good };
        let (code, said) = refused(&["compare", path, second]);
        assert_eq!(code, 1, "{said}");
        assert!(said.starts_with("error: ") && said.contains(what), "{said}");
    }
}

#[test]
fn bad_usage_is_exit_code_2() {
    let maps = reference("conv_equal_8x8x6_f32", "x.npy");
    let (code, said) = refused(&["compare", &maps, &maps]);
    assert_eq!(code, 2);
    assert!(said.contains("--layout"), "{said}");
    let dense = reference("identical", "x.npy");
    for arguments in [
        vec!["compare", &dense],
        vec!["compare", &dense, &dense, "--layout", "hwcn"],
        vec!["grid", &dense, &dense, "--measure", "ccca"],
        vec!["nothing"],
    ] {
        assert_eq!(refused(&arguments).0, 2, "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_larger_than_memory_should_hold_is_read_in_blocks() {
    // More than 4 GiB at 32 bytes a value; on disk it takes no space: zeros, in which nothing varies.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.npy");
    let rows = 1_350_000;
    fs::write(&path, npy("<f4", &format!("({rows}, 100)"), &[])).unwrap();
    let header = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header + rows * 400).unwrap();
    drop(file);
    let small = folder.path().join("small.npy");
    let values: Vec<u8> = (0..rows)
        .flat_map(|i| ((i * 37 % 101) as f32).to_le_bytes())
        .collect();
    fs::write(&small, npy("<f4", &format!("({rows}, 1)"), &values)).unwrap();
    // In memory it would take that for the large layer alone, three times as f64.
    let limited = "ulimit -v 2500000; exec \"$0\" compare \"$1\" \"$2\" --json";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_frostline")])
        .args([&small, &path])
        .output()
        .expect("the command runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (found["n"].as_u64(), found["rank"].to_string()),
        (Some(rows), "[1,0]".to_string())
    );
}

#[test]
fn a_layer_too_wide_for_moments_is_refused_and_not_read() {
    // Twelve gigabytes that take no space, three samples of a billion neurons.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.npy");
    fs::write(&path, npy("<f4", "(3, 1000000000)", &[])).unwrap();
    let header = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header + 12_000_000_000).unwrap();
    drop(file);
    let path = path.to_str().unwrap();
    let (code, said) = refused(&["compare", path, path]);
    assert_eq!(code, 1);
    assert!(said.contains("2000000000 neurons"), "{said}");
}

#[test]
fn a_grid_of_safetensors_names_its_layers_and_draws_them() {
    let folder = tempfile::tempdir().unwrap();
    let layers = folder.path().join("layers.safetensors");
    let wave = |seed: usize| -> Vec<u8> {
        let value = |i: usize| (((i * (seed + 7)) % 101) as f32 / 50.0 - 1.0).to_le_bytes();
        (0..60 * 3).flat_map(value).collect()
    };
    let (a, b) = (wave(3), wave(4));
    let tensor = |bytes| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![60, 3], bytes).unwrap()
    };
    let file =
        safetensors::serialize([("first", tensor(&a)), ("second", tensor(&b))], None).unwrap();
    fs::write(&layers, file).unwrap();
    let path = layers.to_str().unwrap();
    let svg = folder.path().join("grid.svg");
    let found = json(&["grid", path, path, "--json", "--svg", svg.to_str().unwrap()]);
    assert_eq!(found["measure"], "svcca");
    assert_eq!(found["rows"], serde_json::json!(["first", "second"]));
    for i in 0..2 {
        // Projections in f32.
        close("itself", &found["values"][i][i], &Value::from(1.0), 1e-6);
    }
    let picture = fs::read_to_string(svg).unwrap();
    assert!(picture.contains("<svg") && picture.contains("second"));
    let table = frostline(&["grid", path, path, "--measure", "cka"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("first") && table.contains("1.000"),
        "{table}"
    );
    // Not on a terminal: no colours.
    assert!(!table.contains('\x1b'), "{table}");
    let one = format!("{path}:first");
    let found = json(&["compare", &one, &one, "--json"]);
    assert_eq!(found["n"], 60);
    let (code, said) = refused(&["compare", path, path]);
    assert_eq!(code, 1);
    assert!(said.contains("first") && said.contains("second"), "{said}");
}

fn reference(case: &str, file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    root.join(case).join(file).to_str().unwrap().to_string()
}

/// An .npy file, version 1.
fn npy(dtype: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}
