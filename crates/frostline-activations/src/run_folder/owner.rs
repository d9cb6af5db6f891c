use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::{not_written, regular};
use crate::Error;

/// The file whose lock is held by whoever writes the run.
const LOCK: &str = ".lock";

/// The right to write a run folder, held until it is dropped. The system takes it from a process that dies.
#[derive(Debug)]
pub(super) struct Owner {
    /// None on a file system that has no locks.
    lock: Option<File>,
}

impl Owner {
    /// Takes the folder. Errors: `InUse` while another writes it, `NotWritten`.
    pub(super) fn of(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        regular(&path)?;
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.map_err(not_written(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only the message is the poorer where this can't be read.
                let _ = file.take(64).read_to_string(&mut text);
                let owner = match text.trim().parse::<u32>() {
                    Ok(number) if number == std::process::id() => {
                        "another training of this process".to_string()
                    }
                    Ok(number) => format!("process {number}"),
                    Err(_) => "another process".to_string(),
                };
                let path = folder.to_path_buf();
                return Err(Error::InUse { path, owner });
            }
            Err(TryLockError::Error(_)) => return Ok(Owner { lock: None }),
        }
        // For the message of whoever is refused; without it the lock holds as well.
        let _ = file.set_len(0);
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Owner { lock: Some(file) })
    }
}

impl Drop for Owner {
    /// A child process that was begun meanwhile has the file open too until it runs its program, and would hold the lock.
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}
