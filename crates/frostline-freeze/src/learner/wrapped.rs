use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;
use burn::train::{InferenceStep, TrainOutput, TrainStep};

use super::outputs::Known;
use super::{Handle, Shared};
use crate::freezing::lock;
use crate::frozen::change;
use crate::{FreezeTraining, Resumed, forget_state};

/// A model that freezes itself while Burn's `Learner` trains it. See [`FreezeTraining::wrap`].
///
/// To everything else it is the model within: same parameters, same paths, same records.
pub struct Wrapped<M: TrainStep> {
    model: M,
    /// Optimiser steps that this replica has done, and its frozen layers.
    step: usize,
    frozen: usize,
    shared: Arc<Shared<M>>,
}

impl<M: Module + TrainStep> Wrapped<M> {
    pub(super) fn new(training: FreezeTraining<M>, model: M) -> Self {
        Wrapped {
            shared: Arc::new(Shared::new(training, &model)),
            model,
            step: 0,
            frozen: 0,
        }
    }

    /// A hold on the freezing, to keep when the learner takes the model.
    pub fn handle(&self) -> Handle<M> {
        Handle(self.shared.clone())
    }

    /// The model within.
    pub fn inner(&self) -> &M {
        &self.model
    }

    /// Takes the model out.
    pub fn into_inner(self) -> M {
        self.model
    }

    /// Says how many samples a batch has, for the ledger. A model that enters above its frozen layers by
    /// [`forward_above_frozen`](super::forward_above_frozen) needn't.
    pub fn samples_a_batch(self, samples: usize) -> Self {
        lock(&self.shared.options).samples = Some(samples);
        self
    }

    /// Reads the loss of each step from an output that is none of Burn's own, or in place of what is read from
    /// those. A loss that is not finite ends the run.
    pub fn reading_loss(self, loss: impl Fn(&M::Output) -> f64 + Send + 'static) -> Self {
        lock(&self.shared.options).loss = Some(Box::new(loss));
        self
    }

    /// Reads neither loss nor accuracy from Burn's own outputs: on a GPU, reading waits for every step. The run
    /// folder then has no curves of them, and a loss that is not finite doesn't end the run.
    pub fn reading_nothing(self) -> Self {
        lock(&self.shared.options).silent = true;
        self
    }

    /// Keeps what the optimizer remembers of layers that thaw, such as the momentum of the day they froze.
    /// By default it is taken away.
    pub fn keep_optimizer_state(self) -> Self {
        lock(&self.shared.options).keep_state = true;
        self
    }

    /// Before the optimizer does its step.
    fn tell_rates(&self, rates: &ModuleLearningRate) {
        let mut within = lock(&self.shared.within);
        // Each replica has the same rates at the same step.
        if self.step >= within.observed {
            within.training.learning_rates(&self.model, rates);
        }
    }

    /// After the optimizer has done its step.
    fn stepped(self, mut model: M, optimizer: &mut ModuleOptimizer, rate: f64) -> Self {
        let step = self.step + 1;
        let frozen = self.frozen;
        lock(&self.shared.within).training.held(&mut model, frozen);
        let frozen = self.shared.observe(&model, step, rate);
        let mut stepped = Wrapped {
            model,
            step,
            frozen,
            shared: self.shared,
        };
        if frozen == self.frozen {
            return stepped;
        }
        let mut within = lock(&stepped.shared.within);
        let layers = within.training.layers().clone();
        stepped.model = change(stepped.model, &layers, self.frozen, frozen);
        if frozen < self.frozen && !lock(&stepped.shared.options).keep_state {
            match forget_state(optimizer.clone(), &layers, frozen..self.frozen) {
                Ok(forgetful) => *optimizer = forgetful,
                Err(error) => within.fail(error),
            }
        }
        drop(within);
        stepped
    }
}

