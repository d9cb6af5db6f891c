//! Freeze Training for Burn: while a network trains, stop training its converged lower layers.
//!
//! A [`FreezeTraining`] looks at the network on a schedule: it records a fixed [`Probe`]'s
//! activations, compares each layer with itself at the previous check (SVCCA), asks a [`FreezePolicy`]
//! how many layers from the input up shall be frozen, freezes them, and writes what it saw to a run
//! folder. Source: Raghu et al. 2017, arXiv:1706.05806, section 4.3.
//!
//! ```no_run
//! # use burn::{module::Module, nn::Linear, optim::{GradientsParams, ModuleOptimizer}, tensor::Tensor};
//! # #[derive(Module, Debug)] struct Net { block1: Linear, head: Linear }
//! # impl Net { fn forward(&self, x: Tensor<2>) -> Tensor<2> { self.head.forward(self.block1.forward(x)) } }
//! # fn forward_and_backward(net: &Net) -> (f64, GradientsParams) { (0.0, GradientsParams::new()) }
//! # fn example(mut net: Net, mut optimizer: ModuleOptimizer, images: Vec<Tensor<2>>) -> Result<(), Box<dyn std::error::Error>> {
//! use frostline_freeze::{FreezeTraining, Layers, Length, PolicyConfig, Probe, Step};
//!
//! let probe = Probe::new(images, Net::forward);
//! let length = Length::epochs(10, 500);
//! let mut freezing = FreezeTraining::new(Layers::of(&net)?, probe, PolicyConfig::default(), length)
//!     .in_folder("runs/freeze")?;
//! freezing.start(&net)?;
//! for step in 1..=length.steps {
//!     let (loss, gradients) = forward_and_backward(&net);
//!     freezing.gradients(&net, &gradients);
//!     net = optimizer.step(1e-3, net, gradients);
//!     freezing.after_step(&mut net, Step { loss: Some(loss), ..Step::from(step) })?;
//! }
//! # Ok(()) }
//! ```
//!
//! The layers are the model's fields from the input up, or what a [`Layers::builder`] makes of them: blocks further down,
//! groups of fields, parameters that never freeze. They stand in the order in which they run, each with a tap of its name
//! behind it; where that isn't so, training doesn't start and the error says what to change.
//!
//! Frozen means: no gradients, so no momentum and no weight decay either; batch norm uses its running
//! statistics and leaves them alone; dropout is off. It holds whatever becomes of the model between two steps, and a
//! thaw undoes what the freeze did, no more.
//!
//! This crate decides; it does no linear algebra and doesn't own the training loop.

mod by_chance;
mod change;
mod clock;
mod error;
mod freezing;
mod frozen;
mod gains;
mod history;
mod layered;
mod layers;
#[cfg(feature = "train")]
mod learner;
mod optimizer_state;
mod policy;
mod prefix_cache;
mod simulate;
mod spending;
mod step;
mod uses;
mod watching;

pub use by_chance::by_chance;
pub use error::Error;
pub use freezing::{FreezeTraining, Resumed};
pub use frozen::{freeze, thaw};
pub use history::History;
pub use layered::{Features, Layered};
pub use layers::{Layers, LayersBuilder};
#[cfg(feature = "train")]
pub use learner::{FreezeMetric, FreezeMetrics, Handle, Numbered, Wrapped, forward_above_frozen};
pub use optimizer_state::forget_state;
pub use policy::{
    AtMost, Converged, CostsAtMost, Cubic, DryRun, FreezeAt, FreezePolicy, Geometric, GradNorm,
    Linear, Never, PolicyConfig, Replay, ThawOnLrDrop, Warmup, Watched, WeightDelta,
};
pub use prefix_cache::{Counted, InputKey, PrefixCache};
pub use simulate::{CostShares, Simulated, simulate};
pub use step::{Step, Tested};

// What a user of this crate needs to give to it and to read from it.
pub use frostline_activations::{
    Check, CheckpointSchedule, Length, Metrics, MetricsPoint, OwnAndInherited, Probe, RunInfo,
    Spread, Status,
};
pub use frostline_svcca::{Measure, Svcca};
