use frostline_activations::ByChance;
use plotters::prelude::RGBColor;

use crate::colour::{self, CROSS, GRID, SOFT_INK, UNDEFINED};
use crate::error::{length, number, unit};
use crate::hatching::hatch;
use crate::judged::{check_chance, doubtful, judged_text};
use crate::short_names::short_names;
use crate::svg::{Area, Canvas, Font, picture, shorten, text_width};
use crate::{Error, RunPictures};

/// The similarity of every layer during training (rows) with every layer at its end (columns), at one
/// moment. Raghu et al. 2017, arXiv:1706.05806, figure 4.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// What chance gives in place of each similarity, `chance[row][column]`, none where it is not known; empty where
    /// it is known of none.
    pub chance: Vec<Vec<Option<ByChance>>>,
}

impl Pane {
    /// What chance gives in place of a similarity, where it is known.
    pub(crate) fn chance_of(&self, row: usize, column: usize) -> Option<&ByChance> {
        self.chance.get(row)?.get(column)?.as_ref()
    }

    /// Its cells, from the first row on: the value and what chance gives in its place.
    fn judged(&self) -> impl Iterator<Item = (Option<f64>, Option<&ByChance>)> {
        self.values
            .iter()
            .enumerate()
            .flat_map(move |(row, values)| {
                let values = values.iter().enumerate();
                values.map(move |(column, value)| (*value, self.chance_of(row, column)))
            })
    }

    /// Whether chance could give one of its values.
    pub(crate) fn has_doubtful(&self) -> bool {
        self.judged().any(|(value, by)| doubtful(value, by))
    }
}

/// All panes of a run side by side, on one scale, the input layer at the bottom left.
///
/// Where chance levels are known, a cell's colour is [how far](ByChance::above) its similarity is on the way from what
/// chance gives to 1, and cells that chance could give are hatched; the numbers on cells are similarities as they were
/// measured. A cell without a value is grey with a cross.
///
/// # Errors
/// [`Error::PaneShape`], [`Error::Length`] for chance levels that are not one a cell, [`Error::OutOfRange`] for a
/// similarity or a fraction outside `[0, 1]`, [`Error::NotDrawable`] for a chance level that isn't finite,
/// [`Error::Nothing`] without panes or without layers in them.
pub fn panes(pictures: &RunPictures<'_>) -> Result<String, Error> {
    let panes = &pictures.panes;
    let [rows, columns] = largest(panes)?;
    // Four panes of many layers would leave no room for a name beside its cell.
    let across = panes.len().min(if columns <= 12 { 4 } else { 2 });
    let rows_named_once = panes.iter().all(|pane| pane.rows == panes[0].rows);
    let layout = Layout {
        across,
        rows_named_once,
    };
    let grid = Grid::of(panes, [rows, columns], layout, HEADING_WIDTH);
    let label = panes_label(pictures, panes);
    Ok(picture(grid.size(panes.len()), &label, |canvas| {
        for (index, pane) in panes.iter().enumerate() {
            draw_pane_of_run(canvas, pane, &grid, index);
        }
        draw_scale(canvas, grid.right() + SCALE_GAP, &grid, &Key::of(panes));
    }))
}

/// The panes of [`panes`] as pictures of their own, which a page sets beside each other as far as it is wide, and their scale
/// as the last.
///
/// Errors: as for [`panes`].
pub(crate) fn panes_apart(pictures: &RunPictures<'_>) -> Result<Vec<String>, Error> {
    let panes = &pictures.panes;
    let size = largest(panes)?;
    let beside = |across: usize| {
        let layout = Layout {
            across,
            rows_named_once: false,
        };
        Grid::of(panes, size, layout, HEADING_WIDTH)
    };
    // Numbers are read from this size on.
    let four = beside(panes.len().min(4));
    let grid = if four.cell < PRINTED_CELL && panes.len() > 2 {
        beside(2)
    } else {
        four
    };
    let grid = Grid { across: 1, ..grid };
    let apart = panes.iter().map(|pane| {
        let label = panes_label(pictures, std::slice::from_ref(pane));
        let size = (grid.right() + EDGE, 2.0 * EDGE + grid.pane_height());
        picture(size, &label, |canvas| {
            draw_pane_of_run(canvas, pane, &grid, 0);
        })
    });
    let scale = picture(
        (SCALE_ROOM - EDGE, 2.0 * EDGE + grid.scale_and_key()),
        &format!("{}: the scale of the panes", pictures.run.info.name),
        |canvas| draw_scale(canvas, EDGE, &grid, &Key::of(panes)),
    );
    Ok(apart.chain([scale]).collect())
}

