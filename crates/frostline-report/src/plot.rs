use plotters::prelude::RGBColor;

use crate::axis::{Axis, drawable};
use crate::colour::{GRID, INK, SOFT_INK, WHITE, lighter};
use crate::legend::{Entry, Legend, ROW};
use crate::short_names::short_names;
use crate::svg::{Area, Canvas, Font, picture, text_width};

/// Curves over two axes.
pub(crate) struct Plot {
    /// Says what it shows to who cannot see it.
    pub(crate) label: String,
    pub(crate) heading: String,
    pub(crate) size: Size,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// A second reading of the vertical axis, at its right side: its label and its ticks' texts.
    pub(crate) right: Option<(String, Vec<String>)>,
    pub(crate) curves: Vec<Curve>,
    /// A line across, to compare with: its name, and where it is.
    pub(crate) level: Option<(String, f64)>,
    pub(crate) legend: Legend,
}

/// What part of the page's width a picture takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Wide,
    Half,
    Third,
}

impl Size {
    pub(crate) fn width(self) -> f64 {
        match self {
            Size::Wide => 1180.0,
            Size::Half => 586.0,
            Size::Third => 383.0,
        }
    }

    /// Of the frame that the curves are in.
    fn height(self) -> f64 {
        match self {
            Size::Wide | Size::Half => 310.0,
            Size::Third => 160.0,
        }
    }
}

/// One curve, with gaps between its pieces.
#[derive(Clone)]
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
    /// A band around the curve, with gaps between its pieces.
    pub(crate) band: Vec<Vec<Bar>>,
    /// Points of the curve that are drawn hollow: chance could give them.
    pub(crate) hollow: Vec<(f64, f64)>,
    /// The band is all that there is.
    pub(crate) shade: bool,
    /// The same curve smoothed. Where there is one, the curve and its band are drawn faintly behind it, unless the
    /// page's reader chooses to see the curve alone.
    pub(crate) smooth: Vec<Vec<Point>>,
}

impl Curve {
    /// A curve of which only its look is known.
    pub(crate) fn named(name: &str, (colour, dash): (RGBColor, &'static [f64])) -> Self {
        Curve {
            name: name.to_string(),
            colour,
            dash,
            pieces: Vec::new(),
            ring: None,
            beside: Vec::new(),
            bars: Vec::new(),
            band: Vec::new(),
            hollow: Vec::new(),
            shade: false,
            smooth: Vec::new(),
        }
    }
}

/// An upright bar: how far what a point is the mean of reaches.
#[derive(Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A point, and what it says when pointed at, if anything.
#[derive(Clone)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) says: String,
}

/// Pieces of a curve from points of which some have no value.
pub(crate) fn pieces(points: impl Iterator<Item = Option<Point>>) -> Vec<Vec<Point>> {
    runs(points.map(|point| point.filter(|point| drawable(point.x) && drawable(point.y))))
}

