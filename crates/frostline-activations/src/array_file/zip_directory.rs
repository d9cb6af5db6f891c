//! The directory of a zip archive: which entries it has, and where their bytes lie. Source: PKWARE's
//! APPNOTE 6.3.10, sections 4.3 and 4.5.3.
//!
//! The reader is our own because zip 9.8 takes memory for as many entries as the archive claims, and
//! lends an entry's reader only as long as the archive isn't used. This one reads what an archive of
//! arrays needs: it allocates no more than a few times the directory, and refuses entries that
//! overlap or claim more than their bytes can inflate to.

use std::io::{Read, Seek, SeekFrom};

use super::stretch::Stretch;
use super::{ArrayFileProblem, MOST_ARRAYS};

/// How a zip archive begins: with an entry, or with its end where it is empty.
pub(super) const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// The longest directory that is read; that of a hundred thousand arrays takes about 10 MB.
const LONGEST_DIRECTORY: u64 = 64 << 20;
/// The longest end record: 22 bytes and a comment of at most 65,535.
const LONGEST_END: u64 = 22 + 65_535;
/// Deflate makes at most 258 bytes of 2 bits.
const MOST_INFLATED: u64 = 258 * 4;
/// A field of 32 bits with this value is stored elsewhere with 64.
const ELSEWHERE: u64 = 0xffff_ffff;

/// One entry of an archive.
pub(super) struct ZipEntry {
    pub(super) name: String,
    /// Where its bytes lie, or why they can't be read.
    pub(super) stretch: Result<Stretch, ArrayFileProblem>,
}

/// The entries of an archive that is `length` bytes long, in the order of its directory.
pub(super) fn entries(
    reader: &mut (impl Read + Seek),
    length: u64,
) -> Result<Vec<ZipEntry>, ArrayFileProblem> {
    let directory = Directory::find(reader, length)?;
    if directory.length > LONGEST_DIRECTORY {
        return Err(ArrayFileProblem::HeaderTooLong {
            claimed: directory.length,
            limit: LONGEST_DIRECTORY,
        });
    }
    let bytes = read_at(reader, directory.start, directory.length)?;
    let mut fields = Fields(&bytes);
    let mut entries = Vec::new();
    let mut occupied = Vec::new();
    for _ in 0..directory.entries {
        if entries.len() == MOST_ARRAYS {
            return Err(ArrayFileProblem::TooManyArrays { most: MOST_ARRAYS });
        }
        let record = Record::read(&mut fields)?;
        let (stretch, end) = record.stretch(reader, directory.start)?;
        occupied.push((record.start, end));
        entries.push(ZipEntry {
            name: record.name,
            stretch,
        });
    }
    // Entries that share their bytes make a small archive inflate to a huge one.
    occupied.sort_unstable();
    if occupied.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(damaged("two of its entries lie in the same place"));
    }
    Ok(entries)
}

/// Where the directory lies.
struct Directory {
    start: u64,
    length: u64,
    entries: u64,
}

impl Directory {
    fn find(reader: &mut (impl Read + Seek), length: u64) -> Result<Self, ArrayFileProblem> {
        let tail_length = length.min(LONGEST_END);
        let tail_start = length - tail_length;
        let tail = read_at(reader, tail_start, tail_length)?;
        // The end record is the last one whose comment ends with the file.
        let is_end = |at: usize| {
            let record = &tail[at..];
            let comment = Fields(&record[20..22]).number(2).unwrap_or(0);
            record.starts_with(b"PK\x05\x06") && record.len() as u64 == 22 + comment
        };
        let at = (0..(tail.len() + 1).saturating_sub(22))
            .rev()
            .find(|&at| is_end(at))
            .ok_or_else(|| {
                damaged("it doesn't end as a zip archive does, so it was cut off or added to")
            })?;
        let end = tail_start + at as u64;

        let mut fields = Fields(&tail[at + 4..]);
        let disks = [fields.number(2)?, fields.number(2)?];
        fields.number(2)?; // entries on this disk
        let mut found = Self {
            entries: fields.number(2)?,
            length: fields.number(4)?,
            start: fields.number(4)?,
        };
        let elsewhere =
            found.entries == 0xffff || found.length == ELSEWHERE || found.start == ELSEWHERE;
        if disks != [0, 0] && disks != [0xffff, 0xffff] {
            return Err(damaged("it is one of several parts"));
        }
        let mut limit = end;
        if elsewhere && let Some(locator) = end.checked_sub(20) {
            let bytes = read_at(reader, locator, 20)?;
            if bytes.starts_with(b"PK\x06\x07") {
                limit = Fields(&bytes[8..]).number(8)?;
                if limit
                    .checked_add(56)
                    .is_none_or(|record_end| record_end > locator)
                {
                    return Err(damaged("its end points beyond the file"));
                }
                let record = read_at(reader, limit, 56)?;
                if !record.starts_with(b"PK\x06\x06") {
                    return Err(damaged("its end points at something else"));
                }
                let mut fields = Fields(&record[32..]);
                found = Self {
                    entries: fields.number(8)?,
                    length: fields.number(8)?,
                    start: fields.number(8)?,
                };
            }
        }
        if found
            .start
            .checked_add(found.length)
            .is_none_or(|end| end > limit)
        {
            return Err(damaged("its directory should lie behind its end"));
        }
        Ok(found)
    }
}

