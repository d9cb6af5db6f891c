use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{CHECKPOINTS, HISTORY, METRICS, PANES, RUN, SAVED, STATE, not_written, steps_in};
use crate::Error;

/// What is replaced lies in folders of this name and a number.
const REPLACED: &str = "replaced-";

/// A folder within the run folder for what is about to be replaced: nothing that was recorded is deleted.
///
/// Readers pass over such folders; each is a run folder of its own, as far as it goes.
pub(super) struct Replaced {
    run: PathBuf,
    path: PathBuf,
}

impl Replaced {
    /// Makes the next one: `replaced-1`, `replaced-2`, ...
    pub(super) fn in_run(run: &Path) -> Result<Self, Error> {
        for number in 1_u32.. {
            let path = run.join(format!("{REPLACED}{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => {
                    let run = run.to_path_buf();
                    return Ok(Replaced { run, path });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(not_written(&path)(error)),
            }
        }
        unreachable!("there are fewer folders than numbers")
    }

    /// Copies a file of the run, if there is one.
    pub(super) fn copy(&self, name: &str) -> Result<(), Error> {
        let (from, to) = (self.run.join(name), self.path.join(name));
        match std::fs::copy(&from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(not_written(&to)(error)),
            _ => Ok(()),
        }
    }

    /// Moves a file or a folder of the run, if there is one.
    pub(super) fn take(&self, name: impl AsRef<Path>) -> Result<(), Error> {
        let (from, to) = (self.run.join(&name), self.path.join(&name));
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(not_written(folder))?;
        }
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(not_written(&to)(error)),
            _ => Ok(()),
        }
    }

    /// Moves the activations of these steps from one of the run's folders.
    pub(super) fn take_steps(&self, folder: &str, steps: &[usize]) -> Result<(), Error> {
        let files = steps
            .iter()
            .map(|step| super::file_of(Path::new(folder), *step));
        files.into_iter().try_for_each(|file| self.take(file))
    }

    /// Moves all that was recorded; `run.json` goes last, so that a folder of which a part was moved is still a run.
    pub(super) fn take_all(&self) -> Result<(), Error> {
        for name in [CHECKPOINTS, PANES, STATE, METRICS, SAVED, HISTORY, RUN] {
            self.take(name)?;
        }
        Ok(())
    }
}

/// The steps after `step` whose activations are in this folder of the run.
pub(super) fn steps_after(run: &Path, folder: &str, step: usize) -> Result<Vec<usize>, Error> {
    let mut steps = steps_in(&run.join(folder))?;
    steps.retain(|kept| *kept > step);
    Ok(steps)
}
