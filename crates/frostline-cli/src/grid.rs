use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use frostline::activations::{ArrayArchive, Run};
use frostline::report::{Heatmap, heatmap, similarity_colours};
use frostline::svcca::{Grid, Measure, Prepared, Wanted};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::layer_file::{Axes, IN_MEMORY, LayerFile, Neurons, left_out};

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
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}")
            .expect("the template is a constant"),
    );
    let read = |path: &Path, step, probe| Layers::read(path, (step, probe), options, &bar);
    let probe = probe(a, b, options.steps);
    let rows = read(a, options.steps[0], probe)?;
    let columns = read(b, options.steps[1], probe)?;
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
            chance: frostline::grid_chance(&found),
        })?;
        std::fs::write(svg, picture)
            .map_err(|error| Failure::Data(format!("{}: {error}", svg.display())))?;
    }
    if options.json {
        let report = serde_json::json!({
            "measure": options.measure,
            "rows": rows.names,
            "columns": columns.names,
            "values": values,
            "problems": problems,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&rows.names, &columns.names, &values);
        for problem in &problems {
            eprintln!("warning: {problem}");
        }
        if let Some(svg) = &options.svg {
            println!("picture: {}", svg.display());
        }
    }
    Ok(())
}

impl Layers {
    fn read(
        path: &Path,
        (step, probe): (Option<usize>, Probe),
        options: &Options,
        bar: &ProgressBar,
    ) -> Result<Layers, Failure> {
        bar.set_message(format!("reading {}", path.display()));
        if path.is_dir() {
            return Layers::of_run(path, (step, probe), options);
        }
        if step.is_some() {
            return Err(Failure::Usage(format!(
                "{} is a file and has no steps; only a run folder has",
                path.display()
            )));
        }
        let mut archive = ArrayArchive::open(path)?;
        bar.set_length(archive.entries().len() as u64);
        let mut names = Vec::new();
        let mut prepared = Vec::new();
        let mut held = Vec::new();
        let mut size = 0;
        for at in 0..archive.entries().len() {
            let entry = &archive.entries()[at];
            let name = entry.name().to_string();
            if let Some(reason) = left_out(entry) {
                eprintln!("warning: {} is left out: {reason}", name.escape_debug());
                continue;
            }
            let tensor = format!("{}:{name}", path.display());
            let array = archive.array(at)?;
            let mut file = LayerFile::of(array, tensor, options.axes, options.neurons)?;
            if file.memory() > IN_MEMORY {
                eprintln!(
                    "warning: {} is left out: it takes more than {} GiB of memory; compare it alone, which \
                     reads it in blocks",
                    name.escape_debug(),
                    IN_MEMORY >> 30
                );
                continue;
            }
            // What a layer keeps is smaller than the layer, so they are not all held at once.
            if size + file.memory() > IN_MEMORY {
                prepared.extend(options.measure.prepare_all(&held));
                held.clear();
                size = 0;
            }
            size += file.memory();
            let samples = file.samples();
            held.push(file.view(0..samples)?);
            names.push(name);
            bar.set_position(at as u64);
        }
        if names.is_empty() {
            return Err(Failure::Data(format!(
                "{} holds no layer to compare",
                path.display()
            )));
        }
        prepared.extend(options.measure.prepare_all(&held));
        Ok(Layers {
            names,
            seed: None,
            prepared,
        })
    }

    fn of_run(
        path: &Path,
        (step, probe): (Option<usize>, Probe),
        options: &Options,
    ) -> Result<Layers, Failure> {
        let run = Run::open(path)?;
        for problem in &run.problems {
            eprintln!("warning: {problem}");
        }
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
        let activations = match probe {
            Probe::OfChecks => run.activations(step, &Device::flex())?,
            Probe::OfPanes => run.pane_activations(step, &Device::flex())?,
        };
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

/// Which of a run's probes the layers are of.
#[derive(Clone, Copy)]
enum Probe {
    OfChecks,
    OfPanes,
}

/// The probe of the panes where both are runs that evaluated the same kind at their steps, since it has more samples; else
/// that of the checks.
fn probe(a: &Path, b: &Path, steps: [Option<usize>; 2]) -> Probe {
    // What can't be read is an error when it is read for good.
    let pane = |path: &Path, step: Option<usize>| {
        let run = Run::open(path).ok()?;
        let step = step.or(run.checkpoints().last().copied())?;
        let evaluated = run.pane_steps().contains(&step);
        run.info.panes_probe.filter(|_| evaluated)
    };
    match (pane(a, steps[0]), pane(b, steps[1])) {
        (Some(a), Some(b)) if a.layout == b.layout => Probe::OfPanes,
        _ => Probe::OfChecks,
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
fn print(rows: &[String], columns: &[String], values: &[Vec<Option<f64>>]) {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let first = rows
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let width = columns
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max(6);
    print!("{:first$}", "");
    for column in columns {
        print!("  {column:>width$}");
    }
    println!();
    for (row, values) in rows.iter().zip(values) {
        print!("{row:first$}");
        for value in values {
            // No "-0.000".
            let value = value.map(|value| if value.abs() < 5e-4 { 0.0 } else { value });
            match value {
                None => print!("  {:>width$}", "-"),
                Some(value) if colour => {
                    let [[r, g, b], [ir, ig, ib]] = similarity_colours(value);
                    print!(
                        "  \x1b[48;2;{r};{g};{b}m\x1b[38;2;{ir};{ig};{ib}m{value:>width$.3}\x1b[0m"
                    );
                }
                Some(value) => print!("  {value:>width$.3}"),
            }
        }
        println!();
    }
}
