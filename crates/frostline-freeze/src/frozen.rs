use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Int, Tensor};

use crate::Layers;
use crate::layers::parts;

/// Freezes the lowest `count` layers of a model: no gradients, batch norm on its running statistics,
/// dropout off. Layers are found by the paths of their parameters, in whichever model of these parts.
///
/// What trained before is remembered, so that [`thaw`] lets that train again and nothing else.
pub fn freeze<M: Module>(model: M, layers: &Layers, count: usize) -> M {
    // Batch norm keeps the last update of its running statistics aside until someone asks; a frozen
    // batch norm doesn't ask, and would move once more. `valid()` asks.
    let _ = model.valid();
    let layers = layers.of_loaded(&model);
    let train = which_train(&model);
    // A model on a device without autodiff trains nothing, whatever it will do elsewhere.
    if train.gradients {
        note_what_trained(&layers, &train.parts, count);
    }
    let frozen = layers.parts().iter().enumerate();
    let frozen = frozen.filter(|(part, _)| layers.is_frozen(*part, count));
    switch(
        model,
        frozen.map(|(_, part)| (part.path.clone(), false)).collect(),
    )
}

/// Lets these layers train again, those of their parameters and flags that trained when [`freeze`] froze them with these
/// `layers` or a clone of them: what was fixed before stays so, such as the bases of LoRA adapters. Layers that were frozen
/// in another way train whole.
///
/// Their optimizer state is that of the day they froze: see [`forget_state`](crate::forget_state).
pub fn thaw<M: Module>(model: M, layers: &Layers, thawed: Range<usize>) -> M {
    let layers = layers.of_loaded(&model);
    let trained = layers.trained();
    let parts = layers.parts().iter().enumerate();
    let thawed = parts
        .filter(|(part, _)| {
            layers.is_frozen(*part, thawed.end) && !layers.is_frozen(*part, thawed.start)
        })
        .map(|(_, part)| part.path.clone())
        .filter(|path| trained.get(path).copied().unwrap_or(true))
        .map(|path| (path, true));
    let thawed = thawed.collect();
    drop(trained);
    switch(model, thawed)
}

/// Freezes or thaws from `before` to `after` frozen layers.
pub(crate) fn change<M: Module>(model: M, layers: &Layers, before: usize, after: usize) -> M {
    match after.cmp(&before) {
        Ordering::Greater => freeze(model, layers, after),
        Ordering::Equal => model,
        Ordering::Less => thaw(model, layers, after..before),
    }
}

/// A look at a model that is to have its lowest layers frozen.
pub(crate) struct Seen {
    /// The numbers of frozen layers of which something would train.
    pub(crate) training: Vec<usize>,
    /// The model has other ids or other parts than the layers know: it was loaded, or made anew.
    pub(crate) is_another: bool,
}

/// Looks whether the lowest `count` layers stand still. It reads flags on the host and nothing from a device.
pub(crate) fn look<M: Module>(model: &M, layers: &Layers, count: usize) -> Seen {
    let mut looking = Looking {
        layers,
        count,
        part: 0,
        training: Vec::new(),
        is_another: false,
    };
    model.visit(&mut looking);
    looking.is_another |= looking.part != layers.parts().len();
    Seen {
        training: looking.training,
        is_another: looking.is_another,
    }
}

/// Freezes again what is to be frozen, and leaves alone what is remembered of what trained before.
pub(crate) fn freeze_again<M: Module>(model: M, layers: &Layers, count: usize) -> M {
    let _ = model.valid();
    let frozen = layers.parts().iter().enumerate();
    let frozen = frozen.filter(|(part, _)| layers.is_frozen(*part, count));
    switch(
        model,
        frozen.map(|(_, part)| (part.path.clone(), false)).collect(),
    )
}

/// The gradients without those of the lowest `count` layers.
pub(crate) fn without_frozen<M: Module>(
    model: &M,
    gradients: GradientsParams,
    layers: &Layers,
    count: usize,
) -> GradientsParams {
    struct Keeping {
        frozen: HashSet<ParamId>,
        all: GradientsParams,
        kept: GradientsParams,
    }
    impl ModuleVisitor for Keeping {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.frozen.contains(&param.id) {
                return;
            }
            if let Some(gradient) = self.all.remove::<D>(param.id) {
                self.kept.register(param.id, gradient);
            }
        }
    }
    let loaded;
    let layers = match look(model, layers, count).is_another {
        true => {
            loaded = layers.of_loaded(model);
            &loaded
        }
        false => layers,
    };
    let frozen = layers.parts().iter().enumerate();
    let frozen = frozen.filter(|(part, _)| layers.is_frozen(*part, count));
    let mut keeping = Keeping {
        frozen: frozen.map(|(_, part)| part.id).collect(),
        all: gradients,
        kept: GradientsParams::new(),
    };
    model.visit(&mut keeping);
    keeping.kept
}

