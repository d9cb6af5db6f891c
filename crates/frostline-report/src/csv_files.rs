use std::collections::BTreeSet;

use frostline_activations::{ByChance, Check, Run, Spread, Status};

use crate::heatmap::check;
use crate::home::without_home;
use crate::judged::{CHANCE_COLUMNS, chance_numbers};
use crate::report_file::ReportFile;
use crate::summary::{Summary, ledger, run_names};
use crate::{Error, LayerCurve, RunPictures};

/// What the runs recorded as tables for plots of one's own, joined by `run` and `step`:
///
/// - `runs.csv`: a row a run, its settings as columns `settings.<name>`;
/// - `metrics.csv`: a row a run and point of its metrics: a step, or neighbouring steps together (`steps` says how
///   many) with the mean, the least and the greatest value; a row with 0 steps is a test of so many `tests`;
/// - `checks.csv`: a row a run and check;
/// - `layers.csv`: a row a run, check and layer; `depth` counts the layers that can freeze from the
///   input up, `flops` are from the start of training to that check, `frozen` is from that check on;
/// - `panes.csv`: a row a run, step, layer during training (`row_layer`) and layer at the end.
///
/// Beside a similarity stand what chance gives in its place (`chance`), up to where it may well be chance's
/// (`chance_upper`), the similarity freed of chance (`corrected`) and `samples_a_direction`.
///
/// A cell is empty where a number is not known or not finite. A text that a spreadsheet would take for a formula, since it
/// begins with `=`, `+`, `-`, `@` or blanks before one of them, and is no number, has an apostrophe in front.
///
/// Errors: `PaneShape` and `OutOfRange`, for panes that can't be drawn either.
pub fn csv_files(runs: &[RunPictures<'_>]) -> Result<Vec<ReportFile>, Error> {
    for pane in runs.iter().flat_map(|pictures| &pictures.panes) {
        check(pane)?;
    }
    let all: Vec<&Run> = runs.iter().map(|pictures| pictures.run).collect();
    let names = run_names(&all);
    let named = || runs.iter().zip(names.iter().map(String::as_str));
    let (run_columns, run_rows) = runs_table(&all, &names);
    Ok(vec![
        file("runs.csv", run_columns, run_rows),
        file(
            "metrics.csv",
            METRIC_COLUMNS.map(String::from),
            named().flat_map(|(pictures, name)| metric_rows(pictures.run, name)),
        ),
        file(
            "checks.csv",
            CHECK_COLUMNS.map(String::from),
            named().flat_map(|(pictures, name)| check_rows(pictures.run, name)),
        ),
        file(
            "layers.csv",
            with_chance(&LAYER_COLUMNS, &["_to_previous", "_to_end"]),
            named().flat_map(|(pictures, name)| layer_rows(pictures, name)),
        ),
        file(
            "panes.csv",
            with_chance(&PANE_COLUMNS, &[""]),
            named().flat_map(|(pictures, name)| pane_rows(pictures, name)),
        ),
    ])
}

/// The similarity of a layer at a step to its final self, where they were compared.
pub(crate) fn at_step(curves: &[LayerCurve], layer: &str, step: usize) -> Option<f64> {
    judged_at_step(curves, layer, step).map(|(similarity, _)| similarity)
}

/// The same with what chance gives in its place.
fn judged_at_step<'a>(
    curves: &'a [LayerCurve],
    layer: &str,
    step: usize,
) -> Option<(f64, Option<&'a ByChance>)> {
    let curve = curves.iter().find(|curve| curve.layer == layer)?;
    let point = curve.points.iter().position(|(at, _)| *at == step)?;
    Some((curve.points[point].1, curve.chance_of(point)))
}

/// These columns, and behind them those of a chance level for each kind of similarity.
fn with_chance(columns: &[&str], kinds: &[&str]) -> Vec<String> {
    let chance = kinds
        .iter()
        .flat_map(|kind| CHANCE_COLUMNS.map(|column| format!("{column}{kind}")));
    columns
        .iter()
        .map(|column| column.to_string())
        .chain(chance)
        .collect()
}

