//! One binary: linking takes longer than the tests.

mod dft;
mod dft_inputs;
mod directions;
mod doubtful;
mod grid;
mod inputs;
mod maps;
mod measures;
mod moments;
mod naive;
mod projections;
mod properties;
mod reference;
mod reference_case;
mod rounded;
mod samples;
mod unrelated;
