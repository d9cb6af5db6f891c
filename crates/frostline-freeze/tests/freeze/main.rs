//! Layers, policies and training with Freeze Training.

mod cache;
mod cache_doubts;
mod change;
mod converged;
mod costs_at_most;
mod frozen;
mod going_on;
mod held;
mod histories;
mod layers;
mod metrics;
mod nets;
mod policies;
mod policies_by_name;
mod policies_composed;
mod policies_from_papers;
mod real_models;
mod simulated;
mod steps;
mod training;
