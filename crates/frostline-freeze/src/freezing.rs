mod checking;
mod fingerprint;
mod going;
mod going_on;
mod holding;
mod noted;
mod panes_probe;
mod resumed;
mod running;
mod settings;
mod starting;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use frostline_activations::{
    CheckpointSchedule, FORMAT_VERSION, Ledger, Length, Metrics, Outcome, Probe, ProbeInfo,
    RunFolder, RunInfo, Status, Versions,
};
use frostline_svcca::Measure;
use frostline_tensorboard::EventFile;

use crate::clock::{Clock, wall_seconds};
use crate::frozen::change;
use crate::gains::Gains;
use crate::spending::Spending;
use crate::watching::{GradientSums, Told, layer_rates};
use crate::{
    Error, Features, FreezePolicy, History, InputKey, Layered, Layers, PrefixCache, Step, Tested,
    Watched,
};
pub(crate) use going::Test;

use going::Going;
use panes_probe::Panes;
pub use resumed::Resumed;
#[cfg(feature = "train")]
pub(crate) use running::ProbeForward;
use settings::Budget;

/// Freeze Training in a hand-written loop: call [`start`](Self::start) before the first step and
/// [`after_step`](Self::after_step) after each.
pub struct FreezeTraining<M> {
    layers: Layers,
    probe: Probe<M>,
    panes: Option<Panes<M>>,
    policy: Box<dyn FreezePolicy>,
    watched: Watched,
    schedule: CheckpointSchedule,
    measure: Measure,
    budget: Budget,
    path: Option<PathBuf>,
    /// Whether the folder may hold the beginning of this run.
    going_on: bool,
    /// The folder for TensorBoard's event file.
    tensorboard: Option<PathBuf>,
    info: RunInfo,
    history: History,
    /// The model of the check before, where changes are split.
    before: Option<M>,
    /// Operations of comparing the layers at a check.
    comparing: f64,
    /// Samples that were evaluated to see which parameters act on which taps, each as often as it was.
    looked_at: usize,
    cache: Option<Arc<Mutex<PrefixCache>>>,
    thawed: Option<Range<usize>>,
    /// Warnings for the next check.
    notices: Vec<String>,
    /// The taps are not looked at for what acts on them.
    trusts_taps: bool,
    /// `Layered::run` was compared with the probe's forward.
    compared_run: bool,
    /// An error that has to wait for the next step.
    pending: Option<Error>,
    /// What there is while training goes on.
    going: Option<Going>,
}

