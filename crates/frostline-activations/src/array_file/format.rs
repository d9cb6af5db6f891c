//! What kind of file it is, by how it begins.

use std::path::Path;

use super::{ArrayFileProblem, beginning, npy, path, pt, zip_directory};

/// How much of a file is looked at.
pub(super) const LOOKED_AT: u64 = 512;

/// A kind of file that can hold arrays.
#[derive(Debug, PartialEq)]
pub(super) enum Format {
    Npy,
    /// `.npz`, or a file of `torch.save`
    Zip,
    Safetensors,
    /// What `torch.save` wrote before PyTorch 1.6
    OldPt,
}

impl Format {
    /// The kind of a file that begins so; the ending decides only where the bytes don't.
    ///
    /// # Errors
    /// [`ArrayFileProblem::OtherFormat`] with what it is instead.
    pub(super) fn of(first: &[u8], is_called_safetensors: bool) -> Result<Self, ArrayFileProblem> {
        // An .npy file can be cut off within its magic.
        if first.starts_with(npy::MAGIC)
            || (npy::MAGIC.starts_with(first) && !is_called_safetensors)
        {
            return Ok(Self::Npy);
        }
        // The length of a header of at most 100 MB, and the header: it decides before the magics
        // of others, since a length can be any bytes.
        if first.len() > 8 && first[8] == b'{' && first[4..8] == [0; 4] {
            return Ok(Self::Safetensors);
        }
        if zip_directory::MAGIC
            .iter()
            .any(|magic| first.starts_with(magic))
        {
            return Ok(Self::Zip);
        }
        if pt::is_old(first) {
            return Ok(Self::OldPt);
        }
        match other(first) {
            Some((found, advice)) => Err(ArrayFileProblem::OtherFormat {
                found: found.to_string(),
                advice,
            }),
            None if is_text(first) => Err(ArrayFileProblem::OtherFormat {
                found: format!("text that begins with \"{}\"", start(first)),
                advice: "save numbers as an array: numpy.save(\"x.npy\", numpy.loadtxt(..))",
            }),
            None if is_called_safetensors => Ok(Self::Safetensors),
            None => Err(ArrayFileProblem::OtherFormat {
                found: format!("a file that begins with \"{}\"", start(first)),
                advice: SAVE,
            }),
        }
    }
}

impl Format {
    /// What the file is, where its ending says that it is something else that is read.
    pub(super) fn belied_by(&self, path: &Path) -> Option<&'static str> {
        let (is, endings): (_, &[&str]) = match self {
            Self::Npy => ("a .npy array", &["npy"]),
            Self::Zip => (
                "a zip archive, as .npz and .pt files are",
                &["npz", "pt", "pth"],
            ),
            Self::Safetensors => ("a safetensors file", &["safetensors"]),
            Self::OldPt => ("what torch.save wrote before PyTorch 1.6", &["pt", "pth"]),
        };
        (path::has_ending(path) && !path::ends_with(path, endings)).then_some(is)
    }
}

const SAVE: &str = "save its arrays with numpy.save or as safetensors";
const UNPACK: &str = "unpack it first";

/// What another kind of file is called, and what to do about it.
fn other(first: &[u8]) -> Option<(&'static str, &'static str)> {
    let kinds: [(&[u8], &str, &str); 29] = [
        (
            b"version https://git-lfs",
            "a Git LFS pointer, which stands in place of the file",
            "fetch the file itself with `git lfs pull`",
        ),
        (b"\x1f\x8b", "compressed by gzip", UNPACK),
        (b"BZh", "compressed by bzip2", UNPACK),
        (b"\xfd7zXZ\0", "compressed by xz", UNPACK),
        (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", UNPACK),
        (b"\x04\x22\x4d\x18", "compressed by LZ4", UNPACK),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
        (b"Rar!", "a RAR archive", UNPACK),
        (
            b"\x89HDF",
            "an HDF5 file, as Keras and MATLAB write it",
            "save each data set with numpy.save(\"x.npy\", file[\"name\"][:])",
        ),
        (
            b"MATLAB",
            "a MATLAB file",
            "save each matrix with numpy.save(\"x.npy\", scipy.io.loadmat(..)[\"name\"])",
        ),
        (b"CDF", "a NetCDF file", SAVE),
        (
            b"PAR1",
            "a Parquet file",
            "save its numbers with numpy.save(\"x.npy\", table.to_numpy())",
        ),
        (
            b"ARROW1",
            "an Arrow or Feather file",
            "save its numbers with numpy.save(\"x.npy\", table.to_numpy())",
        ),
        (b"SQLite format 3", "an SQLite database", SAVE),
        (b"GGUF", "a GGUF file, which holds weights", SAVE),
        (b"NRUB", "a burnpack file, which holds weights", SAVE),
        (b"\x89PNG", "a PNG picture", SAVE),
        (b"\xff\xd8\xff", "a JPEG picture", SAVE),
        (b"GIF8", "a GIF picture", SAVE),
        (b"%PDF", "a PDF document", SAVE),
        (b"\x7fELF", "a program", SAVE),
        (b"RIFF", "a RIFF file, such as sound", SAVE),
        (PICKLES[0], "a Python pickle", UNPICKLE),
        (PICKLES[1], "a Python pickle", UNPICKLE),
        (PICKLES[2], "a Python pickle", UNPICKLE),
        (PICKLES[3], "a Python pickle", UNPICKLE),
        (b"(lp0", "a Python pickle", UNPICKLE),
        (b"(dp0", "a Python pickle", UNPICKLE),
        (b"cnumpy", "a Python pickle", UNPICKLE),
    ];
    let kind = kinds.iter().find(|(magic, ..)| first.starts_with(magic));
    if let Some((_, found, advice)) = kind {
        return Some((found, advice));
    }
    if first.get(257..262) == Some(b"ustar") {
        return Some((
            "a tar archive",
            "unpack it first; if PyTorch wrote it, load it with torch.load and save it again",
        ));
    }
    let text = first.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let begins = |with: &str| {
        let beginning = text.get(..with.len());
        beginning.is_some_and(|text| text.eq_ignore_ascii_case(with.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") || begins("<head") {
        return Some((
            "a web page, which stands in place of the file",
            "download the file itself: the address may need a login or be that of its page",
        ));
    }
    if begins("<?xml") || begins("<svg") {
        return Some(("an XML document", SAVE));
    }
    if (begins("{") || begins("[")) && is_text(first) {
        return Some((
            "JSON",
            "save its numbers with numpy.save(\"x.npy\", numpy.array(json.load(..)))",
        ));
    }
    None
}

/// How pickles of the protocols 2 to 5 begin.
const PICKLES: [&[u8]; 4] = [b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"];
const UNPICKLE: &str =
    "load it in Python, which runs what is in it, and save its arrays with numpy.save";

fn is_text(first: &[u8]) -> bool {
    // A character may be cut off at the end of what is looked at.
    let valid = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_printed = |character: char| !character.is_control() || character.is_whitespace();
    !valid.is_empty() && valid.chars().all(is_printed)
}

fn start(first: &[u8]) -> String {
    beginning(&first[..first.len().min(16)])
}
