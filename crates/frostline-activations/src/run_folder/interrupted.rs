use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::lines::Lines;
use super::owner::Owner;
use super::replaced::{Replaced, steps_after};
use super::{
    CHECKPOINTS, HISTORY, METRICS, PANES, RUN, RunFolder, SAVED, file_of, lines, owned, read_notes,
    same_run, steps_in, whole, write_file, write_info,
};
use crate::run::{read_history, read_info, read_metrics};
use crate::{Check, Error, Metrics, RunInfo};

/// A run that was cut short and is to go on after some step: read whole, taken for this process, and not yet changed.
///
/// A reader may stop at a line that it can't read. Whoever writes the file anew may not, since the rest would be lost: here
/// such a line is an error, but for a last one that a kill left half written.
#[derive(Debug)]
pub struct InterruptedRun {
    path: PathBuf,
    owner: Owner,
    info: RunInfo,
    found: RunInfo,
    /// The checks up to the step, and their lines.
    checks: Vec<Check>,
    history: Vec<u8>,
    metrics: Metrics,
    /// The lines of the notes up to the step; none where there is no such file.
    notes: Option<Vec<u8>>,
    /// Whether any line is left out.
    cut: bool,
    /// The later steps whose activations are there.
    checkpoints: Vec<usize>,
    panes: Vec<usize>,
}

impl InterruptedRun {
    /// Reads the run in this folder up to `step`. `info` says what goes on: it takes the place of what `run.json` holds,
    /// but for the moment when the run began. `noted` reads the step of a note that
    /// [`RunFolder::note_saved`] wrote, so that notes of later steps are replaced too.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a line can't be read, or the history lacks a check whose activations are there;
    /// [`Error::NotARun`]; [`Error::OtherRun`] when the run's layers, length, probes, policy or measure are not those
    /// of `info`; [`Error::InUse`] while another process writes it; [`Error::Io`], [`Error::NoFile`].
    pub fn open<T: DeserializeOwned>(
        path: impl Into<PathBuf>,
        mut info: RunInfo,
        step: usize,
        noted: impl Fn(&T) -> Option<usize>,
    ) -> Result<Self, Error> {
        let path = path.into();
        read_info(&path)?;
        let owner = owned(&path)?;
        // Once more, now that nobody else can change it.
        let found = read_info(&path)?;
        same_run(&path, &found, &info)?;
        let history = whole(&path, HISTORY, read_history(&path, &found)?)?;
        let points = whole(&path, METRICS, read_metrics(&path, &found)?)?;
        let notes = read_notes::<T>(&path)?;
        let has_notes = notes.is_some();
        let notes = whole(&path, SAVED, notes)?;

        let mut cut = false;
        let history = up_to(history, &mut cut, |check| check.step <= step);
        let notes = up_to(notes, &mut cut, |note| {
            noted(note).is_none_or(|noted| noted <= step)
        });
        cut |= points.trouble.is_some();
        let points = points.items.into_iter().map(|(point, _)| point);
        let mut metrics = Metrics::from_iter(points);
        let before = metrics.points().len();
        metrics.cut_after(step);
        cut |= metrics.points().len() < before;

        let lines = bytes(&history);
        let checks: Vec<Check> = history.items.into_iter().map(|(check, _)| check).collect();
        lost_check(&path, step, &checks)?;
        let checkpoints = steps_after(&path, CHECKPOINTS, step)?;
        let panes = steps_after(&path, PANES, step)?;
        info.began = found.began;
        let end = found.outcome.clone().filter(|end| end.step == step);
        info.outcome = end.filter(|_| !cut && checkpoints.is_empty());
        Ok(InterruptedRun {
            owner,
            info,
            found,
            history: lines,
            checks,
            metrics,
            notes: has_notes.then(|| bytes(&notes)),
            cut,
            checkpoints,
            panes,
            path,
        })
    }

    /// The checks up to the step.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Goes on with the run, and gives its checks and metrics up to the step.
    ///
    /// What came later is made again by the training that goes on: the history, the metrics, the notes and `run.json` are
    /// copied to `replaced-1`, or the next number that is free, later activations are moved there, and so is how the
    /// run ended, if it had. Where nothing came later, an end is kept until the run ends anew. A last line that a kill left
    /// half written is cut off.
    ///
    /// # Errors
    /// [`Error::NotWritten`].
    pub fn go_on(self) -> Result<(RunFolder, Vec<Check>, Metrics), Error> {
        let path = &self.path;
        let later = !self.checkpoints.is_empty() || !self.panes.is_empty();
        if self.cut || later || self.info != self.found {
            let aside = Replaced::in_run(path)?;
            for name in [RUN, HISTORY, METRICS, SAVED] {
                aside.copy(name)?;
            }
            // The end first: a run that has lost a part of its history has not ended.
            write_info(path, &self.info)?;
            if self.cut {
                write_file(path, HISTORY, &self.history)?;
                write_file(path, METRICS, &lines(self.metrics.points()))?;
                if let Some(notes) = &self.notes {
                    write_file(path, SAVED, notes)?;
                }
            }
            aside.take_steps(CHECKPOINTS, &self.checkpoints)?;
            aside.take_steps(PANES, &self.panes)?;
        }
        let folder = RunFolder::opened(self.path, self.info, self.owner)?;
        Ok((folder, self.checks, self.metrics))
    }
}

/// The lines that are kept.
fn up_to<T>(mut lines: Lines<T>, cut: &mut bool, kept: impl Fn(&T) -> bool) -> Lines<T> {
    let before = lines.items.len();
    lines.items.retain(|(item, _)| kept(item));
    let half_written = lines.trouble.is_some();
    *cut |= lines.items.len() < before || half_written;
    lines
}

/// The lines as they were read, each with its end.
fn bytes<T>(lines: &Lines<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (_, line) in &lines.items {
        bytes.extend_from_slice(line);
        if line.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Activations up to a step that the history doesn't know of are those of a check that it has lost.
fn lost_check(folder: &Path, step: usize, history: &[Check]) -> Result<(), Error> {
    let known: Vec<usize> = history.iter().map(|check| check.step).collect();
    let steps = steps_in(&folder.join(CHECKPOINTS))?;
    let lost = |kept: &usize| *kept <= step && known.binary_search(kept).is_err();
    match steps.into_iter().find(lost) {
        None => Ok(()),
        Some(lost) => Err(Error::Damaged {
            path: folder.join(HISTORY),
            line: String::new(),
            problem: format!(
                "it has no check of step {lost}, whose activations are in {}",
                file_of(Path::new(CHECKPOINTS), lost).display()
            ),
        }),
    }
}
