//! cargo run --release -p dynamics -- --help

use std::process::ExitCode;

use clap::Parser;
use dynamics::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
