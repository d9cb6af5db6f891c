use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file so that a reader finds the old one or the new one, and a kill or a full disk leaves the old one.
///
/// The bytes go to a hidden file in the same folder, which is then renamed. A symbolic link stays a link, the file that it
/// leads to is replaced, and a file that is replaced keeps its permissions. What is no regular file, such as a pipe or
/// `/dev/stdout`, is written to as it is.
///
/// # Errors
///
/// What the system says. The old file is then as it was, and nothing is left of the new one.
pub fn write_aside(path: &Path, bytes: &[u8]) -> Result<()> {
    let (path, old) = match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            return OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        Ok(old) => (fs::canonicalize(path)?, Some(old)),
        Err(error) if error.kind() == ErrorKind::NotFound => (path.to_path_buf(), None),
        Err(error) => return Err(error),
    };
    let aside = beside(&path);
    let written = write(&aside, bytes)
        .and_then(|()| match old {
            Some(old) => fs::set_permissions(&aside, old.permissions()),
            None => Ok(()),
        })
        .and_then(|()| fs::rename(&aside, &path));
    if written.is_err() {
        // What went wrong says more than whether this does.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A path in the same folder that no other write of this process, or of another, takes.
fn beside(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let (process, write) = (std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed));
    // TensorBoard reads every file with `tfevents` in its name: this one has nothing of its name.
    path.with_file_name(format!(".frostline-{process}-{write}.tmp"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    // Some file systems say only now that there is no room.
    file.sync_data()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_that_is_replaced_keeps_its_permissions_and_leaves_nothing_beside_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("page.html");
        write_aside(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = temp.path().join("link");
        symlink(&path, &link).unwrap();
        write_aside(&link, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_and_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("folder")).unwrap();
        assert!(write_aside(&temp.path().join("folder"), b"new").is_err());
        assert!(write_aside(&temp.path().join("nowhere/page"), b"new").is_err());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}
