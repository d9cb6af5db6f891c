use burn::module::Module;

use super::parts::{Part, parts};
use super::{Layers, Owner};
use crate::Error;

/// Says which parameters make up which layer: [`Layers::builder`].
///
/// Layers are named from the input up. Where none is named, they are the model's fields, as in [`Layers::of`].
///
/// ```no_run
/// # use burn::module::Module;
/// # use frostline_freeze::{Error, Layers};
/// # fn example<M: Module>(model: &M, depth: usize) -> Result<(), Error> {
/// // A vision transformer whose depth comes from a configuration.
/// let blocks = (0..depth).map(|i| (format!("block{i}"), [format!("encoder.blocks.{i}")]));
/// let layers = Layers::builder()
///     .layer("patches", ["patch_embedding", "position_embedding"])
///     .layers(blocks)
///     .layer("head", ["norm", "head"])
///     .exempt(["cls_token", "auxiliary_head"])
///     .build(model)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct LayersBuilder {
    entries: Vec<Entry>,
    exempt: Vec<String>,
    /// Paths, and the layers that they are assigned to.
    assigned: Vec<(String, String)>,
    /// The part of the model whose fields are layers.
    within: String,
}

#[derive(Clone, Debug)]
enum Entry {
    Layer { name: String, paths: Vec<String> },
    Open(String),
}

impl LayersBuilder {
    /// The next layer, with the paths of what belongs to it: all parameters, running statistics and training flags at
    /// or below them. `["conv1", "norm1", "dropout"]` takes a dropout too.
    pub fn layer(
        mut self,
        name: impl Into<String>,
        paths: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        let name = name.into();
        self.entries.push(Entry::Layer { name, paths });
        self
    }

    /// The next layers, each with its paths, as for [`layer`](Self::layer).
    pub fn layers<P: IntoIterator<Item: Into<String>>>(
        mut self,
        layers: impl IntoIterator<Item = (impl Into<String>, P)>,
    ) -> Self {
        for (name, paths) in layers {
            self = self.layer(name, paths);
        }
        self
    }

    /// Makes the fields at this path layers of their own, in place of the field that holds them: with
    /// `"transformer.layers"`, the layers are `transformer.layers.0`, `transformer.layers.1` and so on.
    ///
    /// Where no layer is named, all other fields are layers too, those beside the path included (`transformer.norm`).
    /// Else the opened fields come next after the layers that were named before.
    pub fn open(mut self, path: impl Into<String>) -> Self {
        self.entries.push(Entry::Open(path.into()));
        self
    }

    /// What lies at or below these paths belongs to no layer and never freezes: auxiliary heads, a class token, a norm
    /// between two layers. Exempt paths count more than those of a layer around them.
    pub fn exempt(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.exempt.extend(paths.into_iter().map(Into::into));
        self
    }

    /// What lies at or below this path belongs to this layer, whatever layer is around it. A parameter that lies at
    /// several paths, one id at each, goes with all of them.
    ///
    /// A weight that several layers use belongs to the one of them that runs last: it freezes when all have.
    pub fn assign(mut self, path: impl Into<String>, layer: impl Into<String>) -> Self {
        self.assigned.push((path.into(), layer.into()));
        self
    }

    pub(super) fn within(mut self, path: &str) -> Self {
        self.within = path.to_string();
        self
    }

