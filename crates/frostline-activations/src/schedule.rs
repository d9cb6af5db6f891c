use serde::{Deserialize, Serialize};

use crate::Error;

/// How long a training is: what fractions of it and epochs of it mean in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    /// Optimiser steps in the whole training.
    pub steps: usize,
    /// Optimiser steps in an epoch.
    pub steps_per_epoch: usize,
}

impl Length {
    /// A training of so many whole epochs.
    pub fn epochs(epochs: usize, steps_per_epoch: usize) -> Self {
        Length {
            steps: epochs * steps_per_epoch,
            steps_per_epoch,
        }
    }

    /// A training of so many steps, all in one epoch.
    pub fn steps(steps: usize) -> Self {
        Length {
            steps,
            steps_per_epoch: steps,
        }
    }

    /// The share of the training that is done after `step` steps: `t = min(step / steps, 1)`.
    pub fn progress(&self, step: usize) -> f64 {
        (step as f64 / self.steps.max(1) as f64).min(1.0)
    }

    /// The epochs that are done after `step` steps: `step / steps_per_epoch`.
    pub fn epoch(&self, step: usize) -> f64 {
        step as f64 / self.steps_per_epoch.max(1) as f64
    }
}

/// When to look at the network.
///
/// Steps count optimiser updates: step 0 is the untrained network. Every schedule but `Steps` also
/// takes step 0 and the last step, since convergence is read against both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointSchedule {
    /// Every so many steps.
    EverySteps(usize),
    /// Every so many epochs; fractions such as 0.5 are fine.
    EveryEpochs(f64),
    /// At these fractions of the training, each in `[0, 1]`.
    Fractions(Vec<f64>),
    /// At these steps and no others.
    Steps(Vec<usize>),
}

impl CheckpointSchedule {
    /// The steps at which it is time, ascending, each once.
    ///
    /// Errors: `BadSchedule` for an interval of zero, a fraction outside `[0, 1]`, or a step beyond
    /// the end.
    pub fn due(&self, length: &Length) -> Result<Vec<usize>, Error> {
        let bad = |problem: String| Error::BadSchedule {
            schedule: self.to_string(),
            problem,
        };
        let at = |fraction: f64| (fraction * length.steps as f64).round() as usize;
        let mut steps: Vec<usize> = match self {
            CheckpointSchedule::EverySteps(0) => {
                return Err(bad("has an interval of zero steps".into()));
            }
            CheckpointSchedule::EverySteps(interval) => {
                (0..=length.steps).step_by(*interval).collect()
            }
            CheckpointSchedule::EveryEpochs(epochs) => {
                let interval = epochs * length.steps_per_epoch as f64;
                if !interval.is_finite() || interval < 0.5 {
                    return Err(bad(format!(
                        "has an interval of {interval} steps; it takes at least one"
                    )));
                }
                let count = (length.steps as f64 / interval) as usize;
                (0..=count)
                    .map(|check| (check as f64 * interval).round() as usize)
                    .collect()
            }
            CheckpointSchedule::Fractions(fractions) => {
                if let Some(fraction) = fractions.iter().find(|f| !(0.0..=1.0).contains(*f)) {
                    return Err(bad(format!("has the fraction {fraction} outside [0, 1]")));
                }
                fractions.iter().map(|&fraction| at(fraction)).collect()
            }
            CheckpointSchedule::Steps(steps) => {
                if let Some(step) = steps.iter().find(|&&step| step > length.steps) {
                    return Err(bad(format!(
                        "has step {step}, but the training ends at step {}",
                        length.steps
                    )));
                }
                steps.clone()
            }
        };
        if !matches!(self, CheckpointSchedule::Steps(_)) {
            steps.extend([0, length.steps]);
        }
        steps.sort_unstable();
        steps.dedup();
        Ok(steps)
    }
}

impl std::fmt::Display for CheckpointSchedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CheckpointSchedule::EverySteps(steps) => write!(f, "every {steps} steps"),
            CheckpointSchedule::EveryEpochs(epochs) => write!(f, "every {epochs} epochs"),
            CheckpointSchedule::Fractions(fractions) => write!(f, "at the fractions {fractions:?}"),
            CheckpointSchedule::Steps(steps) => write!(f, "at the steps {steps:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Length = Length {
        steps: 100,
        steps_per_epoch: 25,
    };

    fn due(schedule: CheckpointSchedule) -> Vec<usize> {
        schedule.due(&LENGTH).unwrap()
    }

    #[test]
    fn a_schedule_takes_the_first_and_the_last_step_and_each_step_once() {
        use CheckpointSchedule::*;
        assert_eq!(due(EverySteps(40)), [0, 40, 80, 100]);
        assert_eq!(due(EveryEpochs(1.0)), [0, 25, 50, 75, 100]);
        assert_eq!(due(EveryEpochs(0.5)), [0, 13, 25, 38, 50, 63, 75, 88, 100]);
        assert_eq!(due(Fractions(vec![0.75, 0.35, 0.35])), [0, 35, 75, 100]);
        assert_eq!(due(Steps(vec![30, 10, 30])), [10, 30]);
        assert_eq!(due(EverySteps(1000)), [0, 100]);
    }

    #[test]
    fn a_schedule_that_cannot_be_followed_is_an_error_with_its_numbers() {
        let problem = |schedule: CheckpointSchedule| schedule.due(&LENGTH).unwrap_err().to_string();
        assert!(problem(CheckpointSchedule::EverySteps(0)).contains("zero steps"));
        assert!(problem(CheckpointSchedule::EveryEpochs(0.0)).contains("0 steps"));
        assert!(problem(CheckpointSchedule::EveryEpochs(f64::NAN)).contains("NaN"));
        assert!(problem(CheckpointSchedule::EveryEpochs(-1.0)).contains("-25 steps"));
        assert!(problem(CheckpointSchedule::Fractions(vec![0.5, 1.5])).contains("1.5"));
        assert!(problem(CheckpointSchedule::Fractions(vec![f64::NAN])).contains("NaN"));
        assert!(problem(CheckpointSchedule::Steps(vec![101])).contains("step 101"));
    }

    #[test]
    fn progress_and_epochs_follow_from_the_length() {
        assert_eq!(LENGTH.progress(35), 0.35);
        assert_eq!(LENGTH.progress(150), 1.0);
        assert_eq!(LENGTH.epoch(50), 2.0);
        assert_eq!(Length::epochs(4, 25), LENGTH);
        assert_eq!(Length::steps(0).progress(0), 0.0);
    }
}
