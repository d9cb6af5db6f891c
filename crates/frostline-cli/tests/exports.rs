//! What `frostline report` leaves beside its page.

mod made_up_run;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use made_up_run::{frostline, write};
use serde_json::Value;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn done(arguments: &[&str], folder: &Path) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = frostline(arguments, folder);
    assert!(status.success(), "{}", text(&stderr));
    text(&stdout)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn pictures_tables_and_event_files_go_to_the_folders_that_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("plain"), "as usual", false);
    write(&here.join("freeze"), "Freeze <Training>", true);
    let folders = [
        "--svg",
        "out/svg",
        "--csv",
        "out/csv",
        "--tensorboard",
        "out/logs",
    ];
    let arguments = [
        &["report", "plain", "freeze", "-o", "page.html"],
        &folders[..],
    ]
    .concat();
    let said = done(&arguments, here);
    for line in [
        "page: page.html",
        "pictures: out/svg",
        "tables: out/csv",
        "tensorboard --logdir out/logs",
    ] {
        assert!(said.contains(line), "{said}");
    }

    let page = fs::read_to_string(here.join("page.html")).unwrap();
    let mut pictures = names(&here.join("out/svg"));
    assert!(pictures.remove("layers"), "{pictures:?}");
    let layers = names(&here.join("out/svg/layers"));
    assert_eq!(layers.len(), 3 * 4, "three layers on four axes");
    // The panes of each of two runs are one file, and on the page four pictures and their scale.
    let on_page = pictures.len() + layers.len() + 2 * 4;
    assert_eq!(on_page, page.matches("<svg ").count());
    assert!(
        pictures.contains("Freeze-Training-panes.svg"),
        "{pictures:?}"
    );
    let curves = fs::read_to_string(here.join("out/svg/as-usual-similarity-to-end.svg")).unwrap();
    assert!(curves.starts_with("<svg xmlns=") && !curves.contains("var("));
    // On the page the same colours are variables.
    let (label, _) = curves.split_once('>').unwrap();
    assert!(page.contains(label));

    let tables = [
        "checks.csv",
        "layers.csv",
        "metrics.csv",
        "panes.csv",
        "runs.csv",
    ]
    .map(String::from);
    assert_eq!(names(&here.join("out/csv")), BTreeSet::from(tables));
    let lines = |table: &str| {
        let text = fs::read_to_string(here.join("out/csv").join(table)).unwrap();
        text.lines().count() - 1
    };
    // Nine checks of three layers in each of two runs; four panes of three by three.
    assert_eq!(lines("runs.csv"), 2);
    assert_eq!(lines("checks.csv"), 2 * 9);
    assert_eq!(lines("layers.csv"), 2 * 9 * 3);
    assert_eq!(lines("panes.csv"), 2 * 4 * 9);
    assert_eq!(lines("metrics.csv"), 2 * (400 + 4), "steps and tests");

    let logs = here.join("out/logs");
    let runs = ["Freeze-Training", "as-usual"];
    assert_eq!(names(&logs), BTreeSet::from(runs.map(String::from)));
    for run in runs {
        let one = BTreeSet::from(["events.out.tfevents.1700000000.frostline".to_string()]);
        assert_eq!(names(&logs.join(run)), one);
    }
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_tables() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), "run", true);
    done(&["report", "run", "--csv", "csv"], temp.path());
    let page = fs::read_to_string(temp.path().join("run/report.html")).unwrap();
    let panes = fs::read_to_string(temp.path().join("csv/panes.csv")).unwrap();
    let (mut diagonal, mut compared) = (0, 0);
    for line in panes.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [
            _,
            step,
            row,
            column,
            value,
            chance,
            upper,
            corrected,
            samples,
        ] = cells[..]
        else {
            panic!("nine columns: {line}");
        };
        let value: f64 = value.parse().unwrap();
        let moment = step.parse::<usize>().unwrap() as f64 / 4.0;
        let moment = match moment.fract() == 0.0 {
            true => format!("{moment:.0} %"),
            false => format!("{moment:.1} %"),
        };
        let number = |cell: &str| cell.parse::<f64>().unwrap();
        let could = if value <= number(upper) {
            "could be chance"
        } else {
            "chance"
        };
        let title = format!(
            "<title>{row} at {moment} × {column}: {value:.2}, {could} {:.2}, corrected {:.2}, {:.1} samples a direction</title>",
            number(chance),
            number(corrected),
            number(samples)
        );
        assert!(page.contains(&title), "{title}");
        let above = (value - number(chance)) / (1.0 - number(chance));
        assert!((above - number(corrected)).abs() < 1e-12);
        compared += 1;
        if step == "400" && row == column {
            assert!((value - 1.0).abs() < 1e-5, "a layer is itself: {value}"); // projections in f32
            diagonal += 1;
        }
    }
    assert_eq!((diagonal, compared), (3, 36));
}

#[test]
fn files_that_are_there_are_replaced_and_nothing_else_is_touched() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    write(&temp.path().join("run"), "run", false);
    let arguments = [
        "report",
        "run",
        "--svg",
        "out",
        "--csv",
        "out",
        "--tensorboard",
        "out",
    ];
    done(&arguments, temp.path());
    let (first, loss) = (names(&out), fs::read(out.join("loss.svg")).unwrap());
    for stale in [
        "loss.svg",
        "runs.csv",
        "run/events.out.tfevents.1700000000.frostline",
        "mine.txt",
    ] {
        fs::write(out.join(stale), "stale").unwrap();
    }
    done(&arguments, temp.path());
    assert_eq!(fs::read(out.join("loss.svg")).unwrap(), loss);
    assert_eq!(fs::read(out.join("mine.txt")).unwrap(), b"stale");
    let mut with_mine = first;
    with_mine.insert("mine.txt".to_string());
    assert_eq!(names(&out), with_mine, "nothing is left of the writing");
    assert_eq!(names(&out.join("run")).len(), 1);
}

