//! Curves of whole runs: what they reported of every step and of every test.

use frostline_activations::{Check, MetricsPoint, Run, Spread, Status, thinned};

use crate::axis::{Axis, Unit, bounds, drawable, short};
use crate::colour;
use crate::curves::{padded, percent, points, values};
use crate::legend::Legend;
use crate::plot::{Bar, Curve, Plot, Point, Size, pieces, runs as stretches};
use crate::smoothing::{WINDOW, smoothed};
use crate::summary::{grouped, run_names};
use crate::{Against, Error};

/// The training loss of all runs on one plot: of every step, or the means of neighbouring steps with a band from the
/// least to the greatest; on top of it a curve that is [smoothed](crate::page::Page), where there are enough points.
///
/// A run without metrics has its checks' losses. A loss that is not finite leaves a gap. The axis is logarithmic
/// where the losses span more than three decades.
///
/// # Errors
/// [`Error::Nothing`] when no run knows a loss.
pub fn loss(runs: &[&Run], against: Against) -> Result<String, Error> {
    losses(runs, against, &LOSS)
}

/// The loss on held-out samples of all runs on one plot, as recorded.
///
/// # Errors
/// [`Error::Nothing`] when no run knows one.
pub fn test_loss(runs: &[&Run], against: Against) -> Result<String, Error> {
    losses(runs, against, &TEST_LOSS)
}

fn losses(runs: &[&Run], against: Against, quantity: &Quantity) -> Result<String, Error> {
    let curves = quantity.curves(runs, against);
    let Some((low, high)) = bounds(values(&curves)) else {
        return Err(nothing(quantity, against));
    };
    // Past three decades a linear axis shows the largest loss and a flat line.
    let y = if low > 0.0 && high / low > 1e3 {
        Axis::logarithmic(&format!("{} (log)", quantity.axis), (low, high))
    } else {
        Axis::linear(quantity.axis, padded((low, high)), Unit::Number)
    };
    Ok(plot(quantity, runs, against, y, curves))
}

/// The test accuracy of all runs on one plot, in percent; a ring marks the final accuracy where a run
/// recorded one.
///
/// # Errors
/// [`Error::Nothing`] when no run knows an accuracy, or none with a place on the axis.
pub fn accuracy(runs: &[&Run], against: Against) -> Result<String, Error> {
    let mut curves = TEST_ACCURACY.curves(runs, against);
    for (curve, run) in curves.iter_mut().zip(runs) {
        curve.ring = final_accuracy(run, against, &curve.name);
    }
    accuracies(runs, against, &TEST_ACCURACY, curves)
}

/// The accuracy on the batches of training, in percent; smoothed as the loss is.
///
/// # Errors
/// [`Error::Nothing`] when no run knows one.
pub fn train_accuracy(runs: &[&Run], against: Against) -> Result<String, Error> {
    let curves = TRAIN_ACCURACY.curves(runs, against);
    accuracies(runs, against, &TRAIN_ACCURACY, curves)
}

fn accuracies(
    runs: &[&Run],
    against: Against,
    quantity: &Quantity,
    curves: Vec<Curve>,
) -> Result<String, Error> {
    let Some((low, high)) = bounds(values(&curves)) else {
        return Err(nothing(quantity, against));
    };
    let (low, high) = padded((low, high));
    let within = (low.max(0.0), high.min(1.0).max(low.max(0.0)));
    let y = Axis::linear(quantity.axis, within, Unit::Percent);
    Ok(plot(quantity, runs, against, y, curves))
}

/// The learning rate of all runs on one plot.
///
/// # Errors
/// [`Error::Nothing`] when no run knows one.
pub fn learning_rate(runs: &[&Run], against: Against) -> Result<String, Error> {
    let curves = LEARNING_RATE.curves(runs, against);
    let Some((low, high)) = bounds(values(&curves)) else {
        return Err(nothing(&LEARNING_RATE, against));
    };
    // A little more, so that no line lies on the frame.
    let y = Axis::linear(
        LEARNING_RATE.axis,
        (low.min(0.0), 1.05 * high),
        Unit::Number,
    );
    Ok(plot(&LEARNING_RATE, runs, against, y, curves))
}

