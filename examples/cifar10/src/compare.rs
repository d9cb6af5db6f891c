//! The main job: two trainings and their page.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use cifar10::progress::Bar;
use frostline::activations::{RunFolder, write_aside};
use frostline::prelude::*;
use frostline::report::text_table;

use crate::arguments::Arguments;
use crate::session::Session;

/// Loads the data, trains as usual and with Freeze Training, and shows both. False when the user
/// stopped it.
pub(crate) fn compare(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let session = Session::begin(&arguments.training, arguments.seed)?;
    let folder = free_folder(&arguments.out);

    let mut runs = Vec::new();
    for job in arguments.jobs() {
        let path = folder.join(&job.name);
        let outcome = session.train(&job, &path)?;
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

/// Prints the table and writes the page.
fn show(arguments: &Arguments, runs: &[Run], folder: &Path) -> Result<(), Box<dyn Error>> {
    let bar = Bar::new("comparing layers", "checkpoints");
    let page = frostline::page(runs, &Device::default(), |progress| {
        bar.at("comparing layers", progress.done, progress.total);
    });
    bar.clear();
    let path = folder.join("report.html");
    write_aside(&path, page?.as_bytes())?;
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
