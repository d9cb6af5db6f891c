//! Trains a convnet on CIFAR-10 twice, as usual and with Freeze Training, and shows how its layers
//! converge; or weighs what freezing is worth in a study of many trainings.

mod arguments;
mod compare;
mod session;
mod study;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => compare::compare(&arguments),
        Some(Command::Study(arguments)) => study::study(arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(130), // stopped by the user, as a shell reports it
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
