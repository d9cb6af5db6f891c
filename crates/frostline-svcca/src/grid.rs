use burn::tensor::{DType, Tensor};
use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Measure, Prepared, Similarity, View,
    directions::Rotations,
    products::{self, Rounding},
};

/// Every view of one list against every view of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// By what.
    pub measure: Measure,
    /// `cells[row][column]`.
    pub cells: Vec<Vec<Cell>>,
}

/// One pair of a [`Grid`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// None where the measure isn't defined for the pair.
    pub similarity: Option<Similarity>,
    /// Why it isn't.
    pub error: Option<String>,
    /// Rotations `[kept, direction]` of the row's and the column's basis into their canonical directions,
    /// where they were asked for.
    pub rotations: Option<[DMatrix<f64>; 2]>,
}

/// How far a grid has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pairs done.
    pub done: usize,
    /// Pairs in all.
    pub total: usize,
}

/// What to compute of each pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The value.
    #[default]
    Values,
    /// The value and the canonical directions of both sides.
    Directions,
}

/// Columns multiplied at a time: bounds a product to `ROWS * COLUMNS` numbers and a stack to as many
/// columns.
const ROWS: usize = 1024;
const COLUMNS: usize = 2048;

impl Grid {
    /// Compares every one of `rows` with every one of `columns`.
    ///
    /// The columns of many views stand side by side in one product, whose blocks are then decomposed in
    /// parallel. `progress` hears of every product's blocks.
    ///
    /// Errors: `MeasureMismatch`, `Device`. Where a view can't be prepared, or a pair can't be measured, the
    /// cell says why.
    pub fn of(
        rows: &[Result<Prepared, Error>],
        columns: &[Result<Prepared, Error>],
        wanted: Wanted,
        mut progress: impl FnMut(Progress),
    ) -> Result<Grid, Error> {
        let mut ready = rows.iter().chain(columns).flatten();
        let measure = ready.next().map(Prepared::measure).unwrap_or_default();
        if let Some(other) = ready.find(|side| side.measure() != measure) {
            return Err(Error::MeasureMismatch {
                x: measure,
                y: other.measure(),
            });
        }
        let total = rows.len() * columns.len();
        let mut cells: Vec<Vec<Cell>> = rows.iter().map(|_| Vec::new()).collect();
        let mut done = 0;
        for columns in stacks(columns, COLUMNS) {
            let right = Stack::of(columns);
            let mut first = 0;
            for rows in stacks(rows, ROWS) {
                let found = right.against(&Stack::of(rows), wanted)?;
                for (cells, found) in cells[first..].iter_mut().zip(found) {
                    cells.extend(found);
                }
                first += rows.len();
                done += rows.len() * columns.len();
                progress(Progress { done, total });
            }
        }
        Ok(Grid { measure, cells })
    }

    /// The value of a pair, none where it isn't defined.
    pub fn value(&self, row: usize, column: usize) -> Option<f64> {
        Some(self.cells[row][column].similarity.as_ref()?.value)
    }

    /// All values, `[row][column]`, none where a pair's isn't defined.
    pub fn values(&self) -> Vec<Vec<Option<f64>>> {
        let value = |cell: &Cell| Some(cell.similarity.as_ref()?.value);
        let row = |cells: &Vec<Cell>| cells.iter().map(value).collect();
        self.cells.iter().map(row).collect()
    }
}

impl Measure {
    /// Prepares many views, as [`View::single`] holds them, or [`View::new`] those that come in f64: the products one after the other where the
    /// tensors live, the decompositions in parallel on the host. None of the activations is held.
    ///
    /// A view that can't be prepared is its own error in the list.
    pub fn prepare_all<'a>(
        self,
        activations: impl IntoIterator<Item = &'a Tensor<2>>,
    ) -> Vec<Result<Prepared, Error>> {
        self.prepare_all_of(activations, None)
    }

    /// Prepares many views as [`Measure::prepare_all`] does, whose rows are of so many inputs: see [`View::of_inputs`]. Rows
    /// that can't be as many of each count as independent.
    pub fn prepare_all_of<'a>(
        self,
        activations: impl IntoIterator<Item = &'a Tensor<2>>,
        inputs: Option<usize>,
    ) -> Vec<Result<Prepared, Error>> {
        let without = activations
            .into_iter()
            .map(|activations| (activations, None));
        self.prepare_all_with_errors(without, inputs)
    }

    /// Prepares many views as [`Measure::prepare_all_of`] does, with what rounding made of each where that is known: see
    /// [`View::with_errors`].
    pub fn prepare_all_with_errors<'a>(
        self,
        activations: impl IntoIterator<Item = (&'a Tensor<2>, Option<&'a Tensor<2>>)>,
        inputs: Option<usize>,
    ) -> Vec<Result<Prepared, Error>> {
        self.prepare_views(activations.into_iter().map(move |(activations, errors)| {
            // What came in f64 would lose half of its digits.
            let mut view = match activations.dtype() {
                DType::F64 => View::new(activations)?,
                _ => View::single(activations)?,
            };
            if let Some(errors) = errors {
                view = view.with_errors(errors)?;
            }
            let even =
                |inputs: &usize| *inputs > 0 && activations.dims()[0].is_multiple_of(*inputs);
            match inputs.filter(even) {
                Some(inputs) => view.of_inputs(inputs),
                None => Ok(view),
            }
        }))
    }

    /// Prepares views as they come, a few of them at a time: as [`Measure::prepare_all`] does for views that need more to be said.
    pub fn prepare_views(
        self,
        views: impl IntoIterator<Item = Result<View, Error>>,
    ) -> Vec<Result<Prepared, Error>> {
        let mut views = views.into_iter().peekable();
        let mut prepared = Vec::new();
        while views.peek().is_some() {
            let few = views.by_ref().take(2 * rayon::current_num_threads());
            let multiplied = few.map(|view| {
                let view = view?;
                view.multiply(self.cut())?;
                Ok(view)
            });
            let multiplied: Vec<Result<View, Error>> = multiplied.collect();
            let decomposed = multiplied.into_par_iter().map(|view| {
                let view = view?;
                view.decompose(self)?;
                Ok(view)
            });
            let decomposed: Vec<Result<View, Error>> = decomposed.collect();
            prepared.extend(decomposed.into_iter().map(|view| self.prepare(&view?)));
        }
        prepared
    }
}

