//! What is said while a program opens its device, loads and trains. Bars are silent, or a line an epoch, where stderr is no terminal.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::data::{self, DataError, Dataset, Source};
use crate::devices::{self, DeviceError, OpenDevice};
use crate::train::Moment;

/// Opens the device of this name, and says which adapter answers where it is not the host itself.
pub fn open(device: &str) -> Result<OpenDevice, DeviceError> {
    let found = devices::open(device)?;
    if !devices::is_host(&found.device) {
        eprintln!("device: {}", found.adapter);
    }
    Ok(found)
}

/// A bar for work of known length; silent when stderr is no terminal.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that says what is done, and counts these units.
    pub fn new(what: &'static str, unit: &str) -> Self {
        let bar = ProgressBar::new(0).with_message(what);
        let template = format!("{{msg}} {{bar:30}} {{pos}}/{{len}} {unit}, {{eta}} left");
        bar.set_style(ProgressStyle::with_template(&template).expect("the template is a constant"));
        Bar(bar)
    }

    /// So many are done of so many.
    pub fn at(&self, what: &'static str, done: usize, total: usize) {
        self.0.set_message(what);
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }

    /// Takes the bar away.
    pub fn clear(self) {
        self.0.finish_and_clear();
    }
}

/// A spinner for work of unknown length, one at a time; silent when stderr is no terminal.
#[derive(Default)]
pub struct Spinner(Cell<Option<ProgressBar>>);

impl Spinner {
    /// Says what is done from now on.
    pub fn start(&self, what: &str) {
        self.stop();
        let bar = ProgressBar::new_spinner().with_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.0.set(Some(bar));
    }

    /// Takes it away, so that something else can be written.
    pub fn stop(&self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

/// The progress of a training: a bar on a terminal, else a line an epoch.
pub struct TrainingBar {
    name: String,
    bar: ProgressBar,
    lines: bool,
    started: Instant,
    steps: u32,
    images: usize,
    /// A running mean: the loss of one batch jumps too much to read.
    loss: Option<f64>,
}

impl TrainingBar {
    /// A bar for the training of this name.
    pub fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template("{prefix:>8} {bar:24} {pos}/{len} {msg}")
            .expect("the template is a constant");
        TrainingBar {
            name: name.to_string(),
            bar: ProgressBar::new(0)
                .with_style(style)
                .with_prefix(name.to_string())
                .with_message("looking at the untrained network"),
            lines: !std::io::stderr().is_terminal(),
            started: Instant::now(),
            steps: 0,
            images: 0,
            loss: None,
        }
    }

    /// Shows where the training is.
    pub fn at(&mut self, moment: Moment) {
        self.steps += 1;
        self.images += moment.images;
        let elapsed = self.started.elapsed();
        let per_second = self.images as f64 / elapsed.as_secs_f64();
        // By the mean step, checks included: the bar's own estimate takes the pause of a check for the pace.
        let left = elapsed / self.steps * (moment.steps - moment.step) as u32;
        let loss = self
            .loss
            .map_or(moment.loss, |mean| 0.95 * mean + 0.05 * moment.loss);
        self.loss = Some(loss);
        let accuracy = moment
            .accuracy
            .map_or("-".to_string(), |a| format!("{:.1} %", 100.0 * a));
        // All test images are asked after the last step: some seconds in which no step is told.
        let testing = if moment.step == moment.steps {
            ", testing"
        } else {
            ""
        };
        let message = format!(
            "loss {loss:.3}, accuracy {accuracy}, {per_second:.0} images/s, {} frozen{testing}, {:#} left",
            moment.frozen,
            HumanDuration(left)
        );
        self.bar.set_length(moment.steps as u64);
        self.bar.set_position(moment.step as u64);
        if self.lines && moment.epoch_ended {
            eprintln!(
                "{}: epoch {}, step {}/{}, {message}",
                self.name, moment.epoch, moment.step, moment.steps
            );
        }
        self.bar.set_message(message);
    }

    /// Leaves the bar as it ended.
    pub fn finish(&self) {
        self.bar.finish_with_message("done");
    }
}

/// The images of `source`, loaded behind a bar; says on stderr what a reader of the results has to know.
/// `seed` matters to generated images only.
pub fn load(source: Source, seed: u64) -> Result<Dataset, DataError> {
    let bar = Bar::new("loading", "images");
    let dataset = data::load(source, seed, &|progress| {
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
