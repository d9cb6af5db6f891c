use frostline_activations::{OwnAndInherited, Run};

use crate::Error;
use crate::axis::{Axis, Unit, short};
use crate::curves::{heading_name, layer_look, steps_axis, values, values_x};
use crate::legend::Legend;
use crate::plot::{Curve, Plot, Point, Size, pieces};

/// How much of each layer's change since the previous check is its own: what its weights changed, and not what came from
/// below.
///
/// # Formula
/// `(1 - own) / ((1 - own) + (1 - inherited))` of [`OwnAndInherited`], squares of movements: 1 where a layer changed by its own weights
/// alone, as the lowest always does, and 0 where nothing but its inputs did. There is no point where neither moved by more than
/// rounding, `1 - s` below 10⁻⁶.
///
/// # Errors
/// [`Error::Nothing`] when no check knows the parts.
pub fn own_share_of_change(run: &Run) -> Result<String, Error> {
    let layers = &run.info.layers;
    let points = |index: usize| {
        let layer = layers[index].clone();
        run.history.iter().map(move |check| {
            let parts = check.parts.get(index).copied().flatten();
            let share = own_share(parts?)?;
            Some(Point {
                x: check.step as f64,
                y: share,
                says: format!(
                    "{layer} at step {}: {} of its change is its own",
                    check.step,
                    short(share)
                ),
            })
        })
    };
    let curves: Vec<Curve> = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| Curve {
            pieces: pieces(points(index)),
            ..Curve::named(layer, layer_look(index, layers.len()))
        })
        .collect();
    if values(&curves).next().is_none() {
        let text = "No check tells a layer's own change from what it inherits.";
        return Err(Error::Nothing(text.into()));
    }
    Ok(Plot {
        label: format!(
            "{}: share of each layer's change since the previous check that is its own, against step",
            run.info.name
        ),
        heading: format!("Own share of the change: {}", heading_name(run)),
        size: Size::Wide,
        x: steps_axis(run, values_x(&curves)),
        y: Axis::linear("own share of the change", (0.0, 1.0), Unit::Number),
        right: None,
        curves,
        level: None,
        legend: Legend::Right,
    }
    .svg())
}

/// Which share of a change is a layer's own; none where it did not change.
fn own_share(parts: OwnAndInherited) -> Option<f64> {
    if !(parts.own.is_finite() && parts.inherited.is_finite()) {
        return None;
    }
    let [own, inherited] = [parts.own, parts.inherited].map(|likeness| (1.0 - likeness).max(0.0));
    let share = own / (own + inherited);
    (own + inherited > 1e-6 && share.is_finite()).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_both_parts_and_of_nothing_where_nothing_moved() {
        let share = |own, inherited| own_share(OwnAndInherited { own, inherited });
        assert!((share(0.9, 0.7).unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(share(0.9, 1.0), Some(1.0));
        assert_eq!(share(1.0, 0.5), Some(0.0));
        assert_eq!(share(1.0, 1.0 - 1e-9), None);
        assert_eq!(share(1.2, 1.1), None, "rounding can give more than 1");
        assert_eq!(share(f64::NAN, 0.5), None);
    }
}
