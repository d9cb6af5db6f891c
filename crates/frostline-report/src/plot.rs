use plotters::prelude::RGBColor;

use crate::axis::{Axis, drawable};
use crate::colour::{GRID, INK, SOFT_INK, lighter};
use crate::short_names::short_names;
use crate::svg::{Area, Canvas, Font, picture, text_width};

/// Curves over two axes.
pub(crate) struct Plot {
    /// Says what it shows to who cannot see it.
    pub(crate) label: String,
    pub(crate) heading: String,
    pub(crate) width: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// A second reading of the vertical axis, at its right side: its label and its ticks' texts.
    pub(crate) right: Option<(String, Vec<String>)>,
    pub(crate) curves: Vec<Curve>,
    pub(crate) legend: Legend,
}

/// One curve, with gaps between its pieces.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) colour: RGBColor,
    pub(crate) dash: &'static [f64],
    pub(crate) pieces: Vec<Vec<Point>>,
    /// A ring around a point that means more than the others.
    pub(crate) ring: Option<Point>,
    /// Lighter points beside the curve: what its points are means of.
    pub(crate) beside: Vec<Point>,
    pub(crate) bars: Vec<Bar>,
}

/// An upright bar: how far what a point is the mean of reaches.
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A point, and what it says when pointed at.
#[derive(Clone)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) says: String,
}

/// Where the curves' names go; never over the curves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legend {
    /// In rows below: for names in no order.
    Below,
    /// In a column at the right, the first name at the bottom, as deep layers lie above shallow ones.
    Right,
}