/// A table whose rows are as long as its first.
fn file<R>(name: &str, columns: R, rows: impl IntoIterator<Item = R>) -> ReportFile
where
    R: IntoIterator<Item = String>,
{
    const IN_MEMORY: &str = "a table in memory with rows of one length takes every cell";
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |row: R| {
        let cells = row.into_iter().map(no_formula);
        writer.write_record(cells).expect(IN_MEMORY);
    };
    write(columns);
    rows.into_iter().for_each(write);
    ReportFile {
        name: name.to_string(),
        content: writer.into_inner().expect(IN_MEMORY),
    }
}

fn runs_table(runs: &[&Run], names: &[String]) -> (Vec<String>, Vec<Vec<String>>) {
    let settings: BTreeSet<&String> = runs
        .iter()
        .flat_map(|run| run.info.settings.keys())
        .collect();
    let mut columns = RUN_COLUMNS.map(String::from).to_vec();
    // So that no setting has the name of another column.
    columns.extend(settings.iter().map(|key| format!("settings.{key}")));
    let rows = runs.iter().zip(names).map(|(run, name)| {
        let mut row = run_row(run, name).to_vec();
        let value = |key: &&String| {
            let value = run.info.settings.get(*key);
            value.map_or_else(String::new, |value| without_home(value))
        };
        row.extend(settings.iter().map(value));
        row
    });
    (columns, rows.collect())
}

const RUN_COLUMNS: [&str; 33] = [
    "run",
    "folder",
    "title",
    "notice",
    "status",
    "step",
    "planned_steps",
    "steps_per_epoch",
    "layers",
    "policy",
    "measure",
    "probe_samples",
    "probe_layout",
    "seed",
    "device",
    "frostline",
    "burn",
    "began",
    "accuracy",
    "test_samples",
    "training_seconds",
    "measuring_seconds",
    "cpu_seconds",
    "saved_seconds",
    "spent_flops",
    "saved_flops",
    "cache_hit_rate",
    "frozen",
    "decided",
    "panes_evaluations",
    "panes_samples",
    "panes_seconds",
    "panes_flops",
];

fn run_row(run: &Run, name: &str) -> [String; RUN_COLUMNS.len()] {
    let (info, summary) = (&run.info, Summary::of(run));
    let status = match summary.status {
        Some(Status::Finished) => "finished",
        Some(Status::Interrupted) => "interrupted",
        Some(Status::Diverged) => "diverged",
        None => "",
    };
    let ledger = ledger(run);
    // Without layers the operations of a step were not known.
    let counted = ledger.filter(|ledger| !ledger.layers.is_empty());
    let panes = ledger.map(|ledger| ledger.panes);
    let panes = panes.filter(|panes| panes.evaluations > 0);
    let cpu_at_end = info.outcome.as_ref().map(|end| end.cpu_seconds);
    let cpu_at_check = run.history.last().map(|check| check.cpu_seconds);
    [
        name.to_string(),
        run.path().display().to_string(),
        info.title.clone().unwrap_or_default(),
        info.notice.clone().unwrap_or_default(),
        status.to_string(),
        summary.step.to_string(),
        summary.planned.to_string(),
        info.length.steps_per_epoch.to_string(),
        summary.layers.to_string(),
        info.policy.clone(),
        info.measure.clone(),
        info.probe.samples.to_string(),
        info.probe.layout.to_string(),
        whole(info.seed),
        info.device.clone(),
        info.versions.frostline.clone(),
        info.versions.burn.clone(),
        number(info.began),
        number(summary.accuracy),
        whole(summary.test_samples),
        number(summary.training_seconds),
        number(summary.measuring_seconds),
        number(cpu_at_end.or(cpu_at_check).flatten()),
        number(summary.saved_seconds),
        number(counted.map(|ledger| ledger.spent_flops())),
        number(counted.map(|ledger| ledger.saved_flops())),
        number(ledger.and_then(|ledger| ledger.hit_rate())),
        summary.frozen.to_string(),
        summary.decided.to_string(),
        whole(panes.map(|panes| panes.evaluations)),
        whole(panes.map(|panes| panes.samples)),
        number(panes.map(|panes| panes.seconds)),
        number(panes.map(|panes| panes.flops)),
    ]
}