/// How many layers of each run were frozen when, on one plot.
///
/// # Errors
/// [`Error::Nothing`] when no layer of any run was frozen.
pub fn frozen_layers(runs: &[&Run], against: Against) -> Result<String, Error> {
    let names = run_names(runs);
    let curve = |(index, (run, name)): (usize, (&&Run, &String))| Curve {
        pieces: pieces(frost_line(run, against, name).into_iter().map(Some)),
        ..Curve::named(&legend_name(run, name), colour::run(index))
    };
    let curves: Vec<Curve> = runs.iter().zip(&names).enumerate().map(curve).collect();
    let most = bounds(values(&curves)).map_or(0.0, |(_, most)| most);
    if most == 0.0 {
        return Err(Error::Nothing("No layer was frozen.".into()));
    }
    // A little more, so that no line lies on the frame.
    let y = Axis::linear(FROZEN.axis, (0.0, most + 0.2), Unit::Count);
    Ok(plot(&FROZEN, runs, against, y, curves))
}

/// The corners of a run's frost line. It moves at checks alone.
fn frost_line(run: &Run, against: Against, name: &str) -> Vec<Point> {
    let mut corners: Vec<Point> = Vec::new();
    let mut corner = |x: Option<f64>, layers: usize, step: usize| {
        let Some(x) = x.filter(|&x| drawable(x)) else {
            return;
        };
        let point = |y: f64| Point {
            x,
            y,
            says: format!("{name} from step {step} on: {y} frozen"),
        };
        let y = layers as f64;
        match corners.last().map(|last| last.y) {
            Some(before) if before != y => {
                let turn = String::new();
                corners.push(Point {
                    says: turn,
                    ..point(before)
                });
                corners.push(point(y));
            }
            None => corners.push(point(y)),
            Some(_) => {}
        }
    };
    for check in &run.history {
        corner(against.at(check), check.frozen, check.step);
    }
    let ends = [
        run.history.last().and_then(|check| against.at(check)),
        run.metrics
            .points()
            .last()
            .and_then(|point| against.at_point(point)),
        against.at_end(run),
    ];
    let end = bounds(ends.into_iter().flatten());
    if let (Some((_, end)), Some(last)) = (end, corners.last().cloned()) {
        let says = String::new();
        corners.push(Point {
            x: end.max(last.x),
            says,
            ..last
        });
    }
    corners
}

/// One quantity that runs record.
struct Quantity {
    heading: &'static str,
    axis: &'static str,
    /// In a sentence.
    name: &'static str,
    /// With its article.
    one: &'static str,
    of_point: fn(&MetricsPoint) -> Option<Spread>,
    of_check: fn(&Check) -> Option<f64>,
    written: fn(f64) -> String,
    smooth: bool,
}

const LOSS: Quantity = Quantity {
    heading: "Training loss",
    axis: "training loss",
    name: "loss",
    one: "loss",
    of_point: |point| point.loss,
    of_check: |check| check.loss,
    written: short,
    smooth: true,
};

const TEST_LOSS: Quantity = Quantity {
    heading: "Test loss",
    axis: "test loss",
    name: "test loss",
    one: "test loss",
    of_point: |point| point.test_loss,
    of_check: |_| None,
    written: short,
    smooth: false,
};

const TEST_ACCURACY: Quantity = Quantity {
    heading: "Test accuracy",
    axis: "test accuracy (%)",
    name: "accuracy",
    one: "test accuracy",
    of_point: |point| point.test_accuracy,
    of_check: |check| check.accuracy,
    written: percent,
    smooth: false,
};

const TRAIN_ACCURACY: Quantity = Quantity {
    heading: "Training accuracy",
    axis: "training accuracy (%)",
    name: "training accuracy",
    one: "training accuracy",
    of_point: |point| point.train_accuracy,
    of_check: |_| None,
    written: percent,
    smooth: true,
};

