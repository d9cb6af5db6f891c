mod findings;
mod layers;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use frostline::report::{Heatmap, aligned, escaped, fixed, heatmap, similarity_colours};
use frostline::svcca::{Cell, Grid, Measure, Wanted};
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

/// Prints every layer of `a` against every layer of `b`.
pub(crate) fn grid(a: &Path, b: &Path, options: &Options) -> Result<(), Failure> {
    if let Some(svg) = &options.svg {
        refuse_inputs(svg, &[a, b])?;
    }
    let bar = out::bar("{msg} {bar:30} {pos}/{len}");
    let probe = Probe::of(a, b, options.steps);
    let rows = Source::open(a, options.steps[0], probe)?;
    let columns = Source::open(b, options.steps[1], probe)?;
    let mut problems = Vec::from_iter(other_seeds(rows.seed, columns.seed));
    let [in_rows, in_columns] = choose(&options.layers, [&rows.names, &columns.names])?;
    let rows = rows.layers(&in_rows, options, &bar)?;
    let columns = columns.layers(&in_columns, options, &bar)?;
    bar.set_message("comparing");
    let wanted = Wanted::Values;
    let found = Grid::of(&rows.prepared, &columns.prepared, wanted, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();
    let findings = Findings::of(&rows, &columns, &found);
    problems.extend(findings.errors());
    let left_out = left_out([(a, &rows), (b, &columns)]);
    left_out_lines(&left_out).iter().for_each(out::warn);

    if let Some(svg) = &options.svg {
        let picture = heatmap(&Heatmap {
            title: format!("{} × {}", short(a), short(b)),
            measure: options.measure.to_string(),
            rows: (short(a), rows.names.clone()),
            columns: (short(b), columns.names.clone()),
            values: found.values(),
            chance: frostline::grid_chance(&found),
        })?;
        write_file(svg, picture.as_bytes())?;
    }
    if options.json {
        return out::print_json(&json!({
            "measure": options.measure,
            "rows": rows.names,
            "columns": columns.names,
            "values": found.values(),
            "cells": found.cells.iter().map(|cells| cells.iter().map(cell).collect()).collect::<Vec<Vec<Value>>>(),
            "left_out": left_out.iter().map(|(file, name, reason)| json!({"file": file, "layer": name, "reason": reason})).collect::<Vec<_>>(),
            "problems": problems,
        }));
    }
    let mut text = table(&rows.names, &columns.names, &found);
    if let Some(svg) = &options.svg {
        text += &format!("picture: {}\n", escaped(&svg.display().to_string()));
    }
    out::print(&text)?;
    problems.iter().for_each(out::warn);
    findings.warnings().iter().for_each(out::warn);
    Ok(())
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
fn table(rows: &[String], columns: &[String], found: &Grid) -> String {
    let mut table = vec![vec![String::new()]];
    table[0].extend(columns.iter().cloned());
    for (row, cells) in rows.iter().zip(&found.cells) {
        table.push(
            std::iter::once(row.clone())
                .chain(cells.iter().map(written))
                .collect(),
        );
    }
    let right: Vec<usize> = (1..=columns.len()).collect();
    let mut text = aligned(&table, &right);
    if out::in_colour() {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        let lines = lines.zip(&found.cells);
        let lines: Vec<String> = lines.map(|(line, cells)| coloured(line, cells)).collect();
        text = format!("{head}\n{}\n", lines.join("\n"));
    }
    let mut all = found
        .cells
        .iter()
        .flatten()
        .flat_map(|cell| &cell.similarity);
    if all.any(|found| found.is_chance()) {
        text += "\n~ unrelated layers may give this value: it is not above its chance level\n";
    }
    text
}

/// A value to three digits, `n/a` where there is none, with a mark where chance may give it.
fn written(cell: &Cell) -> String {
    match &cell.similarity {
        None => "n/a".to_string(),
        Some(found) if found.is_chance() => format!("{}~", fixed(found.value, 3)),
        Some(found) => fixed(found.value, 3),
    }
}

/// A line of the table with the values, its last words, on the colours of a heatmap.
fn coloured(line: &str, cells: &[Cell]) -> String {
    let mut end = String::new();
    let mut rest = line;
    for cell in cells.iter().rev() {
        let start = rest.trim_end().rfind(' ').map_or(0, |blank| blank + 1);
        let (before, word) = rest.split_at(start);
        end = match &cell.similarity {
            None => format!("{word}{end}"),
            Some(found) => {
                // As in the picture, colours begin at what chance gives.
                let above = found.corrected.unwrap_or(found.value);
                let [[r, g, b], [ir, ig, ib]] = similarity_colours(above);
                format!("\x1b[48;2;{r};{g};{b}m\x1b[38;2;{ir};{ig};{ib}m{word}\x1b[0m{end}")
            }
        };
        rest = before;
    }
    format!("{rest}{end}")
}
