use std::path::Path;

use frostline::report::ReportFile;

use crate::failure::Failure;

/// Writes these files below the folder, which is made, in the place of any of the same names.
pub(crate) fn write_files(folder: &Path, files: &[ReportFile]) -> Result<(), Failure> {
    for file in files {
        write_aside(&folder.join(&file.name), &file.content)?;
    }
    Ok(())
}

/// Writes a file so that a reader sees the old one or the new one.
fn write_aside(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |path: &Path, error| Failure::Data(format!("{}: {error}", path.display()));
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    // TensorBoard reads every file with `tfevents` in its name: this one has nothing of it.
    let aside = folder.join(format!(".frostline-{}.tmp", std::process::id()));
    let written = std::fs::write(&aside, content).and_then(|()| std::fs::rename(&aside, path));
    written.map_err(|error| {
        // What went wrong says more than whether this does.
        let _ = std::fs::remove_file(&aside);
        failed(path, error)
    })
}
