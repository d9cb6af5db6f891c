use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::mem::{Discriminant, discriminant};

use frostline::svcca::{Cell, Error, Grid, Side, Warning};

use super::layers::Layers;

/// What is to be known of a grid, in a line for each thing and not for each pair.
pub(super) struct Findings<'a> {
    rows: &'a Layers,
    columns: &'a Layers,
    found: &'a Grid,
}

impl<'a> Findings<'a> {
    pub(super) fn of(rows: &'a Layers, columns: &'a Layers, found: &'a Grid) -> Self {
        Findings {
            rows,
            columns,
            found,
        }
    }

    /// Why values are missing.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut alike = Groups::default();
        for (at, cell) in self.cells() {
            if let Some(error) = &cell.error {
                alike.add(error.clone(), at, || ());
            }
        }
        let groups = alike.groups.iter();
        groups
            .map(|group| self.error(&group.key, &group.pairs))
            .collect()
    }

    /// What makes values less believable.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut alike = Groups::default();
        for (at, cell) in self.cells() {
            let warnings = cell.similarity.iter().flat_map(|found| &found.warnings);
            for warning in warnings {
                let text = warning.named(self.row(at), self.column(at));
                // Pairs with other numbers of samples and directions are alike, layers with other names are not.
                let (key, of_pairs) = match warning.side() {
                    Some(_) => (Key::Text(text.clone()), false),
                    None => (Key::Kind(discriminant(warning)), true),
                };
                alike.add(key, at, || (text, of_pairs));
            }
        }
        let groups = alike.groups.iter();
        groups
            .map(|group| match &group.first {
                (text, true) => format!("{}: {text}", self.pairs(&group.pairs)),
                (text, false) => text.clone(),
            })
            .collect()
    }

    fn error(&self, message: &str, pairs: &[[usize; 2]]) -> String {
        let [row, column] = pairs[0];
        let sides = [&self.rows.prepared[row], &self.columns.prepared[column]];
        match sides {
            // Errors of one layer, which all its pairs have.
            [Err(_), _] => format!("{}: {message}", self.layers(Side::X, pairs)),
            [_, Err(_)] => format!("{}: {message}", self.layers(Side::Y, pairs)),
            // The grid keeps the text alone, in which the sides have no names.
            [Ok(x), Ok(y)] => match x.similarity(y) {
                Err(error @ Error::NoVariance { side, .. }) => {
                    let layers = self.layers(side, pairs);
                    error.named(&layers, &layers)
                }
                Err(error) => {
                    let text = error.named(self.row(pairs[0]), self.column(pairs[0]));
                    format!("{}: {text}", self.pairs(pairs))
                }
                Ok(_) => format!("{}: {message}", self.pairs(pairs)),
            },
        }
    }

    fn cells(&self) -> impl Iterator<Item = ([usize; 2], &Cell)> {
        let rows = self.found.cells.iter().enumerate();
        rows.flat_map(|(row, cells)| {
            let cells = cells.iter().enumerate();
            cells.map(move |(column, cell)| ([row, column], cell))
        })
    }

    fn row(&self, [row, _]: [usize; 2]) -> &str {
        &self.rows.names[row]
    }

    fn column(&self, [_, column]: [usize; 2]) -> &str {
        &self.columns.names[column]
    }

    /// The layers of one side, each once.
    fn layers(&self, side: Side, pairs: &[[usize; 2]]) -> String {
        let (names, index) = match side {
            Side::X => (&self.rows.names, 0),
            Side::Y => (&self.columns.names, 1),
        };
        let layers: BTreeSet<usize> = pairs.iter().map(|pair| pair[index]).collect();
        let names: Vec<&str> = layers.iter().map(|&layer| names[layer].as_str()).collect();
        some_of(&names)
    }

    fn pairs(&self, pairs: &[[usize; 2]]) -> String {
        let first = format!("{} against {}", self.row(pairs[0]), self.column(pairs[0]));
        match pairs.len() {
            1 => first,
            2 => format!("{first} and 1 more pair"),
            count => format!("{first} and {} more pairs", count - 1),
        }
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
    /// `[row, column]`
    pairs: Vec<[usize; 2]>,
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
                pairs: Vec::new(),
            });
            self.groups.len() - 1
        });
        self.groups[group].pairs.push(pair);
    }
}
