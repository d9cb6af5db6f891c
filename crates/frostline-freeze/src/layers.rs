use std::ops::Range;

use burn::module::{Flag, Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::{Bool, Int, Tensor};
use frostline_activations::LayerShape;

use crate::Error;

/// The layers of a model from the input up: the units that freeze, each with the parameters that
/// belong to it. A layer's name is also the name of its tap.
#[derive(Clone, Debug)]
pub struct Layers {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    name: String,
    /// Its tensors, running statistics and training flags, and their paths in the model.
    ids: Vec<ParamId>,
    paths: Vec<String>,
    /// The shapes of its tensors.
    shapes: Vec<Vec<usize>>,
}

impl Layers {
    /// The model's top-level fields that have parameters, in their order; of a field that is a `Vec`,
    /// an array or a tuple of modules, each element (`blocks.0`, `blocks.1`, ...).
    ///
    /// A training flag in a field without parameters, such as dropout's, belongs to the layer of the
    /// parameter before it. Errors: `NoLayers`, `InTwoLayers`.
    pub fn of<M: Module>(model: &M) -> Result<Self, Error> {
        Self::below(model, "")
    }

    /// The same of the part of the model that lies at this path: its fields are the layers, named without the path in
    /// front. For a network in a field of a larger model; an empty path is the model itself.
    ///
    /// Errors: `NoLayers`, `InTwoLayers`, `InNoLayer` for what lies elsewhere.
    pub fn below<M: Module>(model: &M, path: &str) -> Result<Self, Error> {
        let parts = parts(model);
        let above = path.split('.').filter(|name| !name.is_empty()).count();
        let mut fields: Vec<String> = Vec::new();
        for part in parts.iter().filter(|part| part.is_tensor) {
            let within = path.is_empty() || lies_at_or_below(&part.path, path);
            let field = part.field(above).filter(|_| within);
            fields.extend(field.filter(|field| fields.last() != Some(field)));
        }
        if fields.is_empty() {
            return Err(Error::NoLayers {
                problem: "there are no parameters",
            });
        }
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let named = fields.iter().map(|field| {
            let name = field.strip_prefix(path).unwrap_or(field);
            (name.trim_start_matches('.'), std::slice::from_ref(field))
        });
        assign(&parts, &named.collect::<Vec<_>>())
    }

    /// Layers named by the user, from the input up, each with the paths of its parameters:
    /// `("block1", &["conv1", "norm1"])` takes all parameters at or below `conv1` and `norm1`.
    ///
    /// Every parameter of the model has to be in exactly one layer.
    /// Errors: `NoLayers`, `SameName`, `UnknownPath` and `InNoLayer` with the paths that exist,
    /// `InTwoLayers`.
    pub fn named<M: Module>(model: &M, layers: &[(&str, &[&str])]) -> Result<Self, Error> {
        if layers.is_empty() {
            return Err(Error::NoLayers {
                problem: "none were named",
            });
        }
        for (index, (name, _)) in layers.iter().enumerate() {
            if layers[..index].iter().any(|(other, _)| other == name) {
                return Err(Error::SameName {
                    layer: name.to_string(),
                });
            }
        }
        assign(&parts(model), layers)
    }

    /// The same layers in a model of the same parts: a model that has been loaded has the ids of the one that was
    /// saved.
    pub fn of_loaded<M: Module>(&self, model: &M) -> Self {
        let mut layers = self.clone();
        for part in parts(model) {
            for layer in &mut layers.layers {
                if let Some(at) = layer.paths.iter().position(|path| *path == part.path) {
                    layer.ids[at] = part.id;
                }
            }
        }
        layers
    }

    /// The layers' names, from the input up.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.name.as_str())
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Never true: layers have at least one layer.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Everything that belongs to the lowest `count` layers: parameters, running statistics and
    /// training flags, by their exact ids.
    pub fn lowest(&self, count: usize) -> ParamGroup {
        self.group(0..count)
    }

    /// Everything that belongs to these layers, numbered from the input up; those beyond the last are passed
    /// over.
    pub fn group(&self, layers: Range<usize>) -> ParamGroup {
        ParamGroup::from_ids(self.ids(layers).collect())
    }

    /// The ids of everything that belongs to these layers.
    pub(crate) fn ids(&self, layers: Range<usize>) -> impl Iterator<Item = ParamId> {
        let within = self.layers.iter().take(layers.end).skip(layers.start);
        within.flat_map(|layer| layer.ids.iter().copied())
    }

    /// Everything that belongs to the layers: its id, and its path in the model.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (ParamId, &str)> {
        let all = self.layers.iter();
        all.flat_map(|layer| {
            layer
                .ids
                .iter()
                .copied()
                .zip(layer.paths.iter().map(String::as_str))
        })
    }

    /// Floating-point operations of each layer's forward for one sample, from the shapes of its parameters
    /// and of its activations, as [`Probe::shapes`](frostline_activations::Probe::shapes) gives them.
    ///
    /// # Formula
    ///
    /// `Σ 2 · |W| · positions` over its weights. A kernel meets every place of the output map, wherever its channels
    /// are; a matrix every token or place where the neurons are the last axis, else one vector a sample.
    /// Where a pool follows a convolution in the same layer the output is smaller than what the kernel
    /// went over, and this counts too little: give the numbers to
    /// [`FreezeTraining::forward_flops`](crate::FreezeTraining::forward_flops) then.
    pub fn estimated_flops(&self, outputs: &[LayerShape]) -> Vec<f64> {
        let flops = |layer: &Layer| {
            let output = outputs.iter().find(|output| output.name == layer.name);
            let weights = layer.shapes.iter().filter(|shape| shape.len() >= 2);
            let each = weights.map(|weight| {
                let positions = match (weight.len(), output) {
                    (_, None) => 1,
                    // Burn's linear layers map the last axis.
                    (2, Some(output)) if !output.channels_are_last() => 1,
                    (_, Some(output)) => output.positions(),
                };
                2.0 * (weight.iter().product::<usize>() * positions) as f64
            });
            each.sum()
        };
        self.layers.iter().map(flops).collect()
    }
}

