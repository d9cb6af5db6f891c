mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::run_folder::lines::{self, Lines, Trouble, told};
use crate::run_folder::{self, CHECKPOINTS, HISTORY, METRICS, PANES, RUN};
use crate::{Activations, ByChance, Error, Layout, Ledger, Length, Metrics, MetricsPoint};

/// The version of the run folder that this library writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What was run: the content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The version of the folder's format.
    pub format: u32,
    /// The run's name, as a legend shows it.
    pub name: String,
    /// One line that says what was trained on what.
    pub title: Option<String>,
    /// What a reader must know before believing the numbers, such as where the images come from.
    pub notice: Option<String>,
    /// The layers that can freeze, from the input up; each is also the name of a tap.
    pub layers: Vec<String>,
    /// How long the training was to be.
    pub length: Length,
    /// The fixed samples that every check asks.
    pub probe: ProbeInfo,
    /// The probe of the panes, where it is another than that of the checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panes_probe: Option<PanesProbe>,
    /// The freeze policy, described by itself.
    pub policy: String,
    /// The similarity of a layer to itself at the previous check.
    pub measure: String,
    /// The seed of the run.
    pub seed: Option<u64>,
    /// Floating-point operations of each layer's forward, a sample, where they are known.
    #[serde(default)]
    pub forward_flops: Option<Vec<f64>>,
    /// The device that trained.
    pub device: String,
    /// The versions that trained.
    pub versions: Versions,
    /// Whatever else the user wants to keep of the run: batch size, model, ...
    pub settings: BTreeMap<String, String>,
    /// When it began, in seconds since the start of 1970 (UTC); none in folders of earlier versions.
    #[serde(default)]
    pub began: Option<f64>,
    /// How it ended; none while it runs, or when it was killed.
    pub outcome: Option<Outcome>,
}

/// The probe of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeInfo {
    /// Rows of each view, of the longest where they differ.
    pub samples: usize,
    /// How activations became views. It is fixed when the run begins, so that all its checks can be compared.
    pub layout: Layout,
    /// How many inputs are behind these rows: fewer where several places of an input are samples. None where it
    /// was not written down.
    #[serde(default)]
    pub inputs: Option<usize>,
}

impl ProbeInfo {
    /// How many inputs a check evaluates the model on: as many as there are rows where nothing else is known.
    pub fn evaluated(&self) -> usize {
        self.inputs.unwrap_or(self.samples)
    }
}

/// A probe that is evaluated for the panes alone: it may be larger than that of the checks, since it is evaluated
/// a few times in a training. What it cost is in [`Ledger::panes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanesProbe {
    /// How its activations became views.
    pub layout: Layout,
    /// The steps at which it is evaluated, ascending.
    pub steps: Vec<usize>,
}

/// The versions of the software that wrote a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This workspace.
    pub frostline: String,
    /// The framework.
    pub burn: String,
}

