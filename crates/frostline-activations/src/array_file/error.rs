use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Arc;

/// An array file that can't be read.
#[derive(thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ArrayFileError {
    /// The file, and behind a colon the tensor if it is one tensor's problem.
    pub file: String,
    /// What is wrong, and what to do about it.
    pub problem: ArrayFileProblem,
}

/// What is wrong with an array file.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayFileProblem {
    /// No file has this path.
    #[error("there is no such file; check the path (a tensor of a file is written file:tensor)")]
    Missing,
    /// A folder, a pipe, a socket or a device: none of them is opened.
    #[error("this is {found}; name a .npy, .npz, .safetensors or .pt file")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// A file without a byte.
    #[error("the file is empty; save or copy it again")]
    Empty,
    /// Another kind of file.
    #[error("this isn't a .npy, .npz, .safetensors or .pt file but {found}; {advice}")]
    OtherFormat {
        /// What it seems to be.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// The header makes no sense.
    #[error("its header can't be read: {problem}; save the file again")]
    Header {
        /// What is wrong with it.
        problem: String,
    },
    /// The file ends before its header does.
    #[error(
        "its header should be {claimed} bytes long but only {present} follow; the file was cut off: \
         save or copy it again"
    )]
    HeaderCutOff {
        /// How long the file says that its header is.
        claimed: u64,
        /// How many bytes there are.
        present: u64,
    },
    /// A header that no array needs.
    #[error(
        "its header claims {claimed} bytes and at most {limit} are read; if the file is sound, save \
         its arrays in several files"
    )]
    HeaderTooLong {
        /// How long the file says that its header is.
        claimed: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// Values that are no real numbers, or numbers of a kind that isn't read.
    #[error(
        "its values are {dtype}, and float16 to float64, bfloat16, int8 to uint64 and bool can be \
         read; {advice}"
    )]
    Dtype {
        /// What they are.
        dtype: String,
        /// What to do.
        advice: &'static str,
    },
    /// No axis, or too many.
    #[error(
        "it has {axes} axes, and arrays of 1 to 64 can be read, the samples along the first; reshape \
         it"
    )]
    Axes {
        /// How many axes it has.
        axes: usize,
    },
    /// An axis of length 0.
    #[error("it holds no values: its shape is {shape:?}; save an array with samples and neurons")]
    NoValues {
        /// Its shape.
        shape: Vec<usize>,
    },
    /// More values than can be counted.
    #[error("its header claims a shape of {shape}, which no file can hold; save the file again")]
    TooLarge {
        /// The shape, as the file has it.
        shape: String,
    },
    /// The file's length isn't what its header says.
    #[error(
        "by its header the file is {expected} bytes long, but it is {found}; it was cut off or \
         changed: save or copy it again"
    )]
    Length {
        /// The length by the header.
        expected: u64,
        /// The length that it has.
        found: u64,
    },
    /// A whole number that a float64 doesn't hold.
    #[error(
        "it holds {value}, a whole number that no float64 is equal to; subtract an offset, or save \
         array.astype(\"float64\") to have it rounded"
    )]
    Inexact {
        /// The first such number.
        value: String,
    },
    /// A zip archive that can't be read.
    #[error("it is a zip archive, but {problem}; save or copy it again")]
    Archive {
        /// What is wrong with it.
        problem: String,
    },
    /// An entry of a zip archive that is encrypted, or compressed in a way that isn't read.
    #[error(
        "it is {method}, and entries that are stored or deflated can be read; pack the archive again in one of these \
         ways, as numpy.savez, numpy.savez_compressed and torch.save do"
    )]
    Compression {
        /// How it is compressed.
        method: String,
    },
    /// An entry of an `.npz` file that is no array.
    #[error("it is no .npy array; save arrays with numpy.savez")]
    NoArray,
    /// Bytes that aren't those that were saved.
    #[error("{problem}; the file is damaged: save or copy it again")]
    Damaged {
        /// What is wrong with them.
        problem: String,
    },
    /// A compressed array in Fortran order that would be inflated again for every few rows.
    #[error(
        "its {bytes} bytes are compressed in Fortran order, and at most {limit} of those are read; \
         save numpy.ascontiguousarray(array)"
    )]
    CompressedColumns {
        /// How long its values are.
        bytes: u64,
        /// The most that are read.
        limit: u64,
    },
    /// A pickle of PyTorch that can't be read.
    #[error(
        "its pickle can't be read: {problem}; save a tensor, or a dict or list of tensors, with \
         torch.save"
    )]
    Pickle {
        /// What is wrong with it.
        problem: String,
    },
    /// A part of a PyTorch file that is no dense tensor.
    #[error("it is {found}, not a dense tensor; save {advice}")]
    OtherTensor {
        /// What it is.
        found: String,
        /// What to save in its place.
        advice: &'static str,
    },
    /// A tensor of PyTorch that has more values than are stored.
    #[error(
        "it has {values} values but at most {stored} of them are stored, as expand() makes it; save \
         tensor.contiguous()"
    )]
    Expanded {
        /// How many values its shape has.
        values: u64,
        /// How many can be stored.
        stored: u64,
    },
    /// More arrays than are read.
    #[error("the file holds more than {most} arrays; save them in several files")]
    TooManyArrays {
        /// The most that are read.
        most: usize,
    },
    /// A file without an array.
    #[error("the file holds no tensor; save it again with the layers in it")]
    NoTensors,
    /// A file with several arrays, of which none was named.
    #[error("the file holds several tensors; name one as file:tensor. It holds {names}")]
    SeveralTensors {
        /// The tensors' names, comma separated, at most twenty.
        names: String,
    },
    /// No tensor has this name.
    #[error("the file has no tensor `{name}`; it holds {names}")]
    UnknownTensor {
        /// The name asked for.
        name: String,
        /// The tensors' names, comma separated, at most twenty.
        names: String,
    },
    /// A name for an array that has none, as that of a `.npy` file.
    #[error("the file holds one array, which has no name; give the file's path alone")]
    Nameless,
    /// Rows that the array doesn't have.
    #[error("rows {start} to {end} were asked for; it must be at least one of its {samples} rows")]
    Rows {
        /// The first row asked for.
        start: usize,
        /// The row behind the last.
        end: usize,
        /// How many there are.
        samples: usize,
    },
    /// The rows asked for don't fit the memory.
    #[error(
        "{rows} rows take {bytes} bytes of memory, which can't be had; read fewer rows at a time"
    )]
    Memory {
        /// How many rows were asked for.
        rows: usize,
        /// What they take.
        bytes: u64,
    },
    /// The file became shorter after it was opened.
    #[error(
        "the file became shorter while it was read; wait until it is whole, then read it again"
    )]
    Shrunk,
    /// The system can't read the file.
    #[error("it can't be read: {0}")]
    Io(Arc<std::io::Error>),
}

impl ArrayFileProblem {
    /// The error of this file.
    pub(super) fn of(self, file: impl Display) -> ArrayFileError {
        ArrayFileError {
            file: file.to_string(),
            problem: self,
        }
    }
}

impl From<std::io::Error> for ArrayFileProblem {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // Every length is checked before it is read.
            ErrorKind::UnexpectedEof => Self::Shrunk,
            // Of the bytes themselves, not of the system.
            ErrorKind::InvalidData => Self::Damaged {
                problem: error.to_string(),
            },
            _ => Self::Io(Arc::new(error)),
        }
    }
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for ArrayFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for ArrayFileProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
