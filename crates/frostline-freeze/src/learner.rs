//! Freeze Training in Burn's own trainer.

mod metrics;
mod numbered;
mod outputs;
mod serving;
mod wrapped;

use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::tensor::Device;
use burn::train::{Interrupter, TrainStep};
use frostline_activations::{Metrics, Outcome, Status};

pub use metrics::{FreezeMetric, FreezeMetrics};
pub use numbered::Numbered;
pub use serving::forward_above_frozen;
pub use wrapped::Wrapped;

use crate::freezing::lock;
use crate::{Error, FreezeTraining, History, Step, Tested};
use metrics::Shown;
use outputs::Sums;
use serving::Served;

impl<M: Module + TrainStep> FreezeTraining<M> {
    /// Wraps a model for Burn's `Learner`: the wrapper trains as the model would, looks at it when a check is due
    /// and freezes its layers.
    ///
    /// The loss and the accuracy of every step are read from Burn's own outputs (`ClassificationOutput`,
    /// `RegressionOutput`; of `MultiLabelClassificationOutput` and `SequenceOutput` the loss), and those of every
    /// validation, so that they are in the run folder. Reading waits for the device: see
    /// [`reading_nothing`](Wrapped::reading_nothing).
    ///
    /// It works in any strategy of `SupervisedTraining`. Its records are those of the model within: what is
    /// saved wrapped loads into the plain model and back. To watch and to end the run, take its
    /// [`handle`](Wrapped::handle) before the learner takes it.
    ///
    /// ```no_run
    /// # use burn::{module::Module, lr_scheduler::module_lr_scheduler::ModuleLrScheduler};
    /// # use burn::{optim::ModuleOptimizer, train::{Learner, LearnerModel, SupervisedTraining}};
    /// # use frostline_freeze::{Error, FreezeTraining};
    /// # fn example<M: LearnerModel>(
    /// #     freezing: FreezeTraining<M>, model: M, optimizer: ModuleOptimizer, rates: ModuleLrScheduler,
    /// #     training: impl FnOnce() -> SupervisedTraining<frostline_freeze::Wrapped<M>>,
    /// # ) -> Result<(), Error> {
    /// let model = freezing.wrap(model);
    /// let handle = model.handle();
    /// let training = training().metrics(handle.metrics());
    /// handle.interrupt_with(training.interrupter());
    /// let result = training.launch(Learner::new(model, optimizer, rates));
    /// handle.finish(None)?;
    /// let model: M = result.model.into_inner();
    /// # Ok(()) }
    /// ```
    pub fn wrap(self, model: M) -> Wrapped<M> {
        Wrapped::new(self, model)
    }
}

/// What all clones and replicas of a wrapped model share.
struct Shared<M: TrainStep> {
    /// The device of the probe.
    home: Device,
    within: Mutex<Within<M>>,
    shown: Arc<Mutex<Shown>>,
    served: Served,
    options: Mutex<Options<M>>,
}

struct Within<M> {
    training: FreezeTraining<M>,
    /// The last step that was observed, and the counts of frozen layers with the steps from which on they hold:
    /// all replicas freeze the same at the same step.
    observed: usize,
    decided: Vec<(usize, usize)>,
    started: bool,
    failed: Option<Error>,
    interrupter: Option<Interrupter>,
}

impl<M> Within<M> {
    /// How many layers are frozen after this step.
    fn frozen_after(&self, step: usize) -> usize {
        let decided = self.decided.iter().rfind(|(from, _)| *from <= step);
        decided.map_or(0, |(_, count)| *count)
    }

    /// Keeps the first error for [`Handle::finish`] and stops the trainer.
    fn fail(&mut self, error: Error) {
        log::error!("freezing has stopped: {error}");
        if let Some(interrupter) = &self.interrupter {
            interrupter.stop(Some(&error.to_string()));
        }
        self.failed.get_or_insert(error);
    }
}

struct Options<M: TrainStep> {
    samples: Option<usize>,
    keep_state: bool,
    loss: Option<ReadLoss<M>>,
    /// Outputs are not read.
    silent: bool,
}

type ReadLoss<M> = Box<dyn Fn(&<M as TrainStep>::Output) -> f64 + Send>;

/// A hold on the freezing of a wrapped model, while the learner has the model.
pub struct Handle<M: Module + TrainStep>(Arc<Shared<M>>);

impl<M: Module + TrainStep> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Handle(self.0.clone())
    }
}

