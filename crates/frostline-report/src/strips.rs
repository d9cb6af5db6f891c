use plotters::prelude::RGBColor;

use crate::Error;
use crate::axis::{Axis, Unit, bounds, short};
use crate::colour::{self, GRID, SOFT_INK};
use crate::curves::padded;
use crate::error::{length, number};
use crate::legend::{Entry, Legend};
use crate::short_names::short_names;
use crate::summary::grouped;
use crate::svg::{Area, Canvas, Font, picture, shorten, text_width};

/// What two networks say about the same samples, sorted by class: the directions in which they agree, beside
/// their strongest neurons. Raghu et al. 2017, arXiv:1706.05806, figure 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Strips {
    /// Above the picture.
    pub title: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The class of each sample, from 0 on, in the order of the values.
    pub labels: Vec<usize>,
    /// The names of the networks.
    pub networks: [String; 2],
    /// One panel each, from the top.
    pub rows: Vec<Strip>,
}

/// One direction or neuron of each network.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// The heading of its panel.
    pub name: String,
    /// How the two go together, written beside the name.
    pub correlation: Option<f64>,
    /// The values of the first network and of the second, one a sample, finite.
    pub values: [Vec<f64>; 2],
}

/// Draws a panel a row, the samples from the left to the right by class and within a class as they come.
///
/// Networks have scales of their own, so each one's values are drawn as `(v - mean) / deviation` over all samples of
/// the row (the deviation divides by `n`); values that are all the same are drawn as 0. Of more than 600
/// samples so many are drawn, evenly spaced within each class, in which case the picture says so; means are
/// of all samples.
///
/// Errors: `Length` where a row's values are not one a sample, `NoSuchClass`, `NotDrawable` for a number that
/// isn't finite, `Nothing` without rows or samples.
pub fn strips(picture: &Strips) -> Result<String, Error> {
    check(picture)?;
    let samples = Samples::of(&picture.labels, picture.classes.len());
    let rows: Vec<[Vec<f64>; 2]> = picture
        .rows
        .iter()
        .map(|row| row.values.each_ref().map(|values| standardised(values)))
        .collect();
    Ok(drawn(picture, &samples, &rows))
}

/// Drawn at most, but for one of each class.
const DRAWN: usize = 600;

fn check(picture: &Strips) -> Result<(), Error> {
    let samples = picture.labels.len();
    if picture.rows.is_empty() || samples == 0 {
        let text = "There are no directions of two networks to draw.";
        return Err(Error::Nothing(text.into()));
    }
    let classes = picture.classes.len();
    let mut labels = picture.labels.iter().enumerate();
    if let Some((sample, &label)) = labels.find(|(_, label)| **label >= classes) {
        return Err(Error::NoSuchClass {
            sample,
            label,
            classes,
        });
    }
    for row in &picture.rows {
        if let Some(correlation) = row.correlation {
            number(correlation, || format!("the correlation of {}", row.name))?;
        }
        for (network, values) in picture.networks.iter().zip(&row.values) {
            let what = || format!("values of {} in {network}", row.name);
            length(values.len(), what, samples, "samples")?;
            for (sample, value) in values.iter().enumerate() {
                let what = || format!("{} in {network} at sample {sample}", row.name);
                number(*value, what)?;
            }
        }
    }
    Ok(())
}

/// The samples in the order of the picture.
struct Samples {
    /// All of a class, for each class that has some.
    classes: Vec<(usize, Vec<usize>)>,
    /// Those of them that are drawn.
    drawn: Vec<Vec<usize>>,
    /// How many there are.
    count: usize,
}

impl Samples {
    fn of(labels: &[usize], classes: usize) -> Self {
        let mut of_class = vec![Vec::new(); classes];
        for (sample, &label) in labels.iter().enumerate() {
            of_class[label].push(sample);
        }
        let classes: Vec<(usize, Vec<usize>)> = of_class
            .into_iter()
            .enumerate()
            .filter(|(_, samples)| !samples.is_empty())
            .collect();
        let count = labels.len();
        let drawn = classes.iter().map(|(_, samples)| {
            let share = (samples.len() * DRAWN / count).max(1);
            evenly(samples, share.min(samples.len()))
        });
        Samples {
            drawn: drawn.collect(),
            classes,
            count,
        }
    }

    fn drawn(&self) -> usize {
        self.drawn.iter().map(Vec::len).sum()
    }

    /// The part of a panel that each class has.
    fn spans(&self, frame: Area) -> Vec<Area> {
        let wide = frame.width() / self.drawn() as f64;
        let mut left = frame.left;
        let spans = self.drawn.iter().map(|samples| {
            let right = left + wide * samples.len() as f64;
            let span = Area {
                left,
                right,
                ..frame
            };
            left = right;
            span
        });
        spans.collect()
    }
}

/// So many of them, each from the middle of its share.
fn evenly(samples: &[usize], count: usize) -> Vec<usize> {
    let middle = |at: usize| (2 * at + 1) * samples.len() / (2 * count);
    (0..count).map(|at| samples[middle(at)]).collect()
}

