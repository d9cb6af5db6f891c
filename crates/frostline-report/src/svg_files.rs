use frostline_activations::Run;

use crate::report_file::{ReportFile, file_names};
use crate::savings_pictures::{flops_of_layers, seconds_a_step};
use crate::summary::{ledger, run_names};
use crate::{
    Against, ComparedLayer, Error, RunPictures, accuracy, compared_layers, freeze_timeline,
    frozen_layers, learning_rate, loss, own_share_of_change, panes, similarity_to_end,
    similarity_to_previous, test_loss, train_accuracy,
};

/// Every picture of the page of these runs as a file of its own: `loss.svg` and others of all runs,
/// `<run>-panes.svg` and others of each.
///
/// A picture for which nothing was recorded is left out. Errors: `PaneShape` and `OutOfRange`, as for
/// the page.
pub fn svg_files(runs: &[RunPictures<'_>]) -> Result<Vec<ReportFile>, Error> {
    let all: Vec<&Run> = runs.iter().map(|pictures| pictures.run).collect();
    let mut files = Vec::new();
    for (what, picture) in of_all(&all) {
        files.extend(file(what, picture)?);
    }
    files.extend(of_layers(runs, &all)?);
    for (pictures, name) in runs.iter().zip(file_names(&run_names(&all))) {
        for (what, picture) in of_one(pictures) {
            files.extend(file(format!("{name}-{what}"), picture)?);
        }
    }
    Ok(files)
}

/// A picture under the name of what it shows.
type Named = (&'static str, Result<String, Error>);

/// The pictures that compare all runs.
fn of_all(runs: &[&Run]) -> Vec<(String, Result<String, Error>)> {
    let axes = Against::known(runs).into_iter();
    let each = |against: Against| {
        [
            ("loss", loss(runs, against)),
            ("accuracy", accuracy(runs, against)),
            ("train-accuracy", train_accuracy(runs, against)),
            ("test-loss", test_loss(runs, against)),
            ("learning-rate", learning_rate(runs, against)),
            ("frozen-layers", frozen_layers(runs, against)),
        ]
        .map(|(what, picture)| (format!("{what}{}", by(against)), picture))
    };
    axes.flat_map(each).collect()
}

/// The layers that runs share: `layers/block1.svg` and others.
fn of_layers(runs: &[RunPictures<'_>], all: &[&Run]) -> Result<Vec<ReportFile>, Error> {
    let mut files = Vec::new();
    for against in Against::known(all) {
        let compared = compared_layers(runs, against)?;
        let layers: Vec<String> = compared.iter().map(|c| c.layer.clone()).collect();
        let names = file_names(&layers).into_iter();
        for (ComparedLayer { svg, .. }, name) in compared.into_iter().zip(names) {
            files.extend(file(format!("layers/{name}{}", by(against)), Ok(svg))?);
        }
    }
    Ok(files)
}

/// What a file's name says of its axis; steps go without saying.
fn by(against: Against) -> String {
    match against {
        Against::Steps => String::new(),
        _ => format!("-by-{}", against.slug()),
    }
}

/// The pictures of one run.
fn of_one(pictures: &RunPictures<'_>) -> Vec<Named> {
    let run = pictures.run;
    let mut named = vec![
        ("panes", panes(pictures)),
        ("similarity-to-end", similarity_to_end(pictures)),
        ("change", similarity_to_previous(run)),
        ("own-change", own_share_of_change(run)),
        ("frozen-layers", freeze_timeline(&[run])),
    ];
    if let Some(ledger) = ledger(run) {
        let seconds = seconds_a_step(run, ledger);
        let flops = flops_of_layers(run, ledger);
        named.extend(seconds.map(|svg| ("seconds-a-step", Ok(svg))));
        named.extend(flops.map(|svg| ("operations", Ok(svg))));
    }
    named
}

fn file(name: String, picture: Result<String, Error>) -> Result<Option<ReportFile>, Error> {
    match picture {
        Ok(svg) => Ok(Some(ReportFile {
            name: name + ".svg",
            content: svg.into_bytes(),
        })),
        Err(Error::Nothing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
