mod appended;
mod interrupted;
pub(crate) mod lines;
mod owner;
mod replaced;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Serialize, de::DeserializeOwned};

use crate::run::read_info;
use crate::{Activation, Activations, Check, Error, Metrics, Outcome, RunInfo, write_aside};
use appended::Appended;
pub use interrupted::InterruptedRun;
use lines::{Lines, Trouble};
use owner::Owner;
use replaced::Replaced;
pub use state::StateFile;

pub(crate) const RUN: &str = "run.json";
pub(crate) const HISTORY: &str = "history.jsonl";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(crate) const PANES: &str = "panes";
/// Which saved model belongs to which step.
const SAVED: &str = "saved.jsonl";
/// What saved models need to go on, where it is too large for a line.
const STATE: &str = "state";

/// The key of a checkpoint's metadata that keeps the order of the layers.
const ORDER: &str = "layers";
/// The key of a checkpoint's metadata that says under which names the errors of layers are kept, where there are any.
const ERRORS: &str = "errors";
/// The entry of a safetensors file that is no tensor.
const RESERVED: &str = "__metadata__";

/// A run folder that is being written.
///
/// ```text
/// run.json                                what was run
/// history.jsonl                           one line a check, append-only
/// metrics.jsonl                           one line a step or a test, thinned when there are many
/// checkpoints/step-00001200.safetensors   the probe's activations, a tensor a layer
/// panes/step-00001200.safetensors         those of the panes' probe, where it is another
/// saved.jsonl                             which saved model belongs to which step, where some were saved
/// state/3f1c...safetensors                what the latest saved models need to go on, where it is too large for a line
/// replaced-1/                             what was there before the run began anew or went on from an earlier step
/// .lock                                   locked by the process that writes the run
/// ```
/// A kill at any moment loses at most the line that is being written, and of the metrics those of the last fifth of a second: the
/// history and the metrics are appended to by whole lines, everything else, the thinned metrics too, is written aside and renamed. One process writes a folder
/// at a time, another is refused until the first has ended or died. What a run replaces it moves aside; nothing is
/// deleted but the states of saved models that have become old.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    info: RunInfo,
    history: Appended,
    /// Behind a lock, since noting a saved model writes what waits.
    metrics: Mutex<Appended>,
    /// The metrics have been thinned, and their file has not.
    metrics_are_behind: bool,
    /// None once the run has ended.
    owner: Option<Owner>,
}

impl RunFolder {
    /// Makes the folder and writes `run.json`.
    ///
    /// # Errors
    /// [`Error::Occupied`] when it holds a run, [`Error::InUse`] while another process writes it,
    /// [`Error::NotWritten`], [`Error::NoFile`].
    pub fn create(path: impl Into<PathBuf>, info: RunInfo) -> Result<Self, Error> {
        let path = path.into();
        if Self::is_run(&path) {
            return Err(Error::Occupied { path });
        }
        let owner = owned(&path)?;
        // Another process may have begun a run before this one had the lock.
        if Self::is_run(&path) {
            return Err(Error::Occupied { path });
        }
        Self::opened(path, info, owner)
    }

    /// Begins anew the run in this folder, which was cut short. What it recorded is moved aside to `replaced-1`, or the
    /// next number that is free.
    ///
    /// # Errors
    /// [`Error::Occupied`] when the run has ended, [`Error::OtherRun`] when it is one of something else, and as for
    /// [`create`](Self::create).
    pub fn restart(path: impl Into<PathBuf>, info: RunInfo) -> Result<Self, Error> {
        let path = path.into();
        let owner = owned(&path)?;
        // A kill can leave a folder in which nothing is written yet.
        if exists(&path.join(RUN)) {
            let found = read_info(&path)?;
            if found.outcome.is_some() {
                return Err(Error::Occupied { path });
            }
            same_run(&path, &found, &info)?;
        }
        let empty = |name: &str| {
            let file = std::fs::metadata(path.join(name));
            file.map_or(true, |file| file.is_file() && file.len() == 0)
        };
        if !([RUN, HISTORY, METRICS, SAVED]
            .iter()
            .all(|name| empty(name)))
        {
            Replaced::in_run(&path)?.take_all()?;
        }
        Self::opened(path, info, owner)
    }

    /// Opens the folder of a run that was cut short, to go on after `step`, and gives the checks and the metrics up to
    /// there: [`InterruptedRun`] does so in two steps, and says what becomes of the rest.
    ///
    /// # Errors
    /// As for [`InterruptedRun::open`] and [`InterruptedRun::go_on`].
    pub fn resume(
        path: impl Into<PathBuf>,
        info: RunInfo,
        step: usize,
    ) -> Result<(Self, Vec<Check>, Metrics), Error> {
        let any = |_: &serde_json::Value| None;
        InterruptedRun::open(path, info, step, any)?.go_on()
    }

