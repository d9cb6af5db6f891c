use crate::colour::{self, GRID, HATCH, SOFT_INK, UNDEFINED};
use crate::error::{number, unit};
use crate::short_names::short_names;
use crate::svg::{Area, Canvas, Font, picture, shorten, text_width};
use crate::{Error, RunPictures};

/// The similarity of every layer during training (rows) with every layer at its end (columns), at one
/// moment. Raghu et al. 2017, arXiv:1706.05806, figure 4.
#[derive(Clone, Debug, PartialEq)]
pub struct Pane {
    /// The moment, in optimiser steps.
    pub step: usize,
    /// The same as a share of the training, in `[0, 1]`.
    pub fraction: f64,
    /// Layers during training, from the input up.
    pub rows: Vec<String>,
    /// Layers at the end, from the input up.
    pub columns: Vec<String>,
    /// Similarities in `[0, 1]`, `values[row][column]`; none where it is not defined.
    pub values: Vec<Vec<Option<f64>>>,
}

/// All panes of a run side by side, on one scale from 0 to 1, the input layer at the bottom left.
///
/// Errors: `PaneShape`, `OutOfRange` for a similarity or a fraction outside `[0, 1]`, `Nothing`
/// without panes or without layers in them.
pub fn panes(pictures: &RunPictures<'_>) -> Result<String, Error> {
    let panes = &pictures.panes;
    for pane in panes {
        check(pane)?;
    }
    let rows = panes.iter().map(|pane| pane.rows.len()).max().unwrap_or(0);
    let widest = panes.iter().map(|pane| pane.columns.len()).max();
    let columns = widest.unwrap_or(0);
    if rows == 0 || columns == 0 {
        let text = "No layers were compared with those at the end.";
        return Err(Error::Nothing(text.into()));
    }
    let grid = Grid::of(panes, rows, columns, HEADING_WIDTH);
    let label = format!(
        "{}: similarity of every layer during training with every layer at the end, at {}",
        pictures.run.info.name,
        panes.iter().map(moment).collect::<Vec<_>>().join(", ")
    );
    Ok(picture(grid.size(panes.len()), &label, |canvas| {
        for (index, pane) in panes.iter().enumerate() {
            let moment = moment(pane);
            let labels = Labels {
                heading: &format!("{moment} of training"),
                below: &format!("step {}", pane.step),
                when: &format!(" at {moment}"),
                row: "layer during training",
                column: "layer at the end",
            };
            draw_pane(canvas, pane, &labels, &grid, index);
        }
        draw_scale(canvas, &grid);
    }))
}

/// Layers of one network or checkpoint (rows) against layers of another (columns), the input layer at
/// the bottom left.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// Above the picture.
    pub title: String,
    /// What was measured: a second line.
    pub measure: String,
    /// Whose layers the rows are, and their names.
    pub rows: (String, Vec<String>),
    /// Whose layers the columns are, and their names.
    pub columns: (String, Vec<String>),
    /// `values[row][column]`, finite; none where it is not defined. Colours end at 0 and 1.
    pub values: Vec<Vec<Option<f64>>>,
}

/// Draws one heatmap.
///
/// Errors: `PaneShape`, `NotDrawable` for a value that isn't finite, `Nothing` without layers.
pub fn heatmap(heatmap: &Heatmap) -> Result<String, Error> {
    let pane = Pane {
        step: 0,
        fraction: 0.0,
        rows: heatmap.rows.1.clone(),
        columns: heatmap.columns.1.clone(),
        values: heatmap.values.clone(),
    };
    if pane.rows.is_empty() || pane.columns.is_empty() {
        return Err(Error::Nothing("There are no layers to draw.".into()));
    }
    check_shape(&pane)?;
    for (row, values) in pane.rows.iter().zip(&pane.values) {
        for (column, value) in pane.columns.iter().zip(values) {
            if let Some(value) = *value {
                number(value, || format!("the similarity of {row} and {column}"))?;
            }
        }
    }
    let heading = shorten(&heatmap.title, HEADING_MOST);
    let measure = shorten(&heatmap.measure, HEADING_MOST);
    let heading_width = f64::max(
        text_width(heading.chars().count(), 13.0),
        text_width(measure.chars().count(), 11.0),
    );
    let grid = Grid::of(
        std::slice::from_ref(&pane),
        pane.rows.len(),
        pane.columns.len(),
        heading_width.max(HEADING_WIDTH),
    );
    let label = format!(
        "{}, {}: every layer of {} with every layer of {}",
        heatmap.title, heatmap.measure, heatmap.rows.0, heatmap.columns.0
    );
    let labels = Labels {
        heading: &heading,
        below: &measure,
        when: "",
        row: &heatmap.rows.0,
        column: &heatmap.columns.0,
    };
    Ok(picture(grid.size(1), &label, |canvas| {
        draw_pane(canvas, &pane, &labels, &grid, 0);
        draw_scale(canvas, &grid);
    }))
}