const METRIC_COLUMNS: [&str; 22] = [
    "run",
    "step",
    "steps",
    "tests",
    "epoch",
    "loss",
    "loss_least",
    "loss_greatest",
    "train_accuracy",
    "train_accuracy_least",
    "train_accuracy_greatest",
    "test_loss",
    "test_loss_least",
    "test_loss_greatest",
    "test_accuracy",
    "test_accuracy_least",
    "test_accuracy_greatest",
    "learning_rate",
    "training_seconds",
    "operations",
    "frozen",
    "wall_seconds",
];

fn metric_rows(run: &Run, name: &str) -> impl Iterator<Item = [String; 22]> {
    run.metrics.points().iter().map(move |point| {
        let [loss, loss_least, loss_greatest] = spread(point.loss);
        let [train, train_least, train_greatest] = spread(point.train_accuracy);
        let [test_loss, test_loss_least, test_loss_greatest] = spread(point.test_loss);
        let [test, test_least, test_greatest] = spread(point.test_accuracy);
        let tests = [point.test_loss, point.test_accuracy];
        let tests = tests.into_iter().flatten().map(|spread| spread.count);
        [
            name.to_string(),
            point.step.to_string(),
            point.steps.to_string(),
            tests.max().unwrap_or(0).to_string(),
            number(Some(point.epoch)),
            loss,
            loss_least,
            loss_greatest,
            train,
            train_least,
            train_greatest,
            test_loss,
            test_loss_least,
            test_loss_greatest,
            test,
            test_least,
            test_greatest,
            number(point.learning_rate.map(|rate| rate.mean)),
            number(Some(point.training_seconds)),
            number(point.flops),
            point.frozen.to_string(),
            number(Some(point.wall_seconds)),
        ]
    })
}

/// The mean, the least and the greatest.
fn spread(spread: Option<Spread>) -> [String; 3] {
    let part = |of: fn(Spread) -> f64| number(spread.map(of));
    [
        part(|spread| spread.mean),
        part(|spread| spread.low),
        part(|spread| spread.high),
    ]
}

const CHECK_COLUMNS: [&str; 12] = [
    "run",
    "step",
    "epoch",
    "learning_rate",
    "loss",
    "accuracy",
    "training_seconds",
    "measuring_seconds",
    "cpu_seconds",
    "frozen",
    "decided",
    "reason",
];

fn check_rows(run: &Run, name: &str) -> impl Iterator<Item = [String; 12]> {
    run.history.iter().map(move |check| {
        [
            name.to_string(),
            check.step.to_string(),
            number(Some(check.epoch)),
            number(check.learning_rate),
            number(check.loss),
            number(check.accuracy),
            number(Some(check.training_seconds)),
            number(Some(check.measuring_seconds)),
            number(check.cpu_seconds),
            check.frozen.to_string(),
            check.decided.to_string(),
            check.reason.clone(),
        ]
    })
}

const LAYER_COLUMNS: [&str; 17] = [
    "run",
    "step",
    "layer",
    "depth",
    "similarity_to_previous",
    "similarity_to_end",
    "frozen",
    "gradients",
    "weight_change",
    "gain",
    "likeness_to_previous",
    "own_likeness",
    "inherited_likeness",
    "forward_flops",
    "backward_flops",
    "saved_forward_flops",
    "saved_backward_flops",
];

