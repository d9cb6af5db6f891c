use frostline_activations::{Run, Status};

use crate::Error;
use crate::axis::{Axis, Unit};
use crate::colour::{FROZEN, GRID, INK, SOFT_INK, TRAINED, WOULD_FREEZE};
use crate::short_names::short_names;
use crate::summary::{grouped, last_step, run_names};
use crate::svg::{Area, Canvas, Font, picture, shorten, text_width};

/// Which layers are frozen when: one band a run, the input layer at its bottom, all on one axis of
/// steps.
///
/// A layer that a dry run's policy would freeze has a colour of its own. Errors: `Nothing` without
/// checks or without layers.
pub fn freeze_timeline(runs: &[&Run]) -> Result<String, Error> {
    let names = run_names(runs);
    let bands: Vec<(&Run, &str)> = runs
        .iter()
        .zip(&names)
        .map(|(run, name)| (*run, name.as_str()))
        .filter(|(run, _)| !run.history.is_empty() && !run.info.layers.is_empty())
        .collect();
    if bands.is_empty() {
        let text = "No check was made, so nothing is known of frozen layers.";
        return Err(Error::Nothing(text.into()));
    }
    let layers: usize = bands.iter().map(|(run, _)| run.info.layers.len()).sum();
    // Many layers are drawn thinner rather than on a page of their own.
    let row = (520.0 / layers as f64).clamp(12.0, 24.0);
    let planned = |run: &Run| last_step(run).max(run.info.length.steps);
    let last = bands.iter().map(|(run, _)| planned(run)).max();
    let x = Axis::linear("step", (0.0, last.unwrap_or(0) as f64), Unit::Count);

    let longest = bands
        .iter()
        .flat_map(|(run, _)| short_names(&run.info.layers, NAME))
        .map(|layer| layer.chars().count())
        .max()
        .unwrap_or(0);
    let left = 34.0 + text_width(longest, FONT);
    let height = |run: &Run| HEADING + row * run.info.layers.len() as f64 + BELOW_AXIS;
    let total: f64 = bands.iter().map(|(run, _)| height(run)).sum();
    let label = format!("which layers were frozen when, in {}", names.join(", "));
    Ok(picture((WIDTH, KEY + total), &label, |canvas| {
        draw_key(canvas, left, bands.iter().any(|(run, _)| is_dry(run)));
        let mut top = KEY;
        for (run, name) in &bands {
            let frame = Area {
                left,
                top: top + HEADING,
                right: WIDTH - 24.0,
                bottom: top + HEADING + row * run.info.layers.len() as f64,
            };
            let heading = shorten(name, 80);
            canvas.text(&heading, (left, top + 14.0), Font::left(14.0).bold());
            draw_band(canvas, run, frame, &x, row);
            top += height(run);
        }
    }))
}

const WIDTH: f64 = 1180.0;
const KEY: f64 = 26.0;
const HEADING: f64 = 30.0;
const BELOW_AXIS: f64 = 52.0;
const FONT: f64 = 11.0;
const NAME: usize = 22;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Trained,
    WouldFreeze,
    Frozen,
}

impl State {
    fn of(layer: usize, frozen: usize, decided: usize) -> Self {
        if layer < frozen {
            State::Frozen
        } else if layer < decided {
            State::WouldFreeze
        } else {
            State::Trained
        }
    }

    fn look(self) -> (plotters::prelude::RGBColor, &'static str) {
        match self {
            State::Trained => (TRAINED, "trained"),
            State::WouldFreeze => (WOULD_FREEZE, "trained, but the policy would freeze it"),
            State::Frozen => (FROZEN, "frozen"),
        }
    }
}

fn is_dry(run: &Run) -> bool {
    let mut checks = run.history.iter();
    checks.any(|check| check.decided > check.frozen)
}

fn draw_key(canvas: &mut Canvas, left: f64, dry: bool) {
    let mut x = left;
    for state in [State::Trained, State::WouldFreeze, State::Frozen] {
        if state == State::WouldFreeze && !dry {
            continue;
        }
        let (colour, text) = state.look();
        let swatch = Area {
            left: x,
            top: 7.0,
            right: x + 22.0,
            bottom: 19.0,
        };
        canvas.fill(swatch, colour);
        canvas.text(text, (x + 28.0, 13.0), Font::left(12.0));
        x += 28.0 + text_width(text.chars().count(), 12.0) + 18.0;
    }
}

fn draw_band(canvas: &mut Canvas, run: &Run, frame: Area, x: &Axis, row: f64) {
    let place = |step: usize| frame.left + x.share(step as f64) * frame.width();
    let shown = short_names(&run.info.layers, NAME);
    for (layer, name) in run.info.layers.iter().enumerate() {
        let bottom = frame.bottom - row * layer as f64;
        let middle = (frame.left - 8.0, bottom - row / 2.0);
        canvas.text(&shown[layer], middle, Font::right(FONT));
        for (state, from, to) in spans(run, layer) {
            let bar = Area {
                left: place(from),
                top: bottom - row + 1.0,
                right: place(to),
                bottom: bottom - 1.0,
            };
            let (colour, text) = state.look();
            canvas.fill(bar, colour);
            canvas.hover(bar, &format!("{name}: {text}, steps {from} to {to}"));
        }
    }
    for (value, text) in &x.ticks {
        let at = frame.left + x.share(*value) * frame.width();
        canvas.line(
            &[(at, frame.bottom), (at, frame.bottom + 4.0)],
            SOFT_INK,
            1.0,
        );
        canvas.text(text, (at, frame.bottom + 13.0), Font::centre(12.0));
    }
    canvas.frame(frame, GRID, 1.0);
    let below = (frame.centre().0, frame.bottom + 32.0);
    canvas.text(&x.label, below, Font::centre(12.0));
    draw_end(canvas, run, frame, place(last_step(run)));
}

/// Marks where a run that was to go on ended.
fn draw_end(canvas: &mut Canvas, run: &Run, frame: Area, x: f64) {
    let ended = match run.info.outcome.as_ref().map(|end| end.status) {
        Some(Status::Finished) => return,
        Some(Status::Interrupted) => "interrupted",
        Some(Status::Diverged) => "diverged",
        None => "no end recorded",
    };
    canvas.line(&[(x, frame.top - 4.0), (x, frame.bottom)], INK, 1.5);
    let text = format!("{ended} at step {}", grouped(last_step(run)));
    // At the right end of the heading's line, where no name reaches.
    canvas.text(&text, (frame.right, frame.top - 16.0), Font::right(12.0));
}

/// What a layer did, in words: `trained, steps 0 to 50`.
pub(crate) fn state_texts(run: &Run, layer: usize) -> Vec<String> {
    let spans = spans(run, layer).into_iter();
    let text = |(state, from, to): (State, usize, usize)| {
        format!("{}, steps {from} to {to}", state.look().1)
    };
    spans.map(text).collect()
}

/// What a layer did from step to step, until the end of the run.
fn spans(run: &Run, layer: usize) -> Vec<(State, usize, usize)> {
    let mut spans = vec![(State::Trained, 0, 0)];
    for check in &run.history {
        let state = State::of(layer, check.frozen, check.decided);
        let span = spans.last_mut().expect("one was there from the start");
        span.2 = check.step;
        if span.0 != state {
            spans.push((state, check.step, check.step));
        }
    }
    let span = spans.last_mut().expect("one was there from the start");
    span.2 = span.2.max(last_step(run));
    spans.retain(|(_, from, to)| to > from);
    spans
}
