//! A stretch of a file, read as the bytes that it stands for: those that lie there, or what they
//! inflate to.

use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// How much of a deflated stretch is read at once, in bytes.
const INPUT: usize = 32 << 10;
/// Up to this distance a reader that goes forward reads what lies between, in bytes: a checksum is
/// of all bytes.
const NEAR: u64 = 1 << 20;

/// Where bytes lie in a file. Its end has been found to lie within the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    /// Where it begins in the file.
    pub(super) start: u64,
    /// How long it is in the file.
    pub(super) stored: u64,
    /// How many bytes it stands for; `stored`, unless it is deflated.
    pub(super) length: u64,
    pub(super) deflated: bool,
    /// The CRC-32 of its bytes, where the file has one.
    pub(super) checksum: Option<u32>,
}

impl Stretch {
    /// These bytes of the file as they are.
    pub(super) fn plain(start: u64, length: u64) -> Self {
        Self {
            start,
            stored: length,
            length,
            deflated: false,
            checksum: None,
        }
    }
}

/// Reads a stretch. Going back in a deflated one begins it anew; everything else is cheap.
#[derive(Debug)]
pub(super) struct StretchReader<R> {
    reader: R,
    stretch: Stretch,
    /// The place of the next byte in the stretch.
    at: u64,
    inflater: Option<Inflater>,
    /// The checksum of the first bytes, and how many they are.
    checksum: Crc,
    checked: u64,
}

impl<R: Read + Seek> StretchReader<R> {
    /// A reader at the beginning of this stretch.
    pub(super) fn new(reader: R, stretch: Stretch) -> Self {
        Self {
            reader,
            stretch,
            at: 0,
            inflater: stretch.deflated.then(Inflater::new),
            checksum: Crc::new(),
            checked: 0,
        }
    }

    /// Whether going back takes as long as reading everything before.
    pub(super) fn is_deflated(&self) -> bool {
        self.stretch.deflated
    }

    /// Moves to a place in the stretch.
    pub(super) fn go_to(&mut self, place: u64) -> io::Result<()> {
        if self.stretch.deflated && place < self.at {
            self.inflater = Some(Inflater::new());
            self.at = 0;
        }
        let unchecked_gap = self.stretch.checksum.is_some()
            && self.at == self.checked
            && place.checked_sub(self.at).is_some_and(|gap| gap <= NEAR);
        if self.stretch.deflated || unchecked_gap {
            let gap = place.saturating_sub(self.at);
            let skipped = io::copy(&mut self.by_ref().take(gap), &mut io::sink())?;
            if skipped < gap {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.at = place;
        Ok(())
    }
}

impl<R: Read + Seek> Read for StretchReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.stretch.length.saturating_sub(self.at);
        let wanted = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let bytes = &mut bytes[..wanted];
        if bytes.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.inflater {
            Some(inflater) => inflater.read(&mut self.reader, &self.stretch, bytes)?,
            None => {
                let place = SeekFrom::Start(self.stretch.start + self.at);
                self.reader.seek(place)?;
                self.reader.read(bytes)?
            }
        };
        if let Some(expected) = self.stretch.checksum
            && self.at == self.checked
        {
            self.checksum.update(&bytes[..read]);
            self.checked += read as u64;
            if self.checked == self.stretch.length && self.checksum.sum() != expected {
                return Err(damaged(
                    "its bytes don't have the checksum that the file gives",
                ));
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// A deflated stretch that is being read.
#[derive(Debug)]
struct Inflater {
    state: Decompress,
    input: Vec<u8>,
    /// How much of `input` is used up.
    used: usize,
    /// How much of the stretch has been read into `input`.
    taken: u64,
}

impl Inflater {
    fn new() -> Self {
        Self {
            state: Decompress::new(false),
            input: Vec::new(),
            used: 0,
            taken: 0,
        }
    }

    fn read<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        stretch: &Stretch,
        bytes: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            if self.used == self.input.len() && self.taken < stretch.stored {
                let wanted = (stretch.stored - self.taken).min(INPUT as u64);
                reader.seek(SeekFrom::Start(stretch.start + self.taken))?;
                self.input.clear();
                reader.by_ref().take(wanted).read_to_end(&mut self.input)?;
                if self.input.is_empty() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                self.used = 0;
                self.taken += self.input.len() as u64;
            }
            let before = (self.state.total_in(), self.state.total_out());
            let input = &self.input[self.used..];
            let status = self
                .state
                .decompress(input, bytes, FlushDecompress::None)
                .map_err(|error| damaged(&format!("its bytes can't be inflated ({error})")))?;
            let consumed = (self.state.total_in() - before.0) as usize; // part of `input`
            let produced = (self.state.total_out() - before.1) as usize; // part of `bytes`
            self.used += consumed;
            if produced > 0 {
                return Ok(produced);
            }
            let all_taken = self.used == self.input.len() && self.taken == stretch.stored;
            if status == Status::StreamEnd || all_taken || consumed == 0 {
                return Err(damaged("it inflates to fewer bytes than the file gives"));
            }
        }
    }
}

/// The error of bytes that are not what the file promises.
fn damaged(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidData, problem)
}
