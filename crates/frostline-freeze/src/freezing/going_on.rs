use burn::module::Module;
use frostline_activations::{Ledger, Run, RunFolder};
use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::{FreezeTraining, Resumed};
use crate::clock::Clock;
use crate::watching::{Told, Weights};
use crate::{Error, freeze};

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
    /// [`OtherRun`](frostline_activations::Error::OtherRun) when the folder holds a run of something else, and as for
    /// [`start`](Self::start).
    pub fn resume(&mut self, model: &mut M) -> Result<Resumed, Error> {
        let Some(path) = self.path.clone() else {
            return Ok(Resumed::NoFolder);
        };
        if !RunFolder::is_run(&path) {
            return Ok(Resumed::NoRun);
        }
        let saved = RunFolder::saved::<Saved>(&path)?;
        let Some(latest) = saved.last().map(|saved| saved.step) else {
            return Ok(Resumed::NothingSaved);
        };
        let fingerprint = fingerprint(model)?;
        let Some(saved) = saved.into_iter().rfind(|saved| saved.model == fingerprint) else {
            return Ok(Resumed::OtherWeights { latest });
        };
        let due = self.due()?;
        self.loaded(model);
        let activations = self.look(model)?;
        let device = activations.iter().next().map(|layer| layer.device());
        self.name_after_folder();
        let (folder, checks, metrics) = RunFolder::resume(&path, self.info.clone(), saved.step)?;
        for check in checks {
            self.history.push(check);
        }
        let last = self.history.latest().cloned();
        let last = last.unwrap_or_default();
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
        let events = self.event_file(saved.step + 1)?;
        self.go(Some(folder), due, clock, saved.told, spent.ledger);
        let going = self.going.as_mut().expect("made above");
        (going.events, going.metrics) = (events, metrics);
        going.trained_before = last.training_seconds;
        if let (Some(device), false) = (device, self.history.checks().is_empty()) {
            let before = Run::open(&path)?.activations(last.step, &device)?;
            let names: Vec<String> = self.layers.names().map(str::to_string).collect();
            for (layer, name) in names.iter().enumerate().skip(last.frozen) {
                let prepared = self.prepared(&before, name, last.step)?.ok();
                self.going.as_mut().expect("made above").previous[layer] = prepared;
            }
        }
        let going = self.going.as_mut().expect("made above");
        if self.watched.weights && last.step == saved.step {
            going.weights = Some(Weights::of(model));
        }
        *model = freeze(model.clone(), &self.layers, last.frozen);
        Ok(Resumed::At { step: saved.step })
    }

    /// Takes up the ids of a model that has been loaded.
    pub(crate) fn loaded(&mut self, model: &M) {
        self.layers = self.layers.of_loaded(model);
    }

    /// Notes that the model is being saved after so many steps, so that [`resume`](Self::resume) knows it.
    pub fn note_saved(&self, model: &M, step: usize) -> Result<(), Error> {
        if let Some(going) = &self.going
            && let Some(folder) = &going.folder
        {
            folder.note_saved(&Saved {
                model: fingerprint(model)?,
                step,
                told: going.told.clone(),
                spent: Some(Spent {
                    seconds: going.clock.seconds_now(),
                    ledger: going.spending.ledger().clone(),
                }),
            })?;
        }
        Ok(())
    }
}

/// A model that was saved in the middle of a run.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// The fingerprint of its weights.
    model: String,
    /// Optimiser steps done.
    step: usize,
    /// What had been told since the last check.
    told: Told,
    /// What had been spent since the start.
    #[serde(default)]
    spent: Option<Spent>,
}

/// What a run has cost.
#[derive(Debug, Serialize, Deserialize)]
struct Spent {
    /// Seconds of training, of measuring and of the processor.
    seconds: [f64; 3],
    ledger: Ledger,
}
