use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use frostline_activations::{Check, Error, MetricsPoint};

use crate::record::{header, restart};
use crate::scalars::Scalars;

/// The name of an event file that begins at this time, in seconds since the start of 1970.
pub fn file_name(wall_time: f64) -> String {
    format!("events.out.tfevents.{}.frostline", wall_time as u64)
}

/// An event file that is written while a run goes on.
///
/// Each record is written whole and at once, so that TensorBoard shows it the next time it looks. A long run gives
/// no more events than its metrics have points while they are made: at most some thousand for each doubling of its
/// length.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    /// Steps that are not written yet.
    waiting: Option<MetricsPoint>,
}

impl EventFile {
    /// Makes the folder and begins a file in it, from this step on: what older files of the folder have at that step
    /// or later is void.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn begin(folder: impl AsRef<Path>, wall_time: f64, from: usize) -> Result<Self, Error> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let (path, file) = free(folder, wall_time)?;
        let mut events = EventFile {
            path,
            file,
            waiting: None,
        };
        events.write(&header(wall_time))?;
        events.write(&restart(wall_time, from))?;
        Ok(events)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a point, together with those before it once they are over `width` steps.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn add(&mut self, point: &MetricsPoint, width: usize) -> Result<(), Error> {
        if point.is_test() {
            return self.write(&Scalars::of_point(point).record());
        }
        let waiting = match self.waiting.take() {
            Some(before) => before.joined(point),
            None => point.clone(),
        };
        let enough = waiting.steps >= width;
        self.waiting = Some(waiting);
        if enough { self.flush() } else { Ok(()) }
    }

    /// Adds what a check saw.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn add_check(
        &mut self,
        check: &Check,
        layers: &[String],
        wall_time: f64,
    ) -> Result<(), Error> {
        self.write(&Scalars::of_check(check, layers, wall_time).record())
    }

    /// Writes the steps that are not written yet.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn flush(&mut self) -> Result<(), Error> {
        match self.waiting.take() {
            Some(point) => self.write(&Scalars::of_point(&point).record()),
            None => Ok(()),
        }
    }

    fn write(&mut self, record: &[u8]) -> Result<(), Error> {
        // One write, so that a reader never sees half a record of a process that lives.
        self.file.write_all(record).map_err(failed(&self.path))
    }
}

/// A new file of a name that no other has: TensorBoard reads the files of a folder in the order of their names.
fn free(folder: &Path, wall_time: f64) -> Result<(PathBuf, File), Error> {
    for later in 0_u32.. {
        let path = folder.join(file_name(wall_time + f64::from(later)));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => {
                let file = opened.map_err(failed(&path))?;
                return Ok((path, file));
            }
        }
    }
    unreachable!("there are fewer files than numbers")
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}
