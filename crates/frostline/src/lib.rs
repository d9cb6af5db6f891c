//! SVCCA and Freeze Training for the [Burn](https://burn.dev) deep-learning framework: see how a
//! network's layers converge, and train cheaper by freezing those that have.
//!
//! This crate is the one dependency of a user; it passes on what the others make:
//!
//! - [`activations`]: name the layers with [`Tap`](prelude::Tap), record them, keep them in a run folder;
//! - [`svcca`]: compare two layers, `[sample, neuron]` against `[sample, neuron]`;
//! - [`freeze`]: policies and [`FreezeTraining`](prelude::FreezeTraining) for a training loop;
//! - [`report`]: pictures and pages.
//!
//! Its own are [`Dynamics`], the pictures' numbers computed from a run folder, [`page`], one HTML page for any
//! set of runs, or [`compared`], what that page is drawn from, and what else the papers do with the layers of
//! networks:
//!
//! - [`ConvergenceOrder`]: did the layers converge from the bottom up?
//! - [`projecting`] and [`projecting_each`]: how well does a network answer from a few directions of a layer, or of
//!   several?
//! - [`LowRankLinear`] and [`LowRankConv2d`]: layers made smaller through the directions of their inputs;
//! - [`ClassSensitivity`]: at which depth is a class told?
//! - [`TwoNetworks`], [`CrossModel`] and [`Groups`]: two networks' aligned directions, all layers of one against all
//!   of another, and networks that memorise against networks that generalise.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//! use frostline::prelude::*;
//!
//! let x = Tensor::<2>::random([500, 8], Distribution::Normal(0.0, 1.0), &Device::flex());
//! let (_, activations) = record(|| (x.clone() * 2.0).tap("double"))?;
//! let similarity = svcca(&activations.view("double")?, &x, &Svcca::default())?;
//! assert!((similarity.mean - 1.0).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`devices`] opens the devices of a build by their names and says which adapters answer. Features name Burn's backends: `flex`, `ndarray`, `wgpu`, `vulkan`, `metal`, `webgpu`, `cuda`, `rocm`; `train` adds
//! freezing in Burn's own trainer.

mod class_sensitivity;
mod compress;
mod convergence;
mod cross_model;
pub mod devices;
mod dynamics;
mod error;
mod groups;
mod page;
mod projecting;
mod two_networks;

pub use class_sensitivity::ClassSensitivity;
pub use compress::{LowRankConv2d, LowRankLinear};
pub use convergence::ConvergenceOrder;
pub use cross_model::{CrossModel, InCommon};
pub use dynamics::{Dynamics, Progress, grid_chance};
pub use error::Error;
pub use frostline_activations as activations;
pub use frostline_freeze as freeze;
pub use frostline_report as report;
pub use frostline_svcca as svcca;
pub use groups::{GroupMean, Groups};
pub use page::{compared, page};
pub use projecting::{projecting, projecting_each};
pub use two_networks::{Matched, TwoNetworks};

/// What a training loop needs, in one `use`. The policy [`Linear`](crate::freeze::Linear) is not in it:
/// most models use Burn's layer of that name.
pub mod prelude {
    pub use frostline_activations::{
        Activations, Axes, Check, CheckpointSchedule, Layout, Length, Probe, Run, RunInfo, Status,
        Tap, record, replacing, scope,
    };
    pub use frostline_freeze::{
        Converged, DryRun, Features, FreezePolicy, FreezeTraining, History, InputKey, Layered,
        Layers, Never, PolicyConfig, PrefixCache, Resumed, Step, Tested,
    };
    pub use frostline_svcca::{Cut, Measure, Moments, Pair, Projection, Svcca, View, cca, svcca};
}
