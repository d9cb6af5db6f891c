use std::path::{Path, PathBuf};

use frostline::activations::{Run, RunFolder};

use crate::failure::Failure;

/// Reads a run folder. Where the folder holds runs instead, the error says how `command` takes them.
pub(crate) fn open(folder: &Path, command: &str) -> Result<Run, Failure> {
    let runs = match RunFolder::is_run(folder) {
        true => Vec::new(),
        false => runs_in(folder),
    };
    if runs.is_empty() {
        return Ok(Run::open(folder)?);
    }
    let these = match (command, &runs[..]) {
        ("grid", [first, second, ..]) => format!("{} {}", first.display(), second.display()),
        (_, [one]) => one.display().to_string(),
        _ => folder.join("*").display().to_string(),
    };
    let (folder, count) = (folder.display(), runs.len());
    let runs = if count == 1 { "run" } else { "runs" };
    Err(Failure::Data(format!(
        "{folder} is not a run folder but holds {count} {runs}: frostline {command} {these}"
    )))
}

/// The run folders in a folder, by name.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    // A folder that can't be read has an error of its own, as a run.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    runs.retain(|path| RunFolder::is_run(path));
    runs.sort();
    runs
}
