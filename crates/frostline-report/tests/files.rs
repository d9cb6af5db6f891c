//! What a report leaves beside its page, read back by other means than those that wrote it.

mod made_up_run;

use std::collections::BTreeMap;

use frostline_activations::{ByChance, Check, PanesCost, Run, Status};
use frostline_report::{
    Error, LayerCurve, Page, Pane, ReportFile, RunPictures, csv_files, svg_files, tensorboard_files,
};
use made_up_run::{check, ledger, outcome, run, usual};
use prost::{Message, Oneof};

fn pictures(run: &Run) -> RunPictures<'_> {
    let layers = &run.info.layers;
    let pane = |step: usize, value| Pane {
        step,
        fraction: step as f64 / 100.0,
        rows: layers.clone(),
        columns: layers.clone(),
        values: vec![vec![value; layers.len()]; layers.len()],
        chance: vec![],
    };
    let to_end = layers.iter().map(|layer| LayerCurve {
        layer: layer.clone(),
        points: vec![(0, 0.3), (50, 0.1 + 0.2), (100, 1.0)],
        chance: vec![],
    });
    RunPictures {
        run,
        panes: vec![pane(50, Some(0.87)), pane(100, None)],
        to_end: to_end.collect(),
    }
}

fn named<'a>(files: &'a [ReportFile], name: &str) -> &'a ReportFile {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let file = files.iter().find(|file| file.name == name);
    file.unwrap_or_else(|| panic!("`{name}` is not among {names:?}"))
}

/// The rows of a table, each by its columns' names.
fn table(files: &[ReportFile], name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(named(files, name).content.as_slice());
    reader.deserialize().map(Result::unwrap).collect()
}

fn with_ledger(name: &str) -> Run {
    let mut run = usual(name);
    run.history[2].ledger = Some(ledger());
    run.info.outcome.as_mut().unwrap().ledger = Some(ledger());
    run
}

/// A page whose pictures have colours again where they have variables: `var(--ink)` is the light `#1C2128`.
fn with_plain_colours(html: &str) -> String {
    let mut parts = html.split("\"var(--");
    let mut plain = parts.next().unwrap().to_string();
    for part in parts {
        let (variable, rest) = part.split_once(')').unwrap();
        let (_, value) = html.split_once(&format!("--{variable}:")).unwrap();
        let (colour, _) = value.split_once(';').unwrap();
        plain += &format!("\"{colour}{rest}");
    }
    plain
}