/// The rows and columns of the largest pane.
fn largest(panes: &[Pane]) -> Result<[usize; 2], Error> {
    for pane in panes {
        check(pane)?;
    }
    let rows = panes.iter().map(|pane| pane.rows.len()).max().unwrap_or(0);
    let columns = panes.iter().map(|pane| pane.columns.len()).max();
    match (rows, columns.unwrap_or(0)) {
        (0, _) | (_, 0) => Err(Error::Nothing(
            "No layers were compared with those at the end.".into(),
        )),
        (rows, columns) => Ok([rows, columns]),
    }
}

fn panes_label(pictures: &RunPictures<'_>, panes: &[Pane]) -> String {
    format!(
        "{}: similarity of every layer during training with every layer at the end, at {}",
        pictures.run.info.name,
        panes.iter().map(moment).collect::<Vec<_>>().join(", ")
    )
}

fn draw_pane_of_run(canvas: &mut Canvas, pane: &Pane, grid: &Grid, index: usize) {
    let moment = moment(pane);
    let labels = Labels {
        heading: &format!("{moment} of training"),
        below: &format!("step {}", pane.step),
        when: &format!(" at {moment}"),
        row: "layer during training",
        column: "layer at the end",
    };
    draw_pane(canvas, pane, &labels, grid, index);
}

/// Layers of one network or checkpoint (rows) against layers of another (columns), the input layer at
/// the bottom left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heatmap {
    /// Above the picture.
    pub title: String,
    /// What was measured: a second line.
    pub measure: String,
    /// Whose layers the rows are, and their names.
    pub rows: (String, Vec<String>),
    /// Whose layers the columns are, and their names.
    pub columns: (String, Vec<String>),
    /// `values[row][column]`, finite; none where it is not defined. Colours end at 0, or at what chance gives, and
    /// at 1.
    pub values: Vec<Vec<Option<f64>>>,
    /// What chance gives in place of each value, as in a [`Pane`].
    pub chance: Vec<Vec<Option<ByChance>>>,
}

/// Draws one heatmap, its colours and hatching as in [`panes`].
///
/// # Errors
/// [`Error::PaneShape`], [`Error::Length`] for chance levels that are not one a cell, [`Error::NotDrawable`] for a value
/// or a chance level that isn't finite, [`Error::Nothing`] without layers.
pub fn heatmap(heatmap: &Heatmap) -> Result<String, Error> {
    let pane = Pane {
        step: 0,
        fraction: 0.0,
        rows: heatmap.rows.1.clone(),
        columns: heatmap.columns.1.clone(),
        values: heatmap.values.clone(),
        chance: heatmap.chance.clone(),
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
    let alone = Layout {
        across: 1,
        rows_named_once: true,
    };
    let grid = Grid::of(
        std::slice::from_ref(&pane),
        [pane.rows.len(), pane.columns.len()],
        alone,
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
        let key = Key::of(std::slice::from_ref(&pane));
        draw_scale(canvas, grid.right() + SCALE_GAP, &grid, &key);
    }))
}

/// The colour of a similarity as the heatmaps have it, and one that is read on it, as red, green, blue. Where it is
/// known what chance gives, the heatmaps have the colour of what is [above](ByChance::above) it.
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
const SCALE_ROOM: f64 = 100.0;
/// Between the panes and their scale.
const SCALE_GAP: f64 = 26.0;
/// The least cell that has its value printed on it.
const PRINTED_CELL: f64 = 20.0;
const BETWEEN: f64 = 20.0;
const AXIS_LABEL: f64 = 22.0;
const NAME: usize = 18;

