use plotters::prelude::RGBColor;

use crate::plot::{Curve, TEXT};
use crate::short_names::short_names;
use crate::svg::{Canvas, Font, text_width};

/// Where the curves' names go; never over the curves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legend {
    /// In rows below: for names in no order.
    Below,
    /// In a column at the right, the first name at the bottom, as deep layers lie above shallow ones.
    Right,
}

pub(crate) const ROW: f64 = 18.0;
const KEY: f64 = 30.0;

impl Legend {
    /// The entries with their places, in so much width below or so much height at the right.
    pub(crate) fn arranged(self, entries: Vec<Entry>, (width, height): (f64, f64)) -> Vec<Entry> {
        match self {
            Legend::Below => {
                let room = ((width - KEY) / text_width(1, TEXT)) as usize;
                rows(named(entries, room.min(60)), width)
            }
            Legend::Right => column(named(entries, 24), height),
        }
    }
}

/// A curve's name and look, its place relative to the legend's corner.
pub(crate) struct Entry {
    text: String,
    colour: RGBColor,
    dash: &'static [f64],
    band: bool,
    line: bool,
    pub(crate) width: f64,
    pub(crate) at: (f64, f64),
}

impl Entry {
    pub(crate) fn of(curve: &Curve) -> Self {
        Entry {
            band: !curve.band.is_empty(),
            line: !curve.shade,
            ..Entry::line(&curve.name, (curve.colour, curve.dash))
        }
    }

    pub(crate) fn line(name: &str, (colour, dash): (RGBColor, &'static [f64])) -> Self {
        Entry {
            text: name.to_string(),
            colour,
            dash,
            band: false,
            line: true,
            width: 0.0,
            at: (0.0, 0.0),
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas, corner: (f64, f64)) {
        let (x, y) = (corner.0 + self.at.0, corner.1 + self.at.1 + ROW / 2.0);
        let right = x + KEY - 6.0;
        if self.band {
            let (top, bottom) = (y - 5.0, y + 5.0);
            let corners = [(x, top), (right, top), (right, bottom), (x, bottom)];
            canvas.veil(&corners, self.colour);
        }
        if self.line {
            canvas.dashed(&[(x, y), (right, y)], self.colour, 2.5, self.dash);
        }
        canvas.text(&self.text, (x + KEY, y), Font::left(TEXT));
    }
}

/// With names of at most so many characters.
fn named(mut entries: Vec<Entry>, room: usize) -> Vec<Entry> {
    let names: Vec<String> = entries.iter().map(|entry| entry.text.clone()).collect();
    for (entry, name) in entries.iter_mut().zip(short_names(&names, room)) {
        entry.width = KEY + text_width(name.chars().count(), TEXT);
        entry.text = name;
    }
    entries
}

fn rows(mut entries: Vec<Entry>, room: f64) -> Vec<Entry> {
    const APART: f64 = 16.0;
    let (mut x, mut y) = (0.0, 0.0);
    for entry in &mut entries {
        if x > 0.0 && x + entry.width > room {
            (x, y) = (0.0, y + ROW);
        }
        entry.at = (x, y);
        x += entry.width + APART;
    }
    entries
}

fn column(entries: Vec<Entry>, height: f64) -> Vec<Entry> {
    // More names than rows are thinned: the colours in between are in order, and the hover texts
    // have every name.
    let every = entries.len().div_ceil((height / ROW) as usize).max(1);
    let mut entries: Vec<Entry> = entries.into_iter().step_by(every).collect();
    for (from_top, entry) in entries.iter_mut().rev().enumerate() {
        entry.at = (14.0, from_top as f64 * ROW);
    }
    entries
}
