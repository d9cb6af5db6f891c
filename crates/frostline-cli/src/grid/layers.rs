use std::fs::File;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use frostline::activations::{Activations, ArrayArchive, Run};
use frostline::report::escaped;
use frostline::svcca::{Error, Prepared};
use indicatif::ProgressBar;

use super::Options;
use crate::failure::Failure;
use crate::layer_file::{IN_MEMORY, LayerFile, Places, Values, left_out};
use crate::layer_names::Choice;
use crate::{out, runs};

/// A run's checkpoint or a file of arrays, opened.
pub(super) struct Source {
    path: PathBuf,
    /// The names of all that may be layers.
    pub(super) names: Vec<String>,
    /// The seed of a run that has one.
    pub(super) seed: Option<u64>,
    content: Content,
}

enum Content {
    Checkpoint(Activations),
    File(ArrayArchive),
}

/// Which of a run's probes the layers are of.
#[derive(Clone, Copy)]
pub(super) enum Probe {
    OfChecks,
    OfPanes,
}

impl Probe {
    /// The probe of the panes where both are runs that evaluated it in the same layout at their steps, since it has
    /// more samples; else that of the checks.
    pub(super) fn of(a: &Path, b: &Path, steps: [Option<usize>; 2]) -> Probe {
        // What can't be read is an error when it is read for good.
        let pane = |path: &Path, step: Option<usize>| {
            let run = Run::open(path).ok().filter(|_| path.is_dir())?;
            let step = step.or(run.checkpoints().last().copied())?;
            let evaluated = run.pane_steps().contains(&step);
            run.info.panes_probe.filter(|_| evaluated)
        };
        match (pane(a, steps[0]), pane(b, steps[1])) {
            (Some(a), Some(b)) if a.layout == b.layout => Probe::OfPanes,
            _ => Probe::OfChecks,
        }
    }
}

/// Layers that are ready to be compared.
pub(super) struct Layers {
    pub(super) names: Vec<String>,
    pub(super) prepared: Vec<Result<Prepared, Error>>,
    /// Arrays that are no layers, each with the reason.
    pub(super) left_out: Vec<(String, String)>,
    /// Of what the rows of each layer of a file are.
    places: Vec<Places>,
}

impl Layers {
    /// Why a layer of these can't be compared with one of others, though it may have as many rows.
    pub(super) fn mismatch(&self, at: usize, others: &Layers, other: usize) -> Option<String> {
        let (x, y) = (self.places.get(at)?, others.places.get(other)?);
        x.mismatch(y, [&self.names[at], &others.names[other]])
    }
}

impl Source {
    pub(super) fn open(path: &Path, step: Option<usize>, probe: Probe) -> Result<Source, Failure> {
        if path.is_dir() {
            return Source::of_run(path, step, probe);
        }
        if step.is_some() {
            return Err(Failure::Usage(format!(
                "{} is a file and has no steps; only a run folder has",
                path.display()
            )));
        }
        let archive = ArrayArchive::open(path)?;
        let names = archive.entries().iter();
        Ok(Source {
            path: path.to_path_buf(),
            names: names.map(|entry| entry.name().to_string()).collect(),
            seed: None,
            content: Content::File(archive),
        })
    }

