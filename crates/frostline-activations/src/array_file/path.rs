//! Which file, and which array in it, a path means.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{ArrayFileProblem, escaped};

/// The endings of files that are read, for paths that lead to none.
const ENDINGS: [&str; 5] = ["npy", "npz", "safetensors", "pt", "pth"];

/// Opens a file, if it is one: opening a pipe would wait for whoever writes to it.
pub(super) fn opened(path: &Path) -> Result<File, ArrayFileProblem> {
    let problem = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ArrayFileProblem::Missing,
        _ => error.into(),
    };
    let metadata = path.metadata().map_err(problem)?;
    if !metadata.is_file() {
        let found = kind(&metadata);
        return Err(ArrayFileProblem::NotAFile { found });
    }
    File::open(path).map_err(problem)
}

/// What is no file.
fn kind(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if metadata.is_dir() {
        "a folder"
    } else {
        "a device"
    }
}

/// The path before each colon and the name behind it, the last colon first: tensor names may hold
/// colons too (`dense/kernel:0`).
pub(super) fn cuts(given: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let bytes = given.as_os_str().as_encoded_bytes();
    let colons = (0..bytes.len()).rev().filter(|&at| bytes[at] == b':');
    colons.filter_map(|at| cut(given.as_os_str(), at))
}

#[cfg(unix)]
fn cut(given: &OsStr, at: usize) -> Option<(PathBuf, String)> {
    use std::os::unix::ffi::OsStrExt;
    let (path, name) = given.as_bytes().split_at(at);
    // A name that isn't UTF-8 is that of no array.
    let name = String::from_utf8_lossy(&name[1..]).into_owned();
    Some((OsStr::from_bytes(path).into(), name))
}

#[cfg(not(unix))]
fn cut(given: &OsStr, at: usize) -> Option<(PathBuf, String)> {
    let given = given.to_str()?;
    Some((given[..at].into(), given[at + 1..].into()))
}

/// Whether it ends as the files that are read do.
pub(super) fn has_ending(path: &Path) -> bool {
    ends_with(path, &ENDINGS)
}

pub(super) fn is_called_safetensors(path: &Path) -> bool {
    ends_with(path, &["safetensors"])
}

/// Whether it has one of these endings.
pub(super) fn ends_with(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default();
    endings
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

/// The path with nothing that a terminal would obey.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().flat_map(escaped).collect()
}

/// The file's name without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
