//! cargo run --release -p class_sensitivity -- --help

use std::process::ExitCode;

use clap::Parser;
use class_sensitivity::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
