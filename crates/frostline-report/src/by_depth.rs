use plotters::prelude::RGBColor;

use crate::axis::{Axis, Unit, bounds, short};
use crate::colour::SOFT_INK;
use crate::curves::padded;
use crate::error::{interval, length, number};
use crate::legend::Legend;
use crate::plot::{Bar, Curve, LEVEL_DASH, Plot, Point, Size, pieces, runs};
use crate::svg::shorten;
use crate::{Error, colour};

/// Values by layer, from the input at the left to the output at the right: how sensitive layers are to a
/// class, say. Raghu et al. 2017, arXiv:1706.05806, figure 6.
#[derive(Clone, Debug, PartialEq)]
pub struct ByDepth {
    /// Above the picture.
    pub title: String,
    /// What the values are: the label of their axis.
    pub quantity: String,
    /// The layers, from the input up.
    pub layers: Vec<String>,
    /// The curves, in the order of the legend.
    pub curves: Vec<DepthCurve>,
    /// What noise alone reaches: grey, from the bottom of the picture up.
    pub floor: Option<DepthCurve>,
    /// What the axis shows at least; without it, what the values need.
    pub range: Option<[f64; 2]>,
}

/// One value a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthCurve {
    /// Its name, as the legend has it.
    pub name: String,
    /// One a layer, finite; none leaves a gap.
    pub values: Vec<Option<f64>>,
    /// Lower and upper end of each value, drawn as a band: one a layer, or none at all.
    pub intervals: Vec<Option<[f64; 2]>>,
}

/// Draws values by layer.
///
/// Errors: `Length` where values or intervals are not one a layer, `NotDrawable` for a number that isn't
/// finite, `Backwards` for an interval or a range that ends before it begins, `Nothing` without a value.
pub fn by_depth(picture: &ByDepth) -> Result<String, Error> {
    let every = || picture.floor.iter().chain(&picture.curves);
    for curve in every() {
        check(curve, &picture.layers)?;
    }
    let values = every().flat_map(|curve| curve.values.iter().copied().flatten());
    let ends = every().flat_map(|curve| curve.intervals.iter().copied().flatten().flatten());
    let Some(seen) = bounds(values.chain(ends)) else {
        let text = format!("No layer has a value of {}.", picture.quantity);
        return Err(Error::Nothing(text));
    };
    let (low, high) = match picture.range {
        None => padded(seen),
        Some(range) => {
            let [low, high] = interval(range, || "the range of the axis".into())?;
            (low.min(seen.0), high.max(seen.1))
        }
    };
    let y = Axis::linear(&picture.quantity, (low, high), Unit::Number);
    let floor = picture.floor.iter().map(|floor| {
        let mut floor = curve(picture, floor, (SOFT_INK, LEVEL_DASH));
        // Down to the bottom, besides its own intervals.
        let under = floor.pieces.iter().map(|piece| {
            let bars = piece.iter().map(|point| Bar {
                x: point.x,
                low: y.low,
                high: point.y,
            });
            bars.collect()
        });
        floor.band.extend(under.collect::<Vec<_>>());
        floor
    });
    let curves = picture.curves.iter().enumerate();
    let curves = curves.map(|(index, values)| curve(picture, values, colour::run(index)));

    let names: Vec<&str> = every().map(|curve| curve.name.as_str()).collect();
    Ok(Plot {
        label: format!(
            "{}: {} of {} layers, from the input to the output, of {}",
            picture.title,
            picture.quantity,
            picture.layers.len(),
            names.join(", ")
        ),
        heading: shorten(&picture.title, 120),
        size: Size::Wide,
        x: Axis::names("layer, from the input to the output", &picture.layers),
        right: None,
        curves: floor.chain(curves).collect(),
        y,
        level: None,
        legend: Legend::Below,
    }
    .svg())
}

fn check(curve: &DepthCurve, layers: &[String]) -> Result<(), Error> {
    let DepthCurve {
        name,
        values,
        intervals,
    } = curve;
    let what = || format!("values of {name}");
    length(values.len(), what, layers.len(), "layers")?;
    if !intervals.is_empty() {
        let what = || format!("intervals of {name}");
        length(intervals.len(), what, layers.len(), "layers")?;
    }
    for (layer, value) in layers.iter().zip(values) {
        if let Some(value) = *value {
            number(value, || format!("the value of {name} at {layer}"))?;
        }
    }
    for (layer, ends) in layers.iter().zip(intervals) {
        if let Some(ends) = *ends {
            interval(ends, || format!("the interval of {name} at {layer}"))?;
        }
    }
    Ok(())
}

fn curve(picture: &ByDepth, of: &DepthCurve, look: (RGBColor, &'static [f64])) -> Curve {
    let interval = |layer: usize| of.intervals.get(layer).copied().flatten();
    let points = of.values.iter().enumerate().map(|(layer, value)| {
        let y = (*value)?;
        let within = match interval(layer) {
            Some([low, high]) => format!(" ({} to {})", short(low), short(high)),
            None => String::new(),
        };
        Some(Point {
            x: layer as f64,
            y,
            says: format!(
                "{} at {}: {}{within}",
                of.name,
                picture.layers[layer],
                short(y)
            ),
        })
    });
    let bars = (0..of.values.len()).map(|layer| {
        interval(layer).map(|[low, high]| Bar {
            x: layer as f64,
            low,
            high,
        })
    });
    Curve {
        pieces: pieces(points),
        band: runs(bars),
        ..Curve::named(&of.name, look)
    }
}
