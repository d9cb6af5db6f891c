//! cargo run --release -p cross_model -- --help

use std::process::ExitCode;

use clap::Parser;
use cross_model::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
