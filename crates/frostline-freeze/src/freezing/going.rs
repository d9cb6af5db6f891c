use std::sync::Mutex;

use frostline_activations::RunFolder;
use frostline_svcca::Prepared;

use super::lock;
use crate::PrefixCache;
use crate::clock::Clock;
use crate::spending::Spending;
use crate::watching::{GradientSums, Told, Weights};

/// What there is while training goes on.
pub(super) struct Going {
    pub(super) folder: Option<RunFolder>,
    /// The steps at which to check.
    pub(super) due: Vec<usize>,
    pub(super) clock: Clock,
    pub(super) told: Told,
    pub(super) gradients: GradientSums,
    pub(super) weights: Option<Weights>,
    /// Each layer at the previous check; none for a frozen layer.
    pub(super) previous: Vec<Option<Prepared>>,
    pub(super) spending: Spending,
    /// Inputs that went through `forward` since the last step, and whether the cache
    /// served them.
    pub(super) forwarded: Option<(usize, bool)>,
    /// Seconds of training up to the previous check.
    pub(super) trained_before: f64,
    /// The notice that the cache has switched itself off was written.
    pub(super) cache_off_told: bool,
}

impl Going {
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
