//! Layers, policies and training with Freeze Training.

mod cache;
mod change;
mod converged;
mod frozen;
mod going_on;
mod histories;
mod layers;
mod metrics;
mod nets;
mod policies;
mod policies_by_name;
mod policies_composed;
mod policies_from_papers;
mod simulated;
mod steps;
mod training;
