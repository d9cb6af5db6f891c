//! An `.npz` file: a zip archive of `.npy` arrays, whose names are those of the entries.

use std::io::{Read, Seek};

use super::stretch::StretchReader;
use super::zip_directory::ZipEntry;
use super::{ArrayEntry, ArrayFileProblem, Refused, npy};

/// The ending of an array's entry, which isn't part of its name.
const ENDING: &str = ".npy";

/// The arrays among these entries of a zip archive, and why the others aren't any.
pub(super) fn entries(
    reader: &mut (impl Read + Seek),
    entries: Vec<ZipEntry>,
) -> Result<Vec<ArrayEntry>, ArrayFileProblem> {
    let is_array = |entry: &ZipEntry| entry.name.ends_with(ENDING);
    if !entries.is_empty() && !entries.iter().any(is_array) {
        return Err(ArrayFileProblem::OtherFormat {
            found: "a zip archive without .npy arrays, and not of PyTorch either".to_string(),
            advice: "save arrays with numpy.savez, or unpack it first",
        });
    }
    // An archive may have its folders as entries without bytes.
    let files = entries
        .into_iter()
        .filter(|entry| !entry.name.ends_with('/'));
    Ok(files.map(|entry| array(reader, entry)).collect())
}

fn array(reader: &mut (impl Read + Seek), entry: ZipEntry) -> ArrayEntry {
    let stored = entry
        .stretch
        .map_err(Refused::from)
        .and_then(|stretch| npy::stored(&mut StretchReader::new(reader, stretch), stretch));
    let name = entry.name.strip_suffix(ENDING).unwrap_or(&entry.name);
    ArrayEntry {
        name: name.to_string(),
        stored,
    }
}
