use std::path::{Path, PathBuf};

use burn::tensor::Device;
use frostline::activations::Run;
use frostline::report::{Page, csv_files, svg_files, tensorboard_files, text_table};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::write_files::write_files;

/// What to make of the runs.
pub(crate) struct Options {
    pub(crate) output: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) csv: Option<PathBuf>,
    pub(crate) tensorboard: Option<PathBuf>,
    pub(crate) json: bool,
}

/// Reads the runs, writes their page and what else was asked for, and prints their table; with `json` prints
/// them in place of the table, and draws a page only where `output` asks for one.
pub(crate) fn report(folders: &[PathBuf], options: &Options) -> Result<(), Failure> {
    let runs = folders
        .iter()
        .map(Run::open)
        .collect::<Result<Vec<_>, _>>()?;
    for problem in runs.iter().flat_map(|run| &run.problems) {
        eprintln!("warning: {problem}");
    }
    if let Some(empty) = runs.iter().find(|run| run.history.is_empty()) {
        let path = empty.path().display();
        return Err(Failure::Data(format!(
            "{path} has nothing to show: no check was recorded in history.jsonl"
        )));
    }
    let by_default = (!options.json).then(|| folders[0].join("report.html"));
    let html = options.output.clone().or(by_default);
    let written = write(&runs, html.as_deref(), options)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&json(&runs))?);
        return Ok(());
    }
    println!("{}", text_table(&runs.iter().collect::<Vec<_>>()));
    for line in written {
        println!("{line}");
    }
    Ok(())
}

fn json(runs: &[Run]) -> Vec<serde_json::Value> {
    let run = |run: &Run| {
        serde_json::json!({
            "path": run.path(),
            "run": run.info,
            "history": run.history,
            "problems": run.problems,
        })
    };
    runs.iter().map(run).collect()
}

/// Writes the page and the other files that were asked for, and gives a line about each.
fn write(runs: &[Run], html: Option<&Path>, options: &Options) -> Result<Vec<String>, Failure> {
    let folders = [&options.svg, &options.csv, &options.tensorboard];
    if html.is_none() && folders.iter().all(|folder| folder.is_none()) {
        return Ok(Vec::new());
    }
    let page = compared(runs)?;
    let mut written = Vec::new();
    if let Some(path) = html {
        std::fs::write(path, page.html()?)
            .map_err(|error| Failure::Data(format!("{}: {error}", path.display())))?;
        written.push(format!("page: {}", path.display()));
    }
    if let Some(folder) = &options.svg {
        write_files(folder, &svg_files(&page.runs)?)?;
        written.push(format!("pictures: {}", folder.display()));
    }
    if let Some(folder) = &options.csv {
        write_files(folder, &csv_files(&page.runs)?)?;
        written.push(format!("tables: {}", folder.display()));
    }
    if let Some(folder) = &options.tensorboard {
        write_files(folder, &tensorboard_files(&page.runs))?;
        written.push(format!("tensorboard --logdir {}", folder.display()));
    }
    Ok(written)
}

fn compared(runs: &[Run]) -> Result<Page<'_>, Failure> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template(
            "comparing layers {bar:30} {pos}/{len} checkpoints, {eta} left",
        )
        .expect("the template is a constant"),
    );
    let page = frostline::compared(runs, &Device::flex(), |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();
    for problem in &page.notices {
        eprintln!("warning: {problem}");
    }
    Ok(page)
}
