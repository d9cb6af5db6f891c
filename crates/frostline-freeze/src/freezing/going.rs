use std::sync::Mutex;

use frostline_activations::{
    Activations, Check, Metrics, MetricsPoint, Outcome, RunFolder, Spread, Status, notice, noticed,
};
use frostline_svcca::Snapshot;
use frostline_tensorboard::EventFile;

use super::lock;
use super::noted::KeptStates;
use crate::clock::{Clock, wall_seconds};
use crate::gains::Gains;
use crate::spending::Spending;
use crate::watching::{GradientSums, Told, Weights};
use crate::{Error, PrefixCache, Step, Watched};

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
    /// The last step that was told.
    pub(super) last_step: usize,
    /// The activations of checks that could not be written yet.
    pub(super) unsaved: Vec<(usize, Activations)>,
    /// The files that the latest notes of saved models need.
    pub(super) states: Mutex<KeptStates>,
    /// How the run ended, once it has.
    pub(super) ended: Option<(Status, usize)>,
    pub(super) clock: Clock,
    pub(super) told: Told,
    pub(super) gradients: GradientSums,
    /// Behind a lock, since saving a model counts in the step that is being done.
    pub(super) gains: Mutex<Gains>,
    pub(super) weights: Option<Weights>,
    /// Each layer at the previous check; none for a frozen layer.
    pub(super) previous: Vec<Option<Snapshot>>,
    /// Each layer at the first check.
    pub(super) first: Vec<Option<Snapshot>>,
    pub(super) spending: Spending,
    /// Due checks that were passed over, to keep measuring within its share.
    pub(super) passed_over: usize,
    /// Samples of a step, as its taps showed, for a loop that doesn't tell them.
    pub(super) samples_seen: Option<usize>,
    /// The step after which the taps began to be counted.
    pub(super) counting_since: Option<usize>,
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
        // What one of them can't write is no reason for the other to miss it.
        let shown = match &mut self.events {
            Some(events) => events.add(&point, self.metrics.width()),
            None => Ok(()),
        };
        let thinned = self.metrics.push(point);
        let kept = match &mut self.folder {
            Some(folder) => folder.keep_metrics(&self.metrics, thinned),
            None => Ok(()),
        };
        Ok(kept.and(shown)?)
    }

    /// Writes the activations of a check. What can't be written, such as on a full disk, is tried again at the next step.
    pub(super) fn save(&mut self, step: usize, activations: Activations) -> Result<(), Error> {
        self.unsaved.push((step, activations));
        self.save_again()
    }

    /// Writes the activations that could not be written before, if there are any.
    pub(super) fn save_again(&mut self) -> Result<(), Error> {
        while let Some((step, activations)) = self.unsaved.first() {
            if let Some(folder) = &self.folder {
                folder.save(*step, activations)?;
            }
            self.unsaved.remove(0);
        }
        Ok(())
    }

    /// Writes how the run ended.
    pub(super) fn end(&mut self, outcome: &Outcome) -> Result<(), Error> {
        if let Some(folder) = &mut self.folder {
            folder.finish(outcome.clone())?;
        }
        self.ended = Some((outcome.status, outcome.step));
        Ok(())
    }

    /// An error once the run has ended.
    pub(super) fn goes_on(&self) -> Result<(), Error> {
        match self.ended {
            None => Ok(()),
            Some((status, step)) => Err(Error::Ended {
                status: match status {
                    Status::Finished => "finished",
                    Status::Interrupted => "interrupted",
                    Status::Diverged => "diverged",
                },
                step,
            }),
        }
    }

    /// Writes a check to the run folder and to TensorBoard's event file.
    pub(super) fn keep_check(&mut self, check: &Check, layers: &[String]) -> Result<(), Error> {
        let kept = match &mut self.folder {
            Some(folder) => folder.append(check),
            None => Ok(()),
        };
        let shown = match &mut self.events {
            Some(events) => events.add_check(check, layers, wall_seconds()),
            None => Ok(()),
        };
        Ok(kept.and(shown)?)
    }

    /// The samples of a step of which the loop doesn't tell them. The taps of the second such step are counted, which shows
    /// how many there are; that step then stands for the first too.
    pub(super) fn count_samples<'a>(
        &mut self,
        step: usize,
        taps: impl Iterator<Item = &'a str>,
    ) -> Option<usize> {
        match (self.samples_seen, self.counting_since) {
            (Some(seen), _) => Some(seen),
            (None, None) => {
                notice();
                self.counting_since = Some(step);
                None
            }
            (None, Some(since)) => {
                let samples = noticed(taps)?;
                self.samples_seen = Some(samples.div_ceil(step - since));
                self.samples_seen.map(|seen| 2 * seen)
            }
        }
    }

    /// Goes on counting the taps of a step, as the process did that was killed.
    pub(super) fn count_on(&mut self, since: Option<usize>) {
        self.counting_since = since;
        if since.is_some() && self.samples_seen.is_none() {
            notice();
        }
    }

    /// What to say of checks that were passed over, if some were.
    pub(super) fn passed_over(&self) -> Option<String> {
        (self.passed_over > 0).then(|| {
            format!(
                "{} of {} checks were passed over, to keep measuring within its share of the training: a smaller probe, \
                 `measure_at_most` or a schedule of its own (`checking`) allow more",
                self.passed_over,
                self.due.len()
            )
        })
    }

    /// What to say of gradients that are watched and that the loop has not told up to the check after these, unless one of these
    /// says it: a run that goes on is told no second time.
    pub(super) fn not_told(
        &self,
        watched: &Watched,
        gradients: &[Option<f64>],
        before: &[Check],
    ) -> Option<String> {
        let text = "the policy decides by gradients, which the loop has not told: call `FreezeTraining::gradients` before each \
                    step of the optimizer, or nothing freezes";
        let known = |values: &[Option<f64>]| values.iter().any(Option::is_some);
        let summed = known(gradients) || before.iter().any(|check| known(&check.gradients));
        let gained =
            known(lock(&self.gains).sums()) || before.iter().any(|check| known(&check.gains));
        let missing = watched.gradients && !summed || watched.gains && !gained;
        let said = || {
            before
                .iter()
                .any(|check| check.warnings.iter().any(|said| said == text))
        };
        (missing && !said()).then(|| text.to_string())
    }

    /// Whether the schedule has a check after one step and up to another.
    pub(super) fn has_due(&self, before: usize, step: usize) -> bool {
        self.due.iter().any(|due| before < *due && *due <= step)
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