/// What the directory has on one entry.
struct Record {
    name: String,
    encrypted: bool,
    method: u64,
    checksum: u32,
    /// Its length in the archive.
    stored: u64,
    /// Its length once it is inflated.
    length: u64,
    /// Where its own header lies.
    start: u64,
}

impl Record {
    fn read(fields: &mut Fields<'_>) -> Result<Self, ArrayFileProblem> {
        if fields.bytes(4)? != b"PK\x01\x02" {
            return Err(damaged("an entry of its directory isn't one"));
        }
        fields.bytes(4)?; // versions
        let flags = fields.number(2)?;
        let method = fields.number(2)?;
        fields.bytes(4)?; // time
        let checksum = fields.number(4)? as u32; // 4 bytes
        let [mut stored, mut length] = [fields.number(4)?, fields.number(4)?];
        let [name, extra, comment] = [fields.number(2)?, fields.number(2)?, fields.number(2)?];
        fields.bytes(8)?; // disk, attributes
        let mut start = fields.number(4)?;
        let name = String::from_utf8_lossy(fields.bytes(name)?).into_owned();
        let mut extra = Fields(fields.bytes(extra)?);
        fields.bytes(comment)?;

        while extra.0.len() >= 4 {
            let (kind, size) = (extra.number(2)?, extra.number(2)?);
            let mut field = Fields(extra.bytes(size)?);
            if kind == 1 {
                for number in [&mut length, &mut stored, &mut start] {
                    if *number == ELSEWHERE {
                        *number = field.number(8)?;
                    }
                }
            }
        }
        Ok(Self {
            name,
            encrypted: flags & 1 == 1,
            method,
            checksum,
            stored,
            length,
            start,
        })
    }

    /// Where its bytes lie, or why they can't be read; and where they end. All of them lie before
    /// `limit`.
    fn stretch(
        &self,
        reader: &mut (impl Read + Seek),
        limit: u64,
    ) -> Result<(Result<Stretch, ArrayFileProblem>, u64), ArrayFileProblem> {
        let beyond = || damaged("an entry should lie behind its directory");
        if self.start.checked_add(30).is_none_or(|end| end > limit) {
            return Err(beyond());
        }
        let header = read_at(reader, self.start, 30)?;
        if !header.starts_with(MAGIC[0]) {
            return Err(damaged("its directory points at what is no entry"));
        }
        let mut lengths = Fields(&header[26..]);
        let start = self.start + 30 + lengths.number(2)? + lengths.number(2)?;
        let end = start.checked_add(self.stored).ok_or_else(beyond)?;
        if end > limit {
            return Err(beyond());
        }
        let stretch = Stretch {
            start,
            stored: self.stored,
            length: self.length,
            deflated: self.method == 8,
            // Writers that compute none leave it 0.
            checksum: (self.checksum != 0).then_some(self.checksum),
        };
        let problem = match self.method {
            _ if self.encrypted => ArrayFileProblem::Compression {
                method: "encrypted".to_string(),
            },
            0 if self.stored == self.length => return Ok((Ok(stretch), end)),
            0 => damaged("an entry has two lengths"),
            8 if self.length / MOST_INFLATED > self.stored => {
                damaged("an entry claims more bytes than it can inflate to")
            }
            8 => return Ok((Ok(stretch), end)),
            method => ArrayFileProblem::Compression {
                method: match method {
                    9 => "compressed by Deflate64".to_string(),
                    12 => "compressed by bzip2".to_string(),
                    14 => "compressed by LZMA".to_string(),
                    93 => "compressed by Zstandard".to_string(),
                    95 => "compressed by xz".to_string(),
                    99 => "encrypted".to_string(),
                    method => format!("compressed by method {method}"),
                },
            },
        };
        Ok((Err(problem), end))
    }
}

/// What is left of a record, little endian.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: u64) -> Result<&'a [u8], ArrayFileProblem> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (bytes, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| damaged("its directory is cut off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A number of at most 8 bytes.
    fn number(&mut self, size: u64) -> Result<u64, ArrayFileProblem> {
        let bytes = self.bytes(size)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }
}

/// Bytes that lie within the file.
fn read_at(
    reader: &mut (impl Read + Seek),
    start: u64,
    length: u64,
) -> Result<Vec<u8>, ArrayFileProblem> {
    let mut bytes = vec![0; length as usize]; // a limit was checked before
    reader.seek(SeekFrom::Start(start))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn damaged(problem: &str) -> ArrayFileProblem {
    ArrayFileProblem::Archive {
        problem: problem.to_string(),
    }
}
