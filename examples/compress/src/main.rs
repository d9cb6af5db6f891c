//! cargo run --release -p compress -- --help

use std::process::ExitCode;

use clap::Parser;
use compress::{Arguments, run};

fn main() -> ExitCode {
    cifar10::experiment::exit(run(&Arguments::parse()))
}
