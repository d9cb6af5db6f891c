//! Activations that were recorded elsewhere: the arrays of `.npy`, `.npz`, safetensors and PyTorch
//! files, read by rows. Nothing is mapped: a file that is cut short under a map kills the process, a
//! read of it is an error. Nothing in a file is run.

mod element;
mod error;
mod format;
mod npy;
mod npz;
mod path;
mod pickle;
mod pt;
mod rows;
mod safetensors_file;
mod stretch;
mod zip_directory;

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;

use element::Element;
pub use error::{ArrayFileError, ArrayFileProblem};
use format::Format;
use stretch::{Stretch, StretchReader};

/// The most arrays that are read of a file.
const MOST_ARRAYS: usize = 1 << 20;
/// The most bytes that the name of an array may have, as in a zip archive.
const LONGEST_NAME: usize = 65_535;

/// A file of arrays, of which only the headers have been read, once.
///
/// | file | arrays | names |
/// |---|---|---|
/// | `.npy`, versions 1 to 3, C and Fortran order | one | none |
/// | `.npz`, stored or deflated | any number | those that `numpy.savez` was given |
/// | safetensors | any number | those that it gives |
/// | `.pt`, `.pth`: what `torch.save` writes of a tensor, or of dicts and lists with tensors | any number | their keys, with dots between them, `#2` behind the second of the same; none for a single tensor |
///
/// What kind a file is goes by its first bytes; an error of one whose ending says otherwise names what it is. Values are bool, int8 to int64, uint8 to uint64,
/// float16, bfloat16, float32 or float64, little or big endian. The first axis is the sample.
///
/// Memory and time are bounded for any bytes: headers are at most 100 MB long, compressed bytes are
/// inflated as they are read, and what a file claims beyond its length is an error.
///
/// ```no_run
/// use frostline_activations::ArrayArchive;
///
/// let mut archive = ArrayArchive::open("layers.npz")?;
/// for at in 0..archive.entries().len() {
///     let entry = &archive.entries()[at];
///     println!("{}: {:?}, {}", entry.name(), entry.shape(), entry.dtype_name());
///     let mut array = archive.array(at)?;
///     let samples = array.samples();
///     let values = array.read_rows(0..samples)?; // a TensorData [samples, ..]
/// #   let _ = values;
/// }
/// # Ok::<(), frostline_activations::ArrayFileError>(())
/// ```
#[derive(Debug)]
pub struct ArrayArchive<R = File> {
    reader: R,
    /// The file: what errors begin with.
    label: String,
    entries: Vec<ArrayEntry>,
    /// The entries in the order of their names; none where the only array has no name.
    by_name: Option<Vec<usize>>,
}

/// What the header of a file has on one of its arrays.
#[derive(Debug)]
pub struct ArrayEntry {
    name: String,
    stored: Result<Stored, Refused>,
}

/// One array of a file, read by rows.
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
    values: StretchReader<R>,
    /// The file, and the tensor in it: what errors begin with.
    label: String,
    stored: Stored,
}

/// The arrays of a file.
enum Contents {
    Nameless(ArrayEntry),
    Named(Vec<ArrayEntry>),
}

/// Where the values lie, and how. Everything here has been checked against the file's length.
#[derive(Debug, Clone)]
struct Stored {
    shape: Vec<usize>,
    element: Element,
    big_endian: bool,
    order: Order,
    stretch: Stretch,
    /// Where the first value begins in the stretch, in bytes.
    start: u64,
}

/// In which order the values lie.
#[derive(Debug, Clone, PartialEq)]
enum Order {
    /// The last axis fastest: C order.
    Rows,
    /// The first axis fastest: Fortran order.
    Columns,
    /// A step along each axis goes so many values further.
    Strides(Vec<usize>),
}

/// An array that isn't read, as far as it is known.
#[derive(Debug)]
struct Refused {
    shape: Vec<usize>,
    dtype: Cow<'static, str>,
    problem: Box<ArrayFileProblem>,
}