    /// Opens the history and the metrics to append to them and writes `run.json`.
    fn opened(path: PathBuf, info: RunInfo, owner: Owner) -> Result<Self, Error> {
        let checkpoints = path.join(CHECKPOINTS);
        std::fs::create_dir_all(&checkpoints).map_err(not_written(&checkpoints))?;
        let folder = RunFolder {
            history: Appended::open(&path.join(HISTORY))?,
            metrics: Mutex::new(Appended::open(&path.join(METRICS))?),
            metrics_are_behind: false,
            path,
            info,
            owner: Some(owner),
        };
        write_info(&folder.path, &folder.info)?;
        Ok(folder)
    }

    /// Notes that the model was saved at this moment of the run, for whoever goes on from it.
    ///
    /// # Errors
    /// [`Error::NotWritten`], [`Error::NoFile`], and [`Error::InUse`] when the run has ended and another process has
    /// taken it up.
    pub fn note_saved<T: Serialize>(&self, note: &T) -> Result<(), Error> {
        let _owner = match &self.owner {
            Some(_) => None,
            None => Some(Owner::of(&self.path)?),
        };
        self.metrics().flush()?;
        Appended::open(&self.path.join(SAVED))?.append(&line(note))
    }

    /// The notes of [`note_saved`](Self::note_saved), the latest last. A line that was cut short is of a save that was
    /// cut short too, and is passed over where it is the last.
    ///
    /// # Errors
    /// [`Error::Damaged`] for any other line that can't be read, [`Error::NoFile`], [`Error::Io`].
    pub fn saved<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<Vec<T>, Error> {
        let notes = whole(path.as_ref(), SAVED, read_notes(path.as_ref())?)?;
        Ok(notes.items.into_iter().map(|(note, _)| note).collect())
    }

    /// Whether the folder holds a run, whole or not.
    pub fn is_run(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        exists(&path.join(RUN)) || exists(&path.join(HISTORY))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a check to the history, and to the metrics what waits.
    ///
    /// # Errors
    /// [`Error::NotWritten`], such as on a full disk: the line is then written with the next one.
    /// [`Error::Removed`] when the file is no longer there.
    pub fn append(&mut self, check: &Check) -> Result<(), Error> {
        let metrics = self.metrics().flush();
        self.history.append(&line(check)).and(metrics)
    }

    fn metrics(&self) -> MutexGuard<'_, Appended> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the latest point to the metrics, or writes all of them anew when they have been thinned. Points that come soon
    /// after each other are written together, a fifth of a second later at most if more come, else with the next check, saved model or end.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn keep_metrics(&mut self, metrics: &Metrics, thinned: bool) -> Result<(), Error> {
        if thinned || self.metrics_are_behind {
            self.metrics_are_behind = true;
            write_file(&self.path, METRICS, &lines(metrics.points()))?;
            // The file that was open has been replaced.
            *self.metrics() = Appended::open(&self.path.join(METRICS))?;
            self.metrics_are_behind = false;
        } else if let Some(latest) = metrics.points().last() {
            self.metrics().append_soon(&line(latest))?;
        }
        Ok(())
    }

    /// Keeps the probe's activations at a step. They are kept in the floats in which they came, since their rounding says how many
    /// directions a layer has; with their [errors](Activation::errors), where these were drawn.
    ///
    /// # Errors
    /// [`Error::ReservedName`] for a layer that is called as the format calls its own entry,
    /// [`Error::Device`], and [`Error::NotWritten`].
    pub fn save(&self, step: usize, activations: &Activations) -> Result<(), Error> {
        self.save_in(&self.path.join(CHECKPOINTS), step, activations)
    }