impl<M: Module + TrainStep> Handle<M> {
    /// Frozen layers, their share of the forward's operations, the similarity of the layer at the frost line and
    /// the share of time spent on measuring: numeric metrics for `SupervisedTraining::metrics`.
    pub fn metrics(&self) -> FreezeMetrics {
        metrics::all(&self.0.shown)
    }

    /// Stops the trainer when measuring fails, so that [`finish`](Self::finish) can say why. Without it the
    /// training goes on unmeasured.
    pub fn interrupt_with(&self, interrupter: Interrupter) {
        lock(&self.0.within).interrupter = Some(interrupter);
    }

    /// How many layers are frozen.
    pub fn frozen(&self) -> usize {
        lock(&self.0.within).training.frozen()
    }

    /// What every check saw so far.
    pub fn history(&self) -> History {
        lock(&self.0.within).training.history().clone()
    }

    /// What every step and every validation reported so far; none before the first step.
    pub fn reported(&self) -> Option<Metrics> {
        lock(&self.0.within).training.metrics().cloned()
    }

    /// Ends the run when the trainer has returned, and writes how it ended to the run folder: finished when
    /// all steps of its length were done, else interrupted. Without `tested` its accuracy is that of the last
    /// validation, where that is known.
    ///
    /// Errors: the one that ended measuring, if one did.
    pub fn finish(&self, tested: Option<Tested>) -> Result<Outcome, Error> {
        let mut within = lock(&self.0.within);
        self.0.end_test(&mut within);
        if let Some(error) = within.failed.take() {
            return Err(error);
        }
        let (step, length) = (within.observed, within.training.history().length());
        let status = match step >= length.steps {
            true => Status::Finished,
            false => Status::Interrupted,
        };
        within.training.finish(status, step, tested)
    }
}

impl<M: Module + TrainStep> Shared<M> {
    fn new(training: FreezeTraining<M>, model: &M) -> Self {
        let devices = model.devices();
        Shared {
            home: devices.first().cloned().unwrap_or_default(),
            shown: Arc::new(Mutex::new(Shown::of(&training))),
            served: Served::of(&training),
            options: Mutex::new(Options {
                samples: None,
                keep_state: false,
                loss: None,
                silent: false,
            }),
            within: Mutex::new(Within {
                training,
                observed: 0,
                decided: Vec::new(),
                started: false,
                failed: None,
                interrupter: None,
            }),
        }
    }

    /// The model as the probe can ask it: replicas and shards lie elsewhere.
    fn at_home(&self, model: &M) -> M {
        match model.devices().iter().all(|device| *device == self.home) {
            true => model.clone(),
            false => model.clone().fork(&self.home),
        }
    }

    /// Looks at the untrained model, the first time.
    fn start(&self, model: &M) {
        let mut within = lock(&self.within);
        if std::mem::replace(&mut within.started, true) || within.failed.is_some() {
            return;
        }
        let model = self.at_home(model);
        let started = within.training.start(&model);
        let forward = started.and_then(|()| within.training.probe_forward(&model));
        match forward {
            Ok(forward) => self.served.expect(forward),
            Err(error) => within.fail(error),
        }
        lock(&self.shown).update(&within.training);
    }

    /// A test is about to begin or goes on: it is no time of training.
    fn test(&self, add: impl FnOnce(&mut Sums)) {
        if self.served.tests(add) {
            lock(&self.within).training.pauses();
        }
    }

    /// Keeps what the validation since the last step found, if there was one.
    fn end_test(&self, within: &mut Within<M>) {
        let Some(test) = self.served.take_test() else {
            return;
        };
        within.training.goes_on();
        let step = within.observed;
        let kept = test.map(|test| within.training.tested(step, test));
        if let Some(Err(error)) = kept {
            within.fail(error);
        }
    }

    /// Observes a step, unless another replica has done so, and gives how many layers are frozen after it.
    fn observe(&self, model: &M, step: usize, rate: f64) -> usize {
        let mut within = lock(&self.within);
        if let Some(problem) = self.served.take_problem() {
            within.fail(problem);
        }
        if step > within.observed && within.failed.is_none() {
            within.observed = step;
            self.served.tell(&mut within.training);
            let (loss, train_accuracy) = self.served.take_means();
            let told = Step {
                step,
                learning_rate: Some(rate),
                loss,
                train_accuracy,
                ..Step::default()
            };
            let at_home = |model: &M| self.at_home(model);
            match within.training.observe(model, told, at_home) {
                Ok(frozen) => {
                    if frozen != within.frozen_after(step) {
                        within.decided.push((step, frozen));
                    }
                    lock(&self.shown).update(&within.training);
                }
                Err(error) => within.fail(error),
            }
        }
        within.frozen_after(step)
    }
}
