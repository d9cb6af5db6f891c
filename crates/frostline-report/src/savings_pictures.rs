use frostline_activations::{LayerFlops, Ledger, Run};
use plotters::prelude::RGBColor;

use crate::axis::{Axis, Unit, drawable, short};
use crate::colour::{
    BACKWARD, FORWARD, FROZEN, GRID, INK, SAVED_BACKWARD, SAVED_FORWARD, SOFT_INK, TRAINED,
};
use crate::cost::{Cost, flops_text};
use crate::plot::Size;
use crate::short_names::short_names;
use crate::svg::{Area, Canvas, Font, picture, text_width};

/// The mean seconds of a step with each number of frozen layers; none without a step.
pub(crate) fn seconds_a_step(run: &Run, ledger: &Ledger) -> Option<String> {
    let at_frozen = ledger.at_frozen.iter().enumerate();
    let bars: Vec<Bar> = at_frozen
        .filter_map(|(frozen, at)| {
            let mean = at.mean().filter(|&mean| drawable(mean) && mean >= 0.0)?;
            let colour = if frozen == 0 { TRAINED } else { FROZEN };
            let says = format!(
                "{frozen} frozen: {} s a step, {} steps",
                short(mean),
                at.steps
            );
            Some(Bar {
                name: frozen.to_string(),
                parts: vec![(mean, colour, says)],
            })
        })
        .collect();
    let chart = Chart {
        heading: "Seconds a step by frozen layers",
        label: format!(
            "{}: seconds a step by the number of frozen layers",
            run.info.name
        ),
        key: &[],
        across: ("seconds a step", 1.0),
        names: "frozen",
        bars,
    };
    chart.svg()
}

/// Operations of each layer, computed and saved, forward and backward; none where they are not known.
pub(crate) fn flops_of_layers(run: &Run, ledger: &Ledger) -> Option<String> {
    let names = short_names(&run.info.layers, 20);
    let parts = |flops: &LayerFlops| {
        [
            flops.forward,
            flops.backward,
            // Less than nothing where bringing the cache up to date cost more: the table says so, a bar can't.
            clamped(flops.saved_forward),
            clamped(flops.saved_backward),
        ]
    };
    let every = || ledger.layers.iter().flat_map(parts);
    if !every().all(|flops| drawable(flops) && flops >= 0.0) {
        return None;
    }
    let bars: Vec<Bar> = ledger
        .layers
        .iter()
        .enumerate()
        .map(|(layer, flops)| {
            let name = |names: &[String]| names.get(layer).cloned().unwrap_or(layer.to_string());
            let whole = name(&run.info.layers);
            let parts = parts(flops).into_iter().zip(KEY);
            Bar {
                name: name(&names),
                parts: parts
                    .map(|(flops, (what, colour))| {
                        (
                            flops,
                            colour,
                            format!("{whole}: {what} {}", flops_text(flops)),
                        )
                    })
                    .collect(),
            }
        })
        .collect();
    let largest = bars.iter().map(Bar::length).fold(0.0, f64::max);
    let (worth, unit) = Cost::Flops.unit(largest);
    let chart = Chart {
        heading: "Operations of each layer",
        label: format!(
            "{}: operations of each layer, computed and saved, forward and backward",
            run.info.name
        ),
        key: &KEY,
        across: (unit, worth),
        names: "",
        bars,
    };
    chart.svg()
}

const KEY: [(&str, RGBColor); 4] = [
    ("forward", FORWARD),
    ("backward", BACKWARD),
    ("forward saved", SAVED_FORWARD),
    ("backward saved", SAVED_BACKWARD),
];

/// A bar and its parts from left to right: how long, in which colour, and what they say when pointed at.
struct Bar {
    name: String,
    parts: Vec<(f64, RGBColor, String)>,
}

impl Bar {
    fn length(&self) -> f64 {
        self.parts.iter().map(|(length, ..)| length).sum()
    }
}

/// Lying bars, the first at the bottom.
struct Chart<'a> {
    heading: &'a str,
    label: String,
    key: &'a [(&'static str, RGBColor)],
    /// The axis' label, and what one of its unit is worth.
    across: (&'a str, f64),
    /// What the bars' names are.
    names: &'a str,
    bars: Vec<Bar>,
}

