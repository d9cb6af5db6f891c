//! The study: two fronts of accuracy against cost, for each policy and seed.
//!
//! Ordinary training stands at its best: it is checked only before its first and after its last step, so
//! that it hardly pays for measuring.

mod arm;
mod json;

use std::error::Error;
use std::path::{Path, PathBuf};

use frostline::activations::{Outcome, write_aside};
use frostline::prelude::*;
use frostline::report::{self, Cost, Study, fronts};

use crate::arguments::StudyArguments;
use crate::session::Session;
use arm::{Arm, Found};

/// The seed of generated images: those of all trainings are the same, whichever seeds are asked for.
const DATA_SEED: u64 = 1;

/// Does the trainings that haven't ended yet, and shows the study. False when the user stopped it.
pub(crate) fn study(arguments: &StudyArguments) -> Result<bool, Box<dyn Error>> {
    let arms = arm::arms(arguments)?;
    let session = Session::begin(&arguments.training, DATA_SEED)?;
    // What can't be gone on with is told before hours of training.
    let found: Vec<Found> = arms
        .iter()
        .map(|arm| arm.found_in(&arguments.out, &session))
        .collect::<Result<_, _>>()?;

    let mut trained = Vec::new();
    for (number, (arm, found)) in arms.iter().zip(found).enumerate() {
        let name = &arm.job.name;
        let of = format!("{} of {}", number + 1, arms.len());
        let path = arguments.out.join(name);
        let outcome = match found {
            Found::Finished(outcome) => {
                eprintln!("{of}: {name} is done already");
                *outcome
            }
            Found::Unfinished | Found::Nothing => {
                eprintln!("{of}: {name}");
                // It can't be gone on with: the weights weren't kept.
                if found == Found::Unfinished {
                    std::fs::remove_dir_all(&path)?;
                }
                session.train(&arm.job, &path)?
            }
        };
        if outcome.status == Status::Interrupted || session.stopped() {
            eprintln!("stopped; the same command goes on with what has not ended yet");
            return Ok(false);
        }
        trained.push((arm, outcome));
    }
    show(arguments, &session, &trained)?;
    Ok(true)
}

/// Prints the tables, and writes the page, the pictures and the numbers.
fn show(
    arguments: &StudyArguments,
    session: &Session<'_>,
    trained: &[(&Arm, Outcome)],
) -> Result<(), Box<dyn Error>> {
    let arms = trained.iter().map(|(arm, outcome)| report::Arm {
        policy: arm.policy.as_ref().map(|policy| policy.to_string()),
        epochs: arm.job.epochs,
        seed: arm.job.seed,
        outcome: outcome.clone(),
    });
    let study = Study {
        title: session.title(),
        notices: session.notice().into_iter().collect(),
        arms: arms.collect(),
    };
    let names = trained.iter().map(|(arm, _)| arm.job.name.as_str());
    let numbers = json::of(&study, names);
    let page = arguments.out.join("study.html");
    write_aside(&page, study.html()?.as_bytes())?;
    let text = serde_json::to_string_pretty(&numbers)?;
    write_aside(&arguments.out.join("study.json"), text.as_bytes())?;
    let pictures = pictures(&study, &arguments.out)?;
    if arguments.json {
        println!("{text}");
    } else {
        println!("{}\n{}", study.title, study.text());
        println!("page: {}", page.display());
        for picture in pictures {
            println!("picture: {}", picture.display());
        }
    }
    Ok(())
}

/// Writes a picture for each cost that some training knows.
fn pictures(study: &Study, folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for cost in Cost::ALL {
        let name = match cost {
            Cost::Seconds => "study.svg",
            Cost::CpuSeconds => "study-processor.svg",
            Cost::Flops => "study-operations.svg",
        };
        match fronts(&study.fronts(cost), cost) {
            Ok(svg) => {
                let path = folder.join(name);
                write_aside(&path, svg.as_bytes())?;
                paths.push(path);
            }
            Err(report::Error::Nothing(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(paths)
}
