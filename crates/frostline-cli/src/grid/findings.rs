use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::mem::{Discriminant, discriminant};

use frostline::svcca::{Cell, Error, Side, Warning};

use super::layers::Layers;

/// What is to be known of a grid, in a line for each thing and not for each pair. What is held doesn't grow with the pairs.
pub(super) struct Findings<'a> {
    rows: &'a Layers,
    columns: &'a Layers,
    errors: Groups<String, ()>,
    warnings: Groups<Key, (String, bool)>,
}

impl<'a> Findings<'a> {
    pub(super) fn of(rows: &'a Layers, columns: &'a Layers) -> Self {
        Findings {
            rows,
            columns,
            errors: Groups::default(),
            warnings: Groups::default(),
        }
    }

    /// Takes note of the pair at `[row, column]`.
    pub(super) fn add(&mut self, at: [usize; 2], cell: &Cell) {
        if let Some(error) = &cell.error {
            self.errors.add(error.clone(), at, || ());
        }
        let warnings = cell.similarity.iter().flat_map(|found| &found.warnings);
        for warning in warnings {
            let [row, column] = at;
            let names = [&self.rows.names[row], &self.columns.names[column]];
            let text = || warning.named(names[0], names[1]);
            // Pairs with other numbers of samples and directions are alike, layers with other names are not.
            match (warning, warning.side()) {
                (Warning::CutAmongEqual { .. }, Some(side)) => {
                    let layer = names[side as usize].clone();
                    let key = Key::KindOf(discriminant(warning), layer);
                    self.warnings.add(key, at, || (text(), true));
                }
                (_, Some(_)) => {
                    let text = text();
                    self.warnings
                        .add(Key::Text(text.clone()), at, || (text, false));
                }
                (_, None) => {
                    let key = Key::Kind(discriminant(warning));
                    self.warnings.add(key, at, || (text(), true));
                }
            }
        }
    }

    /// Why values are missing.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors: Vec<String> = Vec::new();
        // Of both sides one line: a layer that doesn't vary is without a value in every pair.
        let mut still: Option<Still<'_>> = None;
        for group in &self.errors.groups {
            match self.no_variance(group) {
                Some((error, side)) => {
                    let still = still.get_or_insert_with(|| Still {
                        error,
                        at: errors.len(),
                        layers: [Vec::new(), Vec::new()],
                    });
                    still.layers[side as usize] = self.names(side, group);
                }
                None => errors.push(self.error(group)),
            }
        }
        if let Some(still) = still {
            errors.insert(still.at, still.text());
        }
        errors
    }

    /// The error and the side, where pairs have no value for want of variance.
    fn no_variance(&self, group: &Group<String, ()>) -> Option<(Error, Side)> {
        let [row, column] = group.at;
        let (x, y) = (&self.rows.prepared[row], &self.columns.prepared[column]);
        match x.as_ref().ok()?.similarity(y.as_ref().ok()?) {
            Err(error) if error.to_string() == group.key => match error {
                Error::NoVariance { side, .. } => Some((error, side)),
                _ => None,
            },
            _ => None,
        }
    }

    /// What makes values less believable.
    pub(super) fn warnings(&self) -> Vec<String> {
        let groups = self.warnings.groups.iter();
        groups
            .map(|group| match &group.first {
                (text, true) => format!("{}: {text}", self.pairs(group)),
                (text, false) => text.clone(),
            })
            .collect()
    }

    fn error(&self, group: &Group<String, ()>) -> String {
        let ([row, column], message) = (group.at, &group.key);
        let sides = [&self.rows.prepared[row], &self.columns.prepared[column]];
        match sides {
            // Errors of one layer, which all its pairs have.
            [Err(_), _] => format!("{}: {message}", self.layers(Side::X, group)),
            [_, Err(_)] => format!("{}: {message}", self.layers(Side::Y, group)),
            // The grid keeps the text alone, in which the sides have no names.
            [Ok(x), Ok(y)] => match x.similarity(y) {
                Err(error) if error.to_string() == *message => {
                    let text = error.named(self.row(group.at), self.column(group.at));
                    format!("{}: {text}", self.pairs(group))
                }
                _ => format!("{}: {message}", self.pairs(group)),
            },
        }
    }

    fn row(&self, [row, _]: [usize; 2]) -> &str {
        &self.rows.names[row]
    }

    fn column(&self, [_, column]: [usize; 2]) -> &str {
        &self.columns.names[column]
    }

    /// The layers of one side, each once.
    fn layers<K, F>(&self, side: Side, group: &Group<K, F>) -> String {
        some_of(&self.names(side, group))
    }

    fn names<K, F>(&self, side: Side, group: &Group<K, F>) -> Vec<&'a str> {
        let (names, layers) = match side {
            Side::X => (&self.rows.names, &group.rows),
            Side::Y => (&self.columns.names, &group.columns),
        };
        layers.iter().map(|&layer| names[layer].as_str()).collect()
    }

    fn pairs<K, F>(&self, group: &Group<K, F>) -> String {
        let first = format!("{} against {}", self.row(group.at), self.column(group.at));
        match group.count {
            1 => first,
            2 => format!("{first} and 1 more pair"),
            count => format!("{first} and {} more pairs", count - 1),
        }
    }
}

/// Layers that don't vary.
struct Still<'a> {
    error: Error,
    /// Behind so many other errors.
    at: usize,
    /// The names of rows and of columns.
    layers: [Vec<&'a str>; 2],
}

impl Still<'_> {
    fn text(&self) -> String {
        let [rows, columns] = self.layers.each_ref().map(|names| some_of(names));
        let layers = match (rows.is_empty(), columns.is_empty()) {
            (false, false) if rows != columns => {
                format!("{rows} in the rows, {columns} in the columns")
            }
            (true, _) => columns,
            _ => rows,
        };
        self.error.named(&layers, &layers)
    }
}

/// Names as a list, of which the first stand for all where there are many.
pub(super) fn some_of(names: &[&str]) -> String {
    const MOST: usize = 5;
    match names.len() {
        count if count > MOST => {
            format!("{} and {} more", names[..MOST].join(", "), count - MOST)
        }
        _ => names.join(", "),
    }
}

/// What warnings have in common that become one line.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(String),
    Kind(Discriminant<Warning>),
    /// A kind of warning about this layer, with numbers that differ from pair to pair.
    KindOf(Discriminant<Warning>, String),
}

/// Pairs by what they have in common, in the order in which that came up.
struct Groups<K, F> {
    groups: Vec<Group<K, F>>,
    known: HashMap<K, usize>,
}

struct Group<K, F> {
    key: K,
    /// What was kept of the first pair.
    first: F,
    /// `[row, column]` of the first pair.
    at: [usize; 2],
    count: usize,
    /// The layers of the pairs.
    rows: BTreeSet<usize>,
    columns: BTreeSet<usize>,
}

impl<K, F> Default for Groups<K, F> {
    fn default() -> Self {
        Groups {
            groups: Vec::new(),
            known: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, F> Groups<K, F> {
    fn add(&mut self, key: K, pair: [usize; 2], first: impl FnOnce() -> F) {
        let group = *self.known.entry(key.clone()).or_insert_with(|| {
            self.groups.push(Group {
                key,
                first: first(),
                at: pair,
                count: 0,
                rows: BTreeSet::new(),
                columns: BTreeSet::new(),
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[group];
        group.count += 1;
        group.rows.insert(pair[0]);
        group.columns.insert(pair[1]);
    }
}
