//! The command `frostline`: what recorded training runs have to show.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// See how a network's layers converge: pages and tables of recorded training runs
#[derive(Parser)]
#[command(name = "frostline", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draw one HTML page that compares runs, from their folders alone
    #[command(after_help = "Examples:
  frostline report runs/cifar10/ordinary runs/cifar10/freeze
  frostline report runs/freeze -o page.html
  frostline report runs/* --json        what was run and how it ended, for machines")]
    Report {
        /// Run folders: each has run.json, history.jsonl and checkpoints/
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Where to write the page [default: report.html in the first run's folder]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print the runs and their histories as JSON and draw nothing
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Command::Report { runs, output, json } = Arguments::parse().command;
    match report::report(&runs, output, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
