use burn::tensor::Device;
use frostline_activations::Run;
use frostline_report::{Page, RunPictures, page_title};
use frostline_svcca::Measure;

use crate::{Dynamics, Error, Progress};

/// The fractions of training at which the article's panes stand.
const PANES: [f64; 4] = [0.0, 0.35, 0.75, 1.0];

/// One self-contained HTML page that shows and compares these runs.
///
/// `device` computes the layer comparisons; `progress` hears of every checkpoint of every run.
/// Errors: `NoRuns`, `Report`.
pub fn page(
    runs: &[Run],
    device: &Device,
    progress: impl FnMut(Progress),
) -> Result<String, Error> {
    Ok(compared(runs, device, progress)?.html()?)
}

/// The same page before it is drawn: its numbers once computed serve
/// [`svg_files`](frostline_report::svg_files) and the like too.
///
/// Errors: `NoRuns`.
pub fn compared<'a>(
    runs: &'a [Run],
    device: &Device,
    mut progress: impl FnMut(Progress),
) -> Result<Page<'a>, Error> {
    if runs.is_empty() {
        return Err(Error::NoRuns);
    }
    let files = |run: &Run| run.checkpoints().len() + run.pane_steps().len();
    let total = runs.iter().map(files).sum();
    let mut before = 0;
    let mut notices = Vec::new();
    let mut pictures = Vec::new();
    for run in runs {
        let measure = Measure::default();
        let dynamics = Dynamics::of(run, &PANES, measure, device, |here| {
            progress(Progress {
                done: before + here.done,
                total,
            });
        });
        before += files(run);
        notices.extend(dynamics.problems);
        pictures.push(RunPictures {
            run,
            panes: dynamics.panes,
            to_end: dynamics.to_end,
        });
    }
    Ok(Page {
        title: page_title(&runs.iter().collect::<Vec<_>>()),
        notices,
        runs: pictures,
    })
}
