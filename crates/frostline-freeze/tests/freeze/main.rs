//! Layers, policies and training with Freeze Training.

mod frozen;
mod layers;
mod nets;
mod policies;
mod training;
