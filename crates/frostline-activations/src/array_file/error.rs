use std::fmt::Display;
use std::io::ErrorKind;

/// An array file that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ArrayFileError {
    /// The file, and behind a colon the tensor if it is one tensor's problem.
    pub file: String,
    /// What is wrong, and what to do about it.
    pub problem: ArrayFileProblem,
}

/// What is wrong with an array file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayFileProblem {
    /// No file has this path.
    #[error(
        "there is no such file; check the path (a tensor of a safetensors file is written \
         file.safetensors:tensor)"
    )]
    Missing,
    /// A folder or a device.
    #[error("this is a folder or a device; name a .npy or a .safetensors file")]
    NotAFile,
    /// A file without a byte.
    #[error("the file is empty; save or copy it again")]
    Empty,
    /// Another kind of file.
    #[error("this is neither a .npy nor a safetensors file but {found}; {advice}")]
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
    /// Values that are no real floating-point numbers.
    #[error("its values are {dtype}, and only floating-point numbers can be read; {advice}")]
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
    /// A safetensors file without a tensor.
    #[error("the file holds no tensor; save it again with the layers in it")]
    NoTensors,
    /// A safetensors file with several tensors, of which none was named.
    #[error(
        "the file holds several tensors; name one as file.safetensors:tensor. It holds {names}"
    )]
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
    /// A name for the array of a `.npy` file.
    #[error("a .npy file holds one array, which has no name; give the file's path alone")]
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
    Io(std::io::Error),
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
            _ => Self::Io(error),
        }
    }
}
