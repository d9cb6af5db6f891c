use std::collections::HashSet;
use std::path::{Path, PathBuf};

use frostline::activations::write_aside;

use crate::failure::Failure;

/// Writes a file of the command's, in the place of one of the same name. Its folder is made.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    refuse_pipe(path)?;
    let failed = |path: &Path, error| Failure::Data(format!("{}: {error}", path.display()));
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    write_aside(path, content).map_err(|error| failed(path, error))
}

/// Writes these files, in the place of any of the same names; none where two of them are one.
pub(crate) fn write_files(files: &[(PathBuf, Vec<u8>)]) -> Result<(), Failure> {
    let mut paths = HashSet::new();
    if let Some((twice, _)) = files.iter().find(|(path, _)| !paths.insert(resolved(path))) {
        return Err(Failure::Usage(format!(
            "two outputs would be written to {}, and one would be lost; name them apart",
            twice.display()
        )));
    }
    files
        .iter()
        .try_for_each(|(path, content)| write_file(path, content))
}

/// Refuses an output that would take the place of what is read: an input file, or what an input run recorded.
pub(crate) fn refuse_inputs(output: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    refuse_pipe(output)?;
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

/// Refuses a named pipe, which waits until somebody reads it, perhaps for ever. What is called by a path below /dev, as the
/// shell's own pipes are, has a reader.
fn refuse_pipe(path: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = std::fs::metadata(path).map(|there| there.file_type());
        let waits = kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket());
        if waits && !path.starts_with("/dev") && !path.starts_with("/proc") {
            return Err(Failure::Usage(format!(
                "{} is a pipe or a socket, which may wait for ever: name a file",
                path.display()
            )));
        }
    }
    Ok(())
}

fn is_input(written: &Path, input: &Path) -> bool {
    let recorded = |within: &Path| {
        let lines = within.extension().is_some_and(|ending| ending == "jsonl");
        let folders = ["checkpoints", "panes", "state"];
        let aside = within.iter().next().and_then(|name| name.to_str());
        within == Path::new("run.json")
            || lines
            || folders.iter().any(|folder| within.starts_with(folder))
            || aside.is_some_and(|name| name.starts_with("replaced-"))
    };
    match written.strip_prefix(input) {
        Ok(within) => within.as_os_str().is_empty() && !input.is_dir() || recorded(within),
        Err(_) => false,
    }
}

/// The path without links, as far as it leads anywhere.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => {
            resolved(Path::new(".")).join(name)
        }
        (Some(folder), Some(name)) => resolved(folder).join(name),
        _ => path.to_path_buf(),
    }
}