/// A tensor or a training flag of a model.
struct Part {
    /// Its path, dots between.
    path: String,
    /// Which of the containers on that path are sequences.
    in_sequence: Vec<bool>,
    id: ParamId,
    /// Of a tensor.
    shape: Vec<usize>,
    is_tensor: bool,
}

impl Part {
    /// The path of the field, or of the element of a field that is a sequence, that it is in, so many containers down
    /// from the model.
    fn field(&self, above: usize) -> Option<String> {
        let depth = match self.in_sequence.get(above + 1) {
            Some(true) => above + 2,
            _ => above + 1,
        };
        let names: Vec<&str> = self.path.split('.').collect();
        (names.len() > above).then(|| names[..depth.min(names.len())].join("."))
    }
}

fn parts<M: Module>(model: &M) -> Vec<Part> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.parts
}

fn assign(parts: &[Part], layers: &[(&str, &[&str])]) -> Result<Layers, Error> {
    let mut owners: Vec<Option<usize>> = vec![None; parts.len()];
    for (index, (layer, paths)) in layers.iter().enumerate() {
        for path in *paths {
            let mut matched = false;
            for (part, owner) in parts.iter().zip(&mut owners) {
                if !lies_at_or_below(&part.path, path) {
                    continue;
                }
                matched |= part.is_tensor;
                if let Some(first) = owner.filter(|&first| first != index) {
                    return Err(in_two_layers(part, layers[first].0, layer));
                }
                *owner = Some(index);
            }
            if !matched {
                return Err(Error::UnknownPath {
                    layer: layer.to_string(),
                    path: path.to_string(),
                    existing: listed(parts.iter()),
                });
            }
        }
    }
    let unowned = || {
        let pairs = parts.iter().zip(&owners);
        pairs.filter(|(part, owner)| part.is_tensor && owner.is_none())
    };
    if unowned().next().is_some() {
        return Err(Error::InNoLayer {
            paths: listed(unowned().map(|(part, _)| part)),
        });
    }

    let mut assigned: Vec<Layer> = layers
        .iter()
        .map(|(name, _)| Layer {
            name: name.to_string(),
            ids: Vec::new(),
            paths: Vec::new(),
            shapes: Vec::new(),
        })
        .collect();
    let mut before = 0;
    for (part, owner) in parts.iter().zip(owners) {
        // A flag outside all layers goes with the parameter before it.
        let owner = owner.unwrap_or(before);
        // One parameter can lie at two paths: the same weight used in two places.
        let other = assigned
            .iter()
            .position(|layer| layer.ids.contains(&part.id));
        if let Some(first) = other.filter(|&first| first != owner) {
            return Err(in_two_layers(part, layers[first].0, layers[owner].0));
        }
        assigned[owner].ids.push(part.id);
        assigned[owner].paths.push(part.path.clone());
        assigned[owner]
            .shapes
            .extend(part.is_tensor.then(|| part.shape.clone()));
        before = owner;
    }
    Ok(Layers { layers: assigned })
}

/// `conv1` holds `conv1` and `conv1.weight`, but not `conv10.weight`.
fn lies_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn in_two_layers(part: &Part, first: &str, second: &str) -> Error {
    Error::InTwoLayers {
        path: part.path.clone(),
        first: first.to_string(),
        second: second.to_string(),
    }
}

fn listed<'a>(parts: impl Iterator<Item = &'a Part>) -> String {
    let tensors = parts.filter(|part| part.is_tensor);
    tensors
        .map(|part| part.path.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Walks the model and notes each tensor and flag with its path.
#[derive(Default)]
struct Collector {
    /// Names and kinds of the containers around the current place.
    stack: Vec<(String, String)>,
    parts: Vec<Part>,
}

impl Collector {
    fn add(&mut self, id: ParamId, shape: Option<Vec<usize>>) {
        let names: Vec<&str> = self.stack.iter().map(|(name, _)| name.as_str()).collect();
        let kinds = self.stack.iter().map(|(_, kind)| kind.as_str());
        let in_sequence = kinds.map(|kind| matches!(kind, "Vec" | "Array" | "Tuple"));
        self.parts.push(Part {
            path: names.join("."),
            in_sequence: in_sequence.collect(),
            id,
            is_tensor: shape.is_some(),
            shape: shape.unwrap_or_default(),
        });
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.stack
            .push((name.to_string(), container_type.to_string()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.stack.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(param.id, Some(param.lazy_shape().to_vec()));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id, Some(param.lazy_shape().to_vec()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id, Some(param.lazy_shape().to_vec()));
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.add(flag.id, None);
    }
}