/// With mean 0 and variance 1; zeros where all are the same.
fn standardised(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    // By the largest, since the squares of large numbers are not finite.
    let largest = values
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()));
    if largest == 0.0 {
        return vec![0.0; values.len()];
    }
    let scaled: Vec<f64> = values.iter().map(|value| value / largest).collect();
    let mean = scaled.iter().sum::<f64>() / count;
    let squares = scaled.iter().map(|value| (value - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    // Less is the rounding of the mean.
    if deviation < 1e-12 {
        return vec![0.0; values.len()];
    }
    scaled
        .iter()
        .map(|value| (value - mean) / deviation)
        .collect()
}

const WIDTH: f64 = 1180.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TITLE: f64 = 30.0;
const KEY: f64 = 26.0;
const HEADING: f64 = 24.0;
const PANEL: f64 = 96.0;
const BETWEEN: f64 = 12.0;
const BELOW: f64 = 26.0;
const TEXT: f64 = 12.0;
/// Pixels of a class that has a boundary and says its numbers.
const LEAST_COLUMN: f64 = 4.0;
/// Characters of a class' name.
const NAME: usize = 18;
const BOUNDARY_DASH: &[f64] = &[1.5, 3.0];

fn drawn(strips: &Strips, samples: &Samples, rows: &[[Vec<f64>; 2]]) -> String {
    let across = Area {
        left: LEFT,
        top: 0.0,
        right: WIDTH - RIGHT,
        bottom: 0.0,
    };
    let names = ClassNames::of(strips, samples, across);
    let panels = rows.len() as f64 * (HEADING + PANEL + BETWEEN) - BETWEEN;
    let height = TITLE + KEY + panels + names.height + BELOW;
    let label = format!(
        "{}: {} of {} and {}, by class",
        strips.title,
        strips
            .rows
            .iter()
            .map(written)
            .collect::<Vec<_>>()
            .join(", "),
        strips.networks[0],
        strips.networks[1],
    );
    picture((WIDTH, height), &label, |canvas| {
        let title = Font::left(14.0).bold();
        canvas.text(&shorten(&strips.title, 80), (LEFT, TITLE / 2.0), title);
        draw_key(canvas, strips, samples);
        let mut top = TITLE + KEY;
        for (row, values) in strips.rows.iter().zip(rows) {
            canvas.text(&written(row), (LEFT, top + HEADING / 2.0), Font::left(13.0));
            let frame = Area {
                top: top + HEADING,
                bottom: top + HEADING + PANEL,
                ..across
            };
            draw_panel(canvas, frame, strips, samples, values);
            top = frame.bottom + BETWEEN;
        }
        names.draw(canvas, top - BETWEEN + 7.0);
        let below = (across.centre().0, height - BELOW / 2.0);
        canvas.text("samples by class", below, Font::centre(TEXT));
    })
}

/// `direction 1, correlation 0.98`.
fn written(row: &Strip) -> String {
    let name = shorten(&row.name, 100);
    match row.correlation {
        Some(correlation) => format!("{name}, correlation {correlation:.2}"),
        None => name,
    }
}

fn draw_key(canvas: &mut Canvas, strips: &Strips, samples: &Samples) {
    let networks = strips.networks.iter().enumerate();
    let entries = networks.map(|(index, name)| Entry::line(name, look(index)));
    let entries = Legend::Below.arranged(entries.collect(), (WIDTH - LEFT - RIGHT, 0.0));
    for entry in &entries {
        entry.draw(canvas, (LEFT, TITLE));
    }
    let all = grouped(samples.count);
    let shown = match samples.drawn() {
        drawn if drawn < samples.count => format!(
            "{} of {all} samples drawn, evenly spaced within each class",
            grouped(drawn)
        ),
        _ => format!("{all} samples"),
    };
    let right = Font::right(11.0).colour(SOFT_INK);
    canvas.text(&shown, (WIDTH - RIGHT, TITLE / 2.0), right);
}

fn draw_class(canvas: &mut Canvas, points: &[(f64, f64)], colour: RGBColor) {
    match points {
        [alone] => canvas.dot(*alone, 1.5, colour),
        _ => canvas.line(points, colour, 0.9),
    }
}

/// The colour of a network, and no dash.
fn look(network: usize) -> (RGBColor, &'static [f64]) {
    (colour::run(network).0, &[])
}

fn draw_panel(
    canvas: &mut Canvas,
    frame: Area,
    strips: &Strips,
    samples: &Samples,
    values: &[Vec<f64>; 2],
) {
    let shown = || samples.drawn.iter().flatten();
    let every = values
        .iter()
        .flat_map(|values| shown().map(|&sample| values[sample]));
    let (low, high) = bounds(every).expect("a row has samples");
    let y = Axis::linear("", padded((low.min(-1.0), high.max(1.0))), Unit::Number);
    let place = |value: f64| frame.bottom - y.share(value) * frame.height();
    let spans = samples.spans(frame);

    let label = Font::centre(11.0).colour(SOFT_INK).upright();
    canvas.text("standardised", (12.0, frame.centre().1), label);
    // A panel is too low for more than four numbers.
    for (value, text) in y.ticks.iter().step_by(y.ticks.len().div_ceil(4)) {
        let y = place(*value);
        canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 1.0);
        canvas.text(text, (frame.left - 8.0, y), Font::right(11.0));
    }
    for (network, values) in values.iter().enumerate() {
        for (drawn, column) in samples.drawn.iter().zip(&spans) {
            let apart = column.width() / drawn.len() as f64;
            let points = drawn.iter().enumerate().map(|(at, &sample)| {
                let x = column.left + (at as f64 + 0.5) * apart;
                (x, place(values[sample]))
            });
            draw_class(canvas, &points.collect::<Vec<_>>(), look(network).0);
        }
    }
    for (column, (class, of_class)) in spans.into_iter().zip(&samples.classes) {
        // Narrower columns would be all boundary, and cannot be pointed at.
        if column.width() < LEAST_COLUMN {
            continue;
        }
        if column.left > frame.left {
            let boundary = [(column.left, frame.top), (column.left, frame.bottom)];
            canvas.dashed(&boundary, SOFT_INK, 1.2, BOUNDARY_DASH);
        }
        let mean = |values: &Vec<f64>| {
            let all = of_class.iter().map(|&sample| values[sample]);
            short(all.sum::<f64>() / of_class.len() as f64)
        };
        let says = format!(
            "{}, {} samples: mean {} in {}, {} in {}",
            strips.classes[*class],
            grouped(of_class.len()),
            mean(&values[0]),
            strips.networks[0],
            mean(&values[1]),
            strips.networks[1],
        );
        canvas.hover(column, &says);
    }
    canvas.frame(frame, SOFT_INK, 1.0);
}

