mod findings;
mod layers;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use frostline::activations::ByChance;
use frostline::freeze::by_chance;
use frostline::report::{Heatmap, aligned, escaped, fixed, heatmap, similarity_colours};
use frostline::svcca::{Cell, Grid, Measure, Similarity, Wanted};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::layer_file::{Axes, Neurons};
use crate::layer_names::choose;
use crate::out;
use crate::outputs::{refuse_inputs, write_file};
use findings::{Findings, some_of};
use layers::{Layers, Probe, Source};

/// What to compare, and how to say it.
pub(crate) struct Options {
    pub(crate) measure: Measure,
    pub(crate) steps: [Option<usize>; 2],
    /// Names of layers, or patterns of them; all layers where there are none.
    pub(crate) layers: Vec<String>,
    pub(crate) axes: Option<Axes>,
    pub(crate) neurons: Neurons,
    pub(crate) json: bool,
    pub(crate) svg: Option<PathBuf>,
}

/// Pairs that are held at a time: each may have several warnings.
const AT_A_TIME: usize = 1 << 15;

/// Prints every layer of `a` against every layer of `b`.
pub(crate) fn grid(a: &Path, b: &Path, options: &Options) -> Result<(), Failure> {
    if let Some(svg) = &options.svg {
        refuse_inputs(svg, &[a, b])?;
    }
    let bar = out::bar("{msg} {bar:30} {pos}/{len}");
    let probe = Probe::of(a, b, options.steps);
    let rows = Source::open(a, options.steps[0], probe)?;
    let columns = Source::open(b, options.steps[1], probe)?;
    let seeds = other_seeds(rows.seed, columns.seed);
    let [in_rows, in_columns] = choose(&options.layers, [&rows.names, &columns.names])?;
    let rows = rows.layers(&in_rows, options, &bar)?;
    let columns = columns.layers(&in_columns, options, &bar)?;
    let left_out = left_out([(a, &rows), (b, &columns)]);
    left_out_lines(&left_out).iter().for_each(out::warn);

    bar.set_message("comparing");
    let mut found = Found {
        values: Vec::new(),
        chance: Vec::new(),
        seen: Vec::new(),
        compared: false,
        findings: Findings::of(&rows, &columns),
    };
    let keeps = Keeps {
        values: options.json || options.svg.is_some(),
        chance: options.svg.is_some(),
        seen: !options.json,
    };
    let picture = |found: &mut Found| match &options.svg {
        None => Ok(()),
        Some(svg) => {
            let picture = heatmap(&Heatmap {
                title: format!("{} × {}", short(a), short(b)),
                measure: options.measure.to_string(),
                rows: (short(a), rows.names.clone()),
                columns: (short(b), columns.names.clone()),
                values: found.values.clone(),
                chance: std::mem::take(&mut found.chance),
            })?;
            write_file(svg, picture.as_bytes())
        }
    };
    if options.json {
        let left_out = left_out
            .iter()
            .map(|(file, name, reason)| json!({"file": file, "layer": name, "reason": reason}));
        let left_out: Vec<Value> = left_out.collect();
        // Pairs are written as they come, so that they are not all held: in the order of the names.
        out::print_json_as(|json| {
            json.value("columns", &columns.names)?;
            json.value("left_out", &left_out)?;
            json.value("measure", &options.measure)?;
            json.list("cells", |cells| {
                compare(&rows, &columns, &bar, |row, found_row| {
                    cells.value(&found_row.iter().map(cell).collect::<Vec<Value>>())?;
                    found.add(row, &found_row, &keeps);
                    Ok(())
                })
            })?;
            let problems = Vec::from_iter(seeds.clone().into_iter().chain(found.findings.errors()));
            json.value("problems", &problems)?;
            json.value("rows", &rows.names)?;
            json.list("values", |values| {
                found.values.iter().try_for_each(|row| values.value(row))
            })
        })?;
        picture(&mut found)?;
        return found.expect_some();
    }
    compare(&rows, &columns, &bar, |row, found_row| {
        found.add(row, &found_row, &keeps);
        Ok(())
    })?;
    bar.finish_and_clear();
    picture(&mut found)?;
    let mut text = table(&rows.names, &columns.names, &found.seen);
    if let Some(svg) = &options.svg {
        text += &format!("picture: {}\n", escaped(&svg.display().to_string()));
    }
    out::print(&text)?;
    seeds.iter().for_each(out::warn);
    found.findings.errors().iter().for_each(out::warn);
    found.findings.warnings().iter().for_each(out::warn);
    found.expect_some()
}

