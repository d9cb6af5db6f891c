use std::path::{Path, PathBuf};

use burn::module::Module;
use frostline_activations::{
    Activations, Check, CheckpointSchedule, FORMAT_VERSION, Length, Outcome, Probe, ProbeInfo,
    RunFolder, RunInfo, Status, Versions,
};
use frostline_svcca::{Measure, Prepared, View, Warning};

use crate::clock::Clock;
use crate::{Error, FreezePolicy, History, Layers};

/// Freezes the lowest `count` layers of a model: no gradients, batch norm on its running statistics,
/// dropout off.
pub fn freeze<M: Module>(model: M, layers: &Layers, count: usize) -> M {
    // Batch norm keeps the last update of its running statistics aside until someone asks; a frozen
    // batch norm doesn't ask, and would move once more. `valid()` asks.
    let _ = model.valid();
    model.freeze_group(layers.lowest(count))
}

/// What a training loop knows of the step it has just done. `Step::from(step)` knows its number only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Optimiser steps done, this one included: the first is 1.
    pub step: usize,
    /// The learning rate of this step.
    pub learning_rate: Option<f64>,
    /// The training loss of this step.
    pub loss: Option<f64>,
    /// The accuracy on held-out samples in `[0, 1]`, where it was measured after this step.
    pub accuracy: Option<f64>,
}

impl From<usize> for Step {
    fn from(step: usize) -> Self {
        Step {
            step,
            ..Step::default()
        }
    }
}

/// The accuracy at the end of a run, and on how many samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    /// The share of correct answers, in `[0, 1]`.
    pub accuracy: f64,
    /// The number of samples.
    pub samples: usize,
}

/// Freeze Training in a hand-written loop: call [`start`](Self::start) before the first step and
/// [`after_step`](Self::after_step) after each.
pub struct FreezeTraining<M> {
    layers: Layers,
    probe: Probe<M>,
    policy: Box<dyn FreezePolicy>,
    schedule: CheckpointSchedule,
    measure: Measure,
    path: Option<PathBuf>,
    info: RunInfo,
    history: History,
    /// What there is while training goes on.
    going: Option<Going>,
}

struct Going {
    folder: Option<RunFolder>,
    /// The steps at which to check.
    due: Vec<usize>,
    clock: Clock,
    since_check: SinceCheck,
    /// Each layer at the previous check; none for a frozen layer.
    previous: Vec<Option<Prepared>>,
}

impl<M: Module> FreezeTraining<M> {
    /// Freeze Training of these layers, judged by this probe and policy, over this length.
    ///
    /// Checks 20 times, at every 5 % of the training, unless told otherwise.
    pub fn new(
        layers: Layers,
        probe: Probe<M>,
        policy: impl FreezePolicy + 'static,
        length: Length,
    ) -> Self {
        let names: Vec<String> = layers.names().map(str::to_string).collect();
        let measure = policy.measure().unwrap_or_default();
        FreezeTraining {
            info: RunInfo {
                format: FORMAT_VERSION,
                name: "run".to_string(),
                title: None,
                notice: None,
                layers: names.clone(),
                length,
                probe: ProbeInfo {
                    samples: 0,
                    layout: probe.kept_layout(),
                },
                policy: policy.describe(),
                measure: measure.to_string(),
                seed: None,
                forward_flops: None,
                device: String::new(),
                versions: Versions::default(),
                settings: Default::default(),
                outcome: None,
            },
            layers,
            probe,
            policy: Box::new(policy),
            schedule: CheckpointSchedule::Fractions((0..=20).map(|i| i as f64 / 20.0).collect()),
            measure,
            path: None,
            history: History::new(names, length),
            going: None,
        }
    }

