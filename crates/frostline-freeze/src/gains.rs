//! What each layer's updates gain.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, ElementConversion, Tensor};
use frostline_activations::Length;

use crate::Layers;

/// So many steps between two twentieths of a training are looked at: a share of what layers gain needs no more.
const LOOKS: usize = 16;

/// The first-order gain of each layer since the last check, from some of the steps.
#[derive(Debug, Default)]
pub(crate) struct Gains {
    /// `Σ -g · (w' - w)` of each layer.
    sums: Vec<Option<f64>>,
    /// The gradients of the step that is being done, and the weights before it, flat.
    step: HashMap<ParamId, (Tensor<1>, Tensor<1>)>,
}

impl Gains {
    /// Goes on from these sums.
    pub(crate) fn resume(sums: Vec<Option<f64>>) -> Self {
        Gains {
            sums,
            step: HashMap::new(),
        }
    }

    /// Whether this step is looked at.
    pub(crate) fn looks_at(step: usize, length: Length) -> bool {
        step.is_multiple_of((length.steps / (20 * LOOKS)).max(1))
    }

    /// The gradients of a step, and the weights that the optimizer will change by them. Those of replicas are added up.
    pub(crate) fn before<M: Module>(&mut self, model: &M, gradients: &GradientsParams) {
        struct Keeping<'a> {
            step: &'a mut HashMap<ParamId, (Tensor<1>, Tensor<1>)>,
            gradients: &'a GradientsParams,
        }
        impl ModuleVisitor for Keeping<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some(gradient) = self.gradients.get::<D>(param.id) else {
                    return;
                };
                let gradient: Tensor<1> = gradient.reshape([-1]);
                let (gradient, weights) = match self.step.remove(&param.id) {
                    Some((sum, weights)) => {
                        (sum.clone() + gradient.to_device(&sum.device()), weights)
                    }
                    None => (gradient, param.val().without_autodiff().reshape([-1])),
                };
                self.step.insert(param.id, (gradient, weights));
            }
        }
        model.visit(&mut Keeping {
            step: &mut self.step,
            gradients,
        });
    }

    /// The optimizer has done its step.
    pub(crate) fn after<M: Module>(&mut self, model: &M, layers: &Layers) {
        struct Adding {
            step: HashMap<ParamId, (Tensor<1>, Tensor<1>)>,
            gains: HashMap<ParamId, f64>,
        }
        impl ModuleVisitor for Adding {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some((gradient, before)) = self.step.remove(&param.id) else {
                    return;
                };
                let now: Tensor<1> = param.val().without_autodiff().reshape([-1]);
                let before = before.to_device(&now.device()).cast(DType::F32);
                // Products of small numbers would be nothing in f16.
                let gradient = gradient.to_device(&now.device()).cast(DType::F32);
                let gain = (gradient * (before - now.cast(DType::F32))).sum();
                self.gains
                    .insert(param.id, gain.into_scalar::<f32>().elem());
            }
        }
        if self.step.is_empty() {
            return;
        }
        let mut adding = Adding {
            step: std::mem::take(&mut self.step),
            gains: HashMap::new(),
        };
        model.visit(&mut adding);
        self.sums.resize(layers.len(), None);
        for (layer, sum) in self.sums.iter_mut().enumerate() {
            // In the layer's order: floating-point sums depend on it.
            let ids = layers.ids(layer..layer + 1);
            let gains = ids.filter_map(|id| adding.gains.get(&id).copied());
            let gained = gains.reduce(|a, b| a + b).filter(|gain| gain.is_finite());
            if let Some(gained) = gained {
                *sum = Some(sum.unwrap_or(0.0) + gained);
            }
        }
    }

    /// The sums so far.
    pub(crate) fn sums(&self) -> &[Option<f64>] {
        &self.sums
    }

    /// The sums since the last check; empty where no gradients were told.
    pub(crate) fn take(&mut self) -> Vec<Option<f64>> {
        std::mem::take(&mut self.sums)
    }
}
