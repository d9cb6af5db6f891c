use std::io;
use std::path::{Path, PathBuf};

use frostline::report::ReportFile;

use crate::failure::Failure;

/// Writes these files below the folder, which is made, in the place of any of the same names.
pub(crate) fn write_files(folder: &Path, files: &[ReportFile]) -> Result<(), Failure> {
    for file in files {
        let path = folder.join(&file.name);
        write_aside(&path, &file.content)
            .map_err(|(path, error)| Failure::Data(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// Writes a file so that a reader sees the old one or the new one; an error comes with its path.
fn write_aside(path: &Path, content: &[u8]) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |error| (path, error)
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    // TensorBoard reads every file with its own ending in the name: this one has nothing of it.
    let aside = folder.join(format!(".frostline-{}.tmp", std::process::id()));
    std::fs::write(&aside, content).map_err(at(&aside))?;
    std::fs::rename(&aside, path).map_err(|error| {
        // Why the renaming failed says more than why this does.
        let _ = std::fs::remove_file(&aside);
        at(path)(error)
    })
}