/// The colour of a similarity as the heatmaps have it, and one that is read on it, as red, green, blue.
pub fn similarity_colours(value: f64) -> [[u8; 3]; 2] {
    let background = colour::similarity(value);
    let ink = colour::text_on(background);
    [background, ink].map(|colour| [colour.0, colour.1, colour.2])
}

/// What a pane says around its cells.
struct Labels<'a> {
    heading: &'a str,
    below: &'a str,
    /// Behind a row's name in a hover text.
    when: &'a str,
    /// Along the axes.
    row: &'a str,
    column: &'a str,
}

const WIDTH: f64 = 1180.0;
const EDGE: f64 = 8.0;
const HEADING: f64 = 42.0;
/// What a heading needs, however narrow its pane.
const HEADING_WIDTH: f64 = 150.0;
/// Characters of a heading.
const HEADING_MOST: usize = 90;
/// What the cells of a pane of many rows fill, unless cells would get too small for names.
const CELLS_HEIGHT: f64 = 640.0;
const LEAST_CELL: f64 = 13.0;
const SCALE_ROOM: f64 = 86.0;
const BETWEEN: f64 = 20.0;
const AXIS_LABEL: f64 = 22.0;
const NAME: usize = 18;

/// Where the panes go.
struct Grid {
    across: usize,
    cell: f64,
    rows: usize,
    columns: usize,
    /// Room for the names of rows, left of a pane.
    row_names: f64,
    heading_width: f64,
    /// All panes have the same rows: named once, at the left.
    rows_named_once: bool,
    /// Room for the names of columns, below a pane.
    column_names: f64,
    upright_names: bool,
    font: f64,
}

impl Grid {
    fn of(panes: &[Pane], rows: usize, columns: usize, heading_width: f64) -> Self {
        // Four panes of many layers would leave no room for a name beside its cell.
        let across = panes.len().min(if columns <= 12 { 4 } else { 2 });
        let rows_named_once = panes.iter().all(|pane| pane.rows == panes[0].rows);
        let named = if rows_named_once { 1.0 } else { across as f64 };
        let longest = |names: fn(&Pane) -> &[String]| {
            let names = panes.iter().flat_map(|pane| short_names(names(pane), NAME));
            let lengths = names.map(|name| name.chars().count());
            lengths.max().unwrap_or(0)
        };
        let longest_row = longest(|pane| &pane.rows);
        let longest_column = longest(|pane| &pane.columns);
        let cell_for = |font: f64| {
            let row_names = text_width(longest_row, font) + 10.0 + AXIS_LABEL;
            let between = (across - 1) as f64 * BETWEEN;
            let room = WIDTH - 2.0 * EDGE - SCALE_ROOM - between - named * row_names;
            let cell = room / (across * columns) as f64;
            let height = (CELLS_HEIGHT / rows as f64).max(LEAST_CELL);
            (row_names, cell.min(height).min(56.0))
        };
        let font = if cell_for(11.0).1 < LEAST_CELL {
            9.0
        } else {
            11.0
        };
        let (row_names, cell) = cell_for(font);
        let name_width = text_width(longest_column, font);
        let upright_names = name_width > cell - 2.0;
        let column_names = if upright_names { name_width } else { font } + 10.0;
        Grid {
            across,
            cell,
            rows,
            columns,
            row_names,
            heading_width,
            rows_named_once,
            column_names,
            upright_names,
            font,
        }
    }

    fn pane_width(&self) -> f64 {
        (self.cell * self.columns as f64).max(self.heading_width)
    }

    fn pane_height(&self) -> f64 {
        HEADING + self.cell * self.rows as f64 + self.column_names + AXIS_LABEL
    }

    /// The left side of the cells in the column of panes `across`, as if the scale were one of them.
    fn left(&self, across: usize) -> f64 {
        let named = if self.rows_named_once { 1 } else { across + 1 };
        EDGE + named as f64 * self.row_names + across as f64 * (self.pane_width() + BETWEEN)
    }

