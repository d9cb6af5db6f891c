use std::sync::Mutex;

use frostline_activations::{Check, Metrics, MetricsPoint, RunFolder, Spread};
use frostline_svcca::Snapshot;
use frostline_tensorboard::EventFile;

use super::lock;
use crate::clock::{Clock, wall_seconds};
use crate::spending::Spending;
use crate::watching::{GradientSums, Told, Weights};
use crate::{Error, PrefixCache, Step};

/// What there is while training goes on.
pub(super) struct Going {
    pub(super) folder: Option<RunFolder>,
    /// The event file for TensorBoard.
    pub(super) events: Option<EventFile>,
    /// What every step and every test reported.
    pub(super) metrics: Metrics,
    /// The latest accuracy on held-out samples, and on how many where that is known.
    pub(super) tested: Option<(f64, Option<usize>)>,
    /// The steps at which to check.
    pub(super) due: Vec<usize>,
    pub(super) clock: Clock,
    pub(super) told: Told,
    pub(super) gradients: GradientSums,
    pub(super) weights: Option<Weights>,
    /// Each layer at the previous check; none for a frozen layer.
    pub(super) previous: Vec<Option<Snapshot>>,
    /// Each layer at the first check.
    pub(super) first: Vec<Option<Snapshot>>,
    pub(super) spending: Spending,
    /// Inputs that went through `forward` since the last step, and whether the cache
    /// served them.
    pub(super) forwarded: Option<(usize, bool)>,
    /// Seconds of training up to the previous check.
    pub(super) trained_before: f64,
    /// The notice that the cache has switched itself off was written.
    pub(super) cache_off_told: bool,
}

/// What a test on held-out samples found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Test {
    pub(crate) loss: Option<f64>,
    pub(crate) accuracy: Option<f64>,
    pub(crate) samples: Option<usize>,
}

impl Going {
    /// Keeps what a step of this epoch reported, done with so many frozen layers.
    pub(super) fn keep(&mut self, step: &Step, epoch: f64, frozen: usize) -> Result<(), Error> {
        let point = MetricsPoint {
            steps: 1,
            loss: step.loss.and_then(Spread::of),
            train_accuracy: step.train_accuracy.and_then(Spread::of),
            learning_rate: step.learning_rate.and_then(Spread::of),
            ..self.point(step.step, epoch, frozen)
        };
        self.add(point)
    }

    /// Keeps what a test after this step found.
    pub(super) fn keep_test(
        &mut self,
        test: Test,
        step: usize,
        epoch: f64,
        frozen: usize,
    ) -> Result<(), Error> {
        let known = test.accuracy.filter(|accuracy| accuracy.is_finite());
        let known = known.map(|accuracy| (accuracy, test.samples));
        self.tested = known.or(self.tested);
        let point = MetricsPoint {
            test_loss: test.loss.and_then(Spread::of),
            test_accuracy: test.accuracy.and_then(Spread::of),
            ..self.point(step, epoch, frozen)
        };
        if point.test_loss.or(point.test_accuracy).is_none() {
            return Ok(());
        }
        self.add(point)
    }

    fn point(&self, step: usize, epoch: f64, frozen: usize) -> MetricsPoint {
        MetricsPoint {
            step,
            epoch,
            training_seconds: self.clock.training_seconds_now(),
            flops: self.spending.flops().filter(|flops| flops.is_finite()),
            frozen,
            wall_seconds: wall_seconds(),
            ..MetricsPoint::default()
        }
    }

    fn add(&mut self, point: MetricsPoint) -> Result<(), Error> {
        if let Some(events) = &mut self.events {
            events.add(&point, self.metrics.width())?;
        }
        let thinned = self.metrics.push(point);
        if let Some(folder) = &mut self.folder {
            folder.keep_metrics(&self.metrics, thinned)?;
        }
        Ok(())
    }

    /// Writes a check to the run folder and to TensorBoard's event file.
    pub(super) fn keep_check(&mut self, check: &Check, layers: &[String]) -> Result<(), Error> {
        if let Some(folder) = &mut self.folder {
            folder.append(check)?;
        }
        if let Some(events) = &mut self.events {
            events.add_check(check, layers, wall_seconds())?;
        }
        Ok(())
    }

    /// Enters into the ledger what was done since the previous check, and gives what was told since.
    pub(super) fn account(&mut self, frozen: usize, cache: Option<&Mutex<PrefixCache>>) -> Told {
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