impl ArrayArchive {
    /// Opens a file and reads its headers.
    ///
    /// # Errors
    /// [`ArrayFileProblem::NotAFile`] for a folder, pipe, socket or device, which isn't opened; the
    /// other problems as they are. An array that can't be read is no error here but of its
    /// [entry](ArrayEntry::problem).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ArrayFileError> {
        let path = path.as_ref();
        match path::opened(path) {
            Ok(file) => Self::new(file, path),
            Err(problem) => Err(problem.of(path::shown(path))),
        }
    }
}

impl<R: Read + Seek> ArrayArchive<R> {
    /// A file that is read through `reader`; `path` is what errors call it.
    ///
    /// # Errors
    /// As those of [`open`](ArrayArchive::open).
    pub fn new(mut reader: R, path: impl AsRef<Path>) -> Result<Self, ArrayFileError> {
        let path = path.as_ref();
        let mut label = path::shown(path);
        let format = format(&mut reader, path);
        if let Ok((format, _)) = &format
            && let Some(is) = format.belied_by(path)
        {
            label += &format!(" (by its first bytes {is})");
        }
        let contents = format.and_then(|(format, length)| contents(&mut reader, format, length));
        Self::with(reader, path, label, contents)
    }

    /// What is in the file at `path`, which errors call by its label.
    fn with(
        reader: R,
        path: &Path,
        label: String,
        contents: Result<Contents, ArrayFileProblem>,
    ) -> Result<Self, ArrayFileError> {
        let (entries, by_name) = match contents {
            Err(problem) => return Err(problem.of(label)),
            Ok(Contents::Nameless(mut only)) => {
                only.name = path::stem(path);
                (vec![only], None)
            }
            Ok(Contents::Named(entries)) => {
                let mut by_name: Vec<usize> = (0..entries.len()).collect();
                by_name.sort_by_key(|&at| &entries[at].name);
                let same = |pair: &&[usize]| entries[pair[0]].name == entries[pair[1]].name;
                if let Some(pair) = by_name.windows(2).find(same) {
                    let name = excerpt(&entries[pair[0]].name);
                    return Err(ArrayFileProblem::Header {
                        problem: format!("two arrays are called `{name}`"),
                    }
                    .of(label));
                }
                (entries, Some(by_name))
            }
        };
        Ok(Self {
            reader,
            label,
            entries,
            by_name,
        })
    }

    /// The arrays, in the order in which they are stored; those that can't be read too.
    ///
    /// The only array of a file that gives it no name is called like the file, without its ending.
    pub fn entries(&self) -> &[ArrayEntry] {
        &self.entries
    }

    /// The place among the [`entries`](Self::entries) of the array that the file calls so.
    pub fn position(&self, name: &str) -> Option<usize> {
        let by_name = self.by_name.as_ref()?;
        let found = by_name.binary_search_by(|&at| self.entries[at].name.as_str().cmp(name));
        found.ok().map(|at| by_name[at])
    }

    /// The array at this place among the [`entries`](Self::entries).
    ///
    /// # Errors
    /// The [problem](ArrayEntry::problem) of an array that can't be read.
    ///
    /// # Panics
    /// When there are fewer entries.
    pub fn array(&mut self, at: usize) -> Result<ArrayFile<&mut R>, ArrayFileError> {
        let label = self.label_of(at);
        ArrayFile::with(&mut self.reader, label, self.entries[at].stored())
    }

    /// The array that the file calls so; without a name, its only array.
    ///
    /// # Errors
    /// [`ArrayFileProblem::UnknownTensor`], [`ArrayFileProblem::SeveralTensors`] or
    /// [`ArrayFileProblem::NoTensors`] where the name doesn't say which,
    /// [`ArrayFileProblem::Nameless`] for a name where the array has none, and those of
    /// [`array`](Self::array).
    pub fn into_array(self, name: Option<&str>) -> Result<ArrayFile<R>, ArrayFileError> {
        let at = self
            .chosen(name)
            .map_err(|problem| problem.of(&self.label))?;
        let label = self.label_of(at);
        let stored = self.entries[at].stored();
        ArrayFile::with(self.reader, label, stored)
    }

