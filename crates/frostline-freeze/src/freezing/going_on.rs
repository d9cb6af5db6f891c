use std::path::Path;
use std::sync::Mutex;

use burn::module::Module;
use burn::tensor::Device;
use frostline_activations::{Check, Error as FolderError, InterruptedRun, Run, RunFolder};
use frostline_svcca::Snapshot;

use super::fingerprint::fingerprint;
use super::noted::{Decides, KeptStates, Saved, Spent};
use super::{FreezeTraining, Resumed};
use crate::clock::Clock;
use crate::gains::Gains;
use crate::watching::Weights;
use crate::{Error, History, freeze};

/// Going on with a run that was cut short.
impl<M: Module> FreezeTraining<M> {
    /// Goes on with the run in the folder of [`going_on_in`](Self::going_on_in), with a model that was saved
    /// in it: freezes at once what was frozen then, takes up the history up to there, and compares the next check
    /// with the last.
    ///
    /// The model is known by its weights, which [`note_saved`](Self::note_saved) noted. Gives the step after which it
    /// was saved, [`Resumed::At`], or why there is nothing to go on with. Then the model and the folder are as they
    /// were, and [`start`](Self::start) begins anew.
    ///
    /// # Errors
    /// [`OtherRun`](FolderError::OtherRun) when the folder holds a run of something else,
    /// [`Damaged`](FolderError::Damaged) when a line or a file of it is not as it was written,
    /// [`InUse`](FolderError::InUse) while another process writes it; nothing is changed then. And as for
    /// [`start`](Self::start).
    pub fn resume(&mut self, model: &mut M) -> Result<Resumed, Error> {
        self.not_begun()?;
        let Some(path) = self.path.clone() else {
            return Ok(Resumed::NoFolder);
        };
        if !RunFolder::is_run(&path) {
            return Ok(Resumed::NoRun);
        }
        let mut notes = RunFolder::saved::<Saved>(&path)?;
        let Some(latest) = notes.last().map(|note| note.step) else {
            return Ok(Resumed::NothingSaved);
        };
        let fingerprint = fingerprint(model)?;
        let Some(line) = notes.iter().rposition(|note| note.model == fingerprint) else {
            return Ok(Resumed::OtherWeights { latest });
        };
        let step = notes[line].step;
        let states = KeptStates::of(notes.iter().filter(|note| note.step <= step));
        let saved = notes.swap_remove(line);
        let taken_up = self.take_up(&path, model, saved, line + 1);
        match &mut self.going {
            Some(going) if taken_up.is_ok() => going.states = Mutex::new(states),
            _ => {
                // As it was before the call.
                self.history = History::new(self.info.layers.clone(), self.history.length());
                self.going = None;
            }
        }
        taken_up
    }

    /// Takes up the run in this folder at a model that was saved in it, by its note in this line.
    fn take_up(
        &mut self,
        path: &Path,
        model: &mut M,
        saved: Saved,
        line: usize,
    ) -> Result<Resumed, Error> {
        let due = self.due()?;
        self.loaded(model);
        let activations = self.look(model)?;
        // The first check of the run has said it.
        self.notices.clear();
        let device = activations.iter().next().map(|layer| layer.device());
        self.name_after_folder();
        let noted = |note: &Saved| Some(note.step);
        let run = InterruptedRun::open(path, self.info.clone(), saved.step, noted)?;
        if let Some(problem) = saved.problem(self.layers.len()) {
            return Err(Error::Activations(FolderError::Damaged {
                path: path.join("saved.jsonl"),
                line: format!(", line {}", line),
                problem: format!("it has a field that can't be: {problem}"),
            }));
        }
        saved.belongs_to(path, run.checks())?;
        let state = saved.state(path, &self.layers, model)?;
        for check in run.checks() {
            self.history.push(check.clone());
        }
        let last = self.history.latest().cloned();
        let last = last.unwrap_or_default();
        let first = self.first(path, device.as_ref())?;
        let previous = self.previous(path, device, &last, saved.decides.as_ref())?;

        let events = self.event_file(saved.step + 1)?;
        let (folder, _, metrics) = run.go_on()?;
        // Notes of earlier versions know nothing of what was spent since the last check.
        let spent = saved.spent.unwrap_or_else(|| Spent {
            seconds: [
                last.training_seconds,
                last.measuring_seconds,
                last.cpu_seconds.unwrap_or_default(),
            ],
            ledger: last.ledger.clone().unwrap_or_default(),
        });
        let clock = Clock::resume(spent.seconds);
        self.go(Some(folder), due, clock, saved.told, spent.ledger);
        let going = self.going.as_mut().expect("made above");
        (going.events, going.metrics, going.previous) = (events, metrics, previous);
        going.first = first;
        (going.gradients, going.weights) = (state.gradients, state.weights);
        self.before = state.before;
        let going = self.going.as_mut().expect("made above");
        (going.trained_before, going.last_step) = (last.training_seconds, saved.step);
        match saved.decides {
            Some(decides) => {
                going.last_step = decides.last_step;
                going.trained_before = decides.trained_before;
                going.tested = decides.tested;
                going.cache_off_told = decides.cache_off_told;
                going.samples_seen = decides.samples_seen;
                going.passed_over = decides.passed_over;
                going.gains = Mutex::new(Gains::resume(decides.gains));
                going.spending.offer(decides.offered);
                going.count_on(decides.counting_since);
                self.notices = decides.notices;
                self.thawed = decides.thawed.map(|(from, to)| from..to);
            }
            None if self.watched.weights && last.step == saved.step => {
                going.weights = Some(Weights::of(model));
            }
            None => {}
        }
        *model = freeze(model.clone(), &self.layers, last.frozen);
        Ok(Resumed::At { step: saved.step })
    }

    /// Each layer at the first check.
    fn first(
        &mut self,
        path: &Path,
        device: Option<&Device>,
    ) -> Result<Vec<Option<Snapshot>>, Error> {
        let first = self.history.checks().first().map(|check| check.step);
        let (Some(step), Some(device)) = (first, device) else {
            return Ok(Vec::new());
        };
        let activations = Run::open(path)?.activations(step, device)?;
        let names: Vec<String> = self.layers.names().map(str::to_string).collect();
        let snapshots = names
            .iter()
            .map(|name| Ok(self.prepared(&activations, name, step)?.ok()));
        snapshots.collect()
    }

    /// Each layer at the last check, for the next one to compare with.
    fn previous(
        &mut self,
        path: &Path,
        device: Option<Device>,
        last: &Check,
        decides: Option<&Decides>,
    ) -> Result<Vec<Option<Snapshot>>, Error> {
        let mut previous = vec![None; self.layers.len()];
        let compared = |layer: usize| match decides {
            Some(decides) => decides.compared[layer],
            None => layer >= last.frozen,
        };
        let (Some(device), false) = (device, self.history.checks().is_empty()) else {
            return Ok(previous);
        };
        if !(0..previous.len()).any(compared) {
            return Ok(previous);
        }
        let before = Run::open(path)?.activations(last.step, &device)?;
        let names: Vec<String> = self.layers.names().map(str::to_string).collect();
        for (layer, name) in names.iter().enumerate() {
            if compared(layer) {
                previous[layer] = self.prepared(&before, name, last.step)?.ok();
            }
        }
        Ok(previous)
    }

    /// Takes up the ids of a model that has been loaded.
    pub(crate) fn loaded(&mut self, model: &M) {
        self.layers = self.layers.of_loaded(model);
    }
}
