//! How the command prints: into pipes that close, onto full disks, and what files hold that no terminal may obey.

mod made_up_run;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use burn::tensor::{Device, Tensor, TensorData};
use frostline::activations::{
    Activation, FORMAT_VERSION, Layout, ProbeInfo, RunFolder, RunInfo, Versions,
};
use frostline::prelude::*;
use made_up_run::{frostline, write};
use serde_json::Value;

/// Escape codes, a line break, a bell, a mark that turns the direction of writing.
const NASTY: &str = "a\u{1b}[31m\u{1b}]0;t\u{7}\r\n\u{9b}2J\u{202e}b";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run whose every text is nasty, with a checkpoint of two layers.
fn nasty_run(folder: &Path) {
    let layers = [format!("{NASTY}1"), format!("{NASTY}2")];
    let nasty = || NASTY.to_string();
    let info = RunInfo {
        format: FORMAT_VERSION,
        name: nasty(),
        title: Some(nasty()),
        notice: Some(nasty()),
        layers: layers.to_vec(),
        length: Length::epochs(2, 10),
        probe: ProbeInfo {
            samples: 40,
            inputs: None,
            layout: Layout::default(),
        },
        policy: nasty(),
        measure: nasty(),
        seed: None,
        forward_flops: None,
        began: None,
        panes_probe: None,
        device: nasty(),
        versions: Versions::default(),
        settings: [(nasty(), nasty())].into(),
        outcome: None,
    };
    let mut run = RunFolder::create(folder, info).unwrap();
    for step in [0, 10, 20] {
        run.append(&Check {
            step,
            similarity: vec![(step > 0).then_some(0.9); 2],
            frozen: step / 20,
            reason: nasty(),
            warnings: vec![nasty()],
            ..Check::default()
        })
        .unwrap();
        let activations = layers.iter().enumerate().map(|(index, name)| {
            // The second layer says the same about every sample.
            let value =
                |at: usize| (1 - index as i32) as f32 * (at as f32 * 0.7 + step as f32).sin();
            let values: Vec<f32> = (0..80).map(value).collect();
            let data = TensorData::new(values, [40, 2]);
            Activation::new(name.as_str(), Tensor::<2>::from_data(data, &Device::flex()))
        });
        run.save(step, &activations.collect::<Activations>())
            .unwrap();
    }
    // A line that is no JSON: serde's message quotes it.
    let history = folder.join("history.jsonl");
    let mut lines = fs::read_to_string(&history).unwrap();
    lines += &format!("{{\"step\":\"{}\"}}\n", "\\u001b[31m\\r");
    fs::write(history, lines).unwrap();
}

#[test]
fn what_files_hold_never_reaches_the_terminal_as_orders() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    nasty_run(&here.join("run"));
    fs::write(here.join("a\u{1b}[31m.npy"), "no array \u{1b}[31m").unwrap();
    fs::create_dir(here.join("b\u{1b}[31m")).unwrap();
    let commands: [&[&str]; 9] = [
        &["report", "run"],
        &[
            "report",
            "run",
            "-o",
            "p\u{1b}[31m.html",
            "--csv",
            "c\u{1b}[31m",
        ],
        &[
            "replay",
            "run",
            "--policy",
            "linear",
            "--policy",
            "converged(0.1, 0.1, cka)",
        ],
        &["grid", "run", "run"],
        &["grid", "run", "run", "--layers", "n\u{1b}[31m"],
        &["grid", "run", "run", "--svg", "g\u{1b}[31m.svg"],
        &["compare", "a\u{1b}[31m.npy", "a\u{1b}[31m.npy"],
        &["report", "b\u{1b}[31m"],
        &["grid", "run", "run", "--measure", "c\u{1b}[31m"],
    ];
    let mut printed = String::new();
    for arguments in commands {
        let output = frostline(arguments, here);
        for stream in [&output.stdout, &output.stderr] {
            let said = text(stream);
            let obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!said.contains(obeyed), "{arguments:?}: {said:?}");
            printed += &said;
        }
    }
    assert!(
        printed.contains("a\\u{1b}[31m\\u{1b}]0;t\\u{7}\\r\\n"),
        "{printed}"
    );
}