impl<M: Module + TrainStep> TrainStep for Wrapped<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: M::Input) -> TrainOutput<M::Output> {
        self.shared.start(&self.model);
        self.shared.end_test(&mut lock(&self.shared.within));
        let output = self
            .shared
            .served
            .serve(self.frozen, || TrainStep::step(&self.model, item));
        let options = lock(&self.shared.options);
        self.shared.served.stepped(options.samples);
        let known = Known::of(&output.item).filter(|_| !options.silent);
        let (loss, accuracy) = known.map_or((None, None), Known::read);
        let own = options.loss.as_ref().map(|loss| loss(&output.item));
        self.shared.served.note(own.or(loss), accuracy);
        output
    }

    fn optimize(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        lock(&self.shared.within)
            .training
            .gradients(&self.model, &gradients);
        self.tell_rates(&rate);
        let base = rate.base();
        let model = self.model.clone().optimize(optimizer, rate, gradients);
        self.stepped(model, optimizer, base)
    }

    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        for (gradients, _) in &gradients.grads {
            lock(&self.shared.within)
                .training
                .more_gradients(&self.model, gradients);
        }
        self.tell_rates(&rate);
        let base = rate.base();
        let model = self
            .model
            .clone()
            .optimize_multi(optimizer, rate, gradients);
        self.stepped(model, optimizer, base)
    }
}

impl<M: Module + TrainStep + InferenceStep> InferenceStep for Wrapped<M> {
    type Input = <M as InferenceStep>::Input;
    type Output = <M as InferenceStep>::Output;

    fn step(&self, item: Self::Input) -> Self::Output {
        // Before the first batch of a test: what it takes is no time of training.
        self.shared.test(|_| ());
        let output = InferenceStep::step(&self.model, item);
        if let Some(known) = Known::of(&output).filter(|_| !lock(&self.shared.options).silent) {
            self.shared.test(|sums| sums.add(known));
        }
        output
    }
}

/// Transparent: every method is the model's own, but for loading and saving, where a run is taken up again.
impl<M: Module + TrainStep> Module for Wrapped<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.with(|model| model.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.with(|model| model.to_device(device))
    }

    fn train(self) -> Self {
        self.with(M::train)
    }

    fn valid(&self) -> Self {
        self.clone().with(|model| model.valid())
    }

    fn materialize(self) -> Self {
        self.with(M::materialize)
    }

    fn num_params(&self) -> usize {
        self.model.num_params()
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
    }

    fn map<F: ModuleMapper>(self, mapper: &mut F) -> Self {
        self.with(|model| model.map(mapper))
    }

    fn into_record(self) -> ModuleRecord {
        // Batch norm keeps the last update of its running statistics aside until someone asks; a record doesn't ask,
        // and would lose it.
        let _ = self.model.valid();
        let mut within = lock(&self.shared.within);
        self.shared.end_test(&mut within);
        // A copy from earlier in the training is no moment of the run that could be gone on from.
        if within.started
            && self.step == within.observed
            && let Err(error) = within.training.note_saved(&self.model, self.step)
        {
            within.fail(error);
        }
        drop(within);
        self.model.into_record()
    }

    fn into_record_group(self, group: ParamGroup) -> ModuleRecord {
        self.model.into_record_group(group)
    }

    fn try_load_record(self, record: ModuleRecord) -> Result<Self, RecordError> {
        let Wrapped {
            model,
            shared,
            step,
            frozen,
        } = self;
        let model = model.try_load_record(record)?;
        let mut within = lock(&shared.within);
        let mut loaded = Wrapped {
            step,
            frozen,
            shared: shared.clone(),
            model,
        };
        within.training.loaded(&loaded.model);
        if within.started {
            // In mid-training: what is frozen stays so.
            within.training.hold_at(&mut loaded.model, frozen);
            drop(within);
            return Ok(loaded);
        }
        match within.training.resume(&mut loaded.model) {
            Ok(Resumed::At { step }) => {
                loaded.frozen = within.training.frozen();
                loaded.step = step;
                within.started = true;
                within.observed = step;
                within.decided = vec![(step, loaded.frozen)];
                lock(&shared.shown).update(&within.training);
            }
            // A model that was trained elsewhere, or no folder.
            Ok(_) => {}
            Err(error) => within.fail(error),
        }
        drop(within);
        Ok(loaded)
    }
}

impl<M: TrainStep> Wrapped<M> {
    fn with(self, change: impl FnOnce(M) -> M) -> Self {
        Wrapped {
            model: change(self.model),
            ..self
        }
    }
}

impl<M: Clone + TrainStep> Clone for Wrapped<M> {
    fn clone(&self) -> Self {
        Wrapped {
            model: self.model.clone(),
            step: self.step,
            frozen: self.frozen,
            shared: self.shared.clone(),
        }
    }
}

impl<M: Debug + TrainStep> Debug for Wrapped<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.model.fmt(f)
    }
}

impl<M: Display + TrainStep> Display for Wrapped<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.model.fmt(f)
    }
}
