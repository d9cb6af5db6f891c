//! Record what a Burn model's layers say: one word a layer in the model, then a forward that
//! listens.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use frostline_activations::{Tap, record};
//!
//! let x = Tensor::<2>::ones([4, 3], &Device::flex());
//! let (doubled, activations) = record(|| (x * 2.0).tap("double"))?;
//!
//! assert_eq!(activations.view("double")?.dims(), [4, 3]); // [sample, neuron]
//! assert_eq!(doubled.dims(), [4, 3]);
//! # Ok::<(), frostline_activations::Error>(())
//! ```
//!
//! - [`Tap`] and [`scope`] name the layers; off, a tap is one relaxed atomic load.
//! - [`record`] runs one forward, [`Probe`] the same batches again and again.
//! - [`replacing`] runs one forward with another output in place of a layer's own.
//! - [`Activations`] are what they give; [`Axes`] say what their axes mean, [`Layout`] what a sample and a neuron is.
//! - [`CheckpointSchedule`] says when, [`RunFolder`] and [`Run`] keep and read it on disk, [`Metrics`] among it.
//! - [`ArrayArchive`] and [`ArrayFile`] read activations that were recorded elsewhere: `.npy`, `.npz`, safetensors and
//!   PyTorch files.
//! - [`write_aside`] writes a file whole or not at all.
//!
//! Nothing here compares anything: that is `frostline-svcca`.

mod activations;
mod array_file;
mod aside;
mod axes;
mod by_chance;
mod error;
mod handing;
mod layout;
mod ledger;
mod listening;
mod maps;
mod metrics;
mod noticing;
mod pattern;
mod probe;
mod real_tokens;
mod record;
mod replacing;
mod run;
mod run_folder;
mod schedule;
mod tap;

pub use activations::{Activation, Activations};
pub use array_file::{ArrayArchive, ArrayEntry, ArrayFile, ArrayFileError, ArrayFileProblem};
pub use aside::write_aside;
pub use axes::{Axes, LayerShape};
pub use by_chance::ByChance;
pub use error::Error;
pub use layout::{Layout, Pooled};
pub use ledger::{LayerFlops, Ledger, PanesCost, StepTime};
pub use metrics::{Metrics, MetricsPoint, Spread, thinned};
pub use noticing::{notice, noticed};
pub use probe::{Probe, Tapped};
use real_tokens::RealTokens;
pub use record::record;
pub use replacing::replacing;
pub use run::{
    Check, FORMAT_VERSION, Outcome, OwnAndInherited, PanesProbe, ProbeInfo, Run, RunInfo, Status,
    Versions,
};
pub use run_folder::{InterruptedRun, RunFolder, StateFile};
pub use schedule::{CheckpointSchedule, Length};
pub use tap::{Tap, scope};