impl<M: Module> FreezeTraining<M> {
    /// Freeze Training of these layers, judged by this probe and policy, over this length.
    ///
    /// It checks when the policy [wants](FreezePolicy::wanted_steps) and, unless told otherwise, 20 times, at every
    /// 5 % of the training, or less often where that would be more than 2 % of what the training computes, as
    /// far as the ledger knows.
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
                name: String::new(),
                title: None,
                notice: None,
                layers: names.clone(),
                length,
                probe: ProbeInfo::default(),
                panes_probe: None,
                policy: policy.describe(),
                measure: measure.to_string(),
                seed: None,
                forward_flops: None,
                device: String::new(),
                versions: Versions::default(),
                settings: Default::default(),
                began: None,
                outcome: None,
            },
            watched: policy.watches(),
            layers,
            // Checks are judged by what rounding made of them.
            probe: probe.drawing_errors(frostline_svcca::rounding_errors::<2>),
            panes: None,
            policy: Box::new(policy),
            schedule: CheckpointSchedule::Fractions((0..=20).map(|i| i as f64 / 20.0).collect()),
            measure,
            budget: Budget::Default,
            path: None,
            going_on: false,
            tensorboard: None,
            history: History::new(names, length),
            before: None,
            comparing: 0.0,
            looked_at: 0,
            cache: None,
            thawed: None,
            notices: Vec::new(),
            trusts_taps: false,
            compared_run: false,
            pending: None,
            going: None,
        }
    }

    /// Looks at the untrained model: checks that every layer has its tap, makes the run folder, and
    /// does the check of step 0 if the schedule has one.
    ///
    /// Errors: `TapMissing` with the taps that fired; whatever the probe, the schedule or the folder
    /// have to say.
    pub fn start(&mut self, model: &M) -> Result<(), Error> {
        self.not_begun()?;
        let due = self.due()?;
        let mut clock = Clock::start();
        let activations = self.look(model)?;
        self.name_after_folder();
        self.info.began = Some(wall_seconds());
        let events = self.event_file(0)?;
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
        let going = self.going.as_mut().expect("made above");
        going.events = events;
        going.spending.looked_at(self.looked_at);
        self.record_pane(model, None, 0)?;
        if check_now {
            self.check(model, activations, 0)?;
        }
        Ok(())
    }

    /// Notes the step and keeps what it reports; when a check is due, measures the model, decides, and freezes or
    /// thaws layers of the model in place. Frozen layers that would train, since the model was loaded, unfrozen or kept
    /// from before the freeze, are frozen again, and the next check says so.
    ///
    /// The first call starts if `start` was not called. A check that is due at a step of which the loop says nothing,
    /// since it reports every other step or once an epoch, is made at the next one.
    ///
    /// # Errors
    /// [`Error::StepOrder`] for a step that doesn't come after the last one, [`Error::BadReport`] for an accuracy that is no
    /// share, [`Error::Ended`] after the end.
    /// [`Error::RunDiffers`] where [`forward`](Self::forward) found that `run` isn't the probe's forward.
    /// [`Error::Diverged`] when the loss or an activation is not finite; the run folder then says so and keeps
    /// everything before. [`Error::Activations`] when the probe or the run folder fails, such as on a full disk. The
    /// model keeps its weights, whatever the error.
    pub fn after_step(&mut self, model: &mut M, step: impl Into<Step>) -> Result<(), Error> {
        // Batch norm keeps the last update of its running statistics aside until someone asks. A record doesn't, so a
        // model that is saved from here on would be without it, and would be another than the one that is noted.
        let _ = model.valid();
        let before = self.frozen();
        if self.going.is_some() {
            self.held(model, before);
        }
        let observed = self.observe(model, step.into(), M::clone);
        // A check whose line could not be written has decided all the same.
        let after = self.frozen();
        if after != before {
            *model = change(model.clone(), &self.layers, before, after);
        }
        observed?;
        self.pending.take().map_or(Ok(()), Err)
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
            if step.step == 0 {
                return Err(not_after(0, None));
            }
            self.start(&at_home(model))?;
            return self.observe(model, step, M::clone);
        }
        let frozen = self.frozen();
        let going = self.going.as_mut().expect("started above");
        going.goes_on()?;
        let before = going.last_step;
        if step.step <= before {
            return Err(not_after(step.step, Some(before)));
        }
        for (what, share) in [
            ("accuracy", step.accuracy),
            ("train_accuracy", step.train_accuracy),
        ] {
            expect_share(step.step, what, share)?;
        }
        going.last_step = step.step;
        lock(&going.gains).after(model, &self.layers);
        going.told.add(&step, self.history.length());
        let (samples, cached) = match going.forwarded.take() {
            Some((samples, cached)) => (Some(samples), cached),
            None => {
                let counted = || going.count_samples(step.step, self.layers.names());
                (step.samples.or_else(counted), false)
            }
        };
        going.spending.step(samples, frozen, cached);
        if let Some(loss) = step.loss.filter(|loss| !loss.is_finite()) {
            return Err(self.diverged(step.step, format!("the loss is {loss}")));
        }
        let epoch = self.history.length().epoch(step.step);
        // A disk that is full is no reason to pass a check over: the error is given when all is done.
        let unsaved = going.save_again();
        let reported = going.keep(&step, epoch, frozen);
        let test = Test {
            accuracy: step.accuracy,
            ..Test::default()
        };
        let tested = going.keep_test(test, step.step, epoch, frozen);
        let kept = unsaved.and(reported).and(tested);
        let check_now = self.is_due(before, step.step);
        let going = self.going.as_mut().expect("started above");
        if !check_now && going.has_due(before, step.step) {
            going.passed_over += 1;
        }
        if !check_now && !self.pane_is_due(Some(before), step.step) {
            kept?;
            return Ok(frozen);
        }
        // On a device that works behind the scenes, the training time ends when the work has ended.
        for device in model.devices().iter() {
            let _ = device.sync();
        }
        let going = self.going.as_mut().expect("started above");
        going.clock.trained();
        let model = at_home(model);
        let kept = kept.and(self.record_pane(&model, Some(before), step.step));
        if !check_now {
            kept?;
            return Ok(frozen);
        }
        let activations = self.probe.activations(&model)?;
        let now_frozen = self.check(&model, activations, step.step)?;
        kept?;
        Ok(now_frozen)
    }

    /// An error once the run has begun.
    fn not_begun(&self) -> Result<(), Error> {
        match &self.going {
            None => Ok(()),
            Some(going) => going.goes_on().and(Err(Error::Begun)),
        }
    }

    /// Notes what a test found after this step, for the next check and for the end too.
    #[cfg(feature = "train")]
    pub(crate) fn tested(&mut self, step: usize, test: Test) -> Result<(), Error> {
        let (epoch, frozen) = (self.history.length().epoch(step), self.frozen());
        let Some(going) = &mut self.going else {
            return Ok(());
        };
        going.told.accuracy = test.accuracy.or(going.told.accuracy);
        going.keep_test(test, step, epoch, frozen)
    }

    /// The time since the last step was training; what comes now is not, until [`goes_on`](Self::goes_on).
    #[cfg(feature = "train")]
    pub(crate) fn pauses(&mut self) {
        if let Some(going) = &mut self.going {
            going.clock.trained();
        }
    }

    /// Training goes on after a pause.
    #[cfg(feature = "train")]
    pub(crate) fn goes_on(&mut self) {
        if let Some(going) = &mut self.going {
            going.clock.passed();
        }
    }

    /// Tells the gradients of a step, before the optimizer takes them. A policy that [watches](FreezePolicy::watches) gradients or gains
    /// needs them. What layers gain ([`Check::gains`](crate::Check::gains)) is kept whatever the policy is, so that
    /// others can be tried on the history.
    pub fn gradients(&mut self, model: &M, gradients: &GradientsParams) {
        if let Some(going) = &self.going {
            // A loop that doesn't report every step has done one since.
            lock(&going.gains).after(model, &self.layers);
        }
        self.more_gradients(model, gradients);
    }

    /// Tells those of another replica, of the same step.
    pub(crate) fn more_gradients(&mut self, model: &M, gradients: &GradientsParams) {
        let length = self.history.length();
        let Some(going) = &mut self.going else {
            return;
        };
        if self.watched.gradients {
            going.gradients.add(model, gradients);
        }
        if Gains::looks_at(going.last_step + 1, length) {
            lock(&going.gains).before(model, gradients);
        }
    }

    /// Tells the learning rates of a step before [`after_step`](Self::after_step), where groups of parameters have rates of
    /// their own: each layer is then judged by its own, the largest of its parameters.
    pub fn learning_rates(&mut self, model: &M, rates: &ModuleLearningRate) {
        if let Some(going) = &mut self.going {
            let rates = layer_rates(model, &self.layers, rates);
            going.told.add_rates(&rates);
        }
    }

    /// The forward of a training step, with the frozen layers' outputs taken from the cache where they are
    /// kept ([`caching`](Self::caching)).
    ///
    /// Its first call runs the probe's first batch by [`Layered::run`], where that is a tensor of floats, shaped as the inputs
    /// here: where it makes something else of it than the probe's forward does, the next [`after_step`](Self::after_step) gives
    /// [`Error::RunDiffers`].
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
        if !keys.is_empty() {
            self.compare_run(model, || inputs(&[0]).dims()[1..].to_vec());
        }
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
        if let Some(going) = &self.going {
            going.goes_on()?;
        }
        expect_share(step, "accuracy", tested.map(|tested| tested.accuracy))?;
        let latest = self.history.checks().iter().rev();
        let checked = latest.filter_map(|check| check.accuracy).next();
        let frozen = self.frozen();
        let notes = self.notes_of_the_end(status, step);
        let mut going = self.going.as_mut();
        let known = going.as_ref().and_then(|going| going.tested);
        let known = known.or(checked.map(|accuracy| (accuracy, None)));
        let last = tested.map(|tested| (tested.accuracy, Some(tested.samples)));
        let (accuracy, test_samples) = last.or(known).unzip();
        if let Some(events) = going.as_mut().and_then(|going| going.events.as_mut()) {
            events.flush()?;
        }
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
            accuracy,
            test_samples: test_samples.flatten(),
            notes,
        };
        for note in &outcome.notes {
            log::warn!("{note}");
        }
        if let Some(going) = going {
            going.save_again()?;
            going.end(&outcome)?;
        }
        Ok(outcome)
    }

    /// What the end shows that the user may not have meant.
    fn notes_of_the_end(&self, status: Status, step: usize) -> Vec<String> {
        let Some(going) = self.going.as_ref().filter(|_| status == Status::Finished) else {
            return Vec::new();
        };
        let length = self.history.length().steps;
        let short = (step < length).then(|| {
            format!(
                "the training finished at step {step} of {length}, and policies decide by its length: that counts steps of the \
                 optimizer, which are fewer than batches where gradients of several are added up"
            )
        });
        let last = self.history.latest().map_or(0, |check| check.step);
        let unsaid = going.due.last().is_some_and(|due| *due > last);
        let passed_over = going.passed_over().filter(|_| unsaid);
        short.into_iter().chain(passed_over).collect()
    }

    /// How many layers are frozen now.
    pub fn frozen(&self) -> usize {
        self.history.frozen()
    }

    /// What every check saw.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What every step and every test reported, thinned where there are many; none before the start.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.going.as_ref().map(|going| &going.metrics)
    }

    /// The run folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The layers, from the input up.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// A run without a name has that of its folder.
    fn name_after_folder(&mut self) {
        if self.info.name.is_empty() {
            // `.` has no name of its own.
            let folder = self.path.as_ref().and_then(|path| {
                let path = std::path::absolute(path).ok()?;
                Some(path.file_name()?.to_string_lossy().into_owned())
            });
            self.info.name = folder.unwrap_or_else(|| "run".to_string());
        }
    }

    /// The event file for TensorBoard, from this step on, where one is wanted.
    fn event_file(&self, from: usize) -> Result<Option<EventFile>, Error> {
        let folder = self.tensorboard.as_ref();
        let file = folder.map(|folder| EventFile::begin(folder, wall_seconds(), from));
        Ok(file.transpose()?)
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
            events: None,
            metrics: Metrics::default(),
            tested: None,
            due,
            last_step: 0,
            unsaved: Vec::new(),
            states: Mutex::default(),
            ended: None,
            trained_before: clock.training_seconds(),
            clock,
            told,
            gradients: GradientSums::default(),
            gains: Mutex::default(),
            weights: None,
            previous: vec![None; self.layers.len()],
            first: Vec::new(),
            passed_over: 0,
            samples_seen: None,
            counting_since: None,
            spending: Spending::new(self.info.forward_flops.clone(), ledger),
            forwarded: None,
            cache_off_told: false,
        });
        let going = self.going.as_mut().expect("made above");
        going.spending.comparing(self.comparing);
    }
}