    fn of_run(path: &Path, step: Option<usize>, probe: Probe) -> Result<Source, Failure> {
        let run = runs::open(path, "grid")?;
        run.problems.iter().for_each(out::warn);
        let checkpoints = run.checkpoints();
        let step = match step {
            Some(step) if checkpoints.contains(&step) => step,
            Some(step) => {
                let known: Vec<String> = checkpoints.iter().map(usize::to_string).collect();
                return Err(Failure::Usage(format!(
                    "{} has no checkpoint at step {step}; there are {}",
                    path.display(),
                    known.join(", ")
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
        Ok(Source {
            path: path.to_path_buf(),
            names: activations.names().map(str::to_string).collect(),
            seed: run.info.seed,
            content: Content::Checkpoint(activations),
        })
    }

    /// Reads and prepares the chosen layers.
    pub(super) fn layers(
        self,
        chosen: &[Choice],
        options: &Options,
        bar: &ProgressBar,
    ) -> Result<Layers, Failure> {
        let path = self.path.display().to_string();
        bar.set_message(format!("reading {}", escaped(&path)));
        let layers = match self.content {
            Content::Checkpoint(activations) => of_checkpoint(&activations, chosen, options)?,
            Content::File(archive) => of_file(archive, &path, chosen, options, bar)?,
        };
        match (layers.names.is_empty(), layers.left_out.first()) {
            (false, _) => Ok(layers),
            (true, None) => Err(Failure::Data(format!("{path} has no layer to compare"))),
            (true, Some((name, reason))) => Err(Failure::Data(format!(
                "{path} has no layer to compare: {name}: {reason}"
            ))),
        }
    }
}

fn of_checkpoint(
    activations: &Activations,
    chosen: &[Choice],
    options: &Options,
) -> Result<Layers, Failure> {
    let layers = activations.iter().zip(chosen);
    let layers = layers.filter(|(_, choice)| **choice != Choice::No);
    let layers = layers.map(|(layer, _)| {
        let view = activations.view(layer.name())?;
        Ok((layer.name().to_string(), (view, layer.errors())))
    });
    let layers = layers.collect::<Result<Vec<_>, Failure>>()?;
    let (names, views): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
    let views = views.iter().map(|(view, errors)| (view, *errors));
    let (measure, inputs) = (options.measure, activations.inputs());
    Ok(Layers {
        names,
        prepared: measure.prepare_all_with_errors(views, inputs),
        left_out: Vec::new(),
        places: Vec::new(),
    })
}

fn of_file(
    mut archive: ArrayArchive<File>,
    path: &str,
    chosen: &[Choice],
    options: &Options,
    bar: &ProgressBar,
) -> Result<Layers, Failure> {
    let mut layers = Layers {
        names: Vec::new(),
        prepared: Vec::new(),
        left_out: Vec::new(),
        places: Vec::new(),
    };
    let mut held = Vec::new();
    let mut size = 0;
    let prepare = |held: &mut Vec<(Values, usize)>| {
        let views = held.drain(..);
        let views = views.map(|(values, inputs)| {
            bar.inc(1);
            values.view(inputs, false)
        });
        options.measure.prepare_views(views)
    };
    // Each is read, and made ready.
    bar.set_position(0);
    bar.set_length(2 * chosen.len() as u64);
    for (at, choice) in chosen.iter().enumerate() {
        bar.inc(1);
        let entry = &archive.entries()[at];
        let name = entry.name().to_string();
        match (choice, left_out(entry)) {
            (Choice::No, _) => continue,
            (Choice::Matched, Some(reason)) => {
                layers.left_out.push((name, reason));
                continue;
            }
            // What was named is read, or the error says why it can't be.
            (Choice::Named, _) | (Choice::Matched, None) => {}
        }
        let label = format!("{path}:{name}");
        // What was named has to be compared; what wasn't is left out and said.
        let left_out_for = |reason: Failure| match (choice, reason) {
            (Choice::Matched, Failure::Data(reason) | Failure::Usage(reason)) => {
                let told = reason
                    .strip_prefix(&format!("{label}: "))
                    .map(str::to_string);
                let told = told.unwrap_or(reason.replace(&format!("{label} has"), "it has"));
                Ok((name.clone(), told))
            }
            (_, other) => Err(other),
        };
        let opened = archive.array(at).map_err(Failure::from);
        let opened = opened
            .and_then(|array| LayerFile::of(array, label.clone(), options.axes, options.neurons));
        let mut file = match opened {
            Ok(file) => file,
            Err(reason) => {
                layers.left_out.push(left_out_for(reason)?);
                continue;
            }
        };
        let memory = file.memory();
        if memory > IN_MEMORY {
            layers.left_out.push(left_out_for(Failure::Data(format!(
                "{label}: it takes more than {} GiB of memory; compare it alone, which reads it in blocks",
                IN_MEMORY >> 30
            )))?);
            continue;
        }
        // What a layer keeps is smaller than the layer, so they are not all held at once.
        let samples = file.samples();
        if size + memory > IN_MEMORY {
            layers.prepared.extend(prepare(&mut held));
            size = 0;
        }
        let values = match file.values(0..samples) {
            Ok(values) => values,
            Err(reason) => {
                layers.left_out.push(left_out_for(reason)?);
                continue;
            }
        };
        size += memory;
        held.push((values, samples));
        layers.places.push(file.places());
        layers.names.push(name);
    }
    layers.prepared.extend(prepare(&mut held));
    Ok(layers)
}
