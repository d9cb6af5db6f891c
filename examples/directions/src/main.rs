//! cargo run --release -p directions -- --help

use std::process::ExitCode;

use clap::Parser;
use directions::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