#[test]
fn every_picture_of_the_page_is_a_file_of_its_own() {
    let runs = [with_ledger("as usual"), usual("Freeze/Training")];
    let runs: Vec<RunPictures> = runs.iter().map(pictures).collect();
    let files = svg_files(&runs).unwrap();
    let page = Page {
        title: "Runs".into(),
        notices: vec![],
        runs,
    };
    let html = page.html().unwrap();
    // The panes of a run are one file, and three pictures on a page: two panes and their scale.
    let in_parts = |file: &&ReportFile| file.name.ends_with("-panes.svg");
    let parted = files.iter().filter(in_parts).count();
    assert_eq!(files.len() + 2 * parted, html.matches("<svg ").count());
    let html = with_plain_colours(&html);
    for file in files.iter().filter(|file| !in_parts(file)) {
        let svg = std::str::from_utf8(&file.content).unwrap();
        let on_page = svg.replace(" dy=\"0.5ex\"", "");
        assert!(
            html.contains(&on_page),
            "{} is not what the page shows",
            file.name
        );
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let expected = [
        "loss.svg",
        "accuracy.svg",
        "frozen-layers.svg",
        "loss-by-epochs.svg",
        "accuracy-by-epochs.svg",
        "frozen-layers-by-epochs.svg",
        "loss-by-seconds.svg",
        "accuracy-by-seconds.svg",
        "frozen-layers-by-seconds.svg",
        "loss-by-operations.svg",
        "accuracy-by-operations.svg",
        "frozen-layers-by-operations.svg",
        "layers/block1.svg",
        "layers/block2.svg",
        "layers/classifier.svg",
        "layers/block1-by-epochs.svg",
        "layers/block2-by-epochs.svg",
        "layers/classifier-by-epochs.svg",
        "layers/block1-by-seconds.svg",
        "layers/block2-by-seconds.svg",
        "layers/classifier-by-seconds.svg",
        "layers/block1-by-operations.svg",
        "layers/block2-by-operations.svg",
        "layers/classifier-by-operations.svg",
        "as-usual-panes.svg",
        "as-usual-similarity-to-end.svg",
        "as-usual-change.svg",
        "as-usual-frozen-layers.svg",
        "as-usual-seconds-a-step.svg",
        "as-usual-operations.svg",
        "Freeze-Training-panes.svg",
        "Freeze-Training-similarity-to-end.svg",
        "Freeze-Training-change.svg",
        "Freeze-Training-frozen-layers.svg",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_picture_for_which_nothing_was_recorded_is_no_file_and_a_bad_one_is_an_error() {
    let empty = run("empty", &["a"], vec![], None);
    let mut nothing = pictures(&empty);
    (nothing.panes, nothing.to_end) = (vec![], vec![]);
    assert_eq!(svg_files(&[nothing]).unwrap(), []);

    let run = usual("run");
    let mut bad = pictures(&run);
    bad.panes[0].values[1][1] = Some(1.5);
    assert!(matches!(
        svg_files(&[bad.clone()]),
        Err(Error::OutOfRange { .. })
    ));
    assert!(matches!(csv_files(&[bad]), Err(Error::OutOfRange { .. })));
    let mut bad = pictures(&run);
    bad.panes[0].values[1].pop();
    assert!(matches!(csv_files(&[bad]), Err(Error::PaneShape { .. })));
}

#[test]
fn a_row_of_checks_is_what_its_check_recorded_to_the_last_digit() {
    let mut run = usual("a, \"b\"\nc");
    run.history[1] = Check {
        learning_rate: Some(0.1 + 0.2),
        loss: Some(f64::NAN),
        accuracy: None,
        cpu_seconds: Some(1e-7),
        reason: "too early,\nby \"far\"".into(),
        decided: 2,
        ..run.history[1].clone()
    };
    let runs = [run, usual("second")];
    let pictures: Vec<RunPictures> = runs.iter().map(pictures).collect();
    let rows = table(&csv_files(&pictures).unwrap(), "checks.csv");
    assert_eq!(rows.len(), 10);
    let expected = [
        ("run", "a, \"b\"\nc"),
        ("step", "25"),
        ("epoch", "1.25"),
        ("learning_rate", "0.30000000000000004"),
        ("loss", ""),
        ("accuracy", ""),
        ("training_seconds", "12.5"),
        ("measuring_seconds", "0.25"),
        ("cpu_seconds", "1e-7"),
        ("frozen", "0"),
        ("decided", "2"),
        ("reason", "too early,\nby \"far\""),
    ];
    let expected = expected.map(|(column, cell)| (column.to_string(), cell.to_string()));
    assert_eq!(rows[1], BTreeMap::from(expected));
    assert_eq!(rows[5]["run"], "second");
}

#[test]
fn a_row_of_layers_has_what_is_known_of_the_layer_at_the_check() {
    let mut run = with_ledger("run");
    run.history[2].gradients = vec![Some(3.5), None, Some(0.0)];
    run.history[2].weight_change = vec![None, Some(0.25), Some(0.5)];
    let mut of_run = pictures(&run);
    of_run.to_end.push(LayerCurve {
        layer: "softmax".into(),
        points: vec![(50, 0.75)],
        chance: vec![],
    });
    let rows = table(&csv_files(&[of_run]).unwrap(), "layers.csv");
    assert_eq!(rows.len(), 5 * 4, "three layers and a tap at five checks");
    let row = |step: &str, layer: &str| -> Vec<&str> {
        let found = rows
            .iter()
            .find(|row| row["step"] == step && row["layer"] == layer);
        let columns = [
            "depth",
            "similarity_to_previous",
            "similarity_to_end",
            "frozen",
            "gradients",
            "weight_change",
            "forward_flops",
            "backward_flops",
            "saved_forward_flops",
            "saved_backward_flops",
        ];
        columns
            .iter()
            .map(|column| found.unwrap()[*column].as_str())
            .collect()
    };
    assert_eq!(
        row("50", "block1"),
        [
            "1",
            "0.999",
            "0.30000000000000004",
            "true",
            "3.5",
            "",
            "6000000000.0",
            "10000000000.0",
            "4000000000.0",
            "10000000000.0"
        ]
    );
    let unknown = ["2", "0.8", "", "false", "", "", "", "", "", ""];
    assert_eq!(row("25", "block2"), unknown, "no checkpoint, no ledger");
    let tap = ["", "", "0.75", "", "", "", "", "", "", ""];
    assert_eq!(row("50", "softmax"), tap);
}

#[test]
fn panes_and_runs_are_tables_too() {
    let mut first = with_ledger("first");
    first
        .info
        .outcome
        .as_mut()
        .unwrap()
        .ledger
        .as_mut()
        .unwrap()
        .panes = PanesCost {
        evaluations: 4,
        samples: 8000,
        seconds: 3.0,
        flops: 1e6,
    };
    first
        .info
        .settings
        .insert("seed".into(), "of data 7".into());
    let second = run(
        "second",
        &["a"],
        vec![check(5, &[Some(0.5)], 0)],
        outcome(Status::Interrupted, 7),
    );
    let all = [pictures(&first), pictures(&second)];
    let files = csv_files(&all).unwrap();

    let rows = table(&files, "panes.csv");
    assert_eq!(rows.len(), 2 * 9 + 2);
    assert_eq!(rows[1]["step"], "50");
    assert_eq!(rows[1]["row_layer"], "block1");
    assert_eq!(rows[1]["column_layer"], "block2");
    assert_eq!(rows[1]["similarity"], "0.87");
    assert_eq!(rows[9]["similarity"], "", "not defined");

    let rows = table(&files, "runs.csv");
    let cells = [
        ("run", "first", "second"),
        ("status", "finished", "interrupted"),
        ("step", "100", "7"),
        ("planned_steps", "100", "100"),
        ("steps_per_epoch", "20", "20"),
        ("layers", "3", "1"),
        ("policy", "Converged", "Converged"),
        ("measure", "SVCCA", "SVCCA"),
        ("probe_samples", "500", "500"),
        ("seed", "1", "1"),
        ("device", "flex", "flex"),
        ("burn", "0.22.1", "0.22.1"),
        ("accuracy", "0.8123", "0.8123"),
        ("test_samples", "10000", "10000"),
        ("training_seconds", "50.0", "3.5"),
        ("measuring_seconds", "1.0", "0.07"),
        ("cpu_seconds", "", ""),
        ("saved_seconds", "11.5", ""),
        ("spent_flops", "63000000000.0", ""),
        ("saved_flops", "27000000000.0", ""),
        ("cache_hit_rate", "0.8", ""),
        ("frozen", "2", "0"),
        ("decided", "2", "0"),
        ("panes_evaluations", "4", ""),
        ("panes_samples", "8000", ""),
        ("panes_seconds", "3.0", ""),
        ("panes_flops", "1000000.0", ""),
        ("settings.batch", "64", "64"),
        ("settings.seed", "of data 7", ""),
    ];
    for (column, of_first, of_second) in cells {
        let found = [&rows[0], &rows[1]].map(|row| row[column].as_str());
        assert_eq!(found, [of_first, of_second], "{column}");
    }
    // What there is nothing of still has its columns.
    let none = csv_files(&[]).unwrap();
    let panes = std::str::from_utf8(&named(&none, "panes.csv").content).unwrap();
    assert_eq!(
        panes,
        "run,step,row_layer,column_layer,similarity,chance,chance_upper,corrected,samples_a_direction\n"
    );
}

#[test]
fn tables_have_what_chance_gives_beside_each_similarity() {
    let by = |level| ByChance {
        samples: 250,
        directions: 100,
        level,
        upper: level + 0.0625,
        corrected: None,
    };
    let mut run = usual("run");
    run.history[2].chance = vec![Some(by(0.25)), None, None];
    let mut of_run = pictures(&run);
    of_run.panes[0].chance = vec![vec![Some(by(0.5)); 3]; 3];
    of_run.panes[0].chance[0][0].as_mut().unwrap().corrected = Some(0.125);
    of_run.to_end[0].chance = vec![None, Some(by(0.125)), None];
    let files = csv_files(&[of_run]).unwrap();
    let cells = |row: &BTreeMap<String, String>, of: &str| {
        let columns = ["chance", "chance_upper", "corrected", "samples_a_direction"];
        columns.map(|column| row[&format!("{column}{of}")].clone())
    };

    let rows = table(&files, "panes.csv");
    assert_eq!(cells(&rows[0], ""), ["0.5", "0.5625", "0.125", "2.5"]);
    assert_eq!(cells(&rows[1], ""), ["0.5", "0.5625", "", "2.5"]);
    assert_eq!(cells(&rows[9], ""), ["", "", "", ""], "the second pane");
    let rows = table(&files, "layers.csv");
    let row = |layer: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row["step"] == "50" && row["layer"] == layer)
            .unwrap()
    };
    let first = row("block1");
    assert_eq!(cells(first, "_to_previous"), ["0.25", "0.3125", "", "2.5"]);
    assert_eq!(cells(first, "_to_end"), ["0.125", "0.1875", "", "2.5"]);
    assert_eq!(cells(row("block2"), "_to_previous"), ["", "", "", ""]);
}

#[test]
fn tensorboard_s_records_hold_every_scalar_at_its_step() {
    let mut run = usual("seed 1/ordinary");
    run.history[1].loss = Some(f64::INFINITY);
    run.history[2].loss = Some(1e300); // more than an f32 holds
    run.history[3].learning_rate = Some(0.25);
    run.history[4].cpu_seconds = Some(90.5);
    run.history[4].training_seconds = f64::NAN;
    let files = tensorboard_files(&[pictures(&run), pictures(&run)]);
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let expected = [
        "seed-1-ordinary-1/events.out.tfevents.0.frostline",
        "seed-1-ordinary-2/events.out.tfevents.0.frostline",
    ];
    assert_eq!(names, expected);

    let events = read(&files[0].content);
    assert_eq!(events.len(), 1 + 5);
    let version = What::FileVersion("brain.Event:2".into());
    assert_eq!(events[0].what, Some(version));
    let times: Vec<(i64, f64)> = events.iter().map(|e| (e.step, e.wall_time)).collect();
    // Half a second of training a step and a hundredth of measuring; the last is not a number.
    let expected = [
        (0, 0.0),
        (0, 0.0),
        (25, 12.75),
        (50, 25.5),
        (75, 38.25),
        (100, 38.25),
    ];
    assert_eq!(times, expected);

    let at = |tag: &str| scalars(&events, tag);
    assert_eq!(at("loss"), [(0, 2.0), (75, 2.0 / 76.0), (100, 2.0 / 101.0)]);
    assert_eq!(at("learning_rate"), [(75, 0.25)]);
    assert_eq!(at("seconds/cpu"), [(100, 90.5)]);
    assert_eq!(at("seconds/training").len(), 4);
    assert_eq!(at("seconds/measuring").last(), Some(&(100, 1.0)));
    // A zero is a value like any other.
    let frozen = [(0, 0.0), (25, 0.0), (50, 1.0), (75, 2.0), (100, 2.0)];
    assert_eq!(at("frozen_layers"), frozen);
    let to_previous = [(25, 0.8), (50, 0.9), (75, 0.999), (100, 1.0)];
    assert_eq!(at("similarity_to_previous/block2"), to_previous);
    let to_end = [(0, 0.3), (50, 0.3), (100, 1.0)];
    assert_eq!(at("similarity_to_end/classifier"), to_end);
    assert_eq!(at("accuracy").len(), 5);
}

/// The values under a tag, by step.
fn scalars(events: &[Event], tag: &str) -> Vec<(i64, f32)> {
    let mut found = Vec::new();
    for event in events {
        let Some(What::Summary(summary)) = &event.what else {
            continue;
        };
        let values = summary.value.iter().filter(|value| value.tag == tag);
        found.extend(values.map(|value| {
            let Some(Kind::SimpleValue(number)) = value.kind else {
                panic!("{tag} has no value at step {}", event.step);
            };
            (event.step, number)
        }));
    }
    found
}

/// The events of a file of TFRecords, every checksum compared.
fn read(mut bytes: &[u8]) -> Vec<Event> {
    let mut take = |count: usize| {
        let (taken, rest) = bytes.split_at(count);
        bytes = rest;
        (taken, rest.is_empty())
    };
    let masked = |bytes: &[u8]| {
        let crc = crc32c(bytes);
        crc.rotate_left(17).wrapping_add(0xa282_ead8)
    };
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let mut events = Vec::new();
    loop {
        let (length, _) = take(8);
        assert_eq!(number(take(4).0), masked(length));
        let (data, _) = take(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (checksum, done) = take(4);
        assert_eq!(number(checksum), masked(data));
        events.push(Event::decode(data).unwrap());
        if done {
            return events;
        }
    }
}

/// CRC-32C bit by bit: the polynomial 0x1EDC6F41, its bits in reverse.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= 0x82f6_3b78;
            }
        }
    }
    !crc
}