/// Of each layer that begins to stand still: which of its parts trained until now.
fn note_what_trained(layers: &Layers, train: &[bool], count: usize) {
    let mut trained = layers.trained();
    let mut by_layer: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for part in (0..layers.parts().len()).filter(|part| layers.is_frozen(*part, count)) {
        by_layer
            .entry(layers.layer_of(part))
            .or_default()
            .push(part);
    }
    for parts in by_layer.into_values() {
        let trains = parts.iter().any(|part| train[*part]);
        for part in parts {
            let path = layers.parts()[part].path.clone();
            // A layer of which nothing trains was frozen before: what was known of it stays.
            match trains {
                true => {
                    trained.insert(path, train[part]);
                }
                false => {
                    trained.entry(path).or_insert(false);
                }
            }
        }
    }
}

/// Which parts of a model train.
#[derive(Default)]
struct Training {
    parts: Vec<bool>,
    /// Any tensor has a gradient.
    gradients: bool,
}

/// The layers above the frozen ones in which no parameter trains; empty where there are none.
pub(crate) fn fixed<M: Module>(model: &M, layers: &Layers, frozen: usize) -> Vec<bool> {
    #[derive(Default)]
    struct Trained(HashSet<ParamId>);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.base().is_require_grad() {
                self.0.insert(param.id);
            }
        }
    }
    let mut trained = Trained::default();
    model.visit(&mut trained);
    let layers = layers.of_loaded(model);
    let is_fixed = |layer: usize| {
        let trains = layers
            .ids(layer..layer + 1)
            .any(|id| trained.0.contains(&id));
        layer >= frozen && !trains
    };
    let fixed: Vec<bool> = (0..layers.len()).map(is_fixed).collect();
    match fixed.contains(&true) {
        true => fixed,
        false => Vec::new(),
    }
}

fn which_train<M: Module>(model: &M) -> Training {
    let mut train = Training::default();
    model.visit(&mut train);
    debug_assert_eq!(train.parts.len(), parts(model).len());
    train
}

impl ModuleVisitor for Training {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let trains = param.base().is_require_grad();
        self.gradients |= trains;
        self.parts.push(trains);
    }

    fn visit_int<const D: usize>(&mut self, _param: &Param<Tensor<D, Int>>) {
        self.parts.push(false);
    }

    fn visit_bool<const D: usize>(&mut self, _param: &Param<Tensor<D, Bool>>) {
        self.parts.push(false);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.parts.push(flag.val().is_enabled());
    }
}

struct Looking<'a> {
    layers: &'a Layers,
    count: usize,
    /// The part that comes next.
    part: usize,
    training: Vec<usize>,
    is_another: bool,
}

impl Looking<'_> {
    fn see(&mut self, id: ParamId, trains: impl FnOnce() -> bool) {
        let part = self.part;
        self.part += 1;
        let known = self.layers.parts().get(part);
        self.is_another |= known.is_none_or(|known| known.id != id);
        if self.layers.is_frozen(part, self.count) && trains() {
            // A flag outside all layers stands still with the highest of those that are frozen.
            let layer = self.layers.layer_of(part).unwrap_or(self.count - 1);
            if !self.training.contains(&layer) {
                self.training.push(layer);
            }
        }
    }
}

impl ModuleVisitor for Looking<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // What was never evaluated has no gradients, and to ask would draw its weights.
        self.see(param.id, || {
            param.is_initialized() && param.base().is_require_grad()
        });
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.see(param.id, || false);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.see(param.id, || false);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.see(flag.id, || flag.val().is_enabled());
    }
}

/// Lets what lies at these paths train, or not.
fn switch<M: Module>(model: M, wanted: HashMap<String, bool>) -> M {
    if wanted.is_empty() {
        return model;
    }
    model.map(&mut Switch {
        path: Vec::new(),
        wanted,
    })
}

struct Switch {
    path: Vec<String>,
    wanted: HashMap<String, bool>,
}

impl Switch {
    fn here(&self) -> Option<bool> {
        self.wanted.get(&self.path.join(".")).copied()
    }
}

impl ModuleMapper for Switch {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.here() {
            Some(trains) => param.set_require_grad(trains),
            None => param,
        }
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        match self.here() {
            Some(trains) => flag.with_value(trains),
            None => flag,
        }
    }
}
