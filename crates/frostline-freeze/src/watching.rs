//! What is watched between two checks.

use std::collections::HashMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{ElementConversion, Tensor};
use serde::{Deserialize, Serialize};

use frostline_activations::Length;

use crate::{Layers, Step};

/// What the loop told since the last check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) learning_rate: Mean,
    /// Of each layer, where they have rates of their own.
    #[serde(default)]
    pub(crate) layer_rates: Vec<Mean>,
    pub(crate) loss: Mean,
    /// Of the first steps of all.
    #[serde(default)]
    pub(crate) first_loss: Mean,
    pub(crate) accuracy: Option<f64>,
    /// Optimiser steps.
    pub(crate) steps: usize,
}

impl Told {
    pub(crate) fn add(&mut self, step: &Step, length: Length) {
        self.learning_rate.add(step.learning_rate);
        self.loss.add(step.loss);
        if step.step <= (length.steps / 100).max(10) {
            self.first_loss.add(step.loss);
        }
        self.accuracy = step.accuracy.or(self.accuracy);
        self.steps += 1;
    }

    /// Adds the rates that the layers have at a step.
    pub(crate) fn add_rates(&mut self, rates: &[Option<f64>]) {
        self.layer_rates.resize(rates.len(), Mean::default());
        for (mean, rate) in self.layer_rates.iter_mut().zip(rates) {
            mean.add(*rate);
        }
    }

    /// The mean learning rate of the steps; where only those of layers were told, the largest.
    pub(crate) fn rate(&self) -> Option<f64> {
        let of_layers = self.layer_rates.iter().filter_map(Mean::value);
        self.learning_rate.value().or(of_layers.reduce(f64::max))
    }

    /// The mean rate of each layer; empty where all have the same, and where nobody told them.
    pub(crate) fn layer_rates(&self) -> Vec<Option<f64>> {
        let rates: Vec<Option<f64>> = self.layer_rates.iter().map(Mean::value).collect();
        let mut known = rates.iter().flatten();
        let first = known.next();
        match known.all(|rate| Some(rate) == first) {
            true => Vec::new(),
            false => rates,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    sum: f64,
    #[serde(default)]
    squares: f64,
    count: usize,
}

impl Mean {
    /// A value that would make the sum infinite is left out: no file holds it.
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value
            && (self.sum + value).is_finite()
            && (self.squares + value * value).is_finite()
        {
            self.sum += value;
            self.squares += value * value;
            self.count += 1;
        }
    }

    pub(crate) fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The standard error of the mean.
    pub(crate) fn error(&self) -> Option<f64> {
        let (mean, count) = (self.value()?, self.count as f64);
        let variance = (self.squares / count - mean * mean).max(0.0);
        (self.count > 1).then(|| (variance / (count - 1.0)).sqrt())
    }
}

/// The largest learning rate among each layer's parameters; none for a layer without any.
pub(crate) fn layer_rates<M: Module>(
    model: &M,
    layers: &Layers,
    rates: &ModuleLearningRate,
) -> Vec<Option<f64>> {
    struct Asking<'a> {
        rates: &'a ModuleLearningRate,
        path: Vec<String>,
        found: HashMap<ParamId, f64>,
    }
    impl ModuleVisitor for Asking<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            let rate = self.rates.lr_from_param(param.id, Some(&path));
            self.found.insert(param.id, rate);
        }
    }
    let mut asking = Asking {
        rates,
        path: Vec::new(),
        found: HashMap::new(),
    };
    model.visit(&mut asking);
    let of_layer = |layer: usize| {
        let ids = layers.ids(layer..layer + 1);
        let rates = ids.filter_map(|id| asking.found.get(&id).copied());
        rates.reduce(f64::max)
    };
    (0..layers.len()).map(of_layer).collect()
}

/// The sum of the gradients of every parameter over the steps since the last check.
#[derive(Debug, Default)]
pub(crate) struct GradientSums(HashMap<ParamId, Tensor<1>>);