/// The names of the classes below the lowest panel.
struct ClassNames {
    /// Names with the middles of their classes, those left out that would touch the one before.
    shown: Vec<(String, f64)>,
    upright: bool,
    height: f64,
}

impl ClassNames {
    fn of(strips: &Strips, samples: &Samples, across: Area) -> Self {
        let names = short_names(&strips.classes, NAME);
        let spans = samples.spans(across);
        let width = |name: &String| text_width(name.chars().count(), TEXT);
        let named: Vec<(String, Area)> = samples
            .classes
            .iter()
            .zip(spans)
            .map(|((class, _), span)| (names[*class].clone(), span))
            .collect();
        let upright = named
            .iter()
            .any(|(name, span)| width(name) + 6.0 > span.width());
        let longest = named
            .iter()
            .map(|(name, _)| width(name))
            .fold(0.0, f64::max);
        let mut shown: Vec<(String, f64)> = Vec::new();
        for (name, span) in named {
            let middle = span.centre().0;
            let free = shown.last().is_none_or(|(_, last)| middle - last > TEXT);
            if !upright || free {
                shown.push((name, middle));
            }
        }
        ClassNames {
            shown,
            upright,
            height: 7.0 + if upright { longest } else { TEXT },
        }
    }

    fn draw(&self, canvas: &mut Canvas, top: f64) {
        for (name, middle) in &self.shown {
            match self.upright {
                true => canvas.text(name, (*middle, top), Font::right(TEXT).upright()),
                false => canvas.text(name, (*middle, top + TEXT / 2.0), Font::centre(TEXT)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_drawn_with_mean_0_and_variance_1() {
        for scale in [1e-90, 1.0, 1e90] {
            let drawn = standardised(&[1.0, 2.0, 3.0, 6.0].map(|value| scale * value));
            let mean = drawn.iter().sum::<f64>() / 4.0;
            let variance = drawn.iter().map(|value| value * value).sum::<f64>() / 4.0;
            // Four sums of numbers near 1.
            assert!(mean.abs() < 1e-14 && (variance - 1.0).abs() < 1e-14);
        }
        assert_eq!(standardised(&[0.1; 7]), [0.0; 7]);
        assert_eq!(standardised(&[0.0; 2]), [0.0; 2]);
    }

    #[test]
    fn drawn_samples_are_spread_evenly_over_each_class() {
        let labels: Vec<usize> = (0..2000).map(|sample| sample % 4 / 3).collect();
        let samples = Samples::of(&labels, 3);
        let drawn: Vec<usize> = samples.drawn.iter().map(Vec::len).collect();
        assert_eq!(drawn, [450, 150], "a class without samples has no place");
        // Every third or fourth sample of a class of 1500 of 2000.
        for pair in samples.drawn[0].windows(2) {
            assert!((4..=6).contains(&(pair[1] - pair[0])), "{pair:?}");
        }
        let few = Samples::of(&[1, 0, 1], 2);
        assert_eq!(few.drawn, [vec![1], vec![0, 2]]);
        // One sample of a class that is rare.
        let mut rare = vec![0; 5000];
        rare.push(1);
        assert_eq!(Samples::of(&rare, 2).drawn[1], [5000]);
    }
}
