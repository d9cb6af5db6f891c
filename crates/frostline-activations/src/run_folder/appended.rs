use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{io, not_written, regular};
use crate::Error;

/// A file to which whole lines are appended.
#[derive(Debug)]
pub(super) struct Appended {
    path: PathBuf,
    file: File,
    /// The length of the file up to the last line that was written whole.
    length: u64,
    /// Lines that were not written yet.
    waiting: Vec<u8>,
    /// When lines were written last.
    written: Instant,
}

/// So long may lines wait for others: a small network does thousands of steps in a second, and writing each costs more than its
/// line says.
const WAIT: Duration = Duration::from_millis(200);

impl Appended {
    /// Opens the file, or makes it. What follows is a line of its own: a last line that a kill left half written is
    /// taken off, one that lacks nothing but its end is given it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        regular(path)?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(not_written(path))?;
        let metadata = file.metadata().map_err(not_written(path))?;
        let mut opened = Appended {
            path: path.to_path_buf(),
            file,
            length: metadata.len(),
            waiting: Vec::new(),
            written: Instant::now(),
        };
        if opened.length == 0 || super::lines::last_byte(path)? == b'\n' {
            return Ok(opened);
        }
        let bytes = std::fs::read(path).map_err(io(path))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        if serde_json::from_slice::<serde_json::Value>(&bytes[whole..]).is_ok() {
            opened.append(b"\n")?;
        } else {
            opened
                .file
                .set_len(whole as u64)
                .map_err(not_written(path))?;
            opened.length = whole as u64;
        }
        Ok(opened)
    }

    /// Appends whole lines now or with later ones, a fifth of a second from now at the latest if there are any.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub(super) fn append_soon(&mut self, lines: &[u8]) -> Result<(), Error> {
        if self.written.elapsed() >= WAIT {
            return self.append(lines);
        }
        self.waiting.extend_from_slice(lines);
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.append(&[])
    }

    /// Appends whole lines, after those that were not written before.
    ///
    /// # Errors
    /// [`Error::Removed`] when the file is no longer where it was, [`Error::NotWritten`], such as on a full disk. The
    /// lines then wait for the next call, and the file ends with a whole line.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Error> {
        self.waiting.extend_from_slice(lines);
        self.written = Instant::now();
        if !self.is_in_place() {
            let path = self.path.clone();
            return Err(Error::Removed { path });
        }
        // One write, so that a reader never sees half a line of a process that lives.
        match self.file.write_all(&self.waiting) {
            Ok(()) => {
                self.length += self.waiting.len() as u64;
                self.waiting.clear();
                Ok(())
            }
            Err(source) => {
                // Half a line would end the file for every reader. What was wrong says more than whether this fails.
                let _ = self.file.set_len(self.length);
                Err(not_written(&self.path)(source))
            }
        }
    }

    /// The permissions of the file.
    pub(super) fn permissions(&self) -> std::io::Result<std::fs::Permissions> {
        Ok(self.file.metadata()?.permissions())
    }

    /// Whether the path still leads to the file that is open.
    fn is_in_place(&self) -> bool {
        let there = match std::fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) => return error.kind() != ErrorKind::NotFound,
        };
        #[cfg(unix)]
        if let Ok(open) = self.file.metadata() {
            use std::os::unix::fs::MetadataExt;
            return (open.dev(), open.ino()) == (there.dev(), there.ino());
        }
        there.is_file()
    }
}

/// A process that ends without a word still writes what it has.
impl Drop for Appended {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.flush();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn lines_that_could_not_be_written_wait_for_the_next_ones() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("history.jsonl");
        let mut file = Appended::open(&path).unwrap();
        file.append(b"one\n").unwrap();
        // A device that is always full stands in for the file.
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let file_on_disk = std::mem::replace(&mut file.file, full);
        file.path = PathBuf::from("/dev/full");
        let error = file.append(b"two\n").unwrap_err().to_string();
        assert!(error.contains("could not be written"), "{error}");
        (file.file, file.path) = (file_on_disk, path.clone());
        file.append(b"three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn lines_that_come_soon_after_each_other_are_written_together_and_none_is_lost() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("metrics.jsonl");
        let written = || std::fs::read_to_string(&path).unwrap();
        let mut file = Appended::open(&path).unwrap();
        file.append_soon(b"one\n").unwrap();
        file.append_soon(b"two\n").unwrap();
        file.flush().unwrap();
        assert_eq!(written(), "one\ntwo\n");
        file.written -= WAIT;
        file.append_soon(b"three\n").unwrap();
        assert_eq!(written(), "one\ntwo\nthree\n", "it waited long enough");
        file.append_soon(b"four\n").unwrap();
        drop(file);
        assert_eq!(written(), "one\ntwo\nthree\nfour\n");
    }

    #[test]
    fn a_line_that_was_cut_short_does_not_swallow_the_next_one() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("saved.jsonl");
        for (before, after) in [
            ("{\"step\":1}\n{\"st", "{\"step\":1}\n{}\n"),
            (
                "{\"step\":1}\n{\"step\":2}",
                "{\"step\":1}\n{\"step\":2}\n{}\n",
            ),
            ("{\"st", "{}\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            Appended::open(&path).unwrap().append(b"{}\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn a_file_that_is_gone_or_another_one_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("history.jsonl");
        let mut file = Appended::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(file.append(b"one\n"), Err(Error::Removed { .. })));
        std::fs::write(&path, "another\n").unwrap();
        assert!(matches!(file.append(b"two\n"), Err(Error::Removed { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"another\n");
    }
}
