mod builder;
mod parts;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ParamGroup, ParamId};
use frostline_activations::{LayerShape, Probe};

use crate::Error;
pub use builder::LayersBuilder;
pub(crate) use parts::{Part, parts};

/// The layers of a model from the input up: the units that freeze, each with the parameters that
/// belong to it. A layer's name is also the name of its tap.
#[derive(Clone, Debug)]
pub struct Layers {
    names: Vec<String>,
    /// All tensors and flags of the model, and where each belongs.
    parts: Vec<Part>,
    owners: Vec<Owner>,
    /// Whether a part trained, by its path, when its layer was frozen: a thaw doesn't wake what the user had fixed.
    trained: Arc<Mutex<HashMap<String, bool>>>,
}

/// Where a part of a model belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// To the layer with this number.
    Layer(usize),
    /// A flag that several layers may use: it is on until all layers that may freeze are frozen.
    Shared,
    /// To no layer: it never freezes.
    Exempt,
}

impl Layers {
    /// The model's top-level fields that have parameters, in the order in which they are declared; of a field that is a
    /// `Vec`, an array or a tuple of modules, each element (`blocks.0`, `blocks.1`, ...).
    ///
    /// Fields that are declared in another order than they run are put in order by [`in_order`](Self::in_order) or
    /// [`ordered_by`](Self::ordered_by): a training that begins with another order than that of the taps is an error.
    /// Blocks further down are reached by [`open`](Self::open), any other layers by a [`builder`](Self::builder).
    ///
    /// A training flag in a field without parameters, such as that of a `dropout` which several layers use, belongs to
    /// no layer: it stays on until all layers below the last are frozen, unless it is
    /// [assigned](LayersBuilder::assign) to a layer. See [`outside`](Self::outside).
    ///
    /// # Errors
    /// [`Error::NoLayers`], [`Error::InTwoLayers`].
    pub fn of<M: Module>(model: &M) -> Result<Self, Error> {
        Self::builder().build(model)
    }

    /// The same of the part of the model that lies at this path: its fields are the layers, named without the path in
    /// front. For a network in a field of a larger model; an empty path is the model itself.
    ///
    /// # Errors
    /// [`Error::NoLayers`], [`Error::InTwoLayers`], [`Error::NothingAt`] with the paths that exist, and
    /// [`Error::InNoLayer`] for what lies elsewhere.
    pub fn below<M: Module>(model: &M, path: &str) -> Result<Self, Error> {
        Self::builder().within(path).build(model)
    }

    /// Layers named by the user, from the input up, each with the paths of what belongs to it:
    /// `("block1", &["conv1", "norm1"])` takes everything at or below `conv1` and `norm1`. Names that are made at run
    /// time, and parameters that never freeze, go to a [`builder`](Self::builder).
    ///
    /// Every parameter of the model has to be in exactly one layer.
    ///
    /// # Errors
    /// [`Error::NoLayers`] and those of [`LayersBuilder::build`].
    pub fn named<M: Module>(model: &M, layers: &[(&str, &[&str])]) -> Result<Self, Error> {
        if layers.is_empty() {
            return Err(Error::NoLayers {
                problem: "none were named",
            });
        }
        let layers = layers.iter().map(|(name, paths)| (*name, paths.to_vec()));
        Self::builder().layers(layers).build(model)
    }

    /// Says which parameters make up which layer, which never freeze, and to which layer a weight belongs that several
    /// use.
    pub fn builder() -> LayersBuilder {
        LayersBuilder::default()
    }

    /// The fields of a model as in [`of`](Self::of), but with the fields at this path as layers of their own, one or more
    /// levels down:
    ///
    /// ```no_run
    /// # use burn::module::Module;
    /// # use frostline_freeze::{Error, Layers};
    /// # fn example<M: Module>(model: &M) -> Result<(), Error> {
    /// // embedding, transformer.layers.0, transformer.layers.1, ..., output
    /// let layers = Layers::open("transformer.layers").build(model)?;
    /// // A residual net: stem, layer1.blocks.0, layer1.blocks.1, layer2.blocks.0, ..., head
    /// let layers = Layers::open("layer1.blocks").open("layer2.blocks").build(model)?;
    /// # Ok(()) }
    /// ```
    pub fn open(path: impl Into<String>) -> LayersBuilder {
        Self::builder().open(path)
    }

