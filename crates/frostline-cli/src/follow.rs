//! The page of runs that go on, drawn anew while they grow.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use frostline::activations::Run;
use frostline::report::{LayerCurve, Page, Pane, RunPictures, escaped, page_title, text_table};

use crate::failure::Failure;
use crate::outputs::write_file;
use crate::{out, runs};

/// Seconds after which a browser loads the page anew.
const RELOAD: u32 = 5;
/// The runs are looked at about as often.
const LOOK: Duration = Duration::from_secs(1);
/// Drawing takes at most one part of this many of the time.
const REST: u32 = 10;

/// Draws the page of these runs to `html`, and again whenever one of them has grown, until all have an outcome or
/// the user ends it; the last page does not load itself anew.
pub(crate) fn follow(folders: &[PathBuf], html: &Path) -> Result<(), Failure> {
    let stop = stop_on_ctrl_c()?;
    let mut compared: Vec<Option<Compared>> = folders.iter().map(|_| None).collect();
    let mut drawn = None;
    loop {
        let runs = folders
            .iter()
            .map(|folder| runs::open(folder, "report"))
            .collect::<Result<Vec<_>, _>>()?;
        let ended = runs.iter().all(|run| run.info.outcome.is_some());
        let last = ended || stop.load(Ordering::Relaxed);
        let began = Instant::now();
        let grown = Some(runs.iter().map(extent).collect::<Vec<_>>());
        if last {
            // A file may have been read before it was all there: the page that stays is compared anew.
            compared.fill_with(|| None);
        }
        if last || grown != drawn {
            let page = page(&runs, &mut compared)?;
            let text = match last {
                true => page.html()?,
                false => page.reloading_html(RELOAD)?,
            };
            write_file(html, text.as_bytes())?;
            if drawn.is_none() {
                out::tell(&format!(
                    "{} is drawn anew while the runs go on; Ctrl-C ends that",
                    escaped(&html.display().to_string())
                ));
            }
            drawn = grown;
        }
        if last {
            let table = text_table(&runs.iter().collect::<Vec<_>>());
            let page = escaped(&html.display().to_string()).into_owned();
            return out::print(&format!("{table}\npage: {page}\n"));
        }
        let until = Instant::now() + LOOK.max(began.elapsed() * REST);
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// How far a run has come, as its folder tells.
fn extent(run: &Run) -> (usize, usize, usize, Option<usize>, bool) {
    let points = run.metrics.points();
    (
        run.history.len(),
        run.pane_steps().len(),
        points.len(),
        points.last().map(|point| point.step),
        run.info.outcome.is_some(),
    )
}

/// What comparing the layers of a run gave, for as long as it has the same checkpoints.
struct Compared {
    checkpoints: Vec<usize>,
    pane_steps: Vec<usize>,
    panes: Vec<Pane>,
    to_end: Vec<LayerCurve>,
    notices: Vec<String>,
}

impl Compared {
    fn of(run: &Run) -> Result<Self, Failure> {
        let page = frostline::compared(std::slice::from_ref(run), &Device::flex(), |_| ())?;
        let mut pictures = page.runs;
        let RunPictures { panes, to_end, .. } = pictures.remove(0);
        Ok(Compared {
            checkpoints: run.checkpoints().to_vec(),
            pane_steps: run.pane_steps().to_vec(),
            panes,
            to_end,
            notices: page.notices,
        })
    }
}

/// The page of these runs; layers are compared again only of those that have new checkpoints.
fn page<'a>(runs: &'a [Run], compared: &mut [Option<Compared>]) -> Result<Page<'a>, Failure> {
    let mut notices = Vec::new();
    let mut pictures = Vec::new();
    for (run, compared) in runs.iter().zip(compared) {
        let same = |compared: &Compared| {
            compared.checkpoints == run.checkpoints() && compared.pane_steps == run.pane_steps()
        };
        let of_run = match compared.take().filter(same) {
            Some(of_run) => of_run,
            None => Compared::of(run)?,
        };
        notices.extend(of_run.notices.iter().cloned());
        pictures.push(RunPictures {
            run,
            panes: of_run.panes.clone(),
            to_end: of_run.to_end.clone(),
        });
        *compared = Some(of_run);
    }
    Ok(Page {
        title: page_title(&runs.iter().collect::<Vec<_>>()),
        notices,
        runs: pictures,
    })
}

/// Whether the user has ended it: the first Ctrl-C after the last page, the second at once.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(stop)
}