    fn chosen(&self, name: Option<&str>) -> Result<usize, ArrayFileProblem> {
        match (name, self.entries.len()) {
            (Some(_), _) if self.by_name.is_none() => Err(ArrayFileProblem::Nameless),
            (_, 0) => Err(ArrayFileProblem::NoTensors),
            (None, 1) => Ok(0),
            (None, _) => Err(ArrayFileProblem::SeveralTensors {
                names: listed(&self.entries),
            }),
            (Some(name), _) => self
                .position(name)
                .ok_or_else(|| ArrayFileProblem::UnknownTensor {
                    name: excerpt(name),
                    names: listed(&self.entries),
                }),
        }
    }

    fn label_of(&self, at: usize) -> String {
        match self.by_name {
            Some(_) => format!("{}:{}", self.label, excerpt(&self.entries[at].name)),
            None => self.label.clone(),
        }
    }
}

impl ArrayEntry {
    /// Its name, as the file has it: what is shown on a terminal must be escaped.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shape `[sample, ..]`, without an axis where it isn't known.
    pub fn shape(&self) -> &[usize] {
        match &self.stored {
            Ok(stored) => &stored.shape,
            Err(refused) => &refused.shape,
        }
    }

    /// What its values are stored as, such as `float32`; empty where it isn't known.
    pub fn dtype_name(&self) -> &str {
        match &self.stored {
            Ok(stored) => stored.element.name(),
            Err(refused) => &refused.dtype,
        }
    }

    /// Why it can't be read, if it can't.
    pub fn problem(&self) -> Option<&ArrayFileProblem> {
        self.stored.as_ref().err().map(|refused| &*refused.problem)
    }

    fn stored(&self) -> Result<Stored, ArrayFileProblem> {
        match &self.stored {
            Ok(stored) => Ok(stored.clone()),
            Err(refused) => Err((*refused.problem).clone()),
        }
    }
}