    fn size(&self, panes: usize) -> (f64, f64) {
        let down = panes.div_ceil(self.across) as f64;
        (
            self.left(self.across - 1) + self.pane_width() + SCALE_ROOM + EDGE,
            2.0 * EDGE + down * self.pane_height() + (down - 1.0) * BETWEEN,
        )
    }

    /// The cells of the pane at `index`.
    fn cells(&self, index: usize, pane: &Pane) -> Area {
        let left = self.left(index % self.across);
        let down = (index / self.across) as f64;
        let top = EDGE + down * (self.pane_height() + BETWEEN) + HEADING;
        let bottom = top + self.cell * self.rows as f64;
        Area {
            left,
            top: bottom - self.cell * pane.rows.len() as f64,
            right: left + self.cell * pane.columns.len() as f64,
            bottom,
        }
    }

    fn names_rows(&self, index: usize) -> bool {
        !self.rows_named_once || index.is_multiple_of(self.across)
    }
}

fn draw_pane(canvas: &mut Canvas, pane: &Pane, labels: &Labels<'_>, grid: &Grid, index: usize) {
    let cells = grid.cells(index, pane);
    let above = (cells.left, cells.top - 27.0);
    canvas.text(labels.heading, above, Font::left(13.0).bold());
    let font = Font::left(11.0).colour(SOFT_INK);
    canvas.text(labels.below, (cells.left, cells.top - 11.0), font);

    // Ten by ten is the most that is read as numbers rather than as colours.
    let printed = pane.rows.len() <= 10 && pane.columns.len() <= 10 && grid.cell >= 20.0;
    for (row, name) in pane.rows.iter().enumerate() {
        for (column, end) in pane.columns.iter().enumerate() {
            // No "-0.00" where rounding went below 0.
            let value = pane.values[row][column];
            let value = value.map(|value| {
                if value > -0.005 {
                    value.max(0.0)
                } else {
                    value
                }
            });
            let cell = Area {
                left: cells.left + grid.cell * column as f64,
                top: cells.bottom - grid.cell * (row + 1) as f64,
                right: cells.left + grid.cell * (column + 1) as f64,
                bottom: cells.bottom - grid.cell * row as f64,
            };
            let written = value.map_or("not defined".into(), |value| format!("{value:.2}"));
            let says = format!("{name}{} × {end}: {written}", labels.when);
            match value {
                None => draw_undefined(canvas, cell, &says),
                Some(value) if printed => draw_number(canvas, cell, value, &says),
                Some(value) => canvas.cell(cell, colour::similarity(value), &says),
            }
        }
    }
    canvas.frame(cells, SOFT_INK, 1.0);
    if grid.names_rows(index) {
        draw_row_names(canvas, pane, labels, grid, cells);
    }
    draw_column_names(canvas, pane, labels, grid, cells);
}

fn draw_undefined(canvas: &mut Canvas, cell: Area, says: &str) {
    canvas.fill(cell, UNDEFINED);
    let stripes = 3;
    for stripe in 0..stripes {
        let share = (stripe as f64 + 0.5) / f64::from(stripes);
        let (dx, dy) = (share * cell.width(), share * cell.height());
        let ends = [(cell.left, cell.top + dy), (cell.left + dx, cell.top)];
        canvas.line(&ends, HATCH, 1.0);
        let ends = [(cell.left + dx, cell.bottom), (cell.right, cell.top + dy)];
        canvas.line(&ends, HATCH, 1.0);
    }
    canvas.hover(cell, says);
}

fn draw_number(canvas: &mut Canvas, cell: Area, value: f64, says: &str) {
    let background = colour::similarity(value);
    canvas.fill(cell, background);
    let size = (cell.width() * 0.36).clamp(8.0, 13.0);
    let font = Font::centre(size).colour(colour::text_on(background));
    canvas.text(&format!("{value:.2}"), cell.centre(), font);
    canvas.hover(cell, says);
}

