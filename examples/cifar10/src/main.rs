//! Trains a convnet on CIFAR-10 twice, as usual and with Freeze Training, and shows how its layers
//! converge.

mod arguments;
mod progress;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use cifar10::data::{self, Dataset};
use cifar10::nets::{ConvNet, PaperNet};
use cifar10::train::train;
use clap::Parser;
use frostline::activations::{Outcome, RunFolder};
use frostline::freeze::PolicyConfig;
use frostline::prelude::*;
use frostline::report::text_table;

use arguments::{Arguments, Model};
use progress::{Bar, TrainingBar};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match compare(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(130), // stopped by the user, as a shell reports it
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Loads the data, trains as usual and with Freeze Training, and shows both. False when the user
/// stopped it.
fn compare(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let device = cifar10::devices::device(&arguments.device)?;
    let stop = stop_on_ctrl_c()?;
    let dataset = load(arguments)?;
    let folder = free_folder(&arguments.out);

    let mut runs = Vec::new();
    for (name, policy) in arguments.runs() {
        let path = folder.join(name);
        let outcome = run(arguments, &dataset, &device, name, policy, &path, &stop)?;
        runs.push(Run::open(&path)?);
        if outcome.status == Status::Interrupted {
            eprintln!(
                "stopped at step {}; what was recorded is in {}. To see it:\n  \
                 cargo run --release -p frostline-cli -- report {}",
                outcome.step,
                folder.display(),
                runs.iter()
                    .map(|run| run.path().display().to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
            );
            return Ok(false);
        }
    }
    show(arguments, &runs, &folder)?;
    Ok(true)
}

fn load(arguments: &Arguments) -> Result<Dataset, data::DataError> {
    let bar = Bar::new("loading", "images");
    let dataset = data::load(arguments.data, arguments.seed, &|progress| {
        bar.at(progress.what, progress.done, progress.total);
    });
    bar.clear();
    let dataset = dataset?;
    if let Some(notice) = &dataset.notice {
        let line = "=".repeat(78);
        eprintln!("{line}\nNOTICE: {notice}\n{line}");
    }
    for note in &dataset.notes {
        eprintln!("note: {note}");
    }
    Ok(dataset)
}

/// Trains once under this policy.
fn run(
    arguments: &Arguments,
    dataset: &Dataset,
    device: &Device,
    name: &'static str,
    policy: PolicyConfig,
    path: &Path,
    stop: &AtomicBool,
) -> Result<Outcome, Box<dyn Error>> {
    let images = dataset.train.balanced(arguments.images(), arguments.seed);
    let settings = arguments.settings();
    let describe = |info: &mut RunInfo| {
        info.name = name.to_string();
        info.title = Some(arguments.title(dataset, images.len()));
        info.notice = dataset.notice.clone();
        info.seed = Some(settings.seed);
        info.device = arguments.device.clone();
        info.settings = arguments.described(dataset, images.len());
    };
    let mut bar = TrainingBar::new(name);
    let mut watch = |moment| {
        bar.at(moment);
        !stop.load(Ordering::Relaxed)
    };
    let data = [&images, &dataset.test];
    let classes = dataset.classes.len();
    // Both runs start from the same weights.
    let device = device.clone().autodiff();
    device.seed(settings.seed);
    let path = path.to_path_buf();
    let outcome = match arguments.model {
        Model::Convnet => {
            let net = ConvNet::init(classes, &device);
            train(net, data, &settings, &policy, path, describe, &mut watch)
        }
        Model::Paper => {
            let net = PaperNet::init(classes, &device);
            train(net, data, &settings, &policy, path, describe, &mut watch)
        }
    };
    bar.finish();
    Ok(outcome?)
}

/// Prints the table and writes the page.
fn show(arguments: &Arguments, runs: &[Run], folder: &Path) -> Result<(), Box<dyn Error>> {
    let bar = Bar::new("comparing layers", "checkpoints");
    let page = frostline::page(runs, &Device::default(), |progress| {
        bar.at("comparing layers", progress.done, progress.total);
    });
    bar.clear();
    let path = folder.join("report.html");
    std::fs::write(&path, page?)?;
    if arguments.json {
        let runs: Vec<_> = runs.iter().map(|run| &run.info).collect();
        println!("{}", serde_json::json!({ "runs": runs, "page": path }));
    } else {
        println!("{}", runs[0].info.title.as_deref().unwrap_or_default());
        println!("{}", text_table(&runs.iter().collect::<Vec<_>>()));
        println!("page: {}", path.display());
    }
    Ok(())
}

/// The folder, or the first of `folder-2`, `folder-3`, ... that holds no runs yet.
fn free_folder(wanted: &Path) -> PathBuf {
    let holds_runs = |path: &Path| {
        ["ordinary", "freeze"]
            .iter()
            .any(|name| RunFolder::is_run(path.join(name)))
    };
    let numbered = (2..).map(|number| PathBuf::from(format!("{}-{number}", wanted.display())));
    std::iter::once(wanted.to_path_buf())
        .chain(numbered)
        .find(|path| !holds_runs(path))
        .expect("there are more numbers than folders")
}

/// Whether the user has asked to stop: the first Ctrl-C ends the run in order, the second at once.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(stop)
}