#[test]
fn json_keeps_to_its_output_and_draws_a_page_where_one_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("run"), "run", false);
    let runs = done(&["report", "run", "--json", "--csv", "csv"], here);
    let runs: Value = serde_json::from_str(&runs).unwrap();
    assert_eq!(runs[0]["run"]["name"], "run");
    assert_eq!(names(&here.join("csv")).len(), 5);
    assert!(!here.join("run/report.html").exists());
    done(&["report", "run", "--json", "-o", "page.html"], here);
    assert!(here.join("page.html").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("run"), "run", false);
    fs::write(here.join("file"), "no folder").unwrap();
    fs::create_dir_all(here.join("taken/loss.svg/within")).unwrap();
    let failed = |arguments: &[&str], code: i32, says: &str| {
        let output = frostline(&[&["report", "run"], arguments].concat(), here);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    };
    for flag in ["--svg", "--csv"] {
        failed(&[flag, "file"], 1, "error: file: ");
    }
    failed(&["--tensorboard", "file"], 1, "error: file/run: ");
    failed(&["--svg", "taken"], 1, "error: taken/loss.svg: ");
    assert_eq!(
        names(&here.join("taken")).len(),
        1,
        "what was begun is gone"
    );
    failed(&["--csv"], 2, "--csv");
    let help = text(&frostline(&["report", "--help"], here).stdout);
    for flag in [
        "--svg <DIR>",
        "--csv <DIR>",
        "--tensorboard <DIR>",
        "tensorboard --logdir",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_told_where_no_page_tells_it() {
    let temp = tempfile::tempdir().unwrap();
    write(&temp.path().join("run"), "run", false);
    let damaged = temp
        .path()
        .join("run/checkpoints/step-00000050.safetensors");
    fs::write(damaged, "half").unwrap();
    let output = frostline(&["report", "run", "--json", "--csv", "csv"], temp.path());
    assert!(output.status.success());
    let warnings = text(&output.stderr);
    assert!(warnings.contains("warning: ") && warnings.contains("step-00000050.safetensors"));
}

#[test]
fn what_is_read_is_never_written_over() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("run"), "run", false);
    let before = fs::read(here.join("run/history.jsonl")).unwrap();
    for arguments in [
        ["-o", "run/history.jsonl"],
        ["-o", "run/run.json"],
        ["-o", "run/panes/step-00000000.safetensors"],
        ["-o", "run/state/page.html"],
        ["--svg", "run/replaced-1"],
        ["-o", "run/checkpoints/step-00000000.safetensors"],
        ["--svg", "run/checkpoints"],
    ] {
        let output = frostline(&[&["report", "run"], &arguments[..]].concat(), here);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("is read as part of run"), "{stderr}");
    }
    assert_eq!(fs::read(here.join("run/history.jsonl")).unwrap(), before);
    done(&["report", "run", "-o", "run/page.html"], here);
    done(&["report", "run", "-o", "run/page.html"], here);
}

/// The writes of a process that may make no file larger than some kilobytes fail half way, as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn two_outputs_that_are_one_file_are_refused_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("plain"), "as usual", false);
    let arguments = [
        "report",
        "plain",
        "-o",
        "tables/runs.csv",
        "--csv",
        "tables",
    ];
    let refused = frostline(&arguments, here);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("two outputs would be written to"),
        "{}",
        text(&refused.stderr)
    );
    assert!(!here.join("tables").exists());
}

#[test]
fn a_disk_that_fills_leaves_the_old_page_and_nothing_of_the_new_one() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("run"), "run", false);
    for (arguments, file) in [
        ("report run -o page.html", "page.html"),
        ("grid run run --svg grid.svg", "grid.svg"),
    ] {
        fs::write(here.join(file), "the old one").unwrap();
        let limited = format!(
            "trap '' XFSZ; ulimit -f 1; exec {} {arguments}",
            env!("CARGO_BIN_EXE_frostline")
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &limited])
            .current_dir(here)
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(file), "{stderr}");
        assert_eq!(fs::read(here.join(file)).unwrap(), b"the old one");
    }
    let mut left = names(here);
    ["run", "page.html", "grid.svg"]
        .iter()
        .for_each(|known| assert!(left.remove(*known)));
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_stays_a_link_and_a_device_a_device() {
    let temp = tempfile::tempdir().unwrap();
    let here = temp.path();
    write(&here.join("run"), "run", false);
    fs::create_dir(here.join("site")).unwrap();
    std::os::unix::fs::symlink("site/page.html", here.join("page.html")).unwrap();
    fs::write(here.join("site/page.html"), "old").unwrap();
    done(&["report", "run", "-o", "page.html"], here);
    assert!(here.join("page.html").is_symlink());
    assert!(
        fs::read_to_string(here.join("site/page.html"))
            .unwrap()
            .contains("<svg")
    );
    assert!(done(&["report", "run", "-o", "/dev/stdout"], here).contains("<svg"));
    done(&["report", "run", "-o", "/dev/null"], here);
    assert!(!Path::new("/dev/null").is_file());
}
