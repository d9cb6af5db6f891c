use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use burn::module::Module;
use frostline_activations::{CheckpointSchedule, RunFolder, RunInfo};
use frostline_svcca::Measure;

use super::FreezeTraining;
use crate::{Error, PrefixCache, Watched};

/// What can be chosen before training starts.
impl<M: Module> FreezeTraining<M> {
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

    /// Passes a check over where all measuring would come to more than this share of the training. The first and
    /// the last check are always made, and so are those that the policy
    /// [wants](crate::FreezePolicy::wanted_steps): others take what these leave.
    ///
    /// Both are counted in operations where the loop tells the samples of its steps ([`Step::samples`](crate::Step::samples),
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
    /// estimate from the shapes of parameters and taps ([`Layers::estimated_flops`](crate::Layers::estimated_flops)).
    pub fn forward_flops(mut self, flops: impl IntoIterator<Item = f64>) -> Self {
        self.info.forward_flops = Some(flops.into_iter().collect());
        self
    }

    /// Lets the caller say what the run folder shall know of the run: its name, title, seed, settings. A run that
    /// gets no name has that of its folder.
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
    /// [`resume`](Self::resume) in place of [`start`](Self::start), which would begin it anew. What either replaces is moved
    /// to `replaced-1`, or the next number that is free, in the folder: nothing that was recorded is deleted.
    pub fn going_on_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self.going_on = true;
        self
    }

    /// Writes scalars to an event file in this folder while the training goes on, so that
    /// `tensorboard --logdir` on it, or on the folder that it is in, shows them as they come: loss, accuracies, learning
    /// rate, frozen layers and the similarities of layers. The run folder may be the same.
    pub fn tensorboard_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.tensorboard = Some(path.into());
        self
    }
}

/// What measuring may cost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    /// [`DEFAULT_BUDGET`], counted in operations, where they are known.
    Default,
    /// Whatever the schedule wants.
    None,
    /// This share of the training.
    Share(f64),
}

/// Measuring's share of what a training computes.
pub(super) const DEFAULT_BUDGET: f64 = 0.02;