/// Compares all pairs, and gives the rows of the grid to `each` in their order.
fn compare(
    rows: &Layers,
    columns: &Layers,
    bar: &ProgressBar,
    mut each: impl FnMut(usize, Vec<Cell>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let step = (AT_A_TIME / columns.names.len().max(1)).max(1);
    bar.set_length((rows.names.len() * columns.names.len()) as u64);
    for first in (0..rows.names.len()).step_by(step) {
        let some = &rows.prepared[first..rows.names.len().min(first + step)];
        let before = (first * columns.names.len()) as u64;
        let found = Grid::of(some, &columns.prepared, Wanted::Values, |progress| {
            bar.set_position(before + progress.done as u64);
        })?;
        for (row, cells) in (first..).zip(found.cells) {
            let cells = cells.into_iter().enumerate();
            let cells = cells.map(|(column, cell)| match rows.mismatch(row, columns, column) {
                None => cell,
                mismatch => Cell {
                    similarity: None,
                    error: mismatch,
                    rotations: None,
                },
            });
            each(row, cells.collect())?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// What is kept of the pairs.
struct Found<'a> {
    values: Vec<Vec<Option<f64>>>,
    chance: Vec<Vec<Option<ByChance>>>,
    seen: Vec<Vec<Seen>>,
    /// Whether any pair could be compared.
    compared: bool,
    findings: Findings<'a>,
}

/// Which of it is needed.
struct Keeps {
    values: bool,
    chance: bool,
    seen: bool,
}

/// A pair as the table shows it.
#[derive(Clone, Copy)]
struct Seen {
    value: f64,
    /// How far it is above what chance gives.
    above: f64,
    is_chance: bool,
    is_defined: bool,
}

impl Found<'_> {
    /// Errors: where no pair could be compared.
    fn expect_some(&self) -> Result<(), Failure> {
        match self.compared {
            true => Ok(()),
            false => Err(Failure::Data(
                "no pair of layers could be compared, for the reasons given".to_string(),
            )),
        }
    }

    fn add(&mut self, row: usize, cells: &[Cell], keeps: &Keeps) {
        self.compared |= cells.iter().any(|cell| cell.similarity.is_some());
        for (column, cell) in cells.iter().enumerate() {
            self.findings.add([row, column], cell);
        }
        let similarities = || cells.iter().map(|cell| cell.similarity.as_ref());
        if keeps.values {
            let values = similarities().map(|found| found.map(|found| found.value));
            self.values.push(values.collect());
        }
        if keeps.chance {
            let by_chance = similarities().map(|found| found.map(by_chance));
            self.chance.push(by_chance.collect());
        }
        if keeps.seen {
            let seen = similarities().map(|found| Seen {
                value: found.map_or(0.0, |found| found.value),
                above: found.map_or(0.0, |found| found.corrected.unwrap_or(found.value)),
                is_chance: found.is_some_and(Similarity::is_chance),
                is_defined: found.is_some(),
            });
            self.seen.push(seen.collect());
        }
    }
}

/// A pair for machines.
fn cell(cell: &Cell) -> Value {
    let found = cell.similarity.as_ref();
    json!({
        "value": found.map(|found| found.value),
        "chance": found.map(|found| found.chance),
        "chance_upper": found.map(|found| found.chance_upper),
        "corrected": found.and_then(|found| found.corrected),
        "samples": found.map(|found| found.samples),
        "kept": found.map(|found| found.kept),
        "warnings": found.map_or(&[][..], |found| &found.warnings),
        "error": cell.error,
    })
}

/// What two runs with these seeds may not have in common.
fn other_seeds(a: Option<u64>, b: Option<u64>) -> Option<String> {
    let (a, b) = (a?, b?);
    (a != b).then(|| {
        format!(
            "the runs have seeds {a} and {b}: where the seed also chose the probe's samples, their layers can't be \
             compared"
        )
    })
}

/// The last part of a path, with the one above it where it is a run among others.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

/// The arrays that are no layers, each with its file and the reason, those of one file once.
fn left_out(sides: [(&Path, &Layers); 2]) -> Vec<(String, String, String)> {
    let all = sides.into_iter().flat_map(|(path, layers)| {
        let file = path.display().to_string();
        let left_out = layers.left_out.iter();
        left_out.map(move |(name, reason)| (file.clone(), name.clone(), reason.clone()))
    });
    let mut known = HashSet::new();
    all.filter(|one| known.insert(one.clone())).collect()
}

/// A line for each file and reason.
fn left_out_lines(all: &[(String, String, String)]) -> Vec<String> {
    let mut lines: Vec<(&String, &String, Vec<&str>)> = Vec::new();
    for (file, name, reason) in all {
        let same = |line: &&mut (&String, &String, Vec<&str>)| line.0 == file && line.1 == reason;
        match lines.iter_mut().find(same) {
            Some((_, _, names)) => names.push(name),
            None => lines.push((file, reason, vec![name])),
        }
    }
    let line = |(file, reason, names): (&String, &String, Vec<&str>)| match names.len() {
        1 => format!("{file}: {} is left out: {reason}", names[0]),
        _ => format!(
            "{file}: {} are left out, for each: {reason}",
            some_of(&names)
        ),
    };
    lines.into_iter().map(line).collect()
}

/// A table with one column a layer, coloured on a terminal; values that unrelated layers may give are marked.
fn table(rows: &[String], columns: &[String], found: &[Vec<Seen>]) -> String {
    let mut table = vec![vec![String::new()]];
    table[0].extend(columns.iter().cloned());
    for (row, cells) in rows.iter().zip(found) {
        table.push(
            std::iter::once(row.clone())
                .chain(cells.iter().map(written))
                .collect(),
        );
    }
    let right: Vec<usize> = (1..=columns.len()).collect();
    let mut text = aligned(&table, &right);
    drop(table);
    if out::in_colour() {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        let lines = lines.zip(found);
        let lines: Vec<String> = lines.map(|(line, cells)| coloured(line, cells)).collect();
        text = format!("{head}\n{}\n", lines.join("\n"));
    }
    if found.iter().flatten().any(|seen| seen.is_chance) {
        text += "\n~ unrelated layers may give this value: it is not above its chance level\n";
    }
    text
}

/// A value to three digits, `n/a` where there is none, with a mark where chance may give it.
fn written(seen: &Seen) -> String {
    match (seen.is_defined, seen.is_chance) {
        (false, _) => "n/a".to_string(),
        (true, true) => format!("{}~", fixed(seen.value, 3)),
        (true, false) => fixed(seen.value, 3),
    }
}

/// A line of the table with the values, its last words, on the colours of a heatmap.
fn coloured(line: &str, cells: &[Seen]) -> String {
    let mut end = String::new();
    let mut rest = line;
    for seen in cells.iter().rev() {
        let start = rest.trim_end().rfind(' ').map_or(0, |blank| blank + 1);
        let (before, word) = rest.split_at(start);
        end = if seen.is_defined {
            // As in the picture, colours begin at what chance gives.
            let [[r, g, b], [ir, ig, ib]] = similarity_colours(seen.above);
            format!("\x1b[48;2;{r};{g};{b}m\x1b[38;2;{ir};{ig};{ib}m{word}\x1b[0m{end}")
        } else {
            format!("{word}{end}")
        };
        rest = before;
    }
    format!("{rest}{end}")
}
