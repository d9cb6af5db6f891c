//! The main example's images and networks, shared with the benches and the other examples.

pub mod data;
pub mod experiment;
pub mod nets;
pub mod progress;
mod stream;
pub mod synthetic;
pub mod train;

pub use frostline::devices;