fn draw_row_names(canvas: &mut Canvas, pane: &Pane, labels: &Labels<'_>, grid: &Grid, cells: Area) {
    let names = short_names(&pane.rows, NAME);
    for (row, name) in names.iter().enumerate().step_by(thinned(grid)) {
        let y = cells.bottom - grid.cell * (row as f64 + 0.5);
        canvas.text(name, (cells.left - 6.0, y), Font::right(grid.font));
    }
    let beside = (
        cells.left - grid.row_names + AXIS_LABEL / 2.0,
        cells.centre().1,
    );
    let font = Font::centre(11.0).upright();
    let room = cells.height() + 2.0 * HEADING;
    canvas.text(&fitting(labels.row, room), beside, font);
}

fn draw_column_names(
    canvas: &mut Canvas,
    pane: &Pane,
    labels: &Labels<'_>,
    grid: &Grid,
    cells: Area,
) {
    let names = short_names(&pane.columns, NAME);
    for (column, name) in names.iter().enumerate().step_by(thinned(grid)) {
        let x = cells.left + grid.cell * (column as f64 + 0.5);
        if grid.upright_names {
            let font = Font::right(grid.font).upright();
            canvas.text(name, (x, cells.bottom + 6.0), font);
        } else {
            let below = (x, cells.bottom + 6.0 + grid.font / 2.0);
            canvas.text(name, below, Font::centre(grid.font));
        }
    }
    let below = (
        cells.centre().0,
        cells.bottom + grid.column_names + AXIS_LABEL / 2.0,
    );
    let room = cells.width() + 2.0 * cells.left.min(SCALE_ROOM);
    canvas.text(&fitting(labels.column, room), below, Font::centre(11.0));
}

/// The label of an axis in so many pixels.
fn fitting(label: &str, room: f64) -> String {
    shorten(label, (room / text_width(1, 11.0)) as usize)
}

/// Every how many-th name there is room for; the hover texts have them all.
fn thinned(grid: &Grid) -> usize {
    ((grid.font + 1.0) / grid.cell).ceil().max(1.0) as usize
}

fn draw_scale(canvas: &mut Canvas, grid: &Grid) {
    let left = grid.left(grid.across - 1) + grid.pane_width() + 26.0;
    let top = EDGE + HEADING;
    let bar = Area {
        left,
        top,
        right: left + 14.0,
        bottom: top + (grid.cell * grid.rows as f64).clamp(56.0, 320.0),
    };
    let shades = 64;
    for shade in 0..shades {
        let height = bar.height() / f64::from(shades);
        let bottom = bar.bottom - height * f64::from(shade);
        let part = Area {
            // A little overlap hides the seams that smoothing leaves.
            top: (bottom - height - 0.5).max(bar.top),
            bottom,
            ..bar
        };
        let middle = (f64::from(shade) + 0.5) / f64::from(shades);
        canvas.fill(part, colour::similarity(middle));
    }
    canvas.frame(bar, GRID, 1.0);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let y = bar.bottom - share * bar.height();
        canvas.line(&[(bar.right, y), (bar.right + 4.0, y)], SOFT_INK, 1.0);
        canvas.text(&format!("{share}"), (bar.right + 7.0, y), Font::left(11.0));
    }
    let title = (bar.left, top - 11.0);
    canvas.text("similarity", title, Font::left(11.0));
}

/// `35 %`, or `37.5 %` where the moment is not a whole percent.
pub(crate) fn moment(pane: &Pane) -> String {
    let percent = 100.0 * pane.fraction;
    if (percent - percent.round()).abs() < 0.05 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

pub(crate) fn check(pane: &Pane) -> Result<(), Error> {
    unit(pane.fraction, || {
        format!("the fraction of the pane of step {}", pane.step)
    })?;
    check_shape(pane)?;
    for (row, values) in pane.values.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            if let Some(value) = *value {
                unit(value, || {
                    format!(
                        "the similarity of {} at step {} to {} at the end",
                        pane.rows[row], pane.step, pane.columns[column]
                    )
                })?;
            }
        }
    }
    Ok(())
}

fn check_shape(pane: &Pane) -> Result<(), Error> {
    let shape = |row: usize| Error::PaneShape {
        step: pane.step,
        rows: pane.rows.len(),
        columns: pane.columns.len(),
        row,
        given: pane.values.len(),
        values: pane.values.get(row).map_or(0, Vec::len),
    };
    if pane.values.len() != pane.rows.len() {
        return Err(shape(pane.values.len().min(pane.rows.len())));
    }
    match pane
        .values
        .iter()
        .position(|values| values.len() != pane.columns.len())
    {
        Some(row) => Err(shape(row)),
        None => Ok(()),
    }
}
