use std::time::Instant;

use burn::module::Module;
use frostline_activations::{CheckpointSchedule, PanesProbe, Probe};

use super::FreezeTraining;
use crate::Error;

/// The shares of the training at which the panes of the SVCCA article stand.
const MOMENTS: [f64; 4] = [0.0, 0.35, 0.75, 1.0];

/// A probe for the pictures, and when it is evaluated.
pub(super) struct Panes<M> {
    pub(super) probe: Probe<M>,
    schedule: CheckpointSchedule,
}

/// Cheap checks decide; a larger probe, evaluated a few times in a training, is for the pictures.
impl<M: Module> FreezeTraining<M> {
    /// Evaluates the model on this probe too, for the panes alone: at 0, 35, 75 and 100 % of the training.
    ///
    /// It may have many more samples than the probe of the checks, so that what chance gives stays low in the
    /// pictures: ten for each direction that is kept, or more. Its activations are kept in the run folder, under
    /// `panes/`; without a folder it isn't evaluated. What it costs counts as neither training nor measuring and is in
    /// [`Ledger::panes`](frostline_activations::Ledger::panes).
    pub fn panes_probe(mut self, probe: Probe<M>) -> Self {
        self.panes = Some(Panes {
            probe: probe.drawing_errors(frostline_svcca::rounding_errors::<2>),
            schedule: CheckpointSchedule::Fractions(MOMENTS.to_vec()),
        });
        self
    }

    /// Evaluates the probe of the panes at these moments instead. Without
    /// [`panes_probe`](Self::panes_probe) before it, nothing changes.
    pub fn panes_at(mut self, schedule: CheckpointSchedule) -> Self {
        if let Some(panes) = &mut self.panes {
            panes.schedule = schedule;
        }
        self
    }

    /// Settles when the probe of the panes is evaluated and in which layout, and notes it for the run folder.
    pub(super) fn settle_panes(&mut self, model: &M) -> Result<(), Error> {
        let length = self.history.length();
        self.info.panes_probe = match &self.panes {
            Some(Panes { probe, schedule }) => Some(PanesProbe {
                layout: probe.settle_layout(model)?,
                steps: schedule.due(&length)?,
            }),
            None => None,
        };
        Ok(())
    }

    /// Whether the probe of the panes is to be evaluated after this step, the last one before being `before`; none before
    /// the first.
    pub(super) fn pane_is_due(&self, before: Option<usize>, step: usize) -> bool {
        let folder = self
            .going
            .as_ref()
            .is_some_and(|going| going.folder.is_some());
        let planned = self.info.panes_probe.as_ref();
        let passed = |due: &usize| before.is_none_or(|before| before < *due) && *due <= step;
        folder && planned.is_some_and(|planned| planned.steps.iter().any(passed))
    }

    /// Evaluates the model on the probe of the panes, if it is time, and keeps what it gives.
    pub(super) fn record_pane(
        &mut self,
        model: &M,
        before: Option<usize>,
        step: usize,
    ) -> Result<(), Error> {
        if !self.pane_is_due(before, step) {
            return Ok(());
        }
        let Some(panes) = &self.panes else {
            return Ok(());
        };
        let began = Instant::now();
        let activations = panes.probe.activations(model)?;
        // Fewer than rows, where several places of a sample are rows.
        let rows = activations.iter().map(|layer| layer.shape()[0]).max();
        let samples = activations.inputs().or(rows).unwrap_or(0);
        let going = self.going.as_mut().expect("a step follows the start");
        if let Some(folder) = &going.folder {
            folder.save_pane(step, &activations)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        going.spending.pictured(samples, seconds);
        going.clock.passed();
        Ok(())
    }
}
