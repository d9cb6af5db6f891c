//! One binary: linking takes longer than the tests.

mod directions;
mod grid;
mod inputs;
mod measures;
mod moments;
mod naive;
mod properties;
mod reference;
mod reference_case;
mod samples;
