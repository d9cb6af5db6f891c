//! The main example's images and networks, shared with the benches and the other examples.

pub mod data;
pub mod devices;
pub mod nets;
mod stream;
pub mod synthetic;
pub mod train;