    /// The layers of this model.
    ///
    /// # Errors
    /// [`Error::NoLayers`], [`Error::SameName`]; [`Error::UnknownPath`], [`Error::NothingAt`] and [`Error::InNoLayer`] with
    /// the paths that exist; [`Error::InTwoLayers`]; [`Error::NoParameters`]; [`Error::UnknownLayer`] for what is
    /// assigned to a layer that there isn't.
    pub fn build<M: Module>(&self, model: &M) -> Result<Layers, Error> {
        let parts = parts(model);
        self.every_path_holds_something(&parts)?;
        let fates = self.fates(&parts);
        let named = self.named(&parts, &fates)?;
        let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                let layer = name.clone();
                return Err(Error::SameName { layer });
            }
        }
        let mut owners = owners(&parts, &named)?;
        for (fate, owner) in fates.iter().zip(&mut owners) {
            *owner = match fate {
                None => continue,
                Some(Fate::Exempt) => Some(Owner::Exempt),
                Some(Fate::Assigned(layer)) => {
                    let known = names.iter().position(|name| name == layer);
                    let known = known.ok_or_else(|| Error::UnknownLayer {
                        layer: layer.to_string(),
                        layers: names.join(", "),
                    })?;
                    Some(Owner::Layer(known))
                }
            };
        }
        let left_out: Vec<&Part> = parts
            .iter()
            .zip(&owners)
            .filter(|(part, owner)| part.is_tensor && owner.is_none())
            .map(|(part, _)| part)
            .collect();
        if !left_out.is_empty() {
            return Err(Error::InNoLayer {
                paths: listed(left_out),
            });
        }
        each_in_one_layer(&parts, &owners, &names)?;
        let owners: Vec<Owner> = owners
            .into_iter()
            .map(|owner| owner.unwrap_or(Owner::Shared))
            .collect();
        for (index, layer) in names.iter().enumerate() {
            let mut owned = parts.iter().zip(&owners);
            if !owned.any(|(part, owner)| part.is_tensor && *owner == Owner::Layer(index)) {
                let layer = layer.clone();
                return Err(Error::NoParameters { layer });
            }
        }
        Ok(Layers::new(names, parts, owners))
    }

    /// The layers' names and paths: as they were named, or the fields.
    fn named(
        &self,
        parts: &[Part],
        fates: &[Option<Fate>],
    ) -> Result<Vec<(String, Vec<String>)>, Error> {
        let opened = self.entries.iter().filter_map(|entry| match entry {
            Entry::Open(path) => Some(path.as_str()),
            Entry::Layer { .. } => None,
        });
        let opened: Vec<&str> = opened.collect();
        if opened.len() == self.entries.len() {
            let fields = fields(parts, fates, &self.within, &opened);
            if fields.is_empty() {
                return Err(Error::NoLayers {
                    problem: match parts.iter().any(|part| part.is_tensor) {
                        true => "all parameters are exempt or assigned to other layers",
                        false => "there are no parameters",
                    },
                });
            }
            let named = fields.into_iter();
            let named =
                named.map(|field| (named_below(&field, &self.within).to_string(), vec![field]));
            return Ok(named.collect());
        }
        let mut named = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::Layer { name, paths } => named.push((name.clone(), paths.clone())),
                Entry::Open(path) => {
                    let fields = fields(parts, fates, path, &[]).into_iter();
                    named.extend(fields.map(|field| (field.clone(), vec![field])));
                }
            }
        }
        Ok(named)
    }

    /// What was said of each part besides the layers' paths. A parameter can lie at several paths: what is said of one of
    /// them holds for all, and that it belongs to a layer counts more than that it is exempt.
    fn fates(&self, parts: &[Part]) -> Vec<Option<Fate<'_>>> {
        let of_path = |part: &Part| {
            let mut latest_first = self.assigned.iter().rev();
            let assigned = latest_first.find(|(path, _)| part.lies_in(path));
            let exempt = self.exempt.iter().any(|path| part.lies_in(path));
            let assigned = assigned.map(|(_, layer)| Fate::Assigned(layer));
            assigned.or(exempt.then_some(Fate::Exempt))
        };
        let by_path: Vec<Option<Fate>> = parts.iter().map(of_path).collect();
        let tied = |part: &Part| {
            let all = parts.iter().zip(&by_path);
            let all = all.filter(|(other, _)| part.is_tensor && other.id == part.id);
            let fates: Vec<&Fate> = all.filter_map(|(_, fate)| fate.as_ref()).collect();
            let assigned = fates.iter().find(|fate| ***fate != Fate::Exempt);
            assigned.or(fates.first()).map(|fate| **fate)
        };
        let pairs = parts.iter().zip(&by_path);
        pairs.map(|(part, own)| own.or(tied(part))).collect()
    }

    fn every_path_holds_something(&self, parts: &[Part]) -> Result<(), Error> {
        let opened = self.entries.iter().filter_map(|entry| match entry {
            Entry::Open(path) => Some(path),
            Entry::Layer { .. } => None,
        });
        let within = Some(&self.within).filter(|_| parts.iter().any(|part| part.is_tensor));
        for path in opened.chain(within) {
            if !parts
                .iter()
                .any(|part| part.is_tensor && part.lies_in(path))
            {
                return Err(nothing_at(path, parts));
            }
        }
        let assigned = self.assigned.iter().map(|(path, _)| path);
        for path in self.exempt.iter().chain(assigned) {
            if path.is_empty() || !parts.iter().any(|part| part.lies_in(path)) {
                return Err(nothing_at(path, parts));
            }
        }
        Ok(())
    }
}

