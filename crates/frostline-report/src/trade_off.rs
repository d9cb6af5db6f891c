use crate::axis::{Axis, Unit, bounds, short};
use crate::curves::padded;
use crate::error::{interval, number};
use crate::legend::Legend;
use crate::plot::{Bar, Curve, Plot, Point, Size, pieces};
use crate::svg::shorten;
use crate::{Error, colour};

/// One quantity against another, a line for each of several ways: accuracy against the number of directions
/// that are kept, say. Raghu et al. 2017, arXiv:1706.05806, figure 2.
#[derive(Clone, Debug, PartialEq)]
pub struct TradeOff {
    /// Above the picture.
    pub title: String,
    /// The label of the horizontal axis.
    pub x: String,
    /// The label of the vertical axis.
    pub y: String,
    /// Whether the horizontal axis is logarithmic.
    pub logarithmic: bool,
    /// The lines, in the order of the legend.
    pub lines: Vec<TradeOffLine>,
    /// A line across to compare with, such as the accuracy of the untouched network: its name and its value.
    pub level: Option<(String, f64)>,
}

/// Points of one kind, joined from the left to the right.
#[derive(Clone, Debug, PartialEq)]
pub struct TradeOffLine {
    /// Its name, as the legend has it.
    pub name: String,
    /// Its points, in any order.
    pub points: Vec<TradeOffPoint>,
}

/// A point of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct TradeOffPoint {
    /// Where it is from left to right; above 0 on a logarithmic axis.
    pub x: f64,
    /// How high it is.
    pub y: f64,
    /// Lower and upper end of `y`.
    pub interval: Option<[f64; 2]>,
    /// What it says when pointed at, besides its numbers.
    pub says: Option<String>,
}

impl TradeOffPoint {
    /// A point without an interval that says its numbers alone.
    pub fn at(x: f64, y: f64) -> Self {
        TradeOffPoint {
            x,
            y,
            interval: None,
            says: None,
        }
    }
}

/// Draws one quantity against another.
///
/// Errors: `NotDrawable` for a number that isn't finite, `NotPositive` for one that a logarithmic axis
/// can't have, `Backwards` for an interval that ends before it begins, `Nothing` without points.
pub fn trade_off(picture: &TradeOff) -> Result<String, Error> {
    for line in &picture.lines {
        for point in &line.points {
            check(picture, line, point)?;
        }
    }
    if let Some((name, level)) = &picture.level {
        number(*level, || format!("the level of {name}"))?;
    }
    let points = || picture.lines.iter().flat_map(|line| &line.points);
    let Some(across) = bounds(points().map(|point| point.x)) else {
        let text = format!("There is no {} to draw against {}.", picture.y, picture.x);
        return Err(Error::Nothing(text));
    };
    let heights = points().map(|point| point.y);
    let ends = points().flat_map(|point| point.interval.into_iter().flatten());
    let level = picture.level.iter().map(|(_, level)| *level);
    let seen = bounds(heights.chain(ends).chain(level)).expect("a point has a height");
    let x = match picture.logarithmic {
        true => Axis::tight_logarithmic(&format!("{} (log)", picture.x), across),
        false => Axis::linear(&picture.x, padded(across), Unit::Number),
    };
    let names: Vec<&str> = picture
        .lines
        .iter()
        .map(|line| line.name.as_str())
        .collect();
    let named = |(name, level): &(String, f64)| (format!("{name}: {}", short(*level)), *level);
    let lines = picture.lines.iter().enumerate();
    Ok(Plot {
        label: format!(
            "{}: {} against {}, of {}",
            picture.title,
            picture.y,
            picture.x,
            names.join(", ")
        ),
        heading: shorten(&picture.title, 120),
        size: Size::Wide,
        x,
        y: Axis::linear(&picture.y, padded(seen), Unit::Number),
        right: None,
        curves: lines
            .map(|(index, line)| curve(picture, index, line))
            .collect(),
        level: picture.level.as_ref().map(named),
        legend: Legend::Below,
    }
    .svg())
}

fn check(picture: &TradeOff, line: &TradeOffLine, point: &TradeOffPoint) -> Result<(), Error> {
    let TradeOffPoint { x, y, .. } = *point;
    number(x, || format!("{} of a point of {}", picture.x, line.name))?;
    let at = || format!("of {} at {x}", line.name);
    if picture.logarithmic && x <= 0.0 {
        return Err(Error::NotPositive {
            what: format!("{} of a point of {}", picture.x, line.name),
            value: x,
        });
    }
    number(y, || format!("{} {}", picture.y, at()))?;
    if let Some(ends) = point.interval {
        interval(ends, || format!("the interval {}", at()))?;
    }
    Ok(())
}

fn curve(picture: &TradeOff, index: usize, line: &TradeOffLine) -> Curve {
    let mut points: Vec<&TradeOffPoint> = line.points.iter().collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    let bars = points.iter().filter_map(|point| {
        let [low, high] = point.interval?;
        let x = point.x;
        Some(Bar { x, low, high })
    });
    Curve {
        bars: bars.collect(),
        pieces: pieces(points.iter().map(|point| {
            Some(Point {
                x: point.x,
                y: point.y,
                says: says(picture, line, point),
            })
        })),
        ..Curve::named(&line.name, colour::run(index))
    }
}

fn says(picture: &TradeOff, line: &TradeOffLine, point: &TradeOffPoint) -> String {
    let (x, y) = (short(point.x), short(point.y));
    let mut text = format!("{}: {} {y} at {} {x}", line.name, picture.y, picture.x);
    if let Some([low, high]) = point.interval {
        text += &format!(" ({} to {})", short(low), short(high));
    }
    if let Some(more) = &point.says {
        text += &format!("; {more}");
    }
    text
}
