//! Layers, policies and training with Freeze Training.

mod cache;
mod frozen;
mod layers;
mod nets;
mod policies;
mod training;