/// How panes stand beside each other.
struct Layout {
    across: usize,
    /// Rows are named at the left of all panes, and not of each.
    rows_named_once: bool,
}

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
    fn of(panes: &[Pane], [rows, columns]: [usize; 2], layout: Layout, heading_width: f64) -> Self {
        let Layout {
            across,
            rows_named_once,
        } = layout;
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
        let panes = down * self.pane_height() + (down - 1.0) * BETWEEN;
        (
            self.right() + SCALE_ROOM + EDGE,
            2.0 * EDGE + panes.max(self.scale_and_key()),
        )
    }

    /// The right side of the last column of panes.
    fn right(&self) -> f64 {
        self.left(self.across - 1) + self.pane_width()
    }

    /// The height of the scale with what is above and below it.
    fn scale_and_key(&self) -> f64 {
        HEADING + self.scale_height() + KEY_GAP + 2.0 * KEY_ROW
    }

    fn scale_height(&self) -> f64 {
        (self.cell * self.rows as f64).clamp(56.0, 320.0)
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
    let printed = pane.rows.len() <= 10 && pane.columns.len() <= 10 && grid.cell >= PRINTED_CELL;
    let drawn = drawn_cells(pane, labels, grid, cells);
    for Drawn { area, look, says } in &drawn {
        match look {
            Look::Undefined => draw_undefined(canvas, *area, says),
            Look::Value(value) if printed => {
                canvas.fill(*area, value.colour);
                canvas.hover(*area, says);
            }
            Look::Value(value) => canvas.cell(*area, value.colour, says),
        }
    }
    hatch_chance(canvas, &drawn);
    if printed {
        draw_numbers(canvas, &drawn);
    }
    canvas.frame(cells, SOFT_INK, 1.0);
    if grid.names_rows(index) {
        draw_row_names(canvas, pane, labels, grid, cells);
    }
    draw_column_names(canvas, pane, labels, grid, cells);
}

/// A cell as it is drawn.
struct Drawn {
    area: Area,
    look: Look,
    says: String,
}

enum Look {
    Undefined,
    Value(Seen),
}

/// A cell with a value.
#[derive(Clone, Copy)]
struct Seen {
    value: f64,
    colour: RGBColor,
    /// Chance could give the value.
    doubtful: bool,
}

fn drawn_cells(pane: &Pane, labels: &Labels<'_>, grid: &Grid, cells: Area) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (row, name) in pane.rows.iter().enumerate() {
        for (column, end) in pane.columns.iter().enumerate() {
            let area = Area {
                left: cells.left + grid.cell * column as f64,
                top: cells.bottom - grid.cell * (row + 1) as f64,
                right: cells.left + grid.cell * (column + 1) as f64,
                bottom: cells.bottom - grid.cell * row as f64,
            };
            let by = pane.chance_of(row, column);
            let (look, written) = match pane.values[row][column] {
                None => (Look::Undefined, "not defined".into()),
                Some(value) => {
                    let above = by.map_or(value, |by| by.above(value));
                    let seen = Seen {
                        value,
                        colour: colour::similarity(above),
                        doubtful: doubtful(Some(value), by),
                    };
                    let text = judged_text(&two_digits(value), value, by);
                    (Look::Value(seen), text)
                }
            };
            drawn.push(Drawn {
                area,
                look,
                says: format!("{name}{} × {end}: {written}", labels.when),
            });
        }
    }
    drawn
}

fn two_digits(value: f64) -> String {
    let text = format!("{value:.2}");
    match text.as_str() {
        "-0.00" => "0.00".into(),
        _ => text,
    }
}

/// Pale and with a cross, so that it is not taken for a dark cell at chance, also in grey.
fn draw_undefined(canvas: &mut Canvas, cell: Area, says: &str) {
    canvas.fill(cell, UNDEFINED);
    let (x, y) = cell.centre();
    let arm = (cell.width().min(cell.height()) * 0.2).min(6.0);
    canvas.line(&[(x - arm, y - arm), (x + arm, y + arm)], CROSS, 1.2);
    canvas.line(&[(x - arm, y + arm), (x + arm, y - arm)], CROSS, 1.2);
    canvas.hover(cell, says);
}

/// Hatches the cells whose value chance could give.
fn hatch_chance(canvas: &mut Canvas, drawn: &[Drawn]) {
    let mut of_colour: Vec<(RGBColor, Vec<Area>)> = Vec::new();
    for Drawn { area, look, .. } in drawn {
        let Look::Value(seen) = look else { continue };
        if !seen.doubtful {
            continue;
        }
        let colour = colour::hatch_on(seen.colour);
        match of_colour.iter_mut().find(|(of, _)| *of == colour) {
            Some((_, areas)) => areas.push(*area),
            None => of_colour.push((colour, vec![*area])),
        }
    }
    for (colour, areas) in of_colour {
        hatch(canvas, &areas, colour);
    }
}