/// Runs of views that together have about `width` columns, at least one each.
fn stacks(views: &[Side], width: usize) -> Vec<&[Side]> {
    let mut stacks = Vec::new();
    let (mut first, mut columns) = (0, 0);
    for (at, view) in views.iter().enumerate() {
        let more = width_of(view);
        if at > first && columns + more > width {
            stacks.push(&views[first..at]);
            (first, columns) = (at, 0);
        }
        columns += more;
    }
    if first < views.len() {
        stacks.push(&views[first..]);
    }
    stacks
}

/// A view, or why it isn't ready.
type Side = Result<Prepared, Error>;

fn width_of(side: &Side) -> usize {
    side.as_ref().map_or(0, Prepared::width)
}

/// Views side by side.
struct Stack<'a> {
    views: &'a [Side],
    /// None where they don't fit together: of several devices or numbers of samples.
    columns: Option<Tensor<2>>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl<'a> Stack<'a> {
    fn of(views: &'a [Side]) -> Stack<'a> {
        let columns: Vec<&Tensor<2>> = views
            .iter()
            .flatten()
            .filter_map(Prepared::columns)
            .collect();
        let alike = columns.windows(2).all(|pair| {
            pair[0].device() == pair[1].device()
                && pair[0].dtype() == pair[1].dtype()
                && pair[0].dims()[0] == pair[1].dims()[0]
        });
        let together = alike && !columns.is_empty();
        let starts = views.iter().scan(0, |next, view| {
            let start = *next;
            *next += width_of(view);
            Some(start)
        });
        Stack {
            starts: starts.collect(),
            columns: together.then(|| Tensor::cat(columns.into_iter().cloned().collect(), 1)),
            views,
        }
    }

    /// This stack's views are the columns.
    fn against(&self, rows: &Stack<'_>, wanted: Wanted) -> Result<Vec<Vec<Cell>>, Error> {
        let product = match (&rows.columns, &self.columns) {
            (Some(x), Some(y)) if x.dims()[0] == y.dims()[0] => {
                let ready = self.views.iter().flatten().next();
                let rounding = ready.map_or(Rounding::Least, Prepared::rounding);
                Some(products::cross(Some(x), Some(y), rounding)?)
            }
            _ => None,
        };
        let cell = |row: usize, column: usize| {
            let (x, y) = match (&rows.views[row], &self.views[column]) {
                (Ok(x), Ok(y)) => (x, y),
                (Err(error), _) | (_, Err(error)) => return Cell::without(error),
            };
            let Some(product) = &product else {
                return Cell::of(x, y, x.cross(y), wanted);
            };
            let start = (rows.starts[row], self.starts[column]);
            let cross = product.view(start, (x.width(), y.width())).into_owned();
            Cell::of(x, y, Ok(cross), wanted)
        };
        let pairs = rows.views.len() * self.views.len();
        let cells: Vec<Cell> = (0..pairs)
            .into_par_iter()
            .map(|pair| cell(pair / self.views.len(), pair % self.views.len()))
            .collect();
        let mut cells = cells.into_iter();
        let by_row = rows
            .views
            .iter()
            .map(|_| cells.by_ref().take(self.views.len()).collect());
        Ok(by_row.collect())
    }
}

impl Cell {
    fn of(x: &Prepared, y: &Prepared, cross: Result<DMatrix<f64>, Error>, wanted: Wanted) -> Cell {
        let found = cross.and_then(|cross| {
            if wanted == Wanted::Values {
                return Ok((x.measured(y, cross)?, None));
            }
            let rotations = Rotations::of(&cross)?;
            Ok((x.measured(y, cross)?, Some([rotations.x, rotations.y])))
        });
        match found {
            Ok((similarity, rotations)) => Cell {
                similarity: Some(similarity),
                error: None,
                rotations,
            },
            Err(error) => Cell::without(&error),
        }
    }

    fn without(error: &Error) -> Cell {
        Cell {
            similarity: None,
            error: Some(error.to_string()),
            rotations: None,
        }
    }
}
