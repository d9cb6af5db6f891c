use std::path::PathBuf;

use burn::tensor::Device;
use frostline::activations::Run;
use frostline::report::text_table;
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// Reads the runs, prints their table and writes their page; with `json` prints them instead.
pub(crate) fn report(
    folders: &[PathBuf],
    output: Option<PathBuf>,
    json: bool,
) -> Result<(), Failure> {
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
    if json {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| {
                serde_json::json!({
                    "path": run.path(),
                    "run": run.info,
                    "history": run.history,
                    "problems": run.problems,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&runs)?);
        return Ok(());
    }

    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template(
            "comparing layers {bar:30} {pos}/{len} checkpoints, {eta} left",
        )
        .expect("the template is a constant"),
    );
    let page = frostline::page(&runs, &Device::flex(), |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();

    let output = output.unwrap_or_else(|| folders[0].join("report.html"));
    std::fs::write(&output, page)
        .map_err(|error| Failure::Data(format!("{}: {error}", output.display())))?;
    println!("{}", text_table(&runs.iter().collect::<Vec<_>>()));
    println!("page: {}", output.display());
    Ok(())
}