/// The values, on top of their cells; where a cell is hatched, on a plate of its own.
fn draw_numbers(canvas: &mut Canvas, drawn: &[Drawn]) {
    let size = |area: &Area| (area.width() * 0.36).clamp(8.0, 13.0);
    let values = || {
        drawn.iter().filter_map(|drawn| match drawn.look {
            Look::Value(seen) => Some((drawn.area, seen)),
            Look::Undefined => None,
        })
    };
    for (area, seen) in values().filter(|(_, seen)| seen.doubtful) {
        let (x, y) = area.centre();
        let characters = two_digits(seen.value).chars().count();
        let half = (
            text_width(characters, size(&area)) / 2.0 + 1.0,
            size(&area) * 0.55,
        );
        let plate = Area {
            left: (x - half.0).max(area.left),
            top: (y - half.1).max(area.top),
            right: (x + half.0).min(area.right),
            bottom: (y + half.1).min(area.bottom),
        };
        canvas.fill(plate, seen.colour);
    }
    for (area, seen) in values() {
        let font = Font::centre(size(&area)).colour(colour::text_on(seen.colour));
        canvas.text(&two_digits(seen.value), area.centre(), font);
    }
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

/// What the scale has to explain.
struct Key {
    /// The colours begin at what chance gives.
    from_chance: bool,
    /// There are cells that chance could give.
    hatched: bool,
    /// There are cells without a value.
    undefined: bool,
}

impl Key {
    fn of(panes: &[Pane]) -> Self {
        let cells = || panes.iter().flat_map(Pane::judged);
        Key {
            from_chance: cells().any(|(_, by)| by.is_some()),
            hatched: panes.iter().any(Pane::has_doubtful),
            undefined: cells().any(|(value, _)| value.is_none()),
        }
    }
}

/// Pixels of a row of the key below the scale.
const KEY_ROW: f64 = 21.0;
/// Pixels between the scale and its key.
const KEY_GAP: f64 = 8.0;

fn draw_scale(canvas: &mut Canvas, left: f64, grid: &Grid, key: &Key) {
    let top = EDGE + HEADING;
    let bar = Area {
        left,
        top,
        right: left + 14.0,
        bottom: top + grid.scale_height(),
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
        let text = match tick {
            0 if key.from_chance => "chance".into(),
            _ => format!("{share}"),
        };
        canvas.text(&text, (bar.right + 7.0, y), Font::left(11.0));
    }
    let title = match key.from_chance {
        true => "above chance",
        false => "similarity",
    };
    canvas.text(title, (bar.left, top - 11.0), Font::left(11.0));

    // The tick of 0 has its text below the bar's end.
    let mut row = bar.bottom + KEY_GAP;
    let mut next = |shown: bool| {
        row += if shown { KEY_ROW } else { 0.0 };
        shown.then_some(Area {
            left: bar.left,
            top: row - 14.0,
            right: bar.right,
            bottom: row,
        })
    };
    if let Some(area) = next(key.hatched) {
        let darkest = colour::similarity(0.0);
        canvas.fill(area, darkest);
        hatch(canvas, &[area], colour::hatch_on(darkest));
        let beside = (area.right + 7.0, area.centre().1);
        canvas.text("by chance", beside, Font::left(11.0));
    }
    if let Some(area) = next(key.undefined) {
        draw_undefined(canvas, area, "not defined");
        canvas.frame(area, GRID, 1.0);
        let beside = (area.right + 7.0, area.centre().1);
        canvas.text("no value", beside, Font::left(11.0));
    }
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
            let what = || {
                format!(
                    "the similarity of {} at step {} to {} at the end",
                    pane.rows[row], pane.step, pane.columns[column]
                )
            };
            if let Some(value) = *value {
                unit(value, what)?;
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
    let uneven = |values: &Vec<_>| values.len() != pane.columns.len();
    if let Some(row) = pane.values.iter().position(uneven) {
        return Err(shape(row));
    }
    if pane.chance.is_empty() {
        return Ok(());
    }
    let what = || format!("rows of chance levels in the pane of step {}", pane.step);
    length(pane.chance.len(), what, pane.rows.len(), "rows")?;
    for (name, levels) in pane.rows.iter().zip(&pane.chance) {
        let what = || format!("chance levels of {name} in the pane of step {}", pane.step);
        length(levels.len(), what, pane.columns.len(), "columns")?;
        for (column, by) in pane.columns.iter().zip(levels) {
            if let Some(by) = by {
                check_chance(by, || format!("{name} at step {} and {column}", pane.step))?;
            }
        }
    }
    Ok(())
}
