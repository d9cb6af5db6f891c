use serde::{Deserialize, Serialize};

use crate::{FreezePolicy, History};

/// Lets the policy within decide and writes its decisions down, but freezes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun<P>(pub P);

impl<P: FreezePolicy> FreezePolicy for DryRun<P> {
    fn frozen_layers(&self, history: &History) -> usize {
        self.0.frozen_layers(history)
    }

    fn within(&self) -> Option<&dyn FreezePolicy> {
        Some(&self.0)
    }

    fn describe(&self) -> String {
        format!("dry run of {}", self.0.describe())
    }

    fn is_dry_run(&self) -> bool {
        true
    }
}