    /// Checks on this schedule.
    pub fn checking(mut self, schedule: CheckpointSchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Compares layers by this measure.
    pub fn measured_by(mut self, measure: Measure) -> Self {
        self.info.measure = measure.to_string();
        self.measure = measure;
        self
    }

    /// Lets the caller say what the run folder shall know of the run: its name, title, seed, settings.
    pub fn describe(mut self, describe: impl FnOnce(&mut RunInfo)) -> Self {
        describe(&mut self.info);
        self
    }

    /// Keeps the run in this folder. Errors: `Occupied` when it holds a run already.
    pub fn in_folder(mut self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if RunFolder::is_run(&path) {
            return Err(frostline_activations::Error::Occupied { path }.into());
        }
        self.path = Some(path);
        Ok(self)
    }

    /// Looks at the untrained model: checks that every layer has its tap, makes the run folder, and
    /// does the check of step 0 if the schedule has one.
    ///
    /// Errors: `TapMissing` with the taps that fired; whatever the probe, the schedule or the folder
    /// have to say.
    pub fn start(&mut self, model: &M) -> Result<(), Error> {
        let due = self.schedule.due(&self.history.length())?;
        let mut clock = Clock::start();
        let activations = self.probe.activations(model)?;
        self.expect_taps(&activations)?;
        self.info.probe.samples = activations
            .iter()
            .map(|layer| layer.shape()[0])
            .max()
            .unwrap_or(0);
        if self.info.device.is_empty() {
            let devices: Vec<String> = model.devices().iter().map(|d| format!("{d:?}")).collect();
            self.info.device = devices.join(", ");
        }
        let folder = self
            .path
            .as_ref()
            .map(|path| RunFolder::create(path, self.info.clone()));
        let check_now = due.first() == Some(&0);
        clock.measured();
        self.going = Some(Going {
            folder: folder.transpose()?,
            due,
            clock,
            since_check: SinceCheck::default(),
            previous: vec![None; self.layers.len()],
        });
        if check_now {
            self.check(activations, 0)?;
        }
        Ok(())
    }

    /// Notes the step; when a check is due, measures the model, decides and freezes.
    ///
    /// Gives the model back, with more of it frozen or not. The first call starts if `start` was not
    /// called. Errors: `Diverged` when the loss or an activation is not finite; the run folder then
    /// says so and keeps everything before.
    pub fn after_step(&mut self, model: M, step: impl Into<Step>) -> Result<M, Error> {
        let step = step.into();
        if self.going.is_none() {
            self.start(&model)?;
        }
        let going = self.going.as_mut().expect("started above");
        going.since_check.add(&step);
        if let Some(loss) = step.loss.filter(|loss| !loss.is_finite()) {
            return Err(self.diverged(step.step, format!("the loss is {loss}")));
        }
        if going.due.binary_search(&step.step).is_err() {
            return Ok(model);
        }
        // On a device that works behind the scenes, the training time ends when the work has ended.
        for device in model.devices().iter() {
            let _ = device.sync();
        }
        going.clock.trained();
        let activations = self.probe.activations(&model)?;
        let frozen_before = self.frozen();
        let frozen = self.check(activations, step.step)?;
        match frozen > frozen_before {
            true => Ok(freeze(model, &self.layers, frozen)),
            false => Ok(model),
        }
    }

    /// Runs `work`, such as a test on held-out samples, without counting its time as training.
    pub fn untimed<T>(&mut self, work: impl FnOnce() -> T) -> T {
        if let Some(going) = &mut self.going {
            going.clock.trained();
        }
        let output = work();
        if let Some(going) = &mut self.going {
            going.clock.passed();
        }
        output
    }

    /// Ends the run after `step` steps and writes how it ended to the run folder.
    pub fn finish(
        &mut self,
        status: Status,
        step: usize,
        tested: Option<Tested>,
    ) -> Result<Outcome, Error> {
        let latest = self.history.checks().iter().rev();
        let accuracy = latest.filter_map(|check| check.accuracy).next();
        let mut going = self.going.as_mut();
        if let Some(going) = &mut going {
            going.clock.trained();
        }
        let outcome = Outcome {
            status,
            step,
            training_seconds: going.as_ref().map_or(0.0, |g| g.clock.training_seconds()),
            measuring_seconds: going.as_ref().map_or(0.0, |g| g.clock.measuring_seconds()),
            cpu_seconds: None,
            ledger: None,
            accuracy: tested.map(|tested| tested.accuracy).or(accuracy),
            test_samples: tested.map(|tested| tested.samples),
        };
        if let Some(folder) = going.and_then(|going| going.folder.as_mut()) {
            folder.finish(outcome.clone())?;
        }
        Ok(outcome)
    }

    /// How many layers are frozen now.
    pub fn frozen(&self) -> usize {
        self.history.frozen()
    }

    /// What every check saw.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The run folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn expect_taps(&self, activations: &Activations) -> Result<(), Error> {
        let fired: Vec<&str> = activations.names().collect();
        match self.layers.names().find(|name| !fired.contains(name)) {
            None => Ok(()),
            Some(layer) => Err(Error::TapMissing {
                layer: layer.to_string(),
                fired: fired.join(", "),
            }),
        }
    }

