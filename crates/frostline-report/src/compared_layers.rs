use frostline_activations::Run;

use crate::axis::{Axis, Unit, bounds, short};
use crate::error::unit;
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
/// left out. No picture where no two runs share a layer. Errors: `OutOfRange` for a similarity outside `[0, 1]`.
pub fn compared_layers(
    runs: &[RunPictures<'_>],
    against: Against,
) -> Result<Vec<ComparedLayer>, Error> {
    let all: Vec<&Run> = runs.iter().map(|pictures| pictures.run).collect();
    let names = run_names(&all);
    let mut plots: Vec<(&str, Vec<Curve>)> = Vec::new();
    for layer in shared_layers(runs) {
        let mut curves = Vec::new();
        for (index, (pictures, name)) in runs.iter().zip(&names).enumerate() {
            let pieces = pieces_of(pictures, layer, name, against)?;
            if !pieces.is_empty() {
                let look = colour::run(index);
                let named = Curve::named(name, look);
                curves.push(Curve { pieces, ..named });
            }
        }
        if !curves.is_empty() {
            plots.push((layer, curves));
        }
    }
    let points = || {
        let curves = plots.iter().flat_map(|(_, curves)| curves);
        curves.flat_map(|curve| curve.pieces.iter().flatten())
    };
    let last = bounds(points().map(|point| point.x)).map_or(0.0, |(_, last)| last);
    let low = bounds(points().map(|point| point.y)).map_or(0.0, |(low, _)| low);
    let low = ((low * 10.0).floor() / 10.0).min(0.9);
    let draw = |(layer, curves): (&str, Vec<Curve>)| {
        let drawn: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
        let label = format!(
            "{layer}: similarity to its own end against {}: {}",
            against.name(),
            drawn.join(", ")
        );
        let plot = Plot {
            label,
            heading: shorten(layer, 34),
            size: Size::Third,
            x: against.axis(last),
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

fn pieces_of(
    pictures: &RunPictures<'_>,
    layer: &str,
    name: &str,
    against: Against,
) -> Result<Vec<Vec<Point>>, Error> {
    let mut curves = pictures.to_end.iter();
    let Some(curve) = curves.find(|curve| curve.layer == layer) else {
        return Ok(Vec::new());
    };
    let mut drawn = Vec::new();
    for &(step, similarity) in &curve.points {
        let what = || format!("the similarity of {layer} at step {step} to its end in {name}");
        let y = unit(similarity, what)?;
        drawn.push(against.at_step(pictures.run, step).map(|x| Point {
            x,
            y,
            says: format!("{name} at step {step}: {}", short(y)),
        }));
    }
    Ok(pieces(drawn.into_iter()))
}