/// What was said of a part besides the paths of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate<'a> {
    Exempt,
    /// To the layer of this name.
    Assigned(&'a str),
}

/// The fields at this path that have parameters of their own, or that such are assigned to by name.
fn fields(parts: &[Part], fates: &[Option<Fate>], path: &str, opened: &[&str]) -> Vec<String> {
    let above = path.split('.').filter(|name| !name.is_empty()).count();
    let mut fields: Vec<String> = Vec::new();
    let within = parts.iter().zip(fates);
    for (part, fate) in within.filter(|(part, _)| part.is_tensor && part.lies_in(path)) {
        let Some(field) = part.field(above, opened) else {
            continue;
        };
        let own = match fate {
            None => true,
            Some(Fate::Assigned(layer)) => *layer == named_below(&field, path),
            Some(Fate::Exempt) => false,
        };
        if own && !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields
}

/// The field's name without the path in front.
fn named_below<'a>(field: &'a str, path: &str) -> &'a str {
    let name = field.strip_prefix(path).unwrap_or(field);
    name.trim_start_matches('.')
}

/// # Errors
/// [`Error::InTwoLayers`] for a parameter that lies at two paths, in two layers.
fn each_in_one_layer(
    parts: &[Part],
    owners: &[Option<Owner>],
    names: &[String],
) -> Result<(), Error> {
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.is_tensor) {
        let mut before = parts[..index].iter().zip(owners);
        let first = before.find(|(other, _)| other.is_tensor && other.id == part.id);
        if let (Some((_, Some(Owner::Layer(first)))), Some(Owner::Layer(second))) =
            (first, owners[index])
            && *first != second
        {
            return Err(in_two_layers(part, &names[*first], &names[second]));
        }
    }
    Ok(())
}

/// Which layer each part is in by its path.
fn owners(parts: &[Part], layers: &[(String, Vec<String>)]) -> Result<Vec<Option<Owner>>, Error> {
    let mut owners: Vec<Option<Owner>> = vec![None; parts.len()];
    for (index, (layer, paths)) in layers.iter().enumerate() {
        for path in paths {
            let mut matched = false;
            for (part, owner) in parts.iter().zip(&mut owners) {
                if path.is_empty() || !part.lies_in(path) {
                    continue;
                }
                matched = true;
                match owner {
                    Some(Owner::Layer(first)) if *first != index => {
                        return Err(in_two_layers(part, &layers[*first].0, layer));
                    }
                    _ => *owner = Some(Owner::Layer(index)),
                }
            }
            if !matched {
                return Err(Error::UnknownPath {
                    layer: layer.clone(),
                    path: path.clone(),
                    existing: listed(parts),
                });
            }
        }
    }
    Ok(owners)
}

fn nothing_at(path: &str, parts: &[Part]) -> Error {
    Error::NothingAt {
        path: path.to_string(),
        existing: listed(parts),
    }
}

fn in_two_layers(part: &Part, first: &str, second: &str) -> Error {
    Error::InTwoLayers {
        path: part.path.clone(),
        first: first.to_string(),
        second: second.to_string(),
    }
}

/// The paths, comma separated, for messages.
fn listed<'a>(parts: impl IntoIterator<Item = &'a Part>) -> String {
    let paths = parts.into_iter().map(|part| part.path.as_str());
    paths.collect::<Vec<_>>().join(", ")
}
