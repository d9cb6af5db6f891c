use std::cmp::Ordering;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use frostline_activations::{
    Activations, Check, CheckpointSchedule, FORMAT_VERSION, Ledger, Length, Outcome, Probe,
    ProbeInfo, Run, RunFolder, RunInfo, Status, Versions,
};
use frostline_svcca::{Measure, Prepared, View, Warning};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::clock::Clock;
use crate::spending::Spending;
use crate::watching::{GradientSums, Told, Weights};
use crate::{
    Error, Features, FreezePolicy, History, InputKey, Layered, Layers, PrefixCache, Watched,
};

/// Freezes the lowest `count` layers of a model: no gradients, batch norm on its running statistics,
/// dropout off.
pub fn freeze<M: Module>(model: M, layers: &Layers, count: usize) -> M {
    // Batch norm keeps the last update of its running statistics aside until someone asks; a frozen
    // batch norm doesn't ask, and would move once more. `valid()` asks.
    let _ = model.valid();
    model.freeze_group(layers.lowest(count))
}

/// Lets these layers train again. Their optimizer state is that of the day they froze: see
/// [`forget_state`](crate::forget_state).
pub fn thaw<M: Module>(model: M, layers: &Layers, thawed: Range<usize>) -> M {
    model.unfreeze_group(layers.group(thawed))
}

/// Freezes or thaws from `before` to `after` frozen layers.
pub(crate) fn change<M: Module>(model: M, layers: &Layers, before: usize, after: usize) -> M {
    match after.cmp(&before) {
        Ordering::Greater => freeze(model, layers, after),
        Ordering::Equal => model,
        Ordering::Less => thaw(model, layers, after..before),
    }
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
    /// The number of samples in this step, for the ledger; [`FreezeTraining::forward`] knows it by itself.
    pub samples: Option<usize>,
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
    watched: Watched,
    schedule: CheckpointSchedule,
    measure: Measure,
    budget: Budget,
    path: Option<PathBuf>,
    /// Whether the folder may hold the beginning of this run.
    going_on: bool,
    info: RunInfo,
    history: History,
    cache: Option<Arc<Mutex<PrefixCache>>>,
    thawed: Option<Range<usize>>,
    /// What there is while training goes on.
    going: Option<Going>,
}

struct Going {
    folder: Option<RunFolder>,
    /// The steps at which to check.
    due: Vec<usize>,
    clock: Clock,
    told: Told,
    gradients: GradientSums,
    weights: Option<Weights>,
    /// Each layer at the previous check; none for a frozen layer.
    previous: Vec<Option<Prepared>>,
    spending: Spending,
    /// Inputs that went through [`FreezeTraining::forward`] since the last step, and whether the cache
    /// served them.
    forwarded: Option<(usize, bool)>,
    /// Seconds of training up to the previous check.
    trained_before: f64,
    /// The notice that the cache has switched itself off was written.
    cache_off_told: bool,
}