#[test]
fn json_holds_names_exactly() {
    let temp = tempfile::tempdir().unwrap();
    nasty_run(&temp.path().join("run"));
    for command in ["report", "replay"] {
        let output = frostline(&[command, "run", "--json"], temp.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
        let run = if command == "report" {
            &runs[0]["run"]
        } else {
            &runs[0]
        };
        assert_eq!(run["name"], NASTY);
        assert_eq!(run["layers"][0], format!("{NASTY}1"));
    }
    let output = frostline(&["grid", "run", "run", "--json"], temp.path());
    let grid: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(grid["rows"][1], format!("{NASTY}2"));
}

/// The command with its output into a pipe that nobody reads.
fn into_a_closed_pipe(arguments: &[&str], folder: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

fn made_up_runs(folder: &Path) -> [&'static [&'static str]; 9] {
    write(&folder.join("run"), "run", true);
    [
        &["--help"],
        &["--version"],
        &["grid", "--help"],
        &["report", "run"],
        &["report", "run", "--json"],
        &["replay", "run"],
        &["replay", "run", "--json"],
        &["grid", "run", "run"],
        &["grid", "run", "run", "--json"],
    ]
}

#[test]
fn a_pipe_that_closes_ends_every_command_quietly() {
    let temp = tempfile::tempdir().unwrap();
    for arguments in made_up_runs(temp.path()) {
        let output = into_a_closed_pipe(arguments, temp.path());
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn errors_with_nobody_to_hear_them_are_no_panic() {
    let temp = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(["report", "nowhere"])
        .current_dir(temp.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_output_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    for arguments in made_up_runs(temp.path()) {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_frostline"))
            .args(arguments)
            .current_dir(temp.path())
            .stdout(full)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: standard output can't be written: "),
            "{said}"
        );
    }
}

#[test]
fn names_of_any_length_make_a_table() {
    let temp = tempfile::tempdir().unwrap();
    let (long, here) = ("n".repeat(70_000), temp.path());
    write(&here.join("run"), &long, false);
    let info = fs::read_to_string(here.join("run/run.json")).unwrap();
    let info = info.replace("\"block1\"", &format!("\"{long}\""));
    fs::write(here.join("run/run.json"), info).unwrap();
    let table = text(&frostline(&["replay", "run"], here).stdout);
    assert!(table.contains("nnn…nnn") && short_lines(&table), "{table}");
    let table = text(&frostline(&["report", "run"], here).stdout);
    assert!(table.contains("nnn…nnn") && short_lines(&table), "{table}");
}

#[test]
fn any_number_of_frost_lines_makes_a_table() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("run"), "run", false);
    let check = |step| Check {
        step,
        similarity: vec![None; 3],
        frozen: step % 2,
        ..Check::default()
    };
    let lines: Vec<String> = (0..5000)
        .map(|step| serde_json::to_string(&check(step)).unwrap())
        .collect();
    fs::write(here.join("run/history.jsonl"), lines.join("\n")).unwrap();
    let output = frostline(&["report", "run"], here);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(
        table.contains("… 4,991 more …") && short_lines(&table),
        "{table}"
    );
    let page = fs::read_to_string(here.join("run/report.html")).unwrap();
    assert!(page.contains("… 4,991 more …"), "the page cuts them too");
}

fn short_lines(table: &str) -> bool {
    table.lines().all(|line| line.chars().count() < 1000)
}

/// A path that is no UTF-8 is one all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_utf8_works_in_every_command() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    let odd = |ending: &str| -> OsString {
        let mut name = OsStr::from_bytes(b"odd\xff").to_os_string();
        name.push(ending);
        name
    };
    write(&here.join(odd("")), "run", true);
    let checkpoint = here
        .join(odd(""))
        .join("checkpoints/step-00000400.safetensors");
    fs::copy(checkpoint, here.join(odd(".safetensors"))).unwrap();
    let mut layer = odd(".safetensors");
    layer.push(":block1");
    let run = odd("");
    let file = odd(".safetensors");
    let (svg, page) = (odd(".svg"), odd(".html"));
    let flag = OsStr::new;
    let commands: Vec<Vec<&OsStr>> = vec![
        vec![flag("report"), &run, flag("-o"), &page],
        vec![flag("replay"), &run],
        vec![flag("grid"), &run, &file, flag("--svg"), &svg],
        vec![flag("grid"), &file, &file],
        vec![flag("compare"), &layer, &layer],
    ];
    for mut arguments in commands {
        for json in [false, true] {
            if json {
                arguments.push(flag("--json"));
            }
            let output = Command::new(env!("CARGO_BIN_EXE_frostline"))
                .args(&arguments)
                .current_dir(here)
                .output()
                .unwrap();
            let said = text(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {said}");
            if json {
                let json: Value = serde_json::from_slice(&output.stdout).unwrap();
                let path = &json[0]["path"];
                assert!(path.is_null() || path == "odd\u{fffd}", "{path}");
            }
        }
    }
    let mut drawn = String::new();
    fs::File::open(here.join(svg))
        .unwrap()
        .read_to_string(&mut drawn)
        .unwrap();
    assert!(drawn.contains("<svg") && here.join(page).exists());
}

/// Names, measures, policies and numbers are text: another argument is named in an error, and no panic.
#[cfg(target_os = "linux")]
#[test]
fn an_argument_that_has_to_be_text_and_is_not_is_named() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    let odd = OsStr::from_bytes(b"odd\xff");
    write(&here.join(odd), "run", true);
    let checkpoint = here.join(odd).join("checkpoints/step-00000400.safetensors");
    fs::copy(checkpoint, here.join("file.safetensors")).unwrap();
    let word = OsStr::from_bytes(b"word\xff");
    let mut several = OsString::from("block1,");
    several.push(word);
    let mut array = OsString::from("file.safetensors:");
    array.push(word);
    let flag = OsStr::new;
    let commands: [Vec<&OsStr>; 9] = [
        vec![flag("grid"), odd, odd, flag("--layers"), word],
        vec![flag("grid"), odd, odd, flag("--layers"), &several],
        vec![flag("grid"), odd, odd, flag("--measure"), word],
        vec![flag("grid"), odd, odd, flag("--step"), word],
        vec![flag("grid"), odd, odd, flag("--layout"), word],
        vec![flag("replay"), odd, flag("--policy"), word],
        vec![flag("compare"), &array, &array],
        vec![flag("compare"), &array, &array, flag("--neurons"), word],
        vec![word],
    ];
    for arguments in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_frostline"))
            .args(&arguments)
            .current_dir(here)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains("word\u{fffd}"),
            "{said}"
        );
        // The run's folder has such a name too, and is no mistake.
        assert!(!said.contains("odd\u{fffd}"), "{said}");
    }
}
