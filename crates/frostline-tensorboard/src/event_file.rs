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
    /// [`Error::NotWritten`] with the path.
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
    /// [`Error::NotWritten`] with the path.
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
    /// [`Error::NotWritten`] with the path.
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
    /// [`Error::NotWritten`] with the path.
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
    move |source| Error::NotWritten { path, source }
}

#[cfg(test)]
mod tests {
    use frostline_activations::Spread;

    use super::*;

    fn point(step: usize) -> MetricsPoint {
        MetricsPoint {
            step,
            steps: 1,
            loss: Spread::of(step as f64),
            ..MetricsPoint::default()
        }
    }

    /// How many records a file has.
    fn records(path: &Path) -> usize {
        let bytes = std::fs::read(path).unwrap();
        let (mut rest, mut count) = (bytes.as_slice(), 0);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            rest = &rest[12 + length + 4..];
            count += 1;
        }
        count
    }

    #[test]
    fn a_run_that_goes_on_has_a_file_of_its_own_that_is_read_after_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |from| EventFile::begin(folder.path().join("logs"), 1.7e9, from).unwrap();
        let names = [begin(0), begin(41)].map(|events| {
            assert_eq!(
                records(events.path()),
                2,
                "the version, and where it begins"
            );
            events.path().file_name().unwrap().to_owned()
        });
        assert_eq!(names[0], "events.out.tfevents.1700000000.frostline");
        assert!(names[0] < names[1], "{names:?}");
    }

    #[test]
    fn steps_of_a_long_run_are_written_together() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(folder.path(), 0.0, 0).unwrap();
        let before = records(events.path());
        for step in 1..=10 {
            events.add(&point(step), 4).unwrap();
        }
        assert_eq!(records(events.path()) - before, 2);
        events.flush().unwrap();
        events.flush().unwrap();
        assert_eq!(
            records(events.path()) - before,
            3,
            "nothing is lost at the end"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::write(&taken, "a file").unwrap();
        let error = EventFile::begin(&taken, 0.0, 0).unwrap_err().to_string();
        assert!(error.contains("taken"), "{error}");
    }
}
