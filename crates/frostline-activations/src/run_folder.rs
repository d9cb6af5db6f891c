use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Activation, Activations, Check, Error, Metrics, MetricsPoint, Outcome, Run, RunInfo,
    write_aside,
};

pub(crate) const RUN: &str = "run.json";
pub(crate) const HISTORY: &str = "history.jsonl";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(crate) const PANES: &str = "panes";
/// Which saved model belongs to which step.
const SAVED: &str = "saved.jsonl";

/// The key of a checkpoint's metadata that keeps the order of the layers.
const ORDER: &str = "layers";
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
/// ```
/// A kill at any moment loses at most the line that is being written: the history and the metrics are appended to a
/// line at a time, everything else, the thinned metrics too, is written aside and renamed.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    info: RunInfo,
    history: File,
    metrics: File,
}

impl RunFolder {
    /// Makes the folder and writes `run.json`. Errors: `Occupied` when it holds a run, `Io`.
    pub fn create(path: impl Into<PathBuf>, info: RunInfo) -> Result<Self, Error> {
        let path = path.into();
        if Self::is_run(&path) {
            return Err(Error::Occupied { path });
        }
        let checkpoints = path.join(CHECKPOINTS);
        std::fs::create_dir_all(&checkpoints).map_err(io(&checkpoints))?;
        Self::opened(path, info)
    }

    /// Begins anew the run in this folder, which was cut short: its history and metrics are emptied, its checkpoints
    /// are written over. Errors: `Occupied` when it has ended, and as for [`resume`](Self::resume).
    pub fn restart(path: impl Into<PathBuf>, info: RunInfo) -> Result<Self, Error> {
        let path = path.into();
        // A kill can leave a folder in which nothing is written yet.
        if !path.join(RUN).exists() {
            return Self::rewritten(path, info, &[], &[]);
        }
        let run = Run::open(&path)?;
        if run.info.outcome.is_some() {
            return Err(Error::Occupied { path });
        }
        same_run(&path, &run.info, &info)?;
        Self::rewritten(path, info, &[], &[])
    }

    /// Opens the folder of a run that was cut short, to go on after `step`, and gives the checks and the metrics up to
    /// there.
    ///
    /// Later ones are dropped: the training that goes on makes them again. `info` takes the place of what
    /// `run.json` held, but for the moment when the run began.
    /// Errors: `NotARun`, `OtherRun` when its layers, length, probes, policy or measure are not those of
    /// `info`, `Io`.
    pub fn resume(
        path: impl Into<PathBuf>,
        mut info: RunInfo,
        step: usize,
    ) -> Result<(Self, Vec<Check>, Metrics), Error> {
        let path = path.into();
        let mut run = Run::open(&path)?;
        same_run(&path, &run.info, &info)?;
        run.history.retain(|check| check.step <= step);
        run.metrics.cut_after(step);
        info.began = run.info.began;
        let folder = Self::rewritten(path, info, &run.history, run.metrics.points())?;
        Ok((folder, run.history, run.metrics))
    }

    /// Opens the folder with this history and these metrics.
    fn rewritten(
        path: PathBuf,
        info: RunInfo,
        history: &[Check],
        metrics: &[MetricsPoint],
    ) -> Result<Self, Error> {
        let checkpoints = path.join(CHECKPOINTS);
        std::fs::create_dir_all(&checkpoints).map_err(io(&checkpoints))?;
        write_file(&path, HISTORY, &lines(history))?;
        write_file(&path, METRICS, &lines(metrics))?;
        Self::opened(path, info)
    }

    /// Opens the history and the metrics to append to them and writes `run.json`.
    fn opened(path: PathBuf, info: RunInfo) -> Result<Self, Error> {
        let folder = RunFolder {
            history: appended_to(&path.join(HISTORY))?,
            metrics: appended_to(&path.join(METRICS))?,
            path,
            info,
        };
        folder.write_info()?;
        Ok(folder)
    }

    /// Notes that the model was saved at this moment of the run, for whoever goes on from it.
    pub fn note_saved<T: Serialize>(&self, note: &T) -> Result<(), Error> {
        let path = self.path.join(SAVED);
        let mut file = appended_to(&path)?;
        file.write_all(&line(note)).map_err(io(&path))
    }