impl Default for Versions {
    /// The versions of this build.
    fn default() -> Self {
        Versions {
            frostline: env!("CARGO_PKG_VERSION").to_string(),
            burn: "0.22.1".to_string(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// In which way.
    pub status: Status,
    /// The steps that were done.
    pub step: usize,
    /// Seconds of training, without measuring and testing.
    pub training_seconds: f64,
    /// Seconds of measuring.
    pub measuring_seconds: f64,
    /// Processor seconds of training and measuring, of all threads of the process together.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// What was computed and what freezing saved.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The last accuracy, in `[0, 1]`.
    pub accuracy: Option<f64>,
    /// The number of samples behind that accuracy.
    pub test_samples: Option<usize>,
    /// What the end showed of the run that its user may not have meant, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The ways in which a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All steps were done.
    Finished,
    /// The user stopped it.
    Interrupted,
    /// The loss or an activation was no longer finite.
    Diverged,
}

/// What one check saw and decided: a line of `history.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Optimiser steps done.
    pub step: usize,
    /// The same in epochs.
    pub epoch: f64,
    /// The mean learning rate since the previous check.
    pub learning_rate: Option<f64>,
    /// The same of each layer, where layers have rates of their own; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<Option<f64>>,
    /// Seconds of training so far, without measuring and testing.
    pub training_seconds: f64,
    /// Seconds of measuring so far: probing, comparing, deciding and writing.
    pub measuring_seconds: f64,
    /// Processor seconds of both so far, of all threads of the process together.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// The mean training loss since the previous check.
    pub loss: Option<f64>,
    /// The standard error of that mean, with the losses of steps taken as independent; none of fewer than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_error: Option<f64>,
    /// The mean training loss of the first steps of all: the first hundredth of the training, ten at least. None at checks
    /// before which there were none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_loss: Option<f64>,
    /// The accuracy on held-out samples, in `[0, 1]`, where it is known.
    pub accuracy: Option<f64>,
    /// The similarity of each layer to itself at the previous check, in the order of
    /// [`RunInfo::layers`]; none at the first check, 1 for a frozen layer.
    pub similarity: Vec<Option<f64>>,
    /// What chance gives in place of each similarity. Empty in a run that was recorded before it was kept; none where
    /// there is no similarity, where the layer is frozen, and where the measure has no chance level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chance: Vec<Option<ByChance>>,
    /// How alike each layer is at the previous check and at this, freed of chance, 1 for a layer that is the same: what its change
    /// is judged by. Empty in a run that was recorded before it was kept; none where there is no similarity, where the
    /// layer is frozen, and where the measure has no such value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likeness: Vec<Option<f64>>,
    /// The same between the first check and this. Empty at the first check too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_start: Vec<Option<f64>>,
    /// Where each layer's change since the previous check came from. Empty when that was not watched; none where there is no
    /// similarity, and where the layer is frozen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Option<OwnAndInherited>>,
    /// What the updates of each layer gained since the previous check, to first order: `Σ -g · (w' - w)` over some of the steps,
    /// g the gradient of a step and w, w' the parameters before and after it. Empty when that was not watched, none where no
    /// gradient was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<Option<f64>>,
    /// `‖Σ g‖₁` of each layer: the gradients of all steps since the previous check, summed, then their
    /// absolute values. Empty when they were not watched, none where no gradient was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gradients: Vec<Option<f64>>,
    /// `‖W_k - W_{k-1}‖₂ / ‖W_k‖₂` of each layer's parameters `W` against the previous check. Empty when
    /// they were not watched, none at the first check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weight_change: Vec<Option<f64>>,
    /// Whether a layer that isn't frozen has nothing that trains, such as one that the user keeps fixed. Empty where all have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<bool>,
    /// How many layers, from the input up, are frozen from this step on.
    pub frozen: usize,
    /// How many the policy answered; more than `frozen` in a dry run.
    pub decided: usize,
    /// Why the policy answered so.
    pub reason: String,
    /// What makes the similarities less believable, with the layer's name.
    pub warnings: Vec<String>,
    /// What was computed and saved up to this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
}

/// A layer's likeness to itself at the check before ([`Check::likeness`]), split by what changed.
///
/// With f the layer, x what the layer below it said, and ' for the check before: `own` is the likeness of f(x') and f'(x'),
/// which only the layer's weights tell apart; `inherited` that of f(x) and f(x'), which only its inputs do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnAndInherited {
    /// The same inputs through the weights of now and of then.
    pub own: f64,
    /// The inputs of now and of then through the weights of now.
    pub inherited: f64,
}

/// A run read back from its folder.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was run.
    pub info: RunInfo,
    /// Its checks, in order.
    pub history: Vec<Check>,
    /// What it reported at every step and of every test; empty in folders of earlier versions.
    pub metrics: Metrics,
    /// What could not be read, each with the file's name; everything before it is in `history` and `metrics`.
    pub problems: Vec<String>,
    path: PathBuf,
    checkpoints: Vec<usize>,
    pane_steps: Vec<usize>,
}

