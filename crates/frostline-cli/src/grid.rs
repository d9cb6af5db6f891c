use std::path::{Path, PathBuf};

use burn::tensor::Device;
use frostline::activations::ArrayFile;
use frostline::report::{Heatmap, aligned, escaped, fixed, heatmap};
use frostline::svcca::{Grid, Measure, Prepared, Wanted};
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::layer_file::{Axes, IN_MEMORY, LayerFile, Neurons};
use crate::outputs::{refuse_inputs, write_file};
use crate::{out, runs};

/// What to compare, and how to say it.
pub(crate) struct Options {
    pub(crate) measure: Measure,
    pub(crate) steps: [Option<usize>; 2],
    pub(crate) axes: Option<Axes>,
    pub(crate) neurons: Neurons,
    pub(crate) json: bool,
    pub(crate) svg: Option<PathBuf>,
}

/// The layers of a run's checkpoint or of a safetensors file, ready to be compared.
struct Layers {
    names: Vec<String>,
    /// Of the run, where it is one and has one.
    seed: Option<u64>,
    prepared: Vec<Result<Prepared, frostline::svcca::Error>>,
}

/// Prints every layer of `a` against every layer of `b`.
pub(crate) fn grid(a: &Path, b: &Path, options: &Options) -> Result<(), Failure> {
    if let Some(svg) = &options.svg {
        refuse_inputs(svg, &[a, b])?;
    }
    let bar = out::bar("{msg} {bar:30} {pos}/{len}");
    let rows = Layers::read(a, options.steps[0], options, &bar)?;
    let columns = Layers::read(b, options.steps[1], options, &bar)?;
    bar.set_message("comparing");
    let wanted = Wanted::Values;
    let found = Grid::of(&rows.prepared, &columns.prepared, wanted, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();
    let values = found.values();
    let mut problems = problems(&rows.names, &columns.names, &found);
    if let (Some(a), Some(b)) = (rows.seed, columns.seed)
        && a != b
    {
        problems.push(format!(
            "the runs have seeds {a} and {b}: where the seed also chose the probe's samples, their \
             layers can't be compared"
        ));
    }

    if let Some(svg) = &options.svg {
        let picture = heatmap(&Heatmap {
            title: format!("{} × {}", short(a), short(b)),
            measure: options.measure.to_string(),
            rows: (short(a), rows.names.clone()),
            columns: (short(b), columns.names.clone()),
            values: values.clone(),
        })?;
        write_file(svg, picture.as_bytes())?;
    }
    if options.json {
        let report = serde_json::json!({
            "measure": options.measure,
            "rows": rows.names,
            "columns": columns.names,
            "values": values,
            "problems": problems,
        });
        return out::print_json(&report);
    }
    let mut text = text(&rows.names, &columns.names, &values);
    if let Some(svg) = &options.svg {
        text += &format!("picture: {}\n", escaped(&svg.display().to_string()));
    }
    out::print(&text)?;
    problems.iter().for_each(out::warn);
    Ok(())
}

impl Layers {
    fn read(
        path: &Path,
        step: Option<usize>,
        options: &Options,
        bar: &ProgressBar,
    ) -> Result<Layers, Failure> {
        bar.set_message(format!("reading {}", escaped(&path.display().to_string())));
        if path.is_dir() {
            return Layers::of_run(path, step, options);
        }
        if step.is_some() {
            return Err(Failure::Usage(format!(
                "{} is a file and has no steps; only a run folder has",
                path.display()
            )));
        }
        let names = ArrayFile::names(path)?;
        bar.set_length(names.len() as u64);
        let mut prepared = Vec::new();
        let mut held = Vec::new();
        let mut size = 0;
        for (done, name) in names.iter().enumerate() {
            let tensor = PathBuf::from(format!("{}:{name}", path.display()));
            let mut file = LayerFile::open(&tensor, options.axes, options.neurons)?;
            if file.size() > IN_MEMORY {
                return Err(Failure::Data(format!(
                    "{} is larger than {} GiB; compare it alone, which reads it in blocks",
                    tensor.display(),
                    IN_MEMORY >> 30
                )));
            }
            // What a layer keeps is smaller than the layer, so they are not all held at once.
            if size + file.size() > IN_MEMORY {
                prepared.extend(options.measure.prepare_all(&held));
                held.clear();
                size = 0;
            }
            size += file.size();
            let samples = file.samples();
            held.push(file.view(0..samples)?);
            bar.set_position(done as u64);
        }
        prepared.extend(options.measure.prepare_all(&held));
        Ok(Layers {
            names,
            seed: None,
            prepared,
        })
    }

    fn of_run(path: &Path, step: Option<usize>, options: &Options) -> Result<Layers, Failure> {
        let run = runs::open(path, "grid")?;
        run.problems.iter().for_each(out::warn);
        let checkpoints = run.checkpoints();
        let step = match step {
            Some(step) if checkpoints.contains(&step) => step,
            Some(step) => {
                let known = checkpoints
                    .iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(Failure::Usage(format!(
                    "{} has no checkpoint at step {step}; there are {known}",
                    path.display()
                )));
            }
            None => *checkpoints.last().ok_or_else(|| {
                Failure::Data(format!("{} has no checkpoints to compare", path.display()))
            })?,
        };
        let activations = run.activations(step, &Device::flex())?;
        let names: Vec<String> = activations.names().map(str::to_string).collect();
        let views = names.iter().map(|name| activations.view(name));
        let views = views.collect::<Result<Vec<_>, _>>()?;
        Ok(Layers {
            names,
            seed: run.info.seed,
            prepared: options.measure.prepare_all(&views),
        })
    }
}

/// The last part of a path, with the one above it where it is a run among others.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

/// Why values are missing: a line for each reason, not for each pair.
fn problems(rows: &[String], columns: &[String], found: &Grid) -> Vec<String> {
    let mut reasons = std::collections::BTreeMap::<&str, (usize, String)>::new();
    for (row, cells) in rows.iter().zip(&found.cells) {
        for (column, cell) in columns.iter().zip(cells) {
            if let Some(error) = &cell.error {
                let first = || (0, format!("{row} against {column}"));
                reasons.entry(error).or_insert_with(first).0 += 1;
            }
        }
    }
    let line = |(error, (count, first)): (&str, (usize, String))| match count {
        1 => format!("{first}: {error}"),
        count => format!("{first} and {} more pairs: {error}", count - 1),
    };
    reasons.into_iter().map(line).collect()
}

/// A table with one column a layer, coloured on a terminal.
fn text(rows: &[String], columns: &[String], values: &[Vec<Option<f64>>]) -> String {
    let mut table = vec![vec![String::new()]];
    table[0].extend(columns.iter().cloned());
    for (row, values) in rows.iter().zip(values) {
        let values = values.iter();
        let cells = values.map(|value| value.map_or("-".to_string(), |value| fixed(value, 3)));
        table.push(std::iter::once(row.clone()).chain(cells).collect());
    }
    let right: Vec<usize> = (1..=columns.len()).collect();
    aligned(&table, &right)
}