/// What stands together between gaps.
pub(crate) fn runs<T>(items: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = vec![Vec::new()];
    for item in items {
        match item {
            Some(item) => runs.last_mut().expect("never empty").push(item),
            None => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

pub(crate) const TEXT: f64 = 12.0;
const HEADING: f64 = 34.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 18.0;
const BELOW_AXIS: f64 = 48.0;
/// Characters of a name below the horizontal axis.
const NAME: usize = 20;

impl Plot {
    pub(crate) fn svg(&self) -> String {
        let width = self.size.width();
        let legend = self.legend();
        let (legend_rows, legend_width) = match self.legend {
            Legend::Below => (legend.last().map_or(0.0, |entry| entry.at.1 + ROW), 0.0),
            Legend::Right => {
                let wide = legend.iter().map(|entry| entry.at.0 + entry.width);
                (0.0, wide.fold(0.0, f64::max))
            }
        };
        let second_axis = if self.right.is_some() { 64.0 } else { 0.0 };
        let frame = Area {
            left: LEFT,
            top: HEADING,
            right: width - RIGHT - legend_width - second_axis,
            bottom: HEADING + self.size.height(),
        };
        let ticks = Ticks::of(&self.x, frame.width());
        let below = frame.bottom + BELOW_AXIS + ticks.height - TEXT;
        picture((width, below + legend_rows + 6.0), &self.label, |canvas| {
            let heading = Font::left(14.0).bold();
            canvas.text(&self.heading, (frame.left, HEADING / 2.0), heading);
            self.draw_axes(canvas, frame, &ticks);
            let (smooth, whole): (Vec<&Curve>, Vec<&Curve>) = self
                .curves
                .iter()
                .partition(|curve| !curve.smooth.is_empty());
            for curve in &whole {
                self.draw_band(canvas, frame, curve);
            }
            if let Some((name, level)) = &self.level {
                self.draw_level(canvas, frame, name, *level);
            }
            for curve in &whole {
                self.draw_curve(canvas, frame, curve);
            }
            if !smooth.is_empty() {
                canvas.group("class=\"raw\" opacity=\"0.35\"", |canvas| {
                    for curve in &smooth {
                        self.draw_band(canvas, frame, curve);
                    }
                    for curve in &smooth {
                        self.draw_curve(canvas, frame, curve);
                    }
                });
                canvas.group("class=\"smoothed\"", |canvas| {
                    for curve in &smooth {
                        self.draw_smooth(canvas, frame, curve);
                    }
                });
            }
            for curve in &self.curves {
                // A dot on a dot: those of a curve are written as one path, which rings can't be.
                for (radius, colour) in [(2.8, curve.colour), (1.5, WHITE)] {
                    for &point in &curve.hollow {
                        canvas.dot(self.at(frame, point), radius, colour);
                    }
                }
            }
            for curve in &self.curves {
                if let Some(point) = &curve.ring {
                    canvas.ring(self.place(frame, point), 4.5, curve.colour);
                }
            }
            self.draw_hovers(canvas, frame);
            let corner = match self.legend {
                Legend::Below => (frame.left, below),
                Legend::Right => (width - legend_width, frame.top),
            };
            for entry in &legend {
                entry.draw(canvas, corner);
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

    fn draw_axes(&self, canvas: &mut Canvas, frame: Area, ticks: &Ticks) {
        let across = |value: f64| frame.left + self.x.share(value) * frame.width();
        let up = |value: f64| frame.bottom - self.y.share(value) * frame.height();
        // Marks that look the same follow each other, so that they can be written as one.
        for x in self.x.ticks.iter().map(|(value, _)| across(*value)) {
            canvas.line(&[(x, frame.top), (x, frame.bottom)], GRID, 1.0);
        }
        for y in self.y.ticks.iter().map(|(value, _)| up(*value)) {
            canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 1.0);
        }
        for x in self.x.ticks.iter().map(|(value, _)| across(*value)) {
            canvas.line(&[(x, frame.bottom), (x, frame.bottom + 4.0)], SOFT_INK, 1.0);
        }
        for y in self.y.ticks.iter().map(|(value, _)| up(*value)) {
            canvas.line(&[(frame.left - 4.0, y), (frame.left, y)], SOFT_INK, 1.0);
        }
        for (index, (value, _)) in self.x.ticks.iter().enumerate() {
            if index.is_multiple_of(ticks.every) {
                ticks.draw(canvas, index, (across(*value), frame.bottom + 7.0));
            }
        }
        for (index, (value, text)) in self.y.ticks.iter().enumerate() {
            let y = up(*value);
            canvas.text(text, (frame.left - 8.0, y), Font::right(TEXT));
            if let Some(text) = self.right.as_ref().and_then(|(_, texts)| texts.get(index)) {
                canvas.text(text, (frame.right + 8.0, y), Font::left(TEXT));
            }
        }
        canvas.frame(frame, SOFT_INK, 1.0);
        let (x, y) = frame.centre();
        let label = Font::centre(TEXT).colour(INK);
        let below = frame.bottom + 22.0 + ticks.height;
        canvas.text(&self.x.label, (x, below), label);
        canvas.text(&self.y.label, (12.0, y), label.upright());
        if let Some((text, _)) = &self.right {
            canvas.text(text, (frame.right + 56.0, y), label.upright());
        }
    }

    fn draw_band(&self, canvas: &mut Canvas, frame: Area, curve: &Curve) {
        for piece in &curve.band {
            if let [alone] = piece.as_slice() {
                self.draw_bar(canvas, frame, alone, curve.colour);
                continue;
            }
            let there = piece.iter().map(|bar| (bar.x, bar.high));
            let and_back = piece.iter().rev().map(|bar| (bar.x, bar.low));
            let corners = there.chain(and_back).map(|at| self.at(frame, at));
            canvas.veil(&corners.collect::<Vec<_>>(), curve.colour);
        }
    }

    fn draw_bar(&self, canvas: &mut Canvas, frame: Area, bar: &Bar, colour: RGBColor) {
        const CAP: f64 = 4.0;
        let ends = [bar.low, bar.high].map(|y| self.at(frame, (bar.x, y)));
        canvas.line(&ends, colour, 1.3);
        for (x, y) in ends {
            canvas.line(&[(x - CAP, y), (x + CAP, y)], colour, 1.3);
        }
    }

    fn draw_level(&self, canvas: &mut Canvas, frame: Area, name: &str, level: f64) {
        let y = frame.bottom - self.y.share(level) * frame.height();
        canvas.dashed(
            &[(frame.left, y), (frame.right, y)],
            SOFT_INK,
            1.5,
            LEVEL_DASH,
        );
        let along = Area {
            top: y - 3.0,
            bottom: y + 3.0,
            ..frame
        };
        canvas.hover(along, name);
    }

    fn draw_curve(&self, canvas: &mut Canvas, frame: Area, curve: &Curve) {
        // Dots on every point hide a curve of many points, and in a small plot each other.
        const DOTS: usize = 60;
        let of = |curve: &Curve| curve.pieces.iter().map(Vec::len).sum::<usize>();
        let points = match self.size {
            Size::Wide | Size::Half => of(curve),
            Size::Third => self.curves.iter().map(of).sum(),
        };
        for point in &curve.beside {
            canvas.dot(self.place(frame, point), 2.8, lighter(curve.colour));
        }
        for bar in &curve.bars {
            self.draw_bar(canvas, frame, bar, curve.colour);
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

    fn draw_smooth(&self, canvas: &mut Canvas, frame: Area, curve: &Curve) {
        for piece in &curve.smooth {
            let path: Vec<(f64, f64)> = piece.iter().map(|p| self.place(frame, p)).collect();
            canvas.dashed(&path, curve.colour, 2.0, curve.dash);
        }
    }

    fn draw_hovers<'a>(&'a self, canvas: &mut Canvas, frame: Area) {
        // Beyond this the page gets heavy, and the areas overlap anyway; of small plots a page has many.
        let most = match self.size {
            Size::Wide | Size::Half => 3000,
            Size::Third => 100,
        };
        let every = || self.curves.iter();
        let of = |c: &'a Curve| {
            c.beside
                .iter()
                .chain(c.pieces.iter().flatten())
                .chain(&c.ring)
        };
        let points = || every().flat_map(of).filter(|point| !point.says.is_empty());
        if points().count() > most {
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

    fn legend(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.curves.iter().map(Entry::of).collect();
        if let Some((name, _)) = &self.level {
            entries.push(Entry::line(name, (SOFT_INK, LEVEL_DASH)));
        }
        let width = self.size.width() - LEFT - RIGHT;
        self.legend.arranged(entries, (width, self.size.height()))
    }
}

/// Of a line that is there to compare with.
pub(crate) const LEVEL_DASH: &[f64] = &[6.0, 4.0];

/// How the ticks of a horizontal axis are written so that no two texts touch.
struct Ticks {
    texts: Vec<String>,
    upright: bool,
    /// Only every so many-th is written.
    every: usize,
    /// What the texts need below the axis.
    height: f64,
}

impl Ticks {
    /// For an axis of so many pixels.
    fn of(axis: &Axis, width: f64) -> Self {
        const APART: f64 = 5.0;
        let texts: Vec<String> = axis.ticks.iter().map(|(_, text)| text.clone()).collect();
        let texts = short_names(&texts, NAME);
        let wide = |text: &String| text_width(text.chars().count(), TEXT);
        let place = |at: usize| axis.share(axis.ticks[at].0) * width;
        let fits = |every: usize, needed: &dyn Fn(usize) -> f64| {
            let shown: Vec<usize> = (0..texts.len()).step_by(every).collect();
            shown.windows(2).all(|pair| {
                let room = place(pair[1]) - place(pair[0]);
                (needed(pair[0]) + needed(pair[1])) / 2.0 + APART <= room
            })
        };
        let lying = |at: usize| wide(&texts[at]);
        let thinned = |needed: &dyn Fn(usize) -> f64| {
            let most = texts.len().max(1);
            (1..most).find(|&every| fits(every, needed)).unwrap_or(most)
        };
        // Numbers may be thinned, since the others follow; names not, as long as there is another way.
        let upright = axis.of_names && !fits(1, &lying);
        let every = match upright {
            true => thinned(&|_| TEXT - APART + 1.0),
            false => thinned(&lying),
        };
        let longest = texts.iter().map(wide).fold(0.0, f64::max);
        Ticks {
            upright,
            every,
            height: if upright { longest } else { TEXT },
            texts,
        }
    }

    /// Below a point.
    fn draw(&self, canvas: &mut Canvas, index: usize, (x, y): (f64, f64)) {
        let text = &self.texts[index];
        match self.upright {
            true => canvas.text(text, (x, y), Font::right(TEXT).upright()),
            false => canvas.text(text, (x, y + TEXT / 2.0), Font::centre(TEXT)),
        }
    }
}
