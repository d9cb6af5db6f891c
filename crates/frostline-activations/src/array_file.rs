//! Activations that were recorded elsewhere: one array of a `.npy` or a safetensors file, read by
//! rows. Nothing is mapped: a file that is cut short under a map kills the process, a read of it is
//! an error.

mod element;
mod error;
mod npy;
mod rows;
mod safetensors_file;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;

use element::Element;
pub use error::{ArrayFileError, ArrayFileProblem};
use safetensors_file::Contents;

/// One array in a file, of which only the header has been read.
///
/// `.npy` (versions 1 to 3, C and Fortran order, little and big endian, float16, 32 and 64) and
/// safetensors (F16, BF16, F32, F64). The first axis is the sample.
///
/// ```no_run
/// use frostline_activations::ArrayFile;
///
/// let mut file = ArrayFile::open("layers.safetensors:block1")?;
/// println!("{:?}, {}", file.shape(), file.dtype_name());
/// for start in (0..file.samples()).step_by(1024) {
///     let end = file.samples().min(start + 1024);
///     let rows = file.read_rows(start..end)?; // a TensorData [end - start, ..]
/// #   let _ = rows;
/// }
/// # Ok::<(), frostline_activations::ArrayFileError>(())
/// ```
#[derive(Debug)]
pub struct ArrayFile<R = File> {
    reader: R,
    /// The file, and the tensor in it: what errors begin with.
    label: String,
    stored: Stored,
}

/// Where the values lie in the file, and how. Everything here has been checked against the file's
/// length.
#[derive(Debug)]
struct Stored {
    shape: Vec<usize>,
    element: Element,
    big_endian: bool,
    fortran_order: bool,
    /// Where the first value begins, in bytes.
    start: u64,
    /// How long the values are, in bytes.
    bytes: u64,
}

impl ArrayFile {
    /// Opens an array and reads its header.
    ///
    /// `file.safetensors:name` is one tensor of a file with several; with one, its name may be left
    /// out. A path may hold colons itself: it is cut only behind a file that exists or behind the
    /// ending `.safetensors`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ArrayFileError> {
        let (path, name) = path_and_name(path.as_ref());
        let (file, format) = open_file(&path)?;
        match (format, name) {
            (Format::Safetensors, name) => Self::from_safetensors(file, &path, name.as_deref()),
            (Format::Npy, None) => Self::from_npy(file, &path),
            (Format::Npy, Some(_)) => Err(ArrayFileProblem::Nameless.of(path.display())),
        }
    }

    /// The names of the tensors of a safetensors file, in the order in which they are stored.
    ///
    /// They are all there, those that can't be opened (integers, empty ones) too.
    pub fn names(path: impl AsRef<Path>) -> Result<Vec<String>, ArrayFileError> {
        let path = path.as_ref();
        let names = match open_file(path)? {
            (mut file, Format::Safetensors) => Contents::read(&mut file).map(|all| all.names()),
            (_, Format::Npy) => Err(ArrayFileProblem::Nameless),
        };
        names.map_err(|problem| problem.of(path.display()))
    }
}

impl<R: Read + Seek> ArrayFile<R> {
    /// The array of a `.npy` file that is read through `reader`; `path` is what errors call it.
    pub fn from_npy(mut reader: R, path: impl AsRef<Path>) -> Result<Self, ArrayFileError> {
        let label = path.as_ref().display().to_string();
        match npy::stored(&mut reader) {
            Ok(stored) => Ok(Self {
                reader,
                label,
                stored,
            }),
            Err(problem) => Err(problem.of(label)),
        }
    }

    /// A tensor of a safetensors file that is read through `reader`; `path` is what errors call the
    /// file. Without a name the file must hold one tensor.
    pub fn from_safetensors(
        mut reader: R,
        path: impl AsRef<Path>,
        name: Option<&str>,
    ) -> Result<Self, ArrayFileError> {
        let path = path.as_ref().display().to_string();
        let of_file = |problem: ArrayFileProblem| problem.of(&path);
        let contents = Contents::read(&mut reader).map_err(of_file)?;
        let name = contents.chosen(name).map_err(of_file)?;

        let label = format!("{path}:{}", excerpt(&name));
        match contents.stored(&name) {
            Ok(stored) => Ok(Self {
                reader,
                label,
                stored,
            }),
            Err(problem) => Err(problem.of(label)),
        }
    }

    /// The array's shape `[sample, ..]`; it has at least one axis and no axis is empty.
    pub fn shape(&self) -> &[usize] {
        &self.stored.shape
    }