/// Pieces of a curve from points of which some have no value.
pub(crate) fn pieces(points: impl Iterator<Item = Option<Point>>) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = vec![Vec::new()];
    for point in points {
        match point.filter(|point| drawable(point.x) && drawable(point.y)) {
            Some(point) => pieces.last_mut().expect("never empty").push(point),
            None => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

const TEXT: f64 = 12.0;
const ROW: f64 = 18.0;
const KEY: f64 = 30.0;
const HEADING: f64 = 34.0;
const LEFT: f64 = 76.0;
const PLOT_HEIGHT: f64 = 310.0;
const BELOW_AXIS: f64 = 48.0;

impl Plot {
    pub(crate) fn svg(&self) -> String {
        let legend = self.legend_entries();
        let (legend_rows, legend_width) = match self.legend {
            Legend::Below => {
                let rows = legend.last().map_or(0.0, |entry| entry.at.1 + ROW);
                (rows, 0.0)
            }
            Legend::Right => {
                let wide = legend.iter().map(|entry| entry.at.0 + entry.width);
                (0.0, wide.fold(0.0, f64::max))
            }
        };
        let frame = Area {
            left: LEFT,
            top: HEADING,
            right: self.width - 18.0 - legend_width - if self.right.is_some() { 64.0 } else { 0.0 },
            bottom: HEADING + PLOT_HEIGHT,
        };
        let height = frame.bottom + BELOW_AXIS + legend_rows + 6.0;
        picture((self.width, height), &self.label, |canvas| {
            let heading = Font::left(14.0).bold();
            canvas.text(&self.heading, (frame.left, HEADING / 2.0), heading);
            self.draw_axes(canvas, frame);
            for curve in &self.curves {
                self.draw_curve(canvas, frame, curve);
            }
            for curve in &self.curves {
                if let Some(point) = &curve.ring {
                    canvas.ring(self.place(frame, point), 4.5, curve.colour);
                }
            }
            self.draw_hovers(canvas, frame);
            let corner = match self.legend {
                Legend::Below => (frame.left, frame.bottom + BELOW_AXIS),
                Legend::Right => (self.width - legend_width, frame.top),
            };
            for entry in &legend {
                let curve = &self.curves[entry.curve];
                let (x, y) = (corner.0 + entry.at.0, corner.1 + entry.at.1 + ROW / 2.0);
                let key = [(x, y), (x + KEY - 6.0, y)];
                canvas.dashed(&key, curve.colour, 2.5, curve.dash);
                canvas.text(&entry.text, (x + KEY, y), Font::left(TEXT));
            }
        })
    }

    fn place(&self, frame: Area, point: &Point) -> (f64, f64) {
        self.at(frame, (point.x, point.y))
    }

    fn at(&self, frame: Area, (x, y): (f64, f64)) -> (f64, f64) {
        (
            frame.left + self.x.share(x) * frame.width(),
            frame.bottom - self.y.share(y) * frame.height(),
        )
    }

    fn draw_axes(&self, canvas: &mut Canvas, frame: Area) {
        for (value, text) in &self.x.ticks {
            let x = frame.left + self.x.share(*value) * frame.width();
            canvas.line(&[(x, frame.top), (x, frame.bottom)], GRID, 1.0);
            let tick = [(x, frame.bottom), (x, frame.bottom + 4.0)];
            canvas.line(&tick, SOFT_INK, 1.0);
            canvas.text(text, (x, frame.bottom + 13.0), Font::centre(TEXT));
        }
        for (index, (value, text)) in self.y.ticks.iter().enumerate() {
            let y = frame.bottom - self.y.share(*value) * frame.height();
            canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 1.0);
            canvas.line(&[(frame.left - 4.0, y), (frame.left, y)], SOFT_INK, 1.0);
            canvas.text(text, (frame.left - 8.0, y), Font::right(TEXT));
            if let Some(text) = self.right.as_ref().and_then(|(_, texts)| texts.get(index)) {
                canvas.text(text, (frame.right + 8.0, y), Font::left(TEXT));
            }
        }
        canvas.frame(frame, SOFT_INK, 1.0);
        let (x, y) = frame.centre();
        let label = Font::centre(TEXT).colour(INK);
        canvas.text(&self.x.label, (x, frame.bottom + 34.0), label);
        canvas.text(&self.y.label, (12.0, y), label.upright());
        if let Some((text, _)) = &self.right {
            canvas.text(text, (frame.right + 56.0, y), label.upright());
        }
    }

    fn draw_curve(&self, canvas: &mut Canvas, frame: Area, curve: &Curve) {
        // Dots on every point hide a curve of many points.
        const DOTS: usize = 60;
        let points: usize = curve.pieces.iter().map(Vec::len).sum();
        for point in &curve.beside {
            canvas.dot(self.place(frame, point), 2.8, lighter(curve.colour));
        }
        for &Bar { x, low, high } in &curve.bars {
            const CAP: f64 = 4.0;
            let ends = [low, high].map(|y| self.at(frame, (x, y)));
            canvas.line(&ends, curve.colour, 1.3);
            for (x, y) in ends {
                canvas.line(&[(x - CAP, y), (x + CAP, y)], curve.colour, 1.3);
            }
        }
        for piece in &curve.pieces {
            let path: Vec<(f64, f64)> = piece.iter().map(|p| self.place(frame, p)).collect();
            if path.len() > 1 {
                canvas.dashed(&path, curve.colour, 2.0, curve.dash);
            }
            if points <= DOTS || path.len() == 1 {
                for &centre in &path {
                    canvas.dot(centre, 2.6, curve.colour);
                }
            }
        }
    }

    fn draw_hovers<'a>(&'a self, canvas: &mut Canvas, frame: Area) {
        // Beyond this the page gets heavy, and the areas overlap anyway.
        const HOVERS: usize = 3000;
        let every = || self.curves.iter();
        let of = |c: &'a Curve| {
            c.beside
                .iter()
                .chain(c.pieces.iter().flatten())
                .chain(&c.ring)
        };
        let points = || every().flat_map(of);
        if points().count() > HOVERS {
            return;
        }
        for point in points() {
            let (x, y) = self.place(frame, point);
            let around = Area {
                left: x - 5.0,
                top: y - 5.0,
                right: x + 5.0,
                bottom: y + 5.0,
            };
            canvas.hover(around, &point.says);
        }
    }

    fn legend_entries(&self) -> Vec<Entry> {
        match self.legend {
            Legend::Below => self.rows(),
            Legend::Right => self.column(),
        }
    }

    fn rows(&self) -> Vec<Entry> {
        let room = self.width - LEFT - 18.0;
        let (mut x, mut y) = (0.0, 0.0);
        let mut entries = Vec::new();
        for (curve, name) in self.short_names(60).into_iter().enumerate() {
            let mut entry = Entry::new(curve, name);
            if x > 0.0 && x + entry.width > room {
                (x, y) = (0.0, y + ROW);
            }
            entry.at = (x, y);
            x += entry.width + 16.0;
            entries.push(entry);
        }
        entries
    }

    fn column(&self) -> Vec<Entry> {
        // More names than rows are thinned: the colours in between are in order, and the hover texts
        // have every name.
        let every = self.curves.len().div_ceil((PLOT_HEIGHT / ROW) as usize);
        let names = self.short_names(24).into_iter().enumerate();
        let mut entries: Vec<Entry> = names
            .step_by(every.max(1))
            .map(|(curve, name)| Entry::new(curve, name))
            .collect();
        for (from_top, entry) in entries.iter_mut().rev().enumerate() {
            entry.at = (14.0, from_top as f64 * ROW);
        }
        entries
    }

    fn short_names(&self, room: usize) -> Vec<String> {
        let names: Vec<String> = self.curves.iter().map(|c| c.name.clone()).collect();
        short_names(&names, room)
    }
}

/// A curve's name in the legend, its place relative to the legend's corner.
struct Entry {
    curve: usize,
    text: String,
    width: f64,
    at: (f64, f64),
}

impl Entry {
    fn new(curve: usize, text: String) -> Self {
        let width = KEY + text_width(text.chars().count(), TEXT);
        Entry {
            curve,
            text,
            width,
            at: (0.0, 0.0),
        }
    }
}