    fn new(names: Vec<String>, parts: Vec<Part>, owners: Vec<Owner>) -> Self {
        Layers {
            names,
            parts,
            owners,
            trained: Arc::default(),
        }
    }

    /// The same layers in this order, from the input up. All of them have to be named.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], [`Error::SameName`], and [`Error::NotInOrder`] with those that are missing.
    pub fn in_order(
        self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        for (index, layer) in names.iter().enumerate() {
            if !self.names.contains(layer) {
                return Err(Error::UnknownLayer {
                    layer: layer.clone(),
                    layers: self.names.join(", "),
                });
            }
            if names[..index].contains(layer) {
                let layer = layer.clone();
                return Err(Error::SameName { layer });
            }
        }
        let missing = self.names.iter().filter(|name| !names.contains(name));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Error::NotInOrder {
                missing: missing.join(", "),
            });
        }
        let place = |old: usize| names.iter().position(|name| *name == self.names[old]);
        let owners = self.owners.iter().map(|owner| match owner {
            Owner::Layer(old) => Owner::Layer(place(*old).expect("every name was found above")),
            other => *other,
        });
        Ok(Layers {
            owners: owners.collect(),
            names,
            parts: self.parts,
            // A layer's parts go by their paths, wherever it stands.
            trained: self.trained,
        })
    }

    /// The same layers in the order in which their taps fire when the probe evaluates the model: the order in which they
    /// run. The layers below a layer are then those that ran before it.
    ///
    /// # Errors
    /// [`Error::TapMissing`] for a layer without a tap, and what the probe has to say.
    pub fn ordered_by<M: Module>(self, probe: &Probe<M>, model: &M) -> Result<Self, Error> {
        let taps = probe.taps(model)?.taps;
        let fired: Vec<&str> = taps.names().collect();
        self.each_fires(&fired)?;
        let order: Vec<String> = self
            .as_fired(&fired)
            .into_iter()
            .map(String::from)
            .collect();
        self.in_order(order)
    }

    /// # Errors
    /// [`Error::TapMissing`] for the first layer without a tap.
    pub(crate) fn each_fires(&self, fired: &[&str]) -> Result<(), Error> {
        match self.names().find(|name| !fired.contains(name)) {
            None => Ok(()),
            Some(layer) => Err(Error::TapMissing {
                layer: layer.to_string(),
                fired: fired.join(", "),
            }),
        }
    }

    /// # Errors
    /// [`Error::OrderDiffers`] where taps fire in another order than the layers have.
    pub(crate) fn fire_in_order(&self, fired: &[&str]) -> Result<(), Error> {
        let order = self.as_fired(fired);
        if self.names().eq(order.iter().copied()) {
            return Ok(());
        }
        let quoted: Vec<String> = order.iter().map(|name| format!("{name:?}")).collect();
        Err(Error::OrderDiffers {
            layers: self.names.join(", "),
            fired: order.join(", "),
            in_order: quoted.join(", "),
        })
    }

    /// The names of layers among the taps that fired, in that order.
    fn as_fired<'a>(&self, fired: &[&'a str]) -> Vec<&'a str> {
        let layers = fired.iter().copied();
        layers
            .filter(|name| self.names().any(|layer| layer == *name))
            .collect()
    }

    /// The same layers in a model of the same parts: a model that has been loaded has the ids of the one that was
    /// saved. A part that the model didn't have before belongs where the part around it does.
    pub fn of_loaded<M: Module>(&self, model: &M) -> Self {
        let parts = parts(model);
        let known = self.parts.iter().zip(&self.owners);
        let by_path: HashMap<&str, Owner> = known
            .clone()
            .map(|(part, owner)| (part.path.as_str(), *owner))
            .collect();
        let owner = |part: &Part| {
            let around = || {
                let mut known = known.clone();
                let around = known.find(|(known, _)| part.lies_in(&known.path));
                around.map(|(_, owner)| *owner)
            };
            let otherwise = match part.is_tensor {
                true => Owner::Exempt,
                false => Owner::Shared,
            };
            let same = by_path.get(part.path.as_str()).copied();
            same.or_else(around).unwrap_or(otherwise)
        };
        Layers {
            names: self.names.clone(),
            owners: parts.iter().map(owner).collect(),
            parts,
            trained: self.trained.clone(),
        }
    }

    /// The layers' names, from the input up.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The paths of everything that belongs to a layer: parameters, running statistics and training flags. None for a
    /// number beyond the last.
    pub fn paths(&self, layer: usize) -> impl Iterator<Item = &str> {
        self.owned(move |owner| owner == Owner::Layer(layer))
            .map(|part| part.path.as_str())
    }

    /// The paths of training flags that belong to no layer, such as `dropout.training`. They stay on until all layers
    /// below the last are frozen, since a layer that still trains may use them.
    pub fn outside(&self) -> impl Iterator<Item = &str> {
        self.owned(|owner| owner == Owner::Shared)
            .map(|part| part.path.as_str())
    }

    /// The paths of everything that never freezes, as [`exempt`](LayersBuilder::exempt) named it.
    pub fn exempt(&self) -> impl Iterator<Item = &str> {
        self.owned(|owner| owner == Owner::Exempt)
            .map(|part| part.path.as_str())
    }

    fn owned(&self, by: impl Fn(Owner) -> bool) -> impl Iterator<Item = &Part> {
        let owned = self.parts.iter().zip(&self.owners);
        owned
            .filter(move |(_, owner)| by(**owner))
            .map(|(part, _)| part)
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never true: layers have at least one layer.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Everything that stands still when the lowest `count` layers are frozen: parameters, running statistics and
    /// training flags, by their exact ids.
    pub fn lowest(&self, count: usize) -> ParamGroup {
        let frozen = (0..self.parts.len()).filter(|part| self.is_frozen(*part, count));
        ParamGroup::from_ids(frozen.map(|part| self.parts[part].id).collect())
    }

    /// Everything that belongs to these layers, numbered from the input up; those beyond the last are passed
    /// over.
    pub fn group(&self, layers: Range<usize>) -> ParamGroup {
        ParamGroup::from_ids(self.ids(layers).collect())
    }

    /// The ids of everything that belongs to these layers.
    pub(crate) fn ids(&self, layers: Range<usize>) -> impl Iterator<Item = ParamId> {
        let within = layers.start..layers.end.min(self.len());
        within.flat_map(|layer| {
            let owned = self.owned(move |owner| owner == Owner::Layer(layer));
            owned.map(|part| part.id)
        })
    }

    /// Every tensor and flag, in the order in which the model is visited.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether this part stands still when the lowest `count` layers are frozen.
    pub(crate) fn is_frozen(&self, part: usize, count: usize) -> bool {
        match self.owners.get(part) {
            Some(Owner::Layer(layer)) => *layer < count,
            Some(Owner::Shared) => count > 0 && count + 1 >= self.len(),
            Some(Owner::Exempt) | None => false,
        }
    }

    /// The layer that this part belongs to.
    pub(crate) fn layer_of(&self, part: usize) -> Option<usize> {
        match self.owners.get(part) {
            Some(Owner::Layer(layer)) => Some(*layer),
            _ => None,
        }
    }

    /// Whether parts trained when they were frozen, by their paths.
    pub(crate) fn trained(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.trained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that belongs to the layers: its id, and its path in the model.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (ParamId, &str)> {
        let all = self.owned(|owner| matches!(owner, Owner::Layer(_)));
        all.map(|part| (part.id, part.path.as_str()))
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
        let flops = |(layer, name): (usize, &str)| {
            let output = outputs.iter().find(|output| output.name == name);
            let shapes = self.owned(move |owner| owner == Owner::Layer(layer));
            let weights = shapes.map(|part| &part.shape).filter(|s| s.len() >= 2);
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
        self.names().enumerate().map(flops).collect()
    }
}
