//! cargo run --release -p memorise -- --help

use std::process::ExitCode;

use clap::Parser;
use memorise::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