impl GradientSums {
    pub(crate) fn add<M: Module>(&mut self, model: &M, gradients: &GradientsParams) {
        struct Adding<'a> {
            sums: &'a mut HashMap<ParamId, Tensor<1>>,
            gradients: &'a GradientsParams,
        }
        impl ModuleVisitor for Adding<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if let Some(gradient) = self.gradients.get::<D>(param.id) {
                    let gradient = gradient.reshape([-1]);
                    let sum = match self.sums.remove(&param.id) {
                        // Replicas may give theirs from different devices.
                        Some(sum) => {
                            let gradient = gradient.to_device(&sum.device());
                            sum + gradient
                        }
                        None => gradient,
                    };
                    self.sums.insert(param.id, sum);
                }
            }
        }
        model.visit(&mut Adding {
            sums: &mut self.0,
            gradients,
        });
    }

    /// Whether nothing was added since the last check.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of a parameter's gradients.
    pub(crate) fn of(&self, id: ParamId) -> Option<Tensor<1>> {
        self.0.get(&id).cloned()
    }

    /// `‖Σ g‖₁` of each layer; none for a layer without gradients.
    pub(crate) fn take(&mut self, layers: &Layers) -> Vec<Option<f64>> {
        let mut sums = std::mem::take(&mut self.0);
        let norm = |layer: usize| {
            // In the layers' order: floating-point sums depend on it.
            let sums = layers
                .ids(layer..layer + 1)
                .filter_map(|id| sums.remove(&id));
            sums.map(|sum| scalar(sum.abs().sum())).reduce(|a, b| a + b)
        };
        (0..layers.len()).map(norm).collect()
    }
}

impl FromIterator<(ParamId, Tensor<1>)> for GradientSums {
    fn from_iter<T: IntoIterator<Item = (ParamId, Tensor<1>)>>(sums: T) -> Self {
        GradientSums(sums.into_iter().collect())
    }
}

/// The trained parameters of a model at a check.
#[derive(Debug)]
pub(crate) struct Weights(HashMap<ParamId, Tensor<1>>);

impl Weights {
    /// Those parameters that train.
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        #[derive(Default)]
        struct Taking(HashMap<ParamId, Tensor<1>>);
        impl ModuleVisitor for Taking {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let tensor = param.val();
                if tensor.is_require_grad() {
                    let flat = tensor.without_autodiff().reshape([-1]);
                    self.0.insert(param.id, flat);
                }
            }
        }
        let mut taking = Taking::default();
        model.visit(&mut taking);
        Weights(taking.0)
    }

    /// A parameter at that check.
    pub(crate) fn of_param(&self, id: ParamId) -> Option<Tensor<1>> {
        self.0.get(&id).cloned()
    }

    /// `‖W - W'‖₂ / ‖W‖₂` of each layer, `W'` those at the check before; 0 for a frozen layer.
    pub(crate) fn change_since(&self, before: &Weights, layers: &Layers) -> Vec<Option<f64>> {
        let change = |layer: usize| {
            let (mut moved, mut size) = (0.0, 0.0);
            for id in layers.ids(layer..layer + 1) {
                if let (Some(now), Some(then)) = (self.0.get(&id), before.0.get(&id)) {
                    let then = then.clone().to_device(&now.device());
                    moved += scalar((now.clone() - then).powi_scalar(2).sum());
                    size += scalar(now.clone().powi_scalar(2).sum());
                }
            }
            let share = f64::sqrt(moved / size);
            match moved == 0.0 {
                true => Some(0.0),
                false => share.is_finite().then_some(share),
            }
        };
        (0..layers.len()).map(change).collect()
    }
}

impl FromIterator<(ParamId, Tensor<1>)> for Weights {
    fn from_iter<T: IntoIterator<Item = (ParamId, Tensor<1>)>>(weights: T) -> Self {
        Weights(weights.into_iter().collect())
    }
}

fn scalar(tensor: Tensor<1>) -> f64 {
    tensor.into_scalar::<f32>().elem()
}
