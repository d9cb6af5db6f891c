//! cargo run --release -p two_nets -- --help

use std::process::ExitCode;

use clap::Parser;
use two_nets::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
