use std::fmt::{Display, Formatter, Result};

/// What [`resume`](crate::FreezeTraining::resume) found: the step from which the training goes on, or why there is
/// nothing to go on with.
///
/// ```no_run
/// # use burn::module::Module;
/// # use frostline_freeze::{Error, FreezeTraining, Resumed};
/// # fn example<M: Module>(mut freezing: FreezeTraining<M>, mut model: M) -> Result<(), Error> {
/// let done = match freezing.resume(&mut model)? {
///     Resumed::At { step } => step,
///     nothing => {
///         println!("begins anew: {nothing}");
///         freezing.start(&model)?;
///         0
///     }
/// };
/// // for step in done + 1..=length.steps { .. }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the training goes on after this step, or has to be started"]
pub enum Resumed {
    /// No folder was chosen, so there is no run to go on with:
    /// [`going_on_in`](crate::FreezeTraining::going_on_in) chooses one.
    NoFolder,
    /// The folder holds no run.
    NoRun,
    /// The folder holds a run, but no model was noted as saved in it
    /// ([`note_saved`](crate::FreezeTraining::note_saved)).
    NothingSaved,
    /// The folder holds a run, but only other weights than these were noted as saved in it.
    OtherWeights {
        /// The step of the model that was noted last.
        latest: usize,
    },
    /// The training goes on after this step: the next one is `step + 1`.
    At {
        /// Optimiser steps that were done when the model was saved.
        step: usize,
    },
}

impl Resumed {
    /// The steps that are done, where the training goes on.
    pub fn step(&self) -> Option<usize> {
        match self {
            Resumed::At { step } => Some(*step),
            _ => None,
        }
    }
}

impl Display for Resumed {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Resumed::NoFolder => write!(f, "no folder was chosen in which a run could go on"),
            Resumed::NoRun => write!(f, "the folder holds no run yet"),
            Resumed::NothingSaved => write!(
                f,
                "the folder holds a run, but no model was noted as saved in it; call `note_saved` whenever the \
                 model is saved"
            ),
            Resumed::OtherWeights { latest } => write!(
                f,
                "the folder holds a run, but the weights of this model were not noted in it; those that were noted \
                 last are of step {latest}. Call `note_saved` before the model is saved, so that a kill between the \
                 two leaves a model that is known"
            ),
            Resumed::At { step } => write!(f, "the training goes on after step {step}"),
        }
    }
}