impl<M: Module> FreezeTraining<M> {
    /// Freeze Training of these layers, judged by this probe and policy, over this length.
    ///
    /// Unless told otherwise it checks 20 times, at every 5 % of the training, or less often where that would
    /// be more than 2 % of what the training computes, as far as the ledger knows.
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
            watched: policy.watches(),
            layers,
            probe,
            policy: Box::new(policy),
            schedule: CheckpointSchedule::Fractions((0..=20).map(|i| i as f64 / 20.0).collect()),
            measure,
            budget: Budget::Default,
            path: None,
            going_on: false,
            history: History::new(names, length),
            cache: None,
            thawed: None,
            going: None,
        }
    }

    /// Checks on this schedule, whatever it costs, unless [`measure_at_most`](Self::measure_at_most) limits it.
    pub fn checking(mut self, schedule: CheckpointSchedule) -> Self {
        self.schedule = schedule;
        if let Budget::Default = self.budget {
            self.budget = Budget::None;
        }
        self
    }

    /// Compares layers by this measure.
    pub fn measured_by(mut self, measure: Measure) -> Self {
        self.info.measure = measure.to_string();
        self.measure = measure;
        self
    }

    /// Passes a check over where all measuring would come to more than this share of the training, the first and
    /// the last check aside.
    ///
    /// Both are counted in operations where the loop tells the samples of its steps ([`Step::samples`],
    /// [`forward`](Self::forward)). Else they are counted in seconds; what is measured then depends on the clock,
    /// and a seed no longer gives the same run twice.
    pub fn measure_at_most(mut self, share: f64) -> Self {
        self.budget = Budget::Share(share);
        self
    }

    /// Watches this besides what the policy asks for, so that other policies can be tried on the history.
    pub fn watching(mut self, watched: Watched) -> Self {
        self.watched = self.watched.and(watched);
        self
    }

    /// Keeps the outputs of frozen layers here, for [`forward`](Self::forward).
    pub fn caching(mut self, cache: PrefixCache) -> Self {
        self.cache = Some(Arc::new(Mutex::new(cache)));
        self
    }

    /// Floating-point operations of each layer's forward for one sample, from the input up, in place of the
    /// estimate from the shapes of parameters and taps ([`Layers::estimated_flops`]).
    pub fn forward_flops(mut self, flops: impl IntoIterator<Item = f64>) -> Self {
        self.info.forward_flops = Some(flops.into_iter().collect());
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

    /// Keeps the run in this folder, and goes on with the run that it holds, if it holds one: then call
    /// [`resume`](Self::resume) in place of [`start`](Self::start), which would begin it anew.
    pub fn going_on_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self.going_on = true;
        self
    }

    /// Looks at the untrained model: checks that every layer has its tap, makes the run folder, and
    /// does the check of step 0 if the schedule has one.
    ///
    /// Errors: `TapMissing` with the taps that fired; whatever the probe, the schedule or the folder
    /// have to say.
    pub fn start(&mut self, model: &M) -> Result<(), Error> {
        let due = self.due()?;
        let mut clock = Clock::start();
        let activations = self.look(model)?;
        let folder = match (&self.path, self.going_on) {
            (Some(path), true) if RunFolder::is_run(path) => {
                Some(RunFolder::restart(path, self.info.clone())?)
            }
            (Some(path), _) => Some(RunFolder::create(path, self.info.clone())?),
            (None, _) => None,
        };
        let check_now = due.first() == Some(&0);
        clock.measured();
        self.go(folder, due, clock, Told::default(), Ledger::default());
        if check_now {
            self.check(model, activations, 0)?;
        }
        Ok(())
    }

    /// Goes on with the run in the folder of [`going_on_in`](Self::going_on_in), with a model that was saved
    /// in it, and tells after which step it was saved: freezes at once what was frozen then, takes up the
    /// history up to there, and compares the next check with the last.
    ///
    /// The model is known by its weights, which [`note_saved`](Self::note_saved) noted. None when the folder
    /// knows nothing of it. Errors: `OtherRun`, and as for `start`.
    pub fn resume(&mut self, model: M) -> Result<Option<(M, usize)>, Error> {
        let Some(path) = self.path.clone() else {
            return Ok(None);
        };
        let fingerprint = fingerprint(&model)?;
        let saved = RunFolder::saved::<Saved>(&path)?;
        let Some(saved) = saved.into_iter().rfind(|saved| saved.model == fingerprint) else {
            return Ok(None);
        };
        let due = self.due()?;
        self.loaded(&model);
        let activations = self.look(&model)?;
        let device = activations.iter().next().map(|layer| layer.device());
        let (folder, checks) = RunFolder::resume(&path, self.info.clone(), saved.step)?;
        for check in checks {
            self.history.push(check);
        }
        let last = self.history.latest().cloned();
        let last = last.unwrap_or_default();
        let clock = Clock::resume([
            last.training_seconds,
            last.measuring_seconds,
            last.cpu_seconds.unwrap_or_default(),
        ]);
        let ledger = last.ledger.unwrap_or_default();
        self.go(Some(folder), due, clock, saved.told, ledger);
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
            going.weights = Some(Weights::of(&model));
        }
        Ok(Some((freeze(model, &self.layers, last.frozen), saved.step)))
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
            })?;
        }
        Ok(())
    }

    /// Notes the step; when a check is due, measures the model, decides and freezes.
    ///
    /// Gives the model back, with more of it frozen or not. The first call starts if `start` was not
    /// called. Errors: `Diverged` when the loss or an activation is not finite; the run folder then
    /// says so and keeps everything before.
    pub fn after_step(&mut self, model: M, step: impl Into<Step>) -> Result<M, Error> {
        let before = self.frozen();
        let after = self.observe(&model, step.into(), M::clone)?;
        Ok(change(model, &self.layers, before, after))
    }

    /// Notes the step and does a check if one is due; gives how many layers shall be frozen from now on.
    /// `at_home` brings a model to where the probe can ask it.
    pub(crate) fn observe(
        &mut self,
        model: &M,
        step: Step,
        at_home: impl FnOnce(&M) -> M,
    ) -> Result<usize, Error> {
        if self.going.is_none() {
            self.start(&at_home(model))?;
            return self.observe(model, step, M::clone);
        }
        let frozen = self.frozen();
        let going = self.going.as_mut().expect("started above");
        going.told.add(&step);
        let (samples, cached) = match going.forwarded.take() {
            Some((samples, cached)) => (Some(samples), cached),
            None => (step.samples, false),
        };
        going.spending.step(samples, frozen, cached);
        if let Some(loss) = step.loss.filter(|loss| !loss.is_finite()) {
            return Err(self.diverged(step.step, format!("the loss is {loss}")));
        }
        if !self.is_due(step.step) {
            return Ok(frozen);
        }
        // On a device that works behind the scenes, the training time ends when the work has ended.
        for device in model.devices().iter() {
            let _ = device.sync();
        }
        let going = self.going.as_mut().expect("started above");
        going.clock.trained();
        let model = at_home(model);
        let activations = self.probe.activations(&model)?;
        self.check(&model, activations, step.step)
    }

    /// Whether the model is to be looked at after this step.
    fn is_due(&self, step: usize) -> bool {
        let going = self.going.as_ref().expect("a step follows the start");
        let due = going.due.binary_search(&step).is_ok();
        let outer = step == 0 || going.due.last() == Some(&step);
        let share = match self.budget {
            _ if !due || outer => return due,
            Budget::None => return true,
            Budget::Default => DEFAULT_BUDGET,
            Budget::Share(share) => share,
        };
        let samples = self.info.probe.samples;
        let by_time = || {
            let checks = self.history.checks().len().max(1) as f64;
            let measured = going.clock.measuring_seconds();
            measured + measured / checks <= share * going.clock.training_seconds_now()
        };
        match (going.spending.allows(share, samples), self.budget) {
            (Some(allows), _) => allows,
            (None, Budget::Share(_)) => by_time(),
            (None, _) => true,
        }
    }

    /// Tells the gradients of a step, before the optimizer takes them. Only a policy that
    /// [watches](FreezePolicy::watches) gradients needs them.
    pub fn gradients(&mut self, model: &M, gradients: &GradientsParams) {
        if let (true, Some(going)) = (self.watched.gradients, &mut self.going) {
            going.gradients.add(model, gradients);
        }
    }

    /// The forward of a training step, with the frozen layers' outputs taken from the cache where they are
    /// kept ([`caching`](Self::caching)).
    ///
    /// `keys` say which input each row of the batch is; `inputs` gives the rows with these indices and is
    /// asked only for those that are needed.
    pub fn forward<const D: usize>(
        &mut self,
        model: &M,
        keys: &[InputKey],
        inputs: impl Fn(&[usize]) -> Tensor<D>,
    ) -> Features
    where
        M: Layered,
    {
        let epoch = keys.len() * self.history.length().steps_per_epoch;
        let frozen = self.frozen();
        let prefix = self
            .cache
            .as_ref()
            .and_then(|cache| lock(cache).prefix(model, frozen, keys, epoch, &inputs));
        self.forwarded(keys.len(), prefix.is_some());
        match prefix {
            Some(prefix) => model.run(frozen..model.depth(), prefix),
            None => {
                let all: Vec<usize> = (0..keys.len()).collect();
                model.run(0..model.depth(), Features::new(inputs(&all)))
            }
        }
    }

    /// Notes the inputs of a step's forward.
    pub(crate) fn forwarded(&mut self, inputs: usize, cached: bool) {
        if let Some(going) = &mut self.going {
            let (before, _) = going.forwarded.unwrap_or_default();
            going.forwarded = Some((before + inputs, cached));
        }
    }

    /// Operations of each layer's forward for one sample, once they are known.
    #[cfg(feature = "train")]
    pub(crate) fn flops(&self) -> Option<&[f64]> {
        self.info.forward_flops.as_deref()
    }

    /// The cache of frozen layers' outputs.
    #[cfg(feature = "train")]
    pub(crate) fn cache(&self) -> Option<Arc<Mutex<PrefixCache>>> {
        self.cache.clone()
    }

    /// The layers that the last check thawed; the second call gives none. Their momentum is that of the day they
    /// froze until [`forget_state`](crate::forget_state) takes it away.
    pub fn take_thawed(&mut self) -> Option<Range<usize>> {
        self.thawed.take()
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
        let frozen = self.frozen();
        let mut going = self.going.as_mut();
        let ledger = going.as_mut().map(|going| {
            going.clock.trained();
            going.account(frozen, self.cache.as_deref());
            going.spending.ledger().clone()
        });
        let outcome = Outcome {
            status,
            step,
            training_seconds: going.as_ref().map_or(0.0, |g| g.clock.training_seconds()),
            measuring_seconds: going.as_ref().map_or(0.0, |g| g.clock.measuring_seconds()),
            cpu_seconds: going.as_ref().map(|going| going.clock.processor_seconds()),
            ledger: ledger.filter(|ledger| *ledger != Ledger::default()),
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

    /// The layers, from the input up.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The steps at which to check.
    fn due(&self) -> Result<Vec<usize>, Error> {
        let length = self.history.length();
        let mut due = self.schedule.due(&length)?;
        let wanted = self.policy.wanted_steps(self.layers.len(), length);
        due.extend(wanted.into_iter().filter(|step| *step <= length.steps));
        due.sort_unstable();
        due.dedup();
        Ok(due)
    }

    /// The first look at a model: every layer has its tap, and what the run folder says of it is known.
    fn look(&mut self, model: &M) -> Result<Activations, Error> {
        let activations = self.probe.activations(model)?;
        let fired: Vec<&str> = activations.names().collect();
        if let Some(layer) = self.layers.names().find(|name| !fired.contains(name)) {
            return Err(Error::TapMissing {
                layer: layer.to_string(),
                fired: fired.join(", "),
            });
        }
        let rows = activations.iter().map(|layer| layer.shape()[0]);
        self.info.probe.samples = rows.max().unwrap_or(0);
        if self.info.device.is_empty() {
            let devices: Vec<String> = model.devices().iter().map(|d| format!("{d:?}")).collect();
            self.info.device = devices.join(", ");
        }
        match &self.info.forward_flops {
            Some(flops) if flops.len() != self.layers.len() => {
                return Err(Error::FlopsDiffer {
                    given: flops.len(),
                    layers: self.layers.len(),
                });
            }
            Some(_) => {}
            None => {
                let shapes = self.probe.shapes(model)?;
                self.info.forward_flops = Some(self.layers.estimated_flops(&shapes));
            }
        }
        Ok(activations)
    }

    /// Training begins or goes on.
    fn go(
        &mut self,
        folder: Option<RunFolder>,
        due: Vec<usize>,
        clock: Clock,
        told: Told,
        ledger: Ledger,
    ) {
        self.going = Some(Going {
            folder,
            due,
            trained_before: clock.training_seconds(),
            clock,
            told,
            gradients: GradientSums::default(),
            weights: None,
            previous: vec![None; self.layers.len()],
            spending: Spending::new(self.info.forward_flops.clone(), ledger),
            forwarded: None,
            cache_off_told: false,
        });
    }

    /// How far each layer's weights moved since the previous check; keeps them for the next.
    fn weight_change(&mut self, model: &M) -> Vec<Option<f64>> {
        let going = self.going.as_mut().expect("a check follows the start");
        if !self.watched.weights {
            return Vec::new();
        }
        let now = Weights::of(model);
        let change = match &going.weights {
            Some(before) => now.change_since(before, &self.layers),
            None => vec![None; self.layers.len()],
        };
        going.weights = Some(now);
        change
    }

    /// Measures, keeps, decides and writes. Returns how many layers shall be frozen from now on.
    fn check(&mut self, model: &M, activations: Activations, step: usize) -> Result<usize, Error> {
        let frozen = self.frozen();
        let (similarity, mut warnings) = self.compare(&activations, frozen, step)?;
        let weight_change = self.weight_change(model);
        let going = self.going.as_mut().expect("a check follows the start");
        let told = going.account(frozen, self.cache.as_deref());
        going.spending.probed(self.info.probe.samples);
        let gradients = match self.watched.gradients {
            true => going.gradients.take(&self.layers),
            false => Vec::new(),
        };
        let off = self.cache.as_ref();
        let off = off.and_then(|cache| lock(cache).switched_off().map(str::to_string));
        if let (Some(why), false) = (off, going.cache_off_told) {
            warnings.push(format!(
                "the outputs of frozen layers are no longer kept: {why}"
            ));
            going.cache_off_told = true;
        }
        if let Some(folder) = &going.folder {
            folder.save(step, &activations)?;
        }
        self.history.push(Check {
            step,
            epoch: self.history.length().epoch(step),
            learning_rate: told.learning_rate.value(),
            training_seconds: going.clock.training_seconds(),
            loss: told.loss.value(),
            accuracy: told.accuracy,
            similarity,
            gradients,
            weight_change,
            frozen,
            decided: frozen,
            warnings,
            ledger: Some(going.spending.ledger().clone()),
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
            latest.frozen = match self.policy.thaws() {
                true => decided,
                false => frozen.max(decided),
            };
        }
        going.clock.measured();
        latest.measuring_seconds = going.clock.measuring_seconds();
        latest.cpu_seconds = Some(going.clock.processor_seconds());
        let now_frozen = latest.frozen;
        if let Some(folder) = &mut going.folder {
            folder.append(latest)?;
        }
        for converged in going.previous.iter_mut().take(now_frozen) {
            *converged = None;
        }
        if now_frozen < frozen {
            self.thawed = Some(now_frozen..frozen);
            if let Some(cache) = &self.cache {
                lock(cache).clear();
            }
        }
        going.clock.measured();
        Ok(now_frozen)
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

/// What measuring may cost.
#[derive(Clone, Copy, Debug)]
enum Budget {
    /// [`DEFAULT_BUDGET`], counted in operations, where they are known.
    Default,
    /// Whatever the schedule wants.
    None,
    /// This share of the training.
    Share(f64),
}

/// Measuring's share of what a training computes.
const DEFAULT_BUDGET: f64 = 0.02;

impl Going {
    /// Enters into the ledger what was done since the previous check, and gives what was told since.
    fn account(&mut self, frozen: usize, cache: Option<&Mutex<PrefixCache>>) -> Told {
        let told = std::mem::take(&mut self.told);
        let trained = self.clock.training_seconds();
        let seconds = trained - self.trained_before;
        self.trained_before = trained;
        if told.steps > 0 {
            self.spending.time(frozen, told.steps, seconds);
        }
        if let Some(cache) = cache {
            self.spending.cache(lock(cache).counted());
        }
        told
    }
}

/// The lock of something that is whole at any moment, also after a panic of its last holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
}

/// A number that tells models apart by the bits of their weights and running statistics.
fn fingerprint<M: Module>(model: &M) -> Result<String, Error> {
    struct Hashing {
        hash: Xxh3,
        problem: Option<String>,
    }
    impl ModuleVisitor for Hashing {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match param.val().try_into_data() {
                Ok(data) => self.hash.update(data.bytes()),
                Err(error) => self.problem = Some(error.to_string()),
            }
        }
    }
    let mut hashing = Hashing {
        hash: Xxh3::new(),
        problem: None,
    };
    // `valid()` counts in what batch norm keeps aside.
    model.valid().visit(&mut hashing);
    match hashing.problem {
        Some(problem) => Err(Error::Unreadable { problem }),
        None => Ok(format!("{:032x}", hashing.hash.digest128())),
    }
}
