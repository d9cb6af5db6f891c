//! The file that keeps decoded images between two starts.
//!
//! Layout, integers little-endian: magic (8 bytes), fingerprint of the image folder, number of
//! training images, number of test images, checksum of what follows (8 bytes each), then labels
//! and bytes of the training images, labels and bytes of the test images.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use super::{IMAGE_SIZE, Images};

const MAGIC: &[u8; 8] = b"FROSTC01";
const HEADER: usize = 40;

/// What a file of decoded images turned out to be.
pub(super) enum Found {
    /// Training and test images, complete.
    Images(Images, Images),
    /// No file, or one made from an image folder that has changed since.
    Nothing,
    /// A file that was cut short or changed, and how that shows.
    Damaged(String),
}

/// Reads the images back if they were decoded from the folder with this fingerprint.
pub(super) fn read(path: &Path, fingerprint: u64) -> Found {
    let damaged = |error: io::Error| Found::Damaged(error.to_string());
    let (mut file, size) = match File::open(path).and_then(|file| {
        let size = file.metadata()?.len();
        Ok((file, size))
    }) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return damaged(error),
    };
    let mut header = [0; HEADER];
    if let Err(error) = file.read_exact(&mut header) {
        return damaged(error);
    }
    if header[..8] != *MAGIC {
        return Found::Damaged("another magic number".into());
    }
    let field = |at: usize| {
        let bytes = header[8 * at..8 * at + 8].try_into();
        u64::from_le_bytes(bytes.expect("eight bytes of the header"))
    };
    if field(1) != fingerprint {
        return Found::Nothing;
    }
    // Checked before anything of that size is allocated.
    let expected =
        (u128::from(field(2)) + u128::from(field(3))) * (1 + IMAGE_SIZE as u128) + HEADER as u128;
    if u128::from(size) != expected {
        return Found::Damaged(format!("{size} bytes, not {expected}"));
    }
    let mut checksum = Checksum::default();
    let mut images = |count: u64| {
        let mut labels = vec![0; count as usize];
        let mut bytes = vec![0; count as usize * IMAGE_SIZE];
        file.read_exact(&mut labels)?;
        file.read_exact(&mut bytes)?;
        checksum.add(&labels);
        checksum.add(&bytes);
        Ok(Images { bytes, labels })
    };
    let (train, test) = match (images(field(2)), images(field(3))) {
        (Ok(train), Ok(test)) => (train, test),
        (Err(error), _) | (_, Err(error)) => return damaged(error),
    };
    if checksum.value() != field(4) {
        return Found::Damaged("another checksum".into());
    }
    Found::Images(train, test)
}

/// Writes the images aside and renames the file into place: whoever reads sees all of it or none.
pub(super) fn write(
    path: &Path,
    fingerprint: u64,
    train: &Images,
    test: &Images,
) -> io::Result<()> {
    let mut checksum = Checksum::default();
    let parts = [&train.labels, &train.bytes, &test.labels, &test.bytes];
    parts.iter().for_each(|part| checksum.add(part));

    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&aside)?;
        file.write_all(MAGIC)?;
        let numbers = [
            fingerprint,
            train.len() as u64,
            test.len() as u64,
            checksum.value(),
        ];
        for number in numbers {
            file.write_all(&number.to_le_bytes())?;
        }
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&aside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A 64-bit checksum against accidents: FNV-1a over words of eight bytes, with a rotation so that
/// high bits reach low ones.
pub(super) struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Takes in the bytes and their number: `ab` then `c` differs from `a` then `bc`.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
        self.mix(bytes.len() as u64);
    }

    pub(super) fn value(&self) -> u64 {
        self.0
    }

    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(29);
    }
}