const HEADING: f64 = 34.0;
const KEY_HEIGHT: f64 = 24.0;
const BELOW_AXIS: f64 = 46.0;
const TEXT: f64 = 12.0;

impl Chart<'_> {
    fn svg(&self) -> Option<String> {
        let longest = self.bars.iter().map(Bar::length).fold(0.0, f64::max);
        if self.bars.is_empty() || longest <= 0.0 {
            return None;
        }
        let worth = self.across.1;
        let x = Axis::linear(self.across.0, (0.0, longest / worth), Unit::Number);
        // Many bars are drawn thinner rather than on a page of their own.
        let row = (300.0 / self.bars.len() as f64).clamp(12.0, 26.0);
        let named = self.bars.iter().map(|bar| bar.name.chars().count());
        let widest = named.max().unwrap_or(0);
        let names = if self.names.is_empty() { 0.0 } else { 18.0 };
        let top = HEADING + if self.key.is_empty() { 0.0 } else { KEY_HEIGHT };
        let frame = Area {
            left: 20.0 + names + text_width(widest, TEXT),
            top,
            right: Size::Half.width() - 22.0,
            bottom: top + row * self.bars.len() as f64,
        };
        let size = (Size::Half.width(), frame.bottom + BELOW_AXIS);
        Some(picture(size, &self.label, |canvas| {
            let heading = Font::left(14.0).bold();
            canvas.text(self.heading, (frame.left, HEADING / 2.0), heading);
            self.draw_key(canvas, frame.left);
            draw_axis(canvas, &x, frame);
            if !self.names.is_empty() {
                let label = Font::centre(TEXT).colour(INK).upright();
                canvas.text(self.names, (12.0, frame.centre().1), label);
            }
            for (index, bar) in self.bars.iter().enumerate() {
                let bottom = frame.bottom - row * index as f64;
                let middle = (frame.left - 8.0, bottom - row / 2.0);
                canvas.text(&bar.name, middle, Font::right(TEXT.min(row)));
                let mut from = 0.0;
                for (length, colour, says) in &bar.parts {
                    let place = |at: f64| frame.left + x.share(at / worth) * frame.width();
                    let area = Area {
                        left: place(from),
                        top: bottom - 0.85 * row,
                        right: place(from + length),
                        bottom: bottom - 0.15 * row,
                    };
                    canvas.fill(area, *colour);
                    canvas.hover(area, says);
                    from += length;
                }
            }
            canvas.line(
                &[(frame.left, frame.top), (frame.left, frame.bottom)],
                SOFT_INK,
                1.0,
            );
        }))
    }

    fn draw_key(&self, canvas: &mut Canvas, left: f64) {
        // From where the names begin, so that four entries fit.
        let mut x = left.min(60.0);
        for (text, colour) in self.key {
            let swatch = Area {
                left: x,
                top: HEADING + 2.0,
                right: x + 18.0,
                bottom: HEADING + 14.0,
            };
            canvas.fill(swatch, *colour);
            canvas.text(text, (x + 23.0, HEADING + 8.0), Font::left(TEXT));
            x += 23.0 + text_width(text.chars().count(), TEXT) + 12.0;
        }
    }
}

fn draw_axis(canvas: &mut Canvas, x: &Axis, frame: Area) {
    for (value, text) in &x.ticks {
        let at = frame.left + x.share(*value) * frame.width();
        canvas.line(&[(at, frame.top), (at, frame.bottom)], GRID, 1.0);
        let tick = [(at, frame.bottom), (at, frame.bottom + 4.0)];
        canvas.line(&tick, SOFT_INK, 1.0);
        canvas.text(text, (at, frame.bottom + 13.0), Font::centre(TEXT));
    }
    let below = (frame.centre().0, frame.bottom + 33.0);
    canvas.text(&x.label, below, Font::centre(TEXT).colour(INK));
}

/// No less than zero; what is not a number stays so.
fn clamped(flops: f64) -> f64 {
    if flops < 0.0 { 0.0 } else { flops }
}