    /// The notes of [`note_saved`](Self::note_saved), the latest last.
    pub fn saved<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<Vec<T>, Error> {
        let path = path.as_ref().join(SAVED);
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        let lines = bytes.split(|&byte| byte == b'\n');
        // A half-written line is of a save that was cut short too.
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Whether the folder holds a run, whole or not.
    pub fn is_run(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        path.join(RUN).exists() || path.join(HISTORY).exists()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a check to the history.
    pub fn append(&mut self, check: &Check) -> Result<(), Error> {
        // One write, so that a reader never sees half a line of a process that lives.
        self.history
            .write_all(&line(check))
            .map_err(io(&self.path.join(HISTORY)))
    }

    /// Appends the latest point to the metrics, or writes all of them anew when they have been thinned.
    pub fn keep_metrics(&mut self, metrics: &Metrics, thinned: bool) -> Result<(), Error> {
        let path = self.path.join(METRICS);
        if thinned {
            write_file(&self.path, METRICS, &lines(metrics.points()))?;
            // The file that was open has been replaced.
            self.metrics = appended_to(&path)?;
        } else if let Some(latest) = metrics.points().last() {
            self.metrics.write_all(&line(latest)).map_err(io(&path))?;
        }
        Ok(())
    }

    /// Keeps the probe's activations at a step. Half-precision values are kept as f32.
    ///
    /// # Errors
    /// [`Error::ReservedName`] for a layer that is called as the format calls its own entry,
    /// [`Error::Device`], and [`Error::Checkpoint`] when the file can't be written.
    pub fn save(&self, step: usize, activations: &Activations) -> Result<(), Error> {
        self.save_in(&self.path.join(CHECKPOINTS), step, activations)
    }

    /// Keeps the activations of the panes' probe at a step, as [`save`](Self::save) keeps those of the checks'.
    ///
    /// # Errors
    /// As for [`save`](Self::save), and [`Error::Io`] where the folder can't be made.
    pub fn save_pane(&self, step: usize, activations: &Activations) -> Result<(), Error> {
        let panes = self.path.join(PANES);
        std::fs::create_dir_all(&panes).map_err(io(&panes))?;
        self.save_in(&panes, step, activations)
    }

    /// Writes the activations at a step into this folder.
    fn save_in(&self, folder: &Path, step: usize, activations: &Activations) -> Result<(), Error> {
        let path = file_of(folder, step);
        if let Some(name) = activations.names().find(|name| *name == RESERVED) {
            let name = name.to_string();
            return Err(Error::ReservedName { name });
        }
        let layers = activations
            .iter()
            .map(host_layer)
            .collect::<Result<Vec<_>, _>>()?;
        let checkpoint = |problem: String| Error::Checkpoint {
            path: path.clone(),
            problem,
        };
        let views = layers
            .iter()
            .map(|(name, shape, dtype, bytes)| {
                let view = TensorView::new(*dtype, shape.clone(), bytes);
                Ok((name.as_str(), view.map_err(|e| checkpoint(e.to_string()))?))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let names: Vec<&str> = activations.names().collect();
        let order = serde_json::to_string(&names).expect("names are strings");
        let metadata = HashMap::from([
            (ORDER.to_string(), order),
            ("step".to_string(), step.to_string()),
        ]);
        // Written aside and renamed by the library.
        safetensors::serialize_to_file(views, Some(metadata), &path)
            .map_err(|source| checkpoint(source.to_string()))?;
        // It makes files that only their owner reads: whoever reads the history reads this one too.
        // A file system that keeps no permissions refuses them, and needs none.
        if let Ok(history) = self.history.metadata() {
            let _ = std::fs::set_permissions(&path, history.permissions());
        }
        Ok(())
    }

    /// Writes how the run ended.
    pub fn finish(&mut self, outcome: Outcome) -> Result<(), Error> {
        self.info.outcome = Some(outcome);
        self.write_info()
    }

    fn write_info(&self) -> Result<(), Error> {
        let mut json =
            serde_json::to_vec_pretty(&self.info).expect("run info has only strings and numbers");
        json.push(b'\n');
        write_file(&self.path, RUN, &json)
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

fn appended_to(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(io(path))
}

fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.join(name);
    write_aside(&path, bytes).map_err(io(&path))
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
    let bytes = std::fs::read(&path).map_err(|source| damaged(source.to_string()))?;
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
    order
        .iter()
        .map(|name| {
            let view = file
                .tensor(name)
                .map_err(|source| damaged(format!("layer `{name}`: {source}")))?;
            device_layer(name, &view, device)
                .ok_or_else(|| damaged(format!("layer `{name}` is no matrix of f32 or f64")))
        })
        .collect()
}

/// A layer's name, shape, type and bytes, as a checkpoint holds it.
type HostLayer = (String, Vec<usize>, Dtype, Vec<u8>);

fn host_layer(layer: &Activation) -> Result<HostLayer, Error> {
    let data = layer.to_data()?;
    let (dtype, data) = match data.dtype() {
        DType::F64 => (Dtype::F64, data),
        _ => (Dtype::F32, data.convert::<f32>()),
    };
    let bytes = data.bytes().to_vec();
    Ok((
        layer.name().to_string(),
        layer.shape().to_vec(),
        dtype,
        bytes,
    ))
}

fn device_layer(name: &str, view: &TensorView<'_>, device: &Device) -> Option<Activation> {
    let shape: [usize; 2] = view.shape().try_into().ok()?;
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let tensor = match view.dtype() {
        Dtype::F32 => Tensor::<2>::from_data(TensorData::new(floats(view.data()), shape), device),
        Dtype::F64 => {
            let values: Vec<f64> = view
                .data()
                .as_chunks::<8>()
                .0
                .iter()
                .map(|bytes| f64::from_le_bytes(*bytes))
                .collect();
            match device.supports_dtype(DType::F64) {
                true => Tensor::from_data(TensorData::new(values, shape), (device, DType::F64)),
                false => Tensor::from_data(TensorData::new(values, shape), device),
            }
        }
        _ => return None,
    };
    Some(Activation::new(name, tensor))
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}
