/// What a training loop knows of the step it has just done. `Step::from(step)` knows its number only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Optimiser steps done, this one included: the first is 1.
    pub step: usize,
    /// The learning rate of this step.
    pub learning_rate: Option<f64>,
    /// The training loss of this step.
    pub loss: Option<f64>,
    /// The accuracy on this step's batch, in `[0, 1]`.
    pub train_accuracy: Option<f64>,
    /// The accuracy on held-out samples in `[0, 1]`, where it was measured after this step.
    pub accuracy: Option<f64>,
    /// The number of samples in this step, for the ledger; [`FreezeTraining::forward`](crate::FreezeTraining::forward) knows it by itself.
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
