use frostline_activations::{ByChance, Check, Run};
use plotters::prelude::RGBColor;

use crate::axis::{Axis, Unit, bounds, drawable, short};
use crate::colour;
use crate::error::{interval, length, unit};
use crate::judged::{beside_chance, check_chance, doubtful};
use crate::legend::Legend;
use crate::plot::{Bar, Curve, Plot, Point, Size, pieces, runs};
use crate::summary::run_names;
use crate::svg::shorten;
use crate::{Error, RunPictures};

/// One layer's way to what it is in the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerCurve {
    /// The layer.
    pub layer: String,
    /// Step and similarity to the layer's final self, in `[0, 1]`; by step, ascending.
    pub points: Vec<(usize, f64)>,
    /// What chance gives in place of each similarity: one a point, none where it is not known; empty where it is
    /// known of no point.
    pub chance: Vec<Option<ByChance>>,
}

impl LayerCurve {
    /// What chance gives in place of a point's similarity, where it is known.
    pub(crate) fn chance_of(&self, point: usize) -> Option<&ByChance> {
        self.chance.get(point)?.as_ref()
    }

    /// Whether chance could give one of its similarities.
    pub(crate) fn has_doubtful(&self) -> bool {
        let mut points = self.points.iter().enumerate();
        points.any(|(at, (_, similarity))| doubtful(Some(*similarity), self.chance_of(at)))
    }

    /// That there is a chance level for each point, or none at all, and that it can be drawn.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let layer = &self.layer;
        if !self.chance.is_empty() {
            let what = || format!("chance levels of {layer}");
            length(self.chance.len(), what, self.points.len(), "points")?;
        }
        for ((step, _), by) in self.points.iter().zip(&self.chance) {
            if let Some(by) = by {
                check_chance(by, || format!("{layer} at step {step}"))?;
            }
        }
        Ok(())
    }
}

/// How much each layer still changes: `1 - similarity` to itself at the previous check, on a
/// logarithmic axis, against steps.
///
/// A layer's curve ends in a ring at the check that froze it: a frozen layer is not measured again. Where it is known
/// what chance gives, the changes that unrelated layers would show are shaded, up to those of the layer with the
/// highest chance level, and a point that its own layer's chance level could give is hollow.
///
/// # Errors
/// [`Error::Nothing`] when no check has a similarity.
pub fn similarity_to_previous(run: &Run) -> Result<String, Error> {
    let layers = &run.info.layers;
    let mut curves: Vec<Curve> = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| Curve {
            pieces: pieces(measured(run, index).map(|(check, similarity)| {
                similarity.map(|s| Point {
                    x: check.step as f64,
                    y: 1.0 - s,
                    says: format!(
                        "{layer} at step {}: similarity {}",
                        check.step,
                        beside_chance(&short(s), s, chance_at(check, index))
                    ),
                })
            })),
            hollow: measured(run, index)
                .filter_map(|(check, similarity)| {
                    let by = chance_at(check, index)?;
                    let s = similarity.filter(|s| by.could_give(*s))?;
                    drawable(s).then_some((check.step as f64, 1.0 - s))
                })
                .collect(),
            ..Curve::named(layer, layer_look(index, layers.len()))
        })
        .collect();
    // Less than this is rounding in single precision.
    const LEAST: f64 = 1e-6;
    let changes = values(&curves).filter(|&change| change >= LEAST);
    let (low, high) = match bounds(changes) {
        Some(bounds) => bounds,
        None if values(&curves).next().is_some() => (LEAST, 1e-3),
        None => {
            let text = "No check compared a layer with the check before it.";
            return Err(Error::Nothing(text.into()));
        }
    };
    for (index, curve) in curves.iter_mut().enumerate() {
        curve.ring = frozen_at(run, index).and_then(|step| {
            let points = || curve.pieces.iter().flatten();
            let mut point = points().find(|point| point.x == step as f64)?.clone();
            point.says = format!("{} frozen at step {step}", curve.name);
            Some(point)
        });
    }
    let y = Axis::logarithmic("change: 1 − similarity (log)", (low, high));
    let levels = (0..layers.len()).flat_map(|index| {
        measured(run, index).filter_map(move |(check, _)| {
            Some((check.step as f64, 1.0 - chance_at(check, index)?.upper))
        })
    });
    // The legend's lowest entry, as it is drawn below all others.
    curves.splice(0..0, chance_curve(levels, (y.low, y.high), Chance::Above));
    let similarities = y.ticks.iter().map(|(c, _)| similarity_text(1.0 - c));
    Ok(Plot {
        label: format!(
            "{}: change of each layer since the previous check, against step, on a logarithmic axis",
            run.info.name
        ),
        heading: format!("Change since the previous check: {}", heading_name(run)),
        size: Size::Wide,
        x: steps_axis(run, values_x(&curves)),
        right: Some(("similarity".into(), similarities.collect())),
        y,
        curves,
        level: None,
        legend: Legend::Right,
    }
    .svg())
}

