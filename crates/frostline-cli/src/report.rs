use std::path::{Path, PathBuf};

use burn::tensor::Device;
use frostline::activations::Run;
use frostline::report::{
    Page, ReportFile, csv_files, escaped, svg_files, tensorboard_files, text_table,
};

use crate::failure::Failure;
use crate::follow::follow;
use crate::outputs::{refuse_inputs, write_files};
use crate::{out, runs};

/// What to make of the runs.
pub(crate) struct Options {
    pub(crate) output: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) csv: Option<PathBuf>,
    pub(crate) tensorboard: Option<PathBuf>,
    pub(crate) json: bool,
    pub(crate) follow: bool,
}

/// Reads the runs, writes their page and what else was asked for, and prints their table; with `json` prints
/// them in place of the table, and draws a page only where `output` asks for one.
pub(crate) fn report(folders: &[PathBuf], options: &Options) -> Result<(), Failure> {
    let by_default = (!options.json).then(|| folders[0].join("report.html"));
    let html = options.output.clone().or(by_default);
    let outputs = [&html, &options.svg, &options.csv, &options.tensorboard];
    let inputs: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    for output in outputs.into_iter().flatten() {
        refuse_inputs(output, &inputs)?;
    }
    if let (true, Some(html)) = (options.follow, &html) {
        return follow(folders, html);
    }
    let runs = folders
        .iter()
        .map(|folder| runs::open(folder, "report"))
        .collect::<Result<Vec<_>, _>>()?;
    runs.iter()
        .flat_map(|run| &run.problems)
        .for_each(out::warn);
    let empty = |run: &&Run| run.history.is_empty() && run.metrics.points().is_empty();
    if let Some(empty) = runs.iter().find(empty) {
        let path = empty.path().display();
        return Err(Failure::Data(format!(
            "{path} has nothing to show: no check was recorded in history.jsonl, and no step in metrics.jsonl"
        )));
    }
    let written = write(&runs, html.as_deref(), options)?;
    if options.json {
        return out::print_json(&json(&runs));
    }
    let mut text = text_table(&runs.iter().collect::<Vec<_>>());
    text.push('\n');
    for line in written {
        text += &format!("{}\n", escaped(&line));
    }
    out::print(&text)
}

fn json(runs: &[Run]) -> Vec<serde_json::Value> {
    let run = |run: &Run| {
        serde_json::json!({
            "path": run.path().display().to_string(),
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
    let (mut files, mut lines) = (Vec::new(), Vec::new());
    if let Some(path) = html {
        files.push((path.to_path_buf(), page.html()?.into_bytes()));
        lines.push(format!("page: {}", path.display()));
    }
    let mut add = |folder: &Path, more: Vec<ReportFile>, line: String| {
        let more = more.into_iter();
        files.extend(more.map(|file| (folder.join(file.name), file.content)));
        lines.push(line);
    };
    if let Some(folder) = &options.svg {
        let line = format!("pictures: {}", folder.display());
        add(folder, svg_files(&page.runs)?, line);
    }
    if let Some(folder) = &options.csv {
        let line = format!("tables: {}", folder.display());
        add(folder, csv_files(&page.runs)?, line);
    }
    if let Some(folder) = &options.tensorboard {
        let line = format!("tensorboard --logdir {}", folder.display());
        add(folder, tensorboard_files(&page.runs), line);
    }
    write_files(&files)?;
    Ok(lines)
}

fn compared(runs: &[Run]) -> Result<Page<'_>, Failure> {
    let bar = out::bar("comparing layers {bar:30} {pos}/{len} checkpoints, {eta} left");
    let page = frostline::compared(runs, &Device::flex(), |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();
    page.notices.iter().for_each(out::warn);
    Ok(page)
}
