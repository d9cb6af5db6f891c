use frostline_activations::Run;

use crate::axis::{Axis, Unit, bounds, drawable, short};
use crate::curves::{Chance, chance_curve};
use crate::error::unit;
use crate::judged::beside_chance;
use crate::legend::Legend;
use crate::plot::{Curve, Plot, Point, Size, pieces};
use crate::summary::run_names;
use crate::svg::shorten;
use crate::{Against, Error, RunPictures, colour};

/// One layer's way to its end in every run that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedLayer {
    /// The layer.
    pub layer: String,
    /// The picture.
    pub svg: String,
}

/// For each layer that at least two runs have, the similarity to its own end in each of them: small plots
/// that share both axes, from the input up.
///
/// Only what was recorded is drawn: nothing is smoothed, and a point whose place on the axis is not known is
/// left out. What chance could give in any of the runs is shaded, and a point that its own chance level could give
/// is hollow. No picture where no two runs share a layer.
///
/// # Errors
/// [`Error::OutOfRange`] for a similarity outside `[0, 1]`, and as for
/// [`similarity_to_end`](crate::similarity_to_end) for chance levels.
pub fn compared_layers(
    runs: &[RunPictures<'_>],
    against: Against,
) -> Result<Vec<ComparedLayer>, Error> {
    let all: Vec<&Run> = runs.iter().map(|pictures| pictures.run).collect();
    let names = run_names(&all);
    let mut plots: Vec<(&str, Vec<Curve>, Option<f64>)> = Vec::new();
    for layer in shared_layers(runs) {
        let (mut curves, mut highest) = (Vec::new(), None);
        for (index, (pictures, name)) in runs.iter().zip(&names).enumerate() {
            let of_run = curve_of(pictures, layer, (name, index), against)?;
            if let Some((curve, level)) = of_run.filter(|(curve, _)| !curve.pieces.is_empty()) {
                curves.push(curve);
                highest = bounds(highest.into_iter().chain(level)).map(|(_, highest)| highest);
            }
        }
        if !curves.is_empty() {
            plots.push((layer, curves, highest));
        }
    }
    let points = || {
        let curves = plots.iter().flat_map(|(_, curves, _)| curves);
        curves.flat_map(|curve| curve.pieces.iter().flatten())
    };
    let last = bounds(points().map(|point| point.x)).map_or(0.0, |(_, last)| last);
    let levels = plots.iter().filter_map(|(_, _, highest)| *highest);
    let low = bounds(points().map(|point| point.y).chain(levels)).map_or(0.0, |(low, _)| low);
    let low = ((low * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let draw = |(layer, mut curves, highest): (&str, Vec<Curve>, Option<f64>)| {
        let drawn: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
        let x = against.axis(last);
        let label = format!(
            "{layer}: similarity to its own end against {}: {}",
            against.name(),
            drawn.join(", ")
        );
        if let Some(highest) = highest {
            let level = [(x.low, highest), (x.high, highest)];
            curves.extend(chance_curve(level.into_iter(), (low, 1.0), Chance::Below));
        }
        let plot = Plot {
            label,
            heading: shorten(layer, 34),
            size: Size::Third,
            x,
            y: Axis::linear("similarity to its end", (low, 1.0), Unit::Number),
            right: None,
            curves,
            level: None,
            legend: Legend::Below,
        };
        ComparedLayer {
            layer: layer.to_string(),
            svg: plot.svg(),
        }
    };
    Ok(plots.into_iter().map(draw).collect())
}

/// The layers that at least two runs have, in the order in which they first come.
fn shared_layers<'a>(runs: &'a [RunPictures<'_>]) -> Vec<&'a str> {
    let has = |pictures: &RunPictures<'_>, layer: &str| {
        let mut curves = pictures.to_end.iter();
        curves.any(|curve| curve.layer == layer && !curve.points.is_empty())
    };
    let mut shared: Vec<&str> = Vec::new();
    for curve in runs.iter().flat_map(|pictures| &pictures.to_end) {
        let having = runs.iter().filter(|run| has(run, &curve.layer)).count();
        if having >= 2 && !shared.contains(&curve.layer.as_str()) {
            shared.push(&curve.layer);
        }
    }
    shared
}

/// The curve of a layer in a run, and the highest similarity that chance could give on it. None where the run hasn't
/// got the layer.
fn curve_of(
    pictures: &RunPictures<'_>,
    layer: &str,
    (name, run): (&str, usize),
    against: Against,
) -> Result<Option<(Curve, Option<f64>)>, Error> {
    let mut curves = pictures.to_end.iter();
    let Some(curve) = curves.find(|curve| curve.layer == layer) else {
        return Ok(None);
    };
    curve.check()?;
    let (mut drawn, mut hollow) = (Vec::new(), Vec::new());
    for (at, &(step, similarity)) in curve.points.iter().enumerate() {
        let what = || format!("the similarity of {layer} at step {step} to its end in {name}");
        let y = unit(similarity, what)?;
        let by = curve.chance_of(at);
        let x = against.at_step(pictures.run, step);
        drawn.push(x.map(|x| Point {
            x,
            y,
            says: format!("{name} at step {step}: {}", beside_chance(&short(y), y, by)),
        }));
        if by.is_some_and(|by| by.could_give(y)) {
            hollow.extend(x.filter(|x| drawable(*x)).map(|x| (x, y)));
        }
    }
    let levels = curve.chance.iter().flatten().map(|by| by.upper);
    let highest = bounds(levels).map(|(_, highest)| highest);
    let curve = Curve {
        pieces: pieces(drawn.into_iter()),
        hollow,
        ..Curve::named(name, colour::run(run))
    };
    Ok(Some((curve, highest)))
}
