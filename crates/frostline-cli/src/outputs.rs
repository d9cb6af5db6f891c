use std::path::{Path, PathBuf};

use frostline::activations::write_aside;
use frostline::report::ReportFile;

use crate::failure::Failure;

/// Writes a file of the command's, in the place of one of the same name. Its folder is made.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |path: &Path, error| Failure::Data(format!("{}: {error}", path.display()));
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    write_aside(path, content).map_err(|error| failed(path, error))
}

/// Writes these files below the folder, which is made, in the place of any of the same names.
pub(crate) fn write_files(folder: &Path, files: &[ReportFile]) -> Result<(), Failure> {
    files
        .iter()
        .try_for_each(|file| write_file(&folder.join(&file.name), &file.content))
}

/// Refuses an output that would take the place of what is read: an input file, or what an input run recorded.
pub(crate) fn refuse_inputs(output: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    let written = resolved(output);
    match inputs
        .iter()
        .find(|input| is_input(&written, &resolved(input)))
    {
        None => Ok(()),
        Some(input) => Err(Failure::Usage(format!(
            "{} is read as part of {}, and would be written over: name another file or folder",
            output.display(),
            input.display()
        ))),
    }
}

fn is_input(written: &Path, input: &Path) -> bool {
    let recorded = |within: &Path| {
        let lines = within.extension().is_some_and(|ending| ending == "jsonl");
        within == Path::new("run.json") || lines || within.starts_with("checkpoints")
    };
    match written.strip_prefix(input) {
        Ok(within) => within.as_os_str().is_empty() && !input.is_dir() || recorded(within),
        Err(_) => false,
    }
}

/// The path without links, where it leads anywhere.
fn resolved(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    let found = path.canonicalize().ok().or_else(in_folder);
    found.unwrap_or_else(|| path.to_path_buf())
}