    /// Measures, keeps, decides and writes. Returns how many layers shall be frozen from now on.
    fn check(&mut self, activations: Activations, step: usize) -> Result<usize, Error> {
        let frozen = self.frozen();
        let (similarity, warnings) = self.compare(&activations, frozen, step)?;
        let going = self.going.as_mut().expect("a check follows the start");
        let since = std::mem::take(&mut going.since_check);
        if let Some(folder) = &going.folder {
            folder.save(step, &activations)?;
        }
        self.history.push(Check {
            step,
            epoch: self.history.length().epoch(step),
            learning_rate: since.learning_rate.mean(),
            training_seconds: going.clock.training_seconds(),
            measuring_seconds: 0.0,
            loss: since.loss.mean(),
            accuracy: since.accuracy,
            similarity,
            frozen,
            decided: frozen,
            warnings,
            ..Check::default()
        });
        let decided = self
            .policy
            .frozen_layers(&self.history)
            .min(self.layers.len() - 1);
        let reason = self.policy.reason(&self.history);
        let latest = self.history.latest_mut().expect("pushed above");
        latest.decided = decided;
        latest.reason = reason;
        if !self.policy.is_dry_run() {
            latest.frozen = frozen.max(decided);
        }
        going.clock.measured();
        latest.measuring_seconds = going.clock.measuring_seconds();
        let frozen = latest.frozen;
        if let Some(folder) = &mut going.folder {
            folder.append(latest)?;
        }
        for converged in going.previous.iter_mut().take(frozen) {
            *converged = None;
        }
        going.clock.measured();
        Ok(frozen)
    }

    /// The similarity of each layer to itself at the previous check, and what makes it less believable.
    /// Frozen layers are not measured: theirs is 1.
    ///
    /// Not being comparable is no reason to end a training: such a layer never counts as converged, and
    /// the warnings say why.
    fn compare(
        &mut self,
        activations: &Activations,
        frozen: usize,
        step: usize,
    ) -> Result<(Vec<Option<f64>>, Vec<String>), Error> {
        let mut similarity = vec![Some(1.0); frozen];
        let mut warnings = Vec::new();
        let names: Vec<String> = self.layers.names().map(str::to_string).collect();
        for (layer, name) in names.iter().enumerate().skip(frozen) {
            let prepared = self.prepared(activations, name, step)?;
            let going = self.going.as_mut().expect("a check follows the start");
            let kept = prepared.as_ref().ok().cloned();
            let previous = std::mem::replace(&mut going.previous[layer], kept);
            let compared = match (previous, prepared) {
                (None, Ok(_)) => None,
                (Some(previous), Ok(now)) => Some(previous.similarity(&now)),
                (_, Err(error)) => Some(Err(error)),
            };
            let told: Vec<String> = match &compared {
                None => Vec::new(),
                Some(Ok(compared)) => compared.warnings.iter().map(Warning::to_string).collect(),
                Some(Err(error)) => vec![error.to_string()],
            };
            warnings.extend(told.iter().map(|told| format!("{name}: {told}")));
            similarity.push(compared.and_then(Result::ok).map(|compared| compared.value));
        }
        Ok((similarity, warnings))
    }

    /// What is kept of a layer for the next check, or why nothing is. The outer error ends the training: an
    /// activation that is not finite, or a layer that can't be measured from the start.
    fn prepared(
        &mut self,
        activations: &Activations,
        name: &str,
        step: usize,
    ) -> Result<Result<Prepared, frostline_svcca::Error>, Error> {
        // The probe keeps views, so the layout is settled.
        let view = View::new(&activations.view(name)?);
        match view.and_then(|view| self.measure.prepare(&view)) {
            Err(error @ frostline_svcca::Error::NotFinite { .. }) => {
                Err(self.diverged(step, format!("layer `{name}`: {error}")))
            }
            Err(source) if self.history.checks().is_empty() => Err(Error::Measure {
                layer: name.to_string(),
                step,
                source,
            }),
            prepared => Ok(prepared),
        }
    }

    /// Writes the end of a run that diverged, and gives the error that says so.
    fn diverged(&mut self, step: usize, what: String) -> Error {
        let kept = match self.finish(Status::Diverged, step, None) {
            Err(error) => return error,
            Ok(_) => self
                .folder()
                .map(|folder| format!("; what was recorded before is in {}", folder.display())),
        };
        Error::Diverged {
            step,
            what,
            kept: kept.unwrap_or_default(),
        }
    }
}

/// What the loop told since the last check.
#[derive(Debug, Default)]
struct SinceCheck {
    learning_rate: Mean,
    loss: Mean,
    accuracy: Option<f64>,
}

impl SinceCheck {
    fn add(&mut self, step: &Step) {
        self.learning_rate.add(step.learning_rate);
        self.loss.add(step.loss);
        self.accuracy = step.accuracy.or(self.accuracy);
    }
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
