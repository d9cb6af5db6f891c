//! The command `frostline`: what recorded activations and training runs have to show.

mod compare;
mod failure;
mod follow;
mod grid;
mod layer_file;
mod layer_names;
mod out;
mod outputs;
mod replay;
mod report;
mod runs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use frostline::freeze::PolicyConfig;
use frostline::report::escaped;
use frostline::svcca::Measure;

use failure::Failure;
use layer_file::{Axes, Neurons};

/// See how a network's layers converge: compare recorded layers, draw recorded training runs
#[derive(Parser)]
#[command(name = "frostline", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the activations of two layers by every measure
    #[command(after_help = "Examples:
  frostline compare a.npy b.npy
  frostline compare a.safetensors:conv3 b.safetensors:conv3 --layout nchw
  frostline compare keras.npy torch.npy --layout nhwc --neurons channels --json

A file is .npy, .npz, safetensors, or .pt or .pth as torch.save writes it (a
tensor, or dicts and lists of tensors; nothing in it is run). Its values are
floats, whole numbers or truth values, [sample, neuron] with the same samples
in the same order, or with --layout an array of 3 to 5 axes; one axis is one
neuron. An array in a file with several is file:name, also where a file of
that name exists.

Layers are compared in up to 4 GiB of memory. Where they would take more, at
32 bytes a value, they are read in blocks, and plain CCA then leaves out
directions too faint for that.

Exit codes: 1 for data that can't be read or compared, 2 for bad usage.")]
    Compare {
        /// A layer: file.npy, or file:name where a file holds several
        x: PathBuf,
        /// The other layer
        y: PathBuf,
        #[command(flatten)]
        maps: Maps,
        /// Print JSON, with null where a measure isn't defined and a warning that says why
        #[arg(long)]
        json: bool,
    },
    /// Compare every layer of one network with every layer of another
    #[command(after_help = "Examples:
  frostline grid runs/cifar10/ordinary runs/cifar10/freeze
  frostline grid runs/freeze runs/freeze --step 0 --svg dynamics.svg
  frostline grid a.safetensors b.safetensors --measure cka --json
  frostline grid a.npz b.npz --layers 'conv*' --layers head

Measures: svcca, svcca(0.95), svcca_singular_values, svcca_directions(20),
cca, pwcca, pwcca_x, pwcca_y, cka, cka_biased, procrustes, r2, pls. A ~ behind
a value says that unrelated layers may give it; --json has the chance level,
the value freed of it and the warnings of each pair. Arrays that are no
layers, such as labels, are left out unless --layers names them.