const LEARNING_RATE: Quantity = Quantity {
    heading: "Learning rate",
    axis: "learning rate",
    name: "learning rate",
    one: "learning rate",
    of_point: |point| point.learning_rate,
    of_check: |check| check.learning_rate,
    written: short,
    smooth: false,
};

const FROZEN: Quantity = Quantity {
    heading: "Frozen layers",
    axis: "frozen layers",
    name: "frozen layers",
    one: "frozen layer",
    of_point: |_| None,
    of_check: |_| None,
    written: short,
    smooth: false,
};

/// Points of all curves of a picture at most, and of one curve; the tables have them all.
const DRAWN: (usize, usize) = (600, 200);
/// The same of the points that say their values under the pointer, about.
const SAYING: (usize, usize) = (72, 30);
/// A curve of fewer points needs no smoothing.
const SMOOTHED: usize = 40;

/// Joins a last point of training with the one before it, if that is over more than twice as many steps: the few steps that were left
/// over, a small batch at the end of an epoch among them, would stand out from means.
fn join_the_last(points: &mut Vec<MetricsPoint>) {
    let trained = points.iter().enumerate().rev();
    let mut trained = trained.filter(|(_, point)| !point.is_test());
    let (Some((last, few)), Some((before, many))) = (trained.next(), trained.next()) else {
        return;
    };
    if 2 * few.steps < many.steps {
        points[last] = many.joined(few);
        points.remove(before);
    }
}

/// A value of a run, and where it lies.
struct Sample {
    place: MetricsPoint,
    value: Spread,
}

impl Quantity {
    fn curves(&self, runs: &[&Run], against: Against) -> Vec<Curve> {
        let longest = runs.iter().map(|run| run.info.length.steps).max();
        let window = WINDOW * longest.unwrap_or(0) as f64;
        let names = run_names(runs);
        let each = |(all, one): (usize, usize)| (all / runs.len().max(1)).clamp(1, one);
        let (most, saying) = (each(DRAWN), each(SAYING));
        let curve = |(index, (run, name)): (usize, (&&Run, &String))| {
            let samples = self.samples(run, most);
            let every = samples.len().div_ceil(saying);
            let points = samples.iter().enumerate().map(|(place, sample)| {
                let says = match samples.len() <= 2 * saying || place.is_multiple_of(every) {
                    true => self.says(name, sample),
                    false => String::new(),
                };
                let point = |x| Point {
                    x,
                    y: sample.value.mean,
                    says,
                };
                against.at_point(&sample.place).map(point)
            });
            Curve {
                pieces: pieces(points),
                // What is not smoothed has no noise to show.
                band: match self.smooth {
                    true => band(&samples, against),
                    false => Vec::new(),
                },
                smooth: match self.smooth {
                    true => self.smoothed(run, against, (window, most)),
                    false => Vec::new(),
                },
                ..Curve::named(&legend_name(run, name), colour::run(index))
            }
        };
        runs.iter().zip(&names).enumerate().map(curve).collect()
    }

    /// What a run recorded of it: its metrics, `most` points of them, and before they begin its checks.
    fn samples(&self, run: &Run, most: usize) -> Vec<Sample> {
        let points = run.metrics.points();
        let first = points.first().map_or(usize::MAX, |point| point.step);
        let before = run.history.iter().filter(|check| check.step < first);
        let checked = before.filter_map(|check| {
            let value = (self.of_check)(check)?;
            Some(Sample {
                place: place_of(check),
                // It may be none that can be drawn, and is then a gap.
                value: Spread {
                    mean: value,
                    low: value,
                    high: value,
                    count: 1,
                },
            })
        });
        let of_point = |place: MetricsPoint| {
            let value = (self.of_point)(&place)?;
            Some(Sample { place, value })
        };
        let mut reported = thinned(points, most);
        join_the_last(&mut reported);
        let reported = reported.into_iter().filter_map(of_point);
        checked.chain(reported).collect()
    }