impl Run {
    /// Reads a run folder. Activations stay on disk until [`Run::activations`] asks for them.
    ///
    /// A damaged or half-written line of the history or of the metrics, or one with a field that can't be, goes to
    /// `problems` and ends them there. Activations of steps that the history doesn't have are passed over and named there:
    /// they are of a training that was cut short, and of which the run in this folder knows nothing.
    /// Errors: `NotARun`, `NewerFormat`, `NoFile`, `Io`.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let path = folder.as_ref().to_path_buf();
        let info = read_info(&path)?;
        let mut problems = Vec::new();
        let history = read_history(&path, &info)?;
        if history.is_none() {
            problems.push(format!("{} is missing", path.join(HISTORY).display()));
        }
        let (history, trouble) = taken(history);
        let damaged = trouble.is_some();
        if let Some(trouble) = trouble {
            problems.push(format!(
                "line {} of {} {}; the {} checks before it were read",
                trouble.line,
                path.join(HISTORY).display(),
                trouble.problem,
                history.len()
            ));
        }
        let (points, trouble) = taken(read_metrics(&path, &info)?);
        if let Some(trouble) = trouble {
            problems.push(format!(
                "line {} of {} {}; the lines before it were read",
                trouble.line,
                path.join(METRICS).display(),
                trouble.problem,
            ));
        }
        let metrics = Metrics::from_iter(points);
        let mut checkpoints = run_folder::steps_in(&path.join(CHECKPOINTS))?;
        let checked: BTreeSet<usize> = history.iter().map(|check| check.step).collect();
        let strange = without(&mut checkpoints, |step| checked.contains(&step));
        // Those behind a line that can't be read may be of its check and later ones: the line has been told.
        let last = checked.last().copied();
        let strange: Vec<usize> = strange
            .into_iter()
            .filter(|step| !damaged || Some(*step) < last)
            .collect();
        problems.extend(passed_over(
            &path.join(CHECKPOINTS),
            &strange,
            "the history doesn't have",
        ));
        let mut pane_steps = run_folder::steps_in(&path.join(PANES))?;
        let ended = info.outcome.as_ref().map(|outcome| outcome.step);
        let done = metrics.points().last().map(|point| point.step);
        let done = ended.max(last).max(done).unwrap_or(0);
        let strange = without(&mut pane_steps, |step| step <= done);
        problems.extend(passed_over(
            &path.join(PANES),
            &strange,
            "the run has not come to",
        ));
        Ok(Run {
            info,
            history,
            metrics,
            problems,
            path,
            checkpoints,
            pane_steps,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The steps whose activations were kept, ascending.
    pub fn checkpoints(&self) -> &[usize] {
        &self.checkpoints
    }

    /// The probe's activations at one checkpoint, every tap a view `[sample, neuron]`.
    /// Errors: `Checkpoint` for a missing or truncated file, with its name.
    pub fn activations(&self, step: usize, device: &Device) -> Result<Activations, Error> {
        let activations = run_folder::read_activations(&self.path.join(CHECKPOINTS), step, device)?;
        Ok(match self.info.probe.inputs {
            Some(inputs) => activations.of_inputs(inputs),
            None => activations,
        })
    }

    /// The steps at which the probe of the panes was evaluated, ascending; empty where it is that of the checks.
    pub fn pane_steps(&self) -> &[usize] {
        &self.pane_steps
    }

    /// The activations of the panes' probe at one of [`pane_steps`](Self::pane_steps), every tap a view
    /// `[sample, neuron]`. They have other samples than those of [`activations`](Self::activations).
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a missing or truncated file, with its name.
    pub fn pane_activations(&self, step: usize, device: &Device) -> Result<Activations, Error> {
        run_folder::read_activations(&self.path.join(PANES), step, device)
    }
}

/// Takes out the steps that are not wanted, and gives them.
fn without(steps: &mut Vec<usize>, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    let (kept, taken) = steps.iter().partition(|step| wanted(**step));
    *steps = kept;
    taken
}

/// Names activations that belong to no step of the run.
fn passed_over(folder: &Path, steps: &[usize], why: &str) -> Option<String> {
    /// More are counted.
    const NAMED: usize = 5;
    let named: Vec<String> = steps.iter().take(NAMED).map(usize::to_string).collect();
    let more = match steps.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (steps, folder) = (
        if steps.len() == 1 { "step" } else { "steps" },
        folder.display(),
    );
    let named = (!named.is_empty()).then(|| named.join(", "))?;
    Some(format!(
        "{folder} has activations of {steps} {named}{more}, which {why}; they were passed over"
    ))
}

/// What was read of a file, and what ended the reading.
fn taken<T>(lines: Option<Lines<T>>) -> (Vec<T>, Option<Trouble>) {
    let Some(Lines { items, trouble }) = lines else {
        return (Vec::new(), None);
    };
    (items.into_iter().map(|(item, _)| item).collect(), trouble)
}

pub(crate) fn read_info(folder: &Path) -> Result<RunInfo, Error> {
    let not_a_run = |problem: String| Error::NotARun {
        path: folder.to_path_buf(),
        problem,
    };
    if !folder.is_dir() {
        return Err(not_a_run("there is no such folder".into()));
    }
    let path = folder.join(RUN);
    let Some(text) = run_folder::read_regular(&path)? else {
        return Err(not_a_run(format!(
            "{RUN} is missing (a run has {RUN}, {HISTORY} and {CHECKPOINTS}/)"
        )));
    };

    /// The one field that every version has.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |source: serde_json::Error| {
        not_a_run(format!("{RUN} is damaged: {}", told(&text, &source)))
    };
    let Format { format } = serde_json::from_slice(&text).map_err(damaged)?;
    if format > FORMAT_VERSION {
        return Err(Error::NewerFormat {
            path,
            found: format,
            supported: FORMAT_VERSION,
        });
    }
    let info: RunInfo = serde_json::from_slice(&text).map_err(damaged)?;
    match info.problem() {
        None => Ok(info),
        Some(problem) => Err(not_a_run(format!("in {RUN} {problem}"))),
    }
}

/// The lines of `history.jsonl`; none where there is no such file.
pub(crate) fn read_history(folder: &Path, info: &RunInfo) -> Result<Option<Lines<Check>>, Error> {
    /// Those of a thousand layers take less than a megabyte.
    const LONGEST: u64 = 1 << 26;
    let layers = info.layers.len();
    let said = |problem| format!("has a field that can't be: {problem}");
    lines::read(&folder.join(HISTORY), LONGEST, |check: &Check, before| {
        check.problem(layers, before).map(said)
    })
}

/// The points of `metrics.jsonl`, which folders of earlier versions don't have.
pub(crate) fn read_metrics(
    folder: &Path,
    info: &RunInfo,
) -> Result<Option<Lines<MetricsPoint>>, Error> {
    /// No point is as long as this.
    const LONGEST: u64 = 1 << 16;
    let layers = info.layers.len();
    let said = |problem| format!("has a field that can't be: {problem}");
    lines::read(
        &folder.join(METRICS),
        LONGEST,
        |point: &MetricsPoint, before| point.problem(layers, before).map(said),
    )
}