Exit codes: 1 for data that can't be read or compared or a picture that can't
be written, 2 for bad usage.")]
    Grid {
        /// Rows: a run folder (its last checkpoint), or a file of layers (.npz, safetensors, .pt, .pth)
        a: PathBuf,
        /// Columns: another, or the same
        b: PathBuf,
        /// By what
        #[arg(short, long, default_value = "svcca")]
        measure: Measure,
        /// Take this checkpoint of A, which is a run folder
        #[arg(long, value_name = "STEP")]
        step: Option<usize>,
        /// Take this checkpoint of B
        #[arg(long, value_name = "STEP")]
        step_b: Option<usize>,
        /// Compare these layers only: names, or patterns with * for any characters and ? for one. A name or pattern may be
        /// of A or of B alone
        #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
        layers: Vec<String>,
        #[command(flatten)]
        maps: Maps,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Also draw a heatmap
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Draw one HTML page that compares runs, from their folders alone
    #[command(after_help = "Examples:
  frostline report runs/cifar10/ordinary runs/cifar10/freeze
  frostline report runs/freeze -o page.html
  frostline report runs/* -o page.html --svg pictures --csv tables
  frostline report runs/* --tensorboard logs && tensorboard --logdir logs
  frostline report runs/* --json        what was run and how it ended, for machines
  frostline report runs/* --follow      while they go on: the page is drawn anew and loads itself anew

Tables: runs.csv with the settings as columns, metrics.csv with what every
step reported, checks.csv, layers.csv, and panes.csv, where row_layer is a
layer during training and column_layer one at the end. A cell is empty where
nothing is known; a text that a spreadsheet would take for a formula has an
apostrophe in front. TensorBoard gets scalars, by the time at which each step
was done; a run folder of an earlier version knows no date and counts seconds
from the start of 1970. Folders are made, and files of the same names
replaced.

Exit codes: 1 for a run that can't be read or a file that can't be written, 2
for bad usage.")]
    Report {
        /// Run folders: each has run.json, history.jsonl and checkpoints/
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Where to write the page [default: report.html in the first run's folder]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Also write every picture of the page to this folder
        #[arg(long, value_name = "DIR")]
        svg: Option<PathBuf>,
        /// Also write the numbers to this folder, as tables
        #[arg(long, value_name = "DIR")]
        csv: Option<PathBuf>,
        /// Also write the numbers to this folder, as TensorBoard reads them
        #[arg(long, value_name = "DIR")]
        tensorboard: Option<PathBuf>,
        /// Print the runs and their histories as JSON, and draw a page only with --output
        #[arg(long)]
        json: bool,
        /// Draw the page anew whenever a run grows, until all have ended or Ctrl-C; in a browser it loads itself anew
        #[arg(long, conflicts_with_all = ["svg", "csv", "tensorboard", "json"])]
        follow: bool,
    },
    /// Say when other freeze policies would have frozen the layers of a recorded run, and what that would save
    #[command(after_help = "Examples:
  frostline replay runs/ordinary
  frostline replay runs/ordinary --policy 'converged(0.3, 0.15)' --policy linear --policy cubic
  frostline replay runs/* --policy 'warmup(0.3, at_most(0.5, converged))' --json

Policies, with the arguments that they take when none are given: never,
linear(0, 1), cubic(0.8), geometric(0.333), grad_norm(50), weight_delta(0.01,
2), converged(0.5, 0.1); with one share of the training for each layer:
freeze_at(0.4, 0.4, 0.6). Around another policy: warmup(0.3, linear),
at_most(0.5, linear), costs_at_most(0.01, linear), thaw_on_lr_drop(10,
converged), dry_run(linear).

Nothing is trained. In a run that froze layers they look still from then on:
replay runs that froze none. What is saved is a share of the training's
computation: that of backward, and with a cache for the outputs of frozen
layers that of their forward too. Measuring is not taken off. A policy that
decides by what a run didn't record is left out and named.

Exit codes: 1 for a run that can't be read or lacks what all policies decide
by, 2 for bad usage.")]
    Replay {
        /// Run folders: each has run.json and history.jsonl
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// A policy; give it several times to see several side by side. Without any, the default policy, or
        /// what it asks of similarities alone where a run didn't record what layers gain
        #[arg(short, long = "policy", value_name = "POLICY")]
        policies: Vec<PolicyConfig>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// How arrays with more than two axes become layers.
#[derive(clap::Args)]
struct Maps {
    /// Where the channels of an array with more than two axes are
    #[arg(long, value_enum)]
    layout: Option<Axes>,
    /// What counts as its neurons
    #[arg(long, value_enum, default_value = "means")]
    neurons: Neurons,
}

fn main() -> ExitCode {
    let done = match Arguments::try_parse() {
        Ok(arguments) => run(arguments.command),
        // Help or the version, which are results.
        Err(shown) if !shown.use_stderr() => out::print(&if out::in_colour() {
            shown.render().ansi().to_string()
        } else {
            shown.render().to_string()
        }),
        Err(wrong) => {
            let mut message = wrong.render().to_string();
            if wrong.kind() == ErrorKind::InvalidUtf8 {
                message = naming_what_is_no_text(&message, std::env::args_os().skip(1));
            }
            let lines: Vec<_> = message.trim_end().lines().map(escaped).collect();
            out::tell(&lines.join("\n"));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.code())
        }
    }
}

/// The message for arguments that are no UTF-8 with these arguments in it. A path may be any bytes.
fn naming_what_is_no_text(message: &str, arguments: impl Iterator<Item = OsString>) -> String {
    let no_text = arguments.filter(|argument| argument.to_str().is_none());
    let (paths, others): (Vec<_>, Vec<_>) =
        no_text.partition(|argument| Path::new(argument).exists());
    let named = if others.is_empty() { paths } else { others };
    let named: Vec<String> = named
        .iter()
        .map(|argument| format!("`{}`", argument.to_string_lossy()))
        .collect();
    let usage = message.split_once('\n').map_or("", |(_, usage)| usage);
    format!(
        "error: not UTF-8: {}; names, patterns, measures, policies and numbers are text, and only paths may hold other bytes\n{usage}",
        named.join(", ")
    )
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Compare { x, y, maps, json } => compare::compare(
            &x,
            &y,
            &compare::Options {
                axes: maps.layout,
                neurons: maps.neurons,
                json,
            },
        ),
        Command::Grid {
            a,
            b,
            measure,
            step,
            step_b,
            layers,
            maps,
            json,
            svg,
        } => grid::grid(
            &a,
            &b,
            &grid::Options {
                measure,
                steps: [step, step_b],
                layers,
                axes: maps.layout,
                neurons: maps.neurons,
                json,
                svg,
            },
        ),
        Command::Report {
            runs,
            output,
            svg,
            csv,
            tensorboard,
            json,
            follow,
        } => report::report(
            &runs,
            &report::Options {
                output,
                svg,
                csv,
                tensorboard,
                json,
                follow,
            },
        ),
        Command::Replay {
            runs,
            policies,
            json,
        } => replay::replay(&runs, &policies, json),
    }
}
