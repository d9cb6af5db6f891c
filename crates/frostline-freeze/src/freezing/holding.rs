//! Frozen layers stand still, whatever becomes of the model between two steps.

use burn::module::Module;
use burn::optim::GradientsParams;

use super::{FreezeTraining, lock};
use crate::frozen::{freeze_again, look, without_frozen};

impl<M: Module> FreezeTraining<M> {
    /// Freezes in this model what is to be frozen now. [`after_step`](Self::after_step) does so at each step; right after a
    /// record was loaded into a new model, or a copy from before the freeze was taken up again, it spares the
    /// frozen layers the step in between.
    ///
    /// Layers are found by the paths of their parameters. Outputs that a cache has kept are forgotten if the model is
    /// another one.
    pub fn hold(&mut self, model: &mut M) {
        self.hold_at(model, self.frozen());
    }

    pub(crate) fn hold_at(&mut self, model: &mut M, frozen: usize) {
        let _before = self.seen_frozen(model, frozen);
        *model = freeze_again(model.clone(), &self.layers, frozen);
        if let Some(cache) = &self.cache {
            // It may have other weights, by the same ids.
            lock(cache).clear();
        }
    }

    /// Looks whether the lowest layers stand still, without reading from a device, and freezes them again where they
    /// don't.
    pub(crate) fn held(&mut self, model: &mut M, frozen: usize) {
        let training = self.seen_frozen(model, frozen);
        if training.is_empty() {
            return;
        }
        let (layers, them, they) = match training.as_slice() {
            [layer] => (format!("layer `{layer}`"), "it", "it"),
            layers => {
                let names: Vec<String> = layers.iter().map(|name| format!("`{name}`")).collect();
                (format!("layers {}", names.join(", ")), "them", "they")
            }
        };
        self.notice(format!(
            "{layers} would have gone on training although frozen, and was frozen again: {they} may have moved for a \
             step. A model that was loaded, unfrozen or kept from before the freeze trains {them}: go on with the \
             model that `after_step` leaves, and pass a loaded one to `hold` first"
        ));
        *model = freeze_again(model.clone(), &self.layers, frozen);
    }

    /// The names of frozen layers that would train. Takes up the ids of a model that is another one.
    fn seen_frozen(&mut self, model: &M, frozen: usize) -> Vec<String> {
        let mut seen = look(model, &self.layers, frozen);
        if seen.is_another {
            self.loaded(model);
            seen.training = look(model, &self.layers, frozen).training;
        }
        if let Some(cache) = &self.cache
            && (seen.is_another || !seen.training.is_empty())
        {
            lock(cache).clear();
        }
        let names: Vec<&str> = self.layers.names().collect();
        let training = seen.training.iter();
        training.map(|layer| names[*layer].to_string()).collect()
    }

    /// Gradients without those of layers that are frozen now, for a loop that adds them up over several steps: what was
    /// added up before a layer froze would move it once more when the optimizer steps.
    ///
    /// ```no_run
    /// # use burn::{module::Module, optim::{GradientsAccumulator, ModuleOptimizer}};
    /// # use frostline_freeze::FreezeTraining;
    /// # fn example<M: Module>(
    /// #     freezing: &FreezeTraining<M>, net: M, rate: f64, optimizer: &mut ModuleOptimizer,
    /// #     accumulated: &mut GradientsAccumulator<M>,
    /// # ) -> M {
    /// let gradients = freezing.without_frozen(&net, accumulated.grads());
    /// let net = optimizer.step(rate, net, gradients);
    /// # net }
    /// ```
    pub fn without_frozen(&self, model: &M, gradients: GradientsParams) -> GradientsParams {
        without_frozen(model, gradients, &self.layers, self.frozen())
    }
}