/// The similarity of each layer to its final self, against steps.
///
/// Where it is known what chance gives, all that it could give to the layer with the highest chance level is shaded,
/// and a point that its own layer's chance level could give is hollow.
///
/// # Errors
/// [`Error::OutOfRange`] for a similarity outside `[0, 1]`, [`Error::Length`] for chance levels that are not one a
/// point, [`Error::NotDrawable`] for one that isn't finite, [`Error::Nothing`] without points.
pub fn similarity_to_end(pictures: &RunPictures<'_>) -> Result<String, Error> {
    similarity_to_end_with(pictures, &Certainty::default())
}

/// How sure the similarities of layers to their ends are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certainty {
    /// What noise alone reaches, in `[0, 1]`.
    pub floor: Option<f64>,
    /// Lower and upper end of each similarity, in `[0, 1]`: for each layer one a point. Empty where they are not
    /// known, of all layers or of one.
    pub intervals: Vec<Vec<Option<[f64; 2]>>>,
}

/// As [`similarity_to_end`], with a line for what noise reaches and a band around each curve.
///
/// Errors: as there, `OutOfRange` for a floor or an end outside `[0, 1]`, `Backwards`, and `Length` for intervals
/// that are not one a point.
pub fn similarity_to_end_with(
    pictures: &RunPictures<'_>,
    certainty: &Certainty,
) -> Result<String, Error> {
    let layers = &pictures.to_end;
    let intervals = &certainty.intervals;
    if !intervals.is_empty() {
        let what = || "lists of intervals".into();
        length(intervals.len(), what, layers.len(), "layers")?;
    }
    let floor = certainty
        .floor
        .map(|floor| unit(floor, || "the noise floor".into()));
    let floor = floor.transpose()?;
    let mut curves = Vec::new();
    let mut levels = Vec::new();
    for (index, curve) in layers.iter().enumerate() {
        let LayerCurve { layer, points, .. } = curve;
        curve.check()?;
        let (mut drawn, mut hollow) = (Vec::new(), Vec::new());
        for (at, &(step, similarity)) in points.iter().enumerate() {
            let by = curve.chance_of(at);
            let similarity = unit(similarity, || {
                format!("the similarity of {layer} at step {step} to its end")
            })?;
            drawn.push(Some(Point {
                x: step as f64,
                y: similarity,
                says: format!(
                    "{layer} at step {step}: {}",
                    beside_chance(&short(similarity), similarity, by)
                ),
            }));
            if let Some(by) = by {
                levels.push((step as f64, by.upper));
                if by.could_give(similarity) {
                    hollow.push((step as f64, similarity));
                }
            }
        }
        curves.push(Curve {
            pieces: pieces(drawn.into_iter()),
            hollow,
            band: match intervals.get(index) {
                Some(intervals) => band(layer, points, intervals)?,
                None => Vec::new(),
            },
            ..Curve::named(layer, layer_look(index, layers.len()))
        });
    }
    let lows = curves
        .iter()
        .flat_map(|c| c.band.iter().flatten())
        .map(|bar| bar.low);
    if values(&curves).next().is_none() {
        let text = "No layer was compared with itself at the end.";
        return Err(Error::Nothing(text.into()));
    }
    let highest = bounds(levels.iter().map(|(_, upper)| *upper)).map(|(_, highest)| highest);
    let lows = values(&curves).chain(lows).chain(floor).chain(highest);
    let low = bounds(lows).map_or(0.0, |(low, _)| low);
    let low = ((low * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let shaded = chance_curve(levels.into_iter(), (low, 1.0), Chance::Below);
    Ok(Plot {
        label: format!(
            "{}: similarity of each layer to itself at the end of training, against step",
            pictures.run.info.name
        ),
        heading: format!("Similarity to the end: {}", heading_name(pictures.run)),
        size: Size::Wide,
        x: steps_axis(pictures.run, values_x(&curves)),
        y: Axis::linear(
            "similarity to the layer at the end",
            (low, 1.0),
            Unit::Number,
        ),
        right: None,
        curves: shaded.into_iter().chain(curves).collect(),
        level: floor.map(|floor| (format!("noise reaches {}", short(floor)), floor)),
        legend: Legend::Right,
    }
    .svg())
}

/// On which side of its level lies what chance could give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chance {
    Below,
    Above,
}

/// What chance could give, shaded from its level to the edge of an axis: at each place the level that reaches furthest.
/// None where no level lies within the axis.
pub(crate) fn chance_curve(
    levels: impl Iterator<Item = (f64, f64)>,
    (low, high): (f64, f64),
    side: Chance,
) -> Option<Curve> {
    let mut levels: Vec<(f64, f64)> = levels
        .filter(|(x, level)| drawable(*x) && drawable(*level))
        .collect();
    levels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let furthest = |a: f64, b: f64| match side {
        Chance::Below => a.max(b),
        Chance::Above => a.min(b),
    };
    let mut furthest_at: Vec<(f64, f64)> = Vec::new();
    for (x, level) in levels {
        match furthest_at.last_mut() {
            Some(last) if last.0 == x => last.1 = furthest(last.1, level),
            _ => furthest_at.push((x, level)),
        }
    }
    let within = furthest_at.iter().any(|(_, level)| match side {
        Chance::Below => *level > low,
        Chance::Above => *level < high,
    });
    let bars = furthest_at.into_iter().map(|(x, level)| match side {
        Chance::Below => Bar {
            x,
            low,
            high: level.clamp(low, high),
        },
        Chance::Above => Bar {
            x,
            low: level.clamp(low, high),
            high,
        },
    });
    within.then(|| Curve {
        band: vec![bars.collect()],
        shade: true,
        ..Curve::named("by chance", (colour::SOFT_INK, &[]))
    })
}

fn chance_at(check: &Check, layer: usize) -> Option<&ByChance> {
    check.chance.get(layer)?.as_ref()
}

fn band(
    layer: &str,
    points: &[(usize, f64)],
    intervals: &[Option<[f64; 2]>],
) -> Result<Vec<Vec<Bar>>, Error> {
    if intervals.is_empty() {
        return Ok(Vec::new());
    }
    let what = || format!("intervals of {layer}");
    length(intervals.len(), what, points.len(), "points")?;
    let mut bars = Vec::new();
    for (&(step, _), ends) in points.iter().zip(intervals) {
        let what = || format!("the interval of {layer} at step {step}");
        bars.push(match *ends {
            Some(ends) => {
                let [low, high] = interval(ends, what)?;
                Some(Bar {
                    x: step as f64,
                    low: unit(low, what)?,
                    high: unit(high, what)?,
                })
            }
            None => None,
        });
    }
    Ok(runs(bars.into_iter()))
}

/// A layer's colour and dash: layers next to each other have nearly the same colour.
pub(crate) fn layer_look(index: usize, layers: usize) -> (RGBColor, &'static [f64]) {
    let dash: &[f64] = if index.is_multiple_of(2) {
        &[]
    } else {
        &[7.0, 3.0]
    };
    (colour::layer(index, layers), dash)
}

pub(crate) fn heading_name(run: &Run) -> String {
    shorten(&run_names(&[run]).join(""), 80)
}

/// The checks that measured a layer: those up to the one that froze it.
fn measured(run: &Run, layer: usize) -> impl Iterator<Item = (&Check, Option<f64>)> {
    run.history.iter().enumerate().map(move |(index, check)| {
        let frozen_before = index > 0 && run.history[index - 1].frozen > layer;
        let similarity = check.similarity.get(layer).copied().flatten();
        (check, similarity.filter(|_| !frozen_before))
    })
}

fn frozen_at(run: &Run, layer: usize) -> Option<usize> {
    let mut checks = run.history.iter();
    checks.find(|c| c.frozen > layer).map(|c| c.step)
}

pub(crate) fn steps_axis(run: &Run, steps: impl Iterator<Item = f64>) -> Axis {
    let last = bounds(steps).map_or(0.0, |(_, last)| last);
    let end = run.info.outcome.as_ref().map_or(0, |end| end.step) as f64;
    Axis::linear("step", (0.0, last.max(end)), Unit::Count)
}

pub(crate) fn values(curves: &[Curve]) -> impl Iterator<Item = f64> {
    points(curves).map(|point| point.y)
}

pub(crate) fn values_x(curves: &[Curve]) -> impl Iterator<Item = f64> {
    points(curves).map(|point| point.x)
}

pub(crate) fn points(curves: &[Curve]) -> impl Iterator<Item = &Point> {
    curves
        .iter()
        .flat_map(|curve| curve.pieces.iter().flatten().chain(&curve.ring))
}

pub(crate) fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let edge = 0.05 * (high - low);
    (low - edge, high + edge)
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// With every nine that tells it from 1.
fn similarity_text(similarity: f64) -> String {
    let text = format!("{similarity:.7}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.replace("-0", "0")
}
