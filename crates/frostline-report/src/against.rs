use frostline_activations::{Check, MetricsPoint, Run};

use crate::axis::{Axis, Unit, drawable};
use crate::cost::{Cost, spent};

/// What the horizontal axis of a training curve counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Optimiser steps.
    Steps,
    /// Passes through the training samples.
    Epochs,
    /// Seconds of training, without measuring and testing.
    Seconds,
    /// Floating-point operations of training and measuring.
    Flops,
}

impl Against {
    /// Every axis.
    pub const ALL: [Against; 4] = [
        Against::Steps,
        Against::Epochs,
        Against::Seconds,
        Against::Flops,
    ];

    /// Those on which something can be placed: operations only where some run counted them.
    pub fn known(runs: &[&Run]) -> Vec<Against> {
        let mut checks = runs.iter().flat_map(|run| &run.history);
        let mut points = runs.iter().flat_map(|run| run.metrics.points());
        let counted = checks.any(|check| Against::Flops.at(check).is_some())
            || points.any(|point| point.flops.is_some());
        let known = |against: &Against| *against != Against::Flops || counted;
        Against::ALL.into_iter().filter(known).collect()
    }

    /// Its name, as a heading has it.
    pub fn name(self) -> &'static str {
        match self {
            Against::Steps => "steps",
            Against::Epochs => "epochs",
            Against::Seconds => "training time",
            Against::Flops => "operations",
        }
    }

    /// Its name within those of files, of classes and of ids.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Against::Seconds => "seconds",
            _ => self.name(),
        }
    }

    /// Where a check lies; none where nobody counted.
    pub(crate) fn at(self, check: &Check) -> Option<f64> {
        match self {
            Against::Steps => Some(check.step as f64),
            Against::Epochs => Some(check.epoch),
            Against::Seconds => Some(check.training_seconds),
            Against::Flops => spent(check.ledger.as_ref()?),
        }
    }

    /// Where a point of the metrics lies; none where nobody counted.
    pub(crate) fn at_point(self, point: &MetricsPoint) -> Option<f64> {
        match self {
            Against::Steps => Some(point.step as f64),
            Against::Epochs => Some(point.epoch),
            Against::Seconds => Some(point.training_seconds),
            Against::Flops => point.flops,
        }
    }

    /// Where a run ended.
    pub(crate) fn at_end(self, run: &Run) -> Option<f64> {
        let end = run.info.outcome.as_ref()?;
        match self {
            Against::Steps => Some(end.step as f64),
            Against::Epochs => Some(run.info.length.epoch(end.step)),
            Against::Seconds => Some(end.training_seconds),
            Against::Flops => spent(end.ledger.as_ref()?),
        }
    }

    /// Where a step of a run lies; seconds and operations are known where there was a check, and at the end.
    pub(crate) fn at_step(self, run: &Run, step: usize) -> Option<f64> {
        let known = match self {
            Against::Steps => Some(step as f64),
            Against::Epochs => Some(run.info.length.epoch(step)),
            Against::Seconds | Against::Flops => {
                let mut checks = run.history.iter().filter(|check| check.step == step);
                let ended = run.info.outcome.as_ref().filter(|end| end.step == step);
                let at_end = || ended.and_then(|_| self.at_end(run));
                checks.find_map(|check| self.at(check)).or_else(at_end)
            }
        };
        known.filter(|&at| drawable(at))
    }

    /// From nothing to `last`.
    pub(crate) fn axis(self, last: f64) -> Axis {
        let last = last.max(0.0);
        match self {
            Against::Steps => Axis::linear("step", (0.0, last), Unit::Count),
            Against::Epochs => Axis::linear("epoch", (0.0, last), Unit::Number),
            Against::Seconds => Axis::linear("training time (s)", (0.0, last), Unit::Number),
            Against::Flops => {
                let (worth, unit) = Cost::Flops.unit(last);
                let label = format!("operations so far ({unit})");
                Axis::linear(&label, (0.0, last / worth), Unit::Number).times(worth)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_in_the_unit_that_fits() {
        let axis = Against::Flops.axis(4e12);
        assert_eq!(axis.label, "operations so far (TFLOP)");
        let (value, text) = axis.ticks.last().unwrap();
        assert_eq!((*value, text.as_str()), (4e12, "4"));
        assert_eq!((axis.low, axis.high), (0.0, 4e12));
        assert!((axis.share(1e12) - 0.25).abs() < 1e-12);
    }
}