    /// Keeps the activations of the panes' probe at a step, as [`save`](Self::save) keeps those of the checks'.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub fn save_pane(&self, step: usize, activations: &Activations) -> Result<(), Error> {
        let panes = self.path.join(PANES);
        std::fs::create_dir_all(&panes).map_err(not_written(&panes))?;
        self.save_in(&panes, step, activations)
    }

    /// Writes the activations at a step into this folder.
    fn save_in(&self, folder: &Path, step: usize, activations: &Activations) -> Result<(), Error> {
        let path = file_of(folder, step);
        if let Some(name) = activations.names().find(|name| *name == RESERVED) {
            let name = name.to_string();
            return Err(Error::ReservedName { name });
        }
        let mut layers = activations
            .iter()
            .map(host_layer)
            .collect::<Result<Vec<_>, _>>()?;
        let mut errors = BTreeMap::new();
        for layer in activations.iter() {
            let Some(of_layer) = layer.errors() else {
                continue;
            };
            // No layer is called so.
            let mut key = format!("errors of {}", layer.name());
            while activations.names().any(|name| name == key) {
                key.push('\'');
            }
            layers.push(host_layer(&Activation::new(&key, of_layer.clone()))?);
            errors.insert(layer.name(), key);
        }
        let refused = |problem: String| not_written(&path)(std::io::Error::other(problem));
        let views = layers
            .iter()
            .map(|(name, shape, dtype, bytes)| {
                let view = TensorView::new(*dtype, shape.clone(), bytes);
                Ok((name.as_str(), view.map_err(|e| refused(e.to_string()))?))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let names: Vec<&str> = activations.names().collect();
        let order = serde_json::to_string(&names).expect("names are strings");
        let mut metadata = HashMap::from([
            (ORDER.to_string(), order),
            ("step".to_string(), step.to_string()),
        ]);
        if !errors.is_empty() {
            let errors = serde_json::to_string(&errors).expect("names are strings");
            metadata.insert(ERRORS.to_string(), errors);
        }
        // Written aside and renamed by the library.
        safetensors::serialize_to_file(views, Some(metadata), &path)
            .map_err(|source| refused(source.to_string()))?;
        // It makes files that only their owner reads: whoever reads the history reads this one too.
        // A file system that keeps no permissions refuses them, and needs none.
        if let Ok(permissions) = self.history.permissions() {
            let _ = std::fs::set_permissions(&path, permissions);
        }
        Ok(())
    }

    /// Writes how the run ended, and lets others write the folder.
    ///
    /// # Errors
    /// [`Error::NotWritten`]; the run has not ended then. [`Error::Removed`] when points of the metrics were left whose file is gone.
    pub fn finish(&mut self, outcome: Outcome) -> Result<(), Error> {
        let metrics = match self.metrics().flush() {
            Err(full @ Error::NotWritten { .. }) => return Err(full),
            written => written,
        };
        let before = self.info.outcome.replace(outcome);
        if let Err(error) = write_info(&self.path, &self.info) {
            self.info.outcome = before;
            return Err(error);
        }
        self.owner = None;
        metrics
    }
}

/// Makes the folder and takes it for this process.
fn owned(path: &Path) -> Result<Owner, Error> {
    std::fs::create_dir_all(path).map_err(not_written(path))?;
    Owner::of(path)
}

fn write_info(folder: &Path, info: &RunInfo) -> Result<(), Error> {
    let mut json = serde_json::to_vec_pretty(info).expect("run info has only strings and numbers");
    json.push(b'\n');
    write_file(folder, RUN, &json)
}

fn read_notes<T: DeserializeOwned>(folder: &Path) -> Result<Option<Lines<T>>, Error> {
    /// A note is a fingerprint and some numbers a layer.
    const LONGEST: u64 = 1 << 26;
    lines::read(&folder.join(SAVED), LONGEST, |_: &T, _| None)
}

/// The lines of a file that is rewritten from them: all of it is read, but for a last line that was cut short.
fn whole<T>(folder: &Path, name: &str, lines: Option<Lines<T>>) -> Result<Lines<T>, Error> {
    match lines {
        None => Ok(Lines {
            items: Vec::new(),
            trouble: None,
        }),
        Some(Lines {
            trouble:
                Some(Trouble {
                    line,
                    problem,
                    half_written: false,
                }),
            ..
        }) => Err(Error::Damaged {
            path: folder.join(name),
            line: format!(", line {line}"),
            problem: format!("it {problem}"),
        }),
        Some(lines) => Ok(lines),
    }
}

/// Whether a folder holds the run that is to be gone on with.
fn same_run(path: &Path, found: &RunInfo, expected: &RunInfo) -> Result<(), Error> {
    let facts = |info: &RunInfo| {
        [
            ("layers", info.layers.join(", ")),
            ("length", format!("{:?}", info.length)),
            (
                "probe",
                format!("{} rows, {}", info.probe.samples, info.probe.layout),
            ),
            ("probe of the panes", format!("{:?}", info.panes_probe)),
            ("policy", info.policy.clone()),
            ("measure", info.measure.clone()),
        ]
    };
    for ((what, found), (_, expected)) in facts(found).into_iter().zip(facts(expected)) {
        if found != expected {
            return Err(Error::OtherRun {
                path: path.to_path_buf(),
                what: what.to_string(),
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// A check or a point as a line of its file.
fn line<T: Serialize>(item: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(item).expect("an item has only strings and numbers");
    line.push(b'\n');
    line
}

fn lines<T: Serialize>(items: &[T]) -> Vec<u8> {
    items.iter().flat_map(line).collect()
}

fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.join(name);
    regular(&path)?;
    write_aside(&path, bytes).map_err(not_written(&path))
}

/// Whether there is a file. What is there and is no file is an error: to open a pipe would wait for ever.
pub(crate) fn regular(path: &Path) -> Result<bool, Error> {
    let what = match std::fs::metadata(path) {
        Ok(there) if there.is_file() => return Ok(true),
        Ok(there) if there.is_dir() => "a folder",
        Ok(_) => "a pipe, a socket or a device",
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(io(path)(source)),
    };
    Err(Error::NoFile {
        path: path.to_path_buf(),
        what,
    })
}

/// The content of a file; none where there is no such file.
pub(crate) fn read_regular(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match regular(path)? {
        false => Ok(None),
        true => std::fs::read(path).map(Some).map_err(io(path)),
    }
}

/// Whether anything is there, a link that leads nowhere included.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The file of a step's activations in this folder.
fn file_of(folder: &Path, step: usize) -> PathBuf {
    folder.join(format!("step-{step:08}.safetensors"))
}

/// The steps whose activations are in this folder, ascending; files of other names are passed over.
pub(crate) fn steps_in(folder: &Path) -> Result<Vec<usize>, Error> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut steps = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let name = entry.map_err(io(folder))?.file_name();
        let digits = name
            .to_str()
            .and_then(|name| name.strip_prefix("step-")?.strip_suffix(".safetensors"));
        steps.extend(digits.and_then(|digits| digits.parse::<usize>().ok()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Reads the layers of a step from this folder, in the order of the forward.
pub(crate) fn read_activations(
    folder: &Path,
    step: usize,
    device: &Device,
) -> Result<Activations, Error> {
    let path = file_of(folder, step);
    let damaged = |problem: String| Error::Checkpoint {
        path: path.clone(),
        problem,
    };
    let bytes = read_regular(&path).map_err(|error| damaged(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| damaged("it is missing".into()))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| damaged(format!("it is truncated or damaged ({source})")))?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|source| damaged(source.to_string()))?;
    let order = header.metadata().as_ref().and_then(|map| map.get(ORDER));
    let order: Vec<String> = match order {
        Some(json) => serde_json::from_str(json)
            .map_err(|source| damaged(format!("its list of layers is damaged ({source})")))?,
        None => return Err(damaged(format!("its metadata has no `{ORDER}`"))),
    };
    let errors = header.metadata().as_ref().and_then(|map| map.get(ERRORS));
    let errors: BTreeMap<String, String> = match errors {
        Some(json) => serde_json::from_str(json)
            .map_err(|source| damaged(format!("its list of errors is damaged ({source})")))?,
        None => BTreeMap::new(),
    };
    let matrix = |name: &str| {
        let view = file
            .tensor(name)
            .map_err(|source| damaged(format!("layer `{name}`: {source}")))?;
        device_matrix(&view, device)
            .ok_or_else(|| damaged(format!("layer `{name}` is no matrix of floats")))
    };
    order
        .iter()
        .map(|name| {
            let values = matrix(name)?;
            let of_layer = errors.get(name).map(|key| matrix(key)).transpose()?;
            if let Some(of_layer) = &of_layer
                && of_layer.dims() != values.dims()
            {
                let (of_layer, values) = (of_layer.dims(), values.dims());
                return Err(damaged(format!(
                    "layer `{name}` is {values:?}, and its errors are {of_layer:?}"
                )));
            }
            Ok(Activation::new(name, values).with_errors(of_layer))
        })
        .collect()
}

/// A layer's name, shape, type and bytes, as a checkpoint holds it.
type HostLayer = (String, Vec<usize>, Dtype, Vec<u8>);

fn host_layer(layer: &Activation) -> Result<HostLayer, Error> {
    let data = layer.to_data()?;
    let (dtype, bytes) = state::host_bytes(data);
    let shape = layer.shape().to_vec();
    Ok((layer.name().to_string(), shape, dtype, bytes))
}

fn device_matrix(view: &TensorView<'_>, device: &Device) -> Option<Tensor<2>> {
    let [_, _] = view.shape() else { return None };
    let data = state::host_data(view)?;
    let dtype = data.dtype();
    Some(match device.supports_dtype(dtype) {
        true => Tensor::<2>::from_data(data, (device, dtype)),
        false => Tensor::from_data(data.convert::<f32>(), device),
    })
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}

fn not_written(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::NotWritten { path, source }
}
