use frostline_activations::Length;
use frostline_svcca::Measure;
use serde::{Deserialize, Serialize};

use crate::{FreezePolicy, History, Watched};

/// Lets the policy within decide and writes its decisions down, but freezes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun<P>(pub P);

impl<P: FreezePolicy> FreezePolicy for DryRun<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        self.0.frozen_layers(history)
    }

    fn reason(&self, history: &History) -> String {
        self.0.reason(history)
    }

    fn describe(&self) -> String {
        format!("dry run of {}", self.0.describe())
    }

    fn is_dry_run(&self) -> bool {
        true
    }

    fn thaws(&self) -> bool {
        self.0.thaws()
    }

    fn watches(&self) -> Watched {
        self.0.watches()
    }

    fn measure(&self) -> Option<Measure> {
        self.0.measure()
    }

    fn wanted_steps(&self, layers: usize, length: Length) -> Vec<usize> {
        self.0.wanted_steps(layers, length)
    }

    fn doubts(&self, layers: usize, length: Length) -> Vec<String> {
        self.0.doubts(layers, length)
    }
}