fn layer_rows(pictures: &RunPictures<'_>, name: &str) -> Vec<Vec<String>> {
    let layers = &pictures.run.info.layers;
    // Taps that are no layers of their own have a similarity to the end alone.
    let taps = pictures.to_end.iter().map(|curve| &curve.layer);
    let taps: Vec<&String> = taps.filter(|tap| !layers.contains(tap)).collect();
    let mut rows = Vec::new();
    for check in &pictures.run.history {
        for (index, layer) in layers.iter().enumerate() {
            let to_end = judged_at_step(&pictures.to_end, layer, check.step);
            rows.push(layer_row(name, check, (index, layer), to_end));
        }
        for tap in &taps {
            let to_end = judged_at_step(&pictures.to_end, tap, check.step);
            let mut row = [const { String::new() }; LAYER_COLUMNS.len()];
            row[0] = name.to_string();
            row[1] = check.step.to_string();
            row[2] = tap.to_string();
            row[5] = number(to_end.map(|(similarity, _)| similarity));
            let chance = [None, to_end.and_then(|(_, by)| by)];
            rows.push(row.into_iter().chain(chance_cells(&chance)).collect());
        }
    }
    rows
}

fn layer_row(
    name: &str,
    check: &Check,
    (index, layer): (usize, &str),
    to_end: Option<(f64, Option<&ByChance>)>,
) -> Vec<String> {
    let of_layer = |values: &[Option<f64>]| number(values.get(index).copied().flatten());
    let parts = check.parts.get(index).copied().flatten();
    let ledger = check.ledger.as_ref();
    let flops = ledger.and_then(|ledger| ledger.layers.get(index));
    let row = [
        name.to_string(),
        check.step.to_string(),
        layer.to_string(),
        (index + 1).to_string(),
        of_layer(&check.similarity),
        number(to_end.map(|(similarity, _)| similarity)),
        (index < check.frozen).to_string(),
        of_layer(&check.gradients),
        of_layer(&check.weight_change),
        of_layer(&check.gains),
        of_layer(&check.likeness),
        number(parts.map(|parts| parts.own)),
        number(parts.map(|parts| parts.inherited)),
        number(flops.map(|flops| flops.forward)),
        number(flops.map(|flops| flops.backward)),
        number(flops.map(|flops| flops.saved_forward)),
        number(flops.map(|flops| flops.saved_backward)),
    ];
    let to_previous = check.chance.get(index).and_then(Option::as_ref);
    let chance = [to_previous, to_end.and_then(|(_, by)| by)];
    row.into_iter().chain(chance_cells(&chance)).collect()
}

/// The cells of chance levels, each empty where it is not known.
fn chance_cells(chance: &[Option<&ByChance>]) -> Vec<String> {
    let numbers = chance.iter().flat_map(|by| chance_numbers(*by));
    numbers.map(number).collect()
}

const PANE_COLUMNS: [&str; 5] = ["run", "step", "row_layer", "column_layer", "similarity"];

fn pane_rows(pictures: &RunPictures<'_>, name: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for pane in &pictures.panes {
        for (row, (row_layer, values)) in pane.rows.iter().zip(&pane.values).enumerate() {
            for (column, (column_layer, value)) in pane.columns.iter().zip(values).enumerate() {
                let cells = [
                    name.to_string(),
                    pane.step.to_string(),
                    row_layer.clone(),
                    column_layer.clone(),
                    number(*value),
                ];
                let chance = chance_cells(&[pane.chance_of(row, column)]);
                rows.push(cells.into_iter().chain(chance).collect());
            }
        }
    }
    rows
}

/// The cell, as text where a spreadsheet would take it for a formula.
fn no_formula(cell: String) -> String {
    // The last four are those that stand for the first four where letters are as wide as they are high.
    const STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let first_written = cell.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    let is_number = cell.parse::<f64>().is_ok_and(f64::is_finite);
    match first_written.starts_with(STARTS) && !is_number {
        true => format!("'{cell}"),
        false => cell,
    }
}

/// With every digit that tells it from its neighbours; nothing where it is not known or not finite.
fn number(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(String::new, |value| format!("{value:?}"))
}

fn whole<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