#[test]
fn the_checksum_of_these_tests_is_the_published_one() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283); // the check value of CRC-32C, RFC 3720
}

// TensorFlow's event.proto and summary.proto, as far as they are used here.

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Kind", tags = "2, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(float, tag = "2")]
    SimpleValue(f32),
    #[prost(bytes, tag = "3")]
    Obsolete(Vec<u8>),
}

#[test]
fn no_cell_of_a_table_is_a_formula_and_numbers_stay_numbers() {
    let mut run = usual("=1+1");
    let cells = [
        ("equals", "=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("plus", "+1+1", "'+1+1"),
        ("minus", "-2-3", "'-2-3"),
        ("at", "@SUM(A1)", "'@SUM(A1)"),
        ("tab", "\t=1", "'\t=1"),
        ("wide", "＝1", "'＝1"),
        ("rate", "-0.5", "-0.5"),
        ("exponent", "+1e-3", "+1e-3"),
        ("endless", "-inf", "'-inf"),
        ("words", "at most 2 %", "at most 2 %"),
    ];
    run.info.settings = cells
        .map(|(key, value, _)| (key.to_string(), value.to_string()))
        .into();
    run.history[1].reason = "=reason".to_string();
    run.history[1].loss = Some(-1.5);
    let files = csv_files(&[pictures(&run)]).unwrap();
    let runs = table(&files, "runs.csv");
    assert_eq!(runs[0]["run"], "'=1+1");
    for (key, _, written) in cells {
        assert_eq!(runs[0][&format!("settings.{key}")], written, "{key}");
    }
    let checks = table(&files, "checks.csv");
    assert_eq!(checks[1]["reason"], "'=reason");
    assert_eq!(checks[1]["loss"], "-1.5");
}
