//! The table of runs: what it counts, and how it lines up.

mod made_up_run;

use frostline_activations::Status;
use frostline_report::{FrostLine, Summary, text_table};
use made_up_run::{check, ledger, outcome, run, usual};

#[test]
fn frost_lines_cover_the_run_without_gaps() {
    let summary = Summary::of(&usual("run"));
    let expected = [(0, 0, 50), (1, 50, 75), (2, 75, 100)];
    let expected = expected.map(|(layers, from, to)| FrostLine { layers, from, to });
    assert_eq!(summary.frost_lines, expected);
    assert_eq!((summary.frozen, summary.layers), (2, 3));
}

#[test]
fn layers_that_thaw_give_a_frost_line_of_their_own() {
    let history = vec![
        check(0, &[None], 1),
        check(10, &[None], 0),
        check(20, &[None], 0),
    ];
    let summary = Summary::of(&run("thawed", &["a"], history, None));
    let lines: Vec<String> = summary.frost_lines.iter().map(|l| l.to_string()).collect();
    assert_eq!(lines, ["1: 0–10", "0: 10–20"]);
}

#[test]
fn the_last_line_reaches_the_end_of_the_run() {
    let stopped = run(
        "a",
        &["a"],
        vec![check(5, &[None], 0)],
        outcome(Status::Interrupted, 7),
    );
    let summary = Summary::of(&stopped);
    assert_eq!(summary.frost_lines.last().unwrap().to, 7);
    assert_eq!(summary.outcome(), "interrupted at step 7 of 100");
}

#[test]
fn the_outcome_counts_more_than_the_last_check() {
    let mut run = usual("run");
    let summary = Summary::of(&run);
    assert_eq!(
        (summary.accuracy, summary.test_samples),
        (Some(0.8123), Some(10_000))
    );
    // Without it the last check stands, of nobody knows how many samples.
    run.info.outcome.as_mut().unwrap().accuracy = Some(f64::NAN);
    let summary = Summary::of(&run);
    assert_eq!(
        (summary.accuracy, summary.test_samples),
        (Some(0.1 + 0.007 * 100.0), None)
    );
}

#[test]
fn the_columns_of_the_text_table_line_up() {
    let stopped = run(
        "stöpped\u{1b}[2J",
        &["a"],
        vec![],
        outcome(Status::Diverged, 3),
    );
    let (first, second) = (usual("same"), usual("same"));
    let table = text_table(&[&first, &second, &stopped]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("same (1)") && lines[2].starts_with("same (2)"));
    let column = |line: &str, text: &str| {
        let bytes = line
            .find(text)
            .unwrap_or_else(|| panic!("no `{text}` in `{line}`"));
        line[..bytes].chars().count()
    };
    let outcomes = ["outcome", "finished", "finished", "diverged"];
    for (line, text) in lines.iter().zip(outcomes) {
        assert_eq!(column(line, text), column(lines[0], "outcome"));
    }
    assert!(lines[1].ends_with("0 layers: 0–50, 1: 50–75, 2: 75–100"));
    assert!(lines[3].ends_with("no checks"));
    assert!(!table.contains('\u{1b}'), "a name cannot move the cursor");
}

#[test]
fn what_freezing_saved_is_a_column_where_a_run_knows_it() {
    let (plain, mut frozen) = (usual("plain"), usual("frozen"));
    assert!(!text_table(&[&plain, &frozen]).contains("saved"));
    frozen.info.outcome.as_mut().unwrap().ledger = Some(ledger());
    // 50 steps of half a second took 12.5 s less; measuring took 1 s.
    assert_eq!(Summary::of(&frozen).saved_seconds, Some(11.5));
    let table = text_table(&[&plain, &frozen]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("  saved  "));
    assert!(lines[1].contains("  –  ") && lines[2].contains("  11.5 s  "));
}

#[test]
fn the_last_check_s_ledger_stands_in_for_that_of_a_run_without_an_end() {
    let mut killed = usual("killed");
    killed.info.outcome = None;
    killed.history[3].ledger = Some(ledger());
    assert_eq!(Summary::of(&killed).saved_seconds, Some(11.5));
}