impl ArrayFile {
    /// Opens an array and reads its header.
    ///
    /// `file:name` is one array of a file with several; with one, its name may be left out. Paths and
    /// names may hold colons themselves: the path is cut at the last colon behind which stands the
    /// name of an array of the file before it. Only where there is no such array is a path with a
    /// colon taken as a whole.
    ///
    /// # Errors
    /// Those of [`ArrayArchive::open`] and of [`ArrayArchive::into_array`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ArrayFileError> {
        let given = path.as_ref();
        let mut refused = None;
        for (path, name) in path::cuts(given) {
            if !path.is_file() {
                continue;
            }
            let found = ArrayArchive::open(path).and_then(|archive| {
                archive
                    .chosen(Some(&name))
                    .map_err(|problem| problem.of(&archive.label))?;
                Ok(archive)
            });
            match found {
                Ok(archive) => return archive.into_array(Some(&name)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(error) = refused
            && !given.is_file()
        {
            return Err(error);
        }
        // A file that doesn't exist, or is a pipe, is named without the array in it.
        let is_meant = |(path, _): &(PathBuf, String)| match path.metadata() {
            Ok(metadata) => !metadata.is_dir(),
            Err(_) => path::has_ending(path),
        };
        let whole = match path::cuts(given).find(is_meant) {
            Some((path, _)) if !given.exists() => path,
            _ => given.to_path_buf(),
        };
        ArrayArchive::open(whole)?.into_array(None)
    }
}

impl<R: Read + Seek> ArrayFile<R> {
    /// The array of a `.npy` file that is read through `reader`; `path` is what errors call it.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn from_npy(mut reader: R, path: impl AsRef<Path>) -> Result<Self, ArrayFileError> {
        let contents = length(&mut reader).map(|length| npy_contents(&mut reader, length));
        let path = path.as_ref();
        ArrayArchive::with(reader, path, path::shown(path), contents)?.into_array(None)
    }

    /// A tensor of a safetensors file that is read through `reader`; `path` is what errors call the
    /// file. Without a name the file must hold one tensor.
    ///
    /// # Errors
    /// What is wrong with the file, and those of [`ArrayArchive::into_array`].
    pub fn from_safetensors(
        mut reader: R,
        path: impl AsRef<Path>,
        name: Option<&str>,
    ) -> Result<Self, ArrayFileError> {
        let contents = safetensors_file::entries(&mut reader).map(Contents::Named);
        let path = path.as_ref();
        ArrayArchive::with(reader, path, path::shown(path), contents)?.into_array(name)
    }

    fn with(
        reader: R,
        label: String,
        stored: Result<Stored, ArrayFileProblem>,
    ) -> Result<Self, ArrayFileError> {
        match stored {
            Ok(stored) => Ok(Self {
                values: StretchReader::new(reader, stored.stretch),
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

    /// What the values are stored as: `bool`, `int8` to `int64`, `uint8` to `uint64`, `float16`,
    /// `bfloat16`, `float32` or `float64`.
    pub fn dtype_name(&self) -> &'static str {
        self.stored.element.name()
    }

    /// Whether [`read_rows`](Self::read_rows) gives float64, and not float32.
    pub fn is_double(&self) -> bool {
        self.stored.element.is_double()
    }

    /// How long the stored values are, all together and in bytes.
    pub fn bytes(&self) -> u64 {
        self.stored.bytes()
    }

    /// The samples `rows`, row-major, in shape `[rows, ..]`: float64 and whole numbers of 32 and 64
    /// bits as float64, everything else as float32, which holds it exactly. True is 1.
    ///
    /// Only these rows are read, through a buffer of at most 1 MiB. The values are what the file
    /// holds, NaN and infinities too. Where a zip archive has a checksum, it is compared when all
    /// rows have been read from the first to the last.
    ///
    /// # Errors
    /// [`ArrayFileProblem::Rows`] for rows that aren't there, [`ArrayFileProblem::Memory`],
    /// [`ArrayFileProblem::Inexact`] for a whole number that float64 rounds,
    /// [`ArrayFileProblem::Damaged`], [`ArrayFileProblem::Shrunk`] and [`ArrayFileProblem::Io`].
    pub fn read_rows(&mut self, rows: Range<usize>) -> Result<TensorData, ArrayFileError> {
        rows::read(&mut self.values, &self.stored, rows).map_err(|problem| problem.of(&self.label))
    }
}

impl Stored {
    /// The same, if it is an array that has samples.
    fn checked(self) -> Result<Self, Refused> {
        // NumPy's own limit. It also keeps the work per value small.
        let axes = self.shape.len();
        if !(1..=64).contains(&axes) {
            return Err(self.refused(ArrayFileProblem::Axes { axes }));
        }
        if self.shape.contains(&0) {
            let shape = self.shape.clone();
            return Err(self.refused(ArrayFileProblem::NoValues { shape }));
        }
        Ok(self)
    }

    fn refused(self, problem: ArrayFileProblem) -> Refused {
        Refused {
            dtype: self.element.name().into(),
            shape: self.shape,
            problem: Box::new(problem),
        }
    }

    /// How long its values are. It can't overflow: they were found to lie within the file.
    fn bytes(&self) -> u64 {
        let values: usize = self.shape.iter().product();
        values as u64 * self.element.size() as u64
    }
}

impl Order {
    /// The order of values with these strides; there are as many as axes.
    fn of(shape: &[usize], strides: Vec<usize>) -> Self {
        let dense = |axes: &mut dyn Iterator<Item = (&usize, &usize)>| {
            let mut next = 1_usize;
            axes.filter(|(axis, _)| **axis != 1)
                .all(|(&axis, &stride)| {
                    let is_next = stride == next;
                    next = next.saturating_mul(axis);
                    is_next
                })
        };
        if dense(&mut shape.iter().zip(&strides).rev()) {
            Self::Rows
        } else if dense(&mut shape.iter().zip(&strides)) {
            Self::Columns
        } else {
            Self::Strides(strides)
        }
    }
}

impl<P: Into<ArrayFileProblem>> From<P> for Refused {
    /// An array of which nothing but the problem is known.
    fn from(problem: P) -> Self {
        Self {
            shape: Vec::new(),
            dtype: "".into(),
            problem: Box::new(problem.into()),
        }
    }
}

/// What kind of file it is, and how long. The reader stands at its beginning afterwards.
fn format(reader: &mut (impl Read + Seek), path: &Path) -> Result<(Format, u64), ArrayFileProblem> {
    let length = length(reader)?;
    let mut first = Vec::new();
    reader
        .by_ref()
        .take(format::LOOKED_AT)
        .read_to_end(&mut first)?;
    reader.rewind()?;
    Ok((
        Format::of(&first, path::is_called_safetensors(path))?,
        length,
    ))
}

/// Reads the headers of a file of this kind.
fn contents(
    reader: &mut (impl Read + Seek),
    format: Format,
    length: u64,
) -> Result<Contents, ArrayFileProblem> {
    Ok(match format {
        Format::Npy => npy_contents(reader, length),
        Format::Safetensors => Contents::Named(safetensors_file::entries(reader)?),
        Format::OldPt => pt::old_contents(reader, length)?,
        Format::Zip => {
            let entries = zip_directory::entries(reader, length)?;
            if pt::is_archive(&entries) {
                pt::contents(reader, entries)?
            } else {
                Contents::Named(npz::entries(reader, entries)?)
            }
        }
    })
}

/// The array of a `.npy` file that is `length` bytes long.
fn npy_contents(reader: &mut (impl Read + Seek), length: u64) -> Contents {
    let stretch = Stretch::plain(0, length);
    Contents::Nameless(ArrayEntry {
        name: String::new(),
        stored: npy::stored(&mut StretchReader::new(reader, stretch), stretch),
    })
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

/// Checks that a header of `claimed` bytes lies within the file's `present` bytes and is no longer
/// than `limit`.
fn check_header(claimed: u64, present: u64, limit: u64) -> Result<(), ArrayFileProblem> {
    if claimed > present {
        return Err(ArrayFileProblem::HeaderCutOff { claimed, present });
    }
    if claimed > limit {
        return Err(ArrayFileProblem::HeaderTooLong { claimed, limit });
    }
    Ok(())
}

/// The next `claimed` bytes, a header. Nothing is allocated before it is [checked](check_header).
fn header_bytes(
    reader: &mut impl Read,
    claimed: u64,
    present: u64,
    limit: u64,
) -> Result<Vec<u8>, ArrayFileProblem> {
    check_header(claimed, present, limit)?;
    let mut header = vec![0; claimed as usize]; // `limit` fits
    reader.read_exact(&mut header)?;
    Ok(header)
}

/// The names of at most twenty arrays.
fn listed(entries: &[ArrayEntry]) -> String {
    const MOST: usize = 20;
    let names = entries.iter().take(MOST).map(|entry| excerpt(&entry.name));
    let shown = names.collect::<Vec<_>>().join(", ");
    match entries.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn too_long(name: usize) -> ArrayFileProblem {
    ArrayFileProblem::Header {
        problem: format!(
            "the name of an array has {name} bytes, and at most {LONGEST_NAME} are read"
        ),
    }
}

/// The first characters of what a file holds, with nothing that a terminal would obey.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut excerpt: String = text.chars().take(LONGEST).flat_map(escaped).collect();
    if text.chars().nth(LONGEST).is_some() {
        excerpt.push_str("..");
    }
    excerpt
}

/// A character as it is shown: escaped if a terminal would obey it or show nothing.
fn escaped(character: char) -> impl Iterator<Item = char> {
    let shown = matches!(character, '"' | '\'').then_some(character);
    let escaped = shown.is_none().then(|| character.escape_debug());
    shown.into_iter().chain(escaped.into_iter().flatten())
}

/// The first characters of bytes that should be text.
fn beginning(text: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(&text[..text.len().min(1000)]))
}