    fn says(&self, name: &str, Sample { place, value }: &Sample) -> String {
        let (quantity, mean) = (self.name, (self.written)(value.mean));
        let step = place.step;
        if value.count == 1 {
            return format!("{name} at step {step}: {quantity} {mean}");
        }
        let [low, high] = [value.low, value.high].map(self.written);
        let count = value.count;
        format!(
            "{name} up to step {step}: {quantity} {mean}, the mean of {count} from {low} to {high}"
        )
    }

    fn smoothed(
        &self,
        run: &Run,
        against: Against,
        (window, most): (f64, usize),
    ) -> Vec<Vec<Point>> {
        let reported = run.metrics.trained();
        let reported: Vec<(&MetricsPoint, Spread)> = reported
            .filter_map(|point| Some((point, (self.of_point)(point)?)))
            .collect();
        if reported.len() < SMOOTHED {
            return Vec::new();
        }
        let means: Vec<(f64, f64)> = reported
            .iter()
            .map(|(_, value)| (value.mean, value.count as f64))
            .collect();
        let smoothed = smoothed(&means, window);
        let every = reported.len().div_ceil(most);
        let last = reported.len() - 1;
        let points = reported.iter().zip(smoothed).enumerate();
        pieces(
            points
                .filter(|(place, _)| place.is_multiple_of(every) || *place == last)
                .map(|(_, ((point, _), y))| {
                    let says = String::new();
                    against.at_point(point).map(|x| Point { x, y, says })
                }),
        )
    }
}

/// Where a check lies.
fn place_of(check: &Check) -> MetricsPoint {
    MetricsPoint {
        step: check.step,
        steps: 1,
        epoch: check.epoch,
        training_seconds: check.training_seconds,
        flops: Against::Flops.at(check),
        ..MetricsPoint::default()
    }
}

/// From the least to the greatest of the values that each point is the mean of.
fn band(samples: &[Sample], against: Against) -> Vec<Vec<Bar>> {
    if samples.iter().all(|sample| sample.value.count == 1) {
        return Vec::new();
    }
    let bar = |Sample { place, value }: &Sample| {
        let bar = Bar {
            x: against.at_point(place)?,
            low: value.low,
            high: value.high,
        };
        [bar.x, bar.low, bar.high]
            .into_iter()
            .all(drawable)
            .then_some(bar)
    };
    let mut bands = stretches(samples.iter().map(bar));
    bands.retain(|band| band.len() > 1);
    bands
}

fn plot(
    quantity: &Quantity,
    runs: &[&Run],
    against: Against,
    y: Axis,
    curves: Vec<Curve>,
) -> String {
    let by = against.name();
    let places = points(&curves).map(|point| point.x);
    let last = bounds(places).map_or(1.0, |(_, last)| last);
    let (what, names) = (quantity.heading, run_names(runs).join(", "));
    Plot {
        label: format!("{what} against {by}: {names}"),
        heading: format!("{what} against {by}"),
        size: Size::Half,
        x: against.axis(last),
        y,
        right: None,
        curves,
        level: None,
        legend: Legend::Below,
    }
    .svg()
}

fn nothing(quantity: &Quantity, against: Against) -> Error {
    let one = quantity.one;
    Error::Nothing(match against {
        Against::Flops => format!("No {one} was recorded with counted operations."),
        _ => format!("No {one} was recorded."),
    })
}

fn legend_name(run: &Run, name: &str) -> String {
    match run.info.outcome.as_ref().map(|end| end.status) {
        Some(Status::Finished) => name.to_string(),
        Some(Status::Interrupted) => format!("{name} (interrupted)"),
        Some(Status::Diverged) => format!("{name} (diverged)"),
        None => format!("{name} (no end recorded)"),
    }
}

fn final_accuracy(run: &Run, against: Against, name: &str) -> Option<Point> {
    let end = run.info.outcome.as_ref()?;
    let y = end.accuracy?;
    let x = against.at_end(run)?;
    let samples = match end.test_samples {
        Some(samples) => format!(" of {} test samples", grouped(samples)),
        None => String::new(),
    };
    (drawable(x) && drawable(y)).then(|| Point {
        x,
        y,
        says: format!("{name}, final: {}{samples}", percent(y)),
    })
}