    /// How many samples there are: the length of the first axis.
    pub fn samples(&self) -> usize {
        self.stored.shape[0]
    }

    /// What the values are stored as: `float16`, `bfloat16`, `float32` or `float64`.
    pub fn dtype_name(&self) -> &'static str {
        self.stored.element.name()
    }

    /// How long the stored values are, all together and in bytes.
    pub fn bytes(&self) -> u64 {
        self.stored.bytes
    }

    /// The samples `rows`, row-major, in shape `[rows, ..]`: float64 as it is, everything else as
    /// float32.
    ///
    /// Only these rows are read, through a buffer of at most 1 MiB. The values are what the file
    /// holds, NaN and infinities too.
    pub fn read_rows(&mut self, rows: Range<usize>) -> Result<TensorData, ArrayFileError> {
        rows::read(&mut self.reader, &self.stored, rows).map_err(|problem| problem.of(&self.label))
    }
}

impl Stored {
    /// The same, if it is an array that has samples.
    fn checked(self) -> Result<Self, ArrayFileProblem> {
        // NumPy's own limit. It also keeps the work per value small.
        if !(1..=64).contains(&self.shape.len()) {
            return Err(ArrayFileProblem::Axes {
                axes: self.shape.len(),
            });
        }
        if self.shape.contains(&0) {
            return Err(ArrayFileProblem::NoValues { shape: self.shape });
        }
        Ok(self)
    }
}

enum Format {
    Npy,
    Safetensors,
}

/// What a file is goes by its first bytes, then by its ending.
fn open_file(path: &Path) -> Result<(File, Format), ArrayFileError> {
    let of_path = |problem: ArrayFileProblem| problem.of(path.display());
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => of_path(ArrayFileProblem::Missing),
        _ => of_path(error.into()),
    };
    // Looked at before it is opened: opening a pipe would wait for whoever writes to it.
    if !path.metadata().map_err(io)?.is_file() {
        return Err(of_path(ArrayFileProblem::NotAFile));
    }
    let mut file = File::open(path).map_err(io)?;
    let mut first = Vec::new();
    (&mut file).take(9).read_to_end(&mut first).map_err(io)?;
    file.rewind().map_err(io)?;

    let ending = path.extension().and_then(OsStr::to_str).unwrap_or("");
    let format = if first.starts_with(npy::MAGIC) {
        Format::Npy
    } else if first.get(8) == Some(&b'{') || ending.eq_ignore_ascii_case("safetensors") {
        Format::Safetensors
    } else {
        Format::Npy // which says what is wrong with it
    };
    Ok((file, format))
}

/// Tensor names may hold colons too (`dense/kernel:0`), so every colon is tried, the last first.
fn path_and_name(given: &Path) -> (PathBuf, Option<String>) {
    let whole = || (given.to_path_buf(), None);
    let Some(text) = given.to_str().filter(|_| !given.is_file()) else {
        return whole();
    };
    let cuts = || {
        text.rmatch_indices(':')
            .map(|(at, _)| (&text[..at], &text[at + 1..]))
    };
    cuts()
        .find(|(path, _)| Path::new(path).is_file())
        .or_else(|| cuts().find(|(path, _)| path.to_lowercase().ends_with(".safetensors")))
        .map_or_else(whole, |(path, name)| (path.into(), Some(name.into())))
}

/// How long the whole file is; the reader stands at its beginning afterwards.
fn length(reader: &mut impl Seek) -> Result<u64, ArrayFileProblem> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    match length {
        0 => Err(ArrayFileProblem::Empty),
        length => Ok(length),
    }
}

/// The next `claimed` bytes: a header, which must lie within the file's `present` bytes and be no
/// longer than `limit`. Nothing is allocated before that is known.
fn header_bytes(
    reader: &mut impl Read,
    claimed: u64,
    present: u64,
    limit: u64,
) -> Result<Vec<u8>, ArrayFileProblem> {
    if claimed > present {
        return Err(ArrayFileProblem::HeaderCutOff { claimed, present });
    }
    if claimed > limit {
        return Err(ArrayFileProblem::HeaderTooLong { claimed, limit });
    }
    let mut header = vec![0; claimed as usize]; // `limit` fits
    reader.read_exact(&mut header)?;
    Ok(header)
}

/// The first characters of what a file holds, with nothing that a terminal would obey.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut excerpt = String::new();
    for character in text.chars().take(LONGEST) {
        match character {
            '"' | '\'' => excerpt.push(character),
            _ => excerpt.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        excerpt.push_str("..");
    }
    excerpt
}