/// What is wrong with a step that doesn't come after the last one.
fn not_after(step: usize, last: Option<usize>) -> Error {
    let problem = match (step, last) {
        (0, _) => "the first step is 1, since step 0 is the untrained model, which `start` looks at; count by \
                   `for step in 1..=length.steps`"
            .to_string(),
        (step, Some(last)) if step == last => {
            "it was told before; call `after_step` once after each step, with everything that is known of it".to_string()
        }
        (_, last) => format!(
            "it comes after step {}, but steps ascend through the whole training and don't begin again in each epoch; \
             count by `step += 1`, and after `resume` go on behind the step that it gives",
            last.unwrap_or_default()
        ),
    };
    Error::StepOrder { step, problem }
}

/// An accuracy that is no share can't be read back. One that is not a number is no accuracy.
fn expect_share(step: usize, what: &str, share: Option<f64>) -> Result<(), Error> {
    match share {
        Some(share) if share.is_finite() && !(-1e-6..=1.0 + 1e-6).contains(&share) => {
            Err(Error::BadReport {
                step,
                problem: format!(
                    "`{what}` is {share}, but it is a share in [0, 1]; divide per cent by 100"
                ),
            })
        }
        _ => Ok(()),
    }
}

/// The lock of something that is whole at any moment, also after a panic of its last holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
