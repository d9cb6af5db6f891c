use serde::{Deserialize, Serialize};

/// What a training reported over one step or over several, or what one test of it found: a line of
/// `metrics.jsonl`.
///
/// Every step gives a point of its own. When there are many, neighbouring points become one ([`Metrics`]), and
/// `steps` and the counts of its values say how much one point stands for. Every number is finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsPoint {
    /// Optimiser steps done: the last step that the point is over.
    pub step: usize,
    /// How many steps the point is over; 0 for a test, whose point holds the test's values alone.
    pub steps: usize,
    /// `step` in epochs.
    pub epoch: f64,
    /// The training loss of these steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Spread>,
    /// The accuracy on the batches of these steps, in `[0, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<Spread>,
    /// The loss on held-out samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<Spread>,
    /// The accuracy on held-out samples, in `[0, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<Spread>,
    /// The learning rate of these steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<Spread>,
    /// Seconds of training so far, without measuring and testing.
    pub training_seconds: f64,
    /// Floating-point operations of training and measuring so far, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops: Option<f64>,
    /// How many layers, from the input up, were frozen in the last of these steps.
    pub frozen: usize,
    /// The wall-clock time after the last of these steps, in seconds since the start of 1970 (UTC).
    pub wall_seconds: f64,
}

impl MetricsPoint {
    /// Whether the point is of a test.
    pub fn is_test(&self) -> bool {
        self.steps == 0
    }

    /// Both points as one: values are joined, and what counts up is taken from the later one.
    pub fn joined(&self, later: &MetricsPoint) -> MetricsPoint {
        let both = |of: fn(&MetricsPoint) -> Option<Spread>| Spread::joined(of(self), of(later));
        MetricsPoint {
            steps: self.steps.saturating_add(later.steps),
            loss: both(|point| point.loss),
            train_accuracy: both(|point| point.train_accuracy),
            test_loss: both(|point| point.test_loss),
            test_accuracy: both(|point| point.test_accuracy),
            learning_rate: both(|point| point.learning_rate),
            flops: later.flops.or(self.flops),
            ..later.clone()
        }
    }

    /// The steps that the point is over, or the tests.
    fn width(&self) -> usize {
        let tests = [self.test_accuracy, self.test_loss];
        let tests = tests.into_iter().flatten().map(|spread| spread.count);
        self.steps.max(tests.max().unwrap_or(0)).max(1)
    }
}

/// One value or several: their mean, the least, the greatest, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// How many values; at least 1.
    pub count: usize,
}

impl Spread {
    /// One value; none where it is not finite.
    pub fn of(value: f64) -> Option<Self> {
        value.is_finite().then_some(Spread {
            mean: value,
            low: value,
            high: value,
            count: 1,
        })
    }

    fn joined(first: Option<Spread>, second: Option<Spread>) -> Option<Spread> {
        let (Some(a), Some(b)) = (first, second) else {
            return first.or(second);
        };
        let count = a.count.saturating_add(b.count);
        let (low, high) = (a.low.min(b.low), a.high.max(b.high));
        let share = b.count as f64 / count as f64;
        Some(Spread {
            // Rounding leaves neither the values nor, where they are all the same, that value.
            mean: (a.mean * (1.0 - share) + b.mean * share).clamp(low, high),
            low,
            high,
            count,
        })
    }
}

/// The points of a run in order, in bounded memory.
///
/// There are at most [`Metrics::POINTS`] twice of training and as many of tests. When one kind reaches that, its
/// neighbouring points are joined until at most [`Metrics::POINTS`] are left, all over the same number of steps, which
/// is a power of two. A thousand points are two for each pixel of a curve that is half a page wide; the means,
/// minima and maxima of what they stand for stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    points: Vec<MetricsPoint>,
    tests: usize,
}

impl Metrics {
    /// How many points thinning leaves at most, of training and of tests.
    pub const POINTS: usize = 1000;

    /// Adds a point; tells whether the points have been thinned.
    pub fn push(&mut self, point: MetricsPoint) -> bool {
        self.tests += usize::from(point.is_test());
        self.points.push(point);
        let most = self.tests.max(self.points.len() - self.tests);
        if most < 2 * Self::POINTS {
            return false;
        }
        self.points = thinned(&self.points, Self::POINTS);
        self.tests = self.points.iter().filter(|point| point.is_test()).count();
        true
    }

    /// All points, those of tests among the others.
    pub fn points(&self) -> &[MetricsPoint] {
        &self.points
    }

    /// The points of training.
    pub fn trained(&self) -> impl DoubleEndedIterator<Item = &MetricsPoint> {
        self.points.iter().filter(|point| !point.is_test())
    }

    /// The points of tests.
    pub fn tested(&self) -> impl DoubleEndedIterator<Item = &MetricsPoint> {
        self.points.iter().filter(|point| point.is_test())
    }

    /// Drops what came after this step. A point that is over steps on both sides of it is dropped too: no
    /// step is counted twice when it is done again.
    pub fn cut_after(&mut self, step: usize) {
        self.points.retain(|point| point.step <= step);
        self.tests = self.points.iter().filter(|point| point.is_test()).count();
    }

    /// The most steps that a point of training is over.
    pub fn width(&self) -> usize {
        self.trained()
            .map(MetricsPoint::width)
            .max()
            .unwrap_or_default()
            .max(1)
    }
}

impl FromIterator<MetricsPoint> for Metrics {
    fn from_iter<T: IntoIterator<Item = MetricsPoint>>(points: T) -> Self {
        let mut metrics = Metrics::default();
        for point in points {
            metrics.push(point);
        }
        metrics
    }
}

/// The same points with neighbours joined, until at most so many of training and of tests are left.
///
/// All but the last of a kind are over the same number of steps, where those given are.
pub fn thinned(points: &[MetricsPoint], most: usize) -> Vec<MetricsPoint> {
    let kind = |test: bool| {
        let of_kind = points.iter().enumerate();
        let of_kind: Vec<_> = of_kind.filter(|(_, p)| p.is_test() == test).collect();
        let widths = of_kind.iter().map(|(_, point)| point.width());
        let mut width = widths.max().unwrap_or(1).next_power_of_two();
        loop {
            let joined = joined(&of_kind, width);
            if joined.len() <= most.max(1) {
                return joined;
            }
            width = width.saturating_mul(2);
        }
    };
    let mut both = kind(false);
    both.extend(kind(true));
    both.sort_by_key(|(place, _)| *place);
    both.into_iter().map(|(_, point)| point).collect()
}

/// Neighbours joined as long as they are over at most `width` steps, each with the place of its last.
fn joined(points: &[(usize, &MetricsPoint)], width: usize) -> Vec<(usize, MetricsPoint)> {
    let mut all: Vec<(usize, MetricsPoint)> = Vec::new();
    for (place, point) in points {
        match all.last_mut() {
            Some((last, before)) if before.width().saturating_add(point.width()) <= width => {
                (*last, *before) = (*place, before.joined(point));
            }
            _ => all.push((*place, (*point).clone())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: usize) -> MetricsPoint {
        MetricsPoint {
            step,
            steps: 1,
            loss: Spread::of(step as f64),
            learning_rate: Spread::of(0.1),
            flops: Some(10.0 * step as f64),
            ..MetricsPoint::default()
        }
    }

    fn test(step: usize) -> MetricsPoint {
        MetricsPoint {
            step,
            test_accuracy: Spread::of(0.5),
            ..MetricsPoint::default()
        }
    }

    #[test]
    fn points_stay_few_and_stand_for_every_step() {
        let steps = 123_457;
        let metrics: Metrics = (1..=steps).map(point).collect();
        assert!(metrics.points().len() < 2 * Metrics::POINTS);
        let all: usize = metrics.points().iter().map(|point| point.steps).sum();
        assert_eq!(all, steps);
        // The mean over all steps is that of 1 to `steps`.
        let sum: f64 = metrics
            .points()
            .iter()
            .map(|point| point.loss.unwrap().mean * point.steps as f64)
            .sum();
        let exact = (steps * (steps + 1) / 2) as f64;
        assert!((sum / exact - 1.0).abs() < 1e-12); // one rounding a doubling
        let first = &metrics.points()[0];
        assert_eq!(first.steps, metrics.width());
        let Spread { low, high, .. } = first.loss.unwrap();
        assert_eq!((low, high), (1.0, first.steps as f64));
        let rates = metrics
            .points()
            .iter()
            .map(|point| point.learning_rate.unwrap());
        assert!(rates.into_iter().all(|rate| rate.mean == 0.1));
    }

    #[test]
    fn points_of_training_are_over_the_same_number_of_steps_after_thinning() {
        let mut metrics = Metrics::default();
        let thinned: Vec<usize> = (1..=5000)
            .filter(|step| metrics.push(point(*step)))
            .collect();
        // 2000 of 1 become 1000 of 2; with 1000 of 1 more, 750 of 4; with 1250 of 1 more, 532 of 8.
        assert_eq!(thinned, [2000, 3000, 4250]);
        let widths: Vec<usize> = metrics.points().iter().map(|point| point.steps).collect();
        let (joined, singles) = widths.split_at(532);
        assert!(joined[..531].iter().all(|width| *width == 8), "{joined:?}");
        assert!(singles.iter().all(|width| *width == 1), "{singles:?}");
    }

    #[test]
    fn a_test_is_never_joined_with_a_step() {
        let mut metrics = Metrics::default();
        for step in 1..=30_000 {
            metrics.push(point(step));
            if step % 1000 == 0 {
                metrics.push(test(step));
            }
        }
        let tests: Vec<usize> = metrics.tested().map(|test| test.step).collect();
        let expected: Vec<usize> = (1..=30).map(|thousand| 1000 * thousand).collect();
        assert_eq!(tests, expected);
        assert!(metrics.trained().all(|point| point.test_accuracy.is_none()));
        let steps: Vec<usize> = metrics.points().iter().map(|point| point.step).collect();
        assert!(steps.is_sorted(), "tests keep their place among the steps");
    }

    #[test]
    fn very_many_tests_are_thinned_too_and_say_how_many_a_point_stands_for() {
        let metrics: Metrics = (1..=5000).map(test).collect();
        assert!(metrics.points().len() < 2 * Metrics::POINTS);
        let counts = metrics
            .tested()
            .map(|test| test.test_accuracy.unwrap().count);
        assert_eq!(counts.sum::<usize>(), 5000);
    }

    #[test]
    fn step_numbers_that_start_again_are_thinned_all_the_same() {
        let metrics: Metrics = (0..9000).map(|step| point(step % 3)).collect();
        assert!(metrics.points().len() < 2 * Metrics::POINTS);
    }

    #[test]
    fn what_came_after_a_step_is_dropped_with_the_point_across_it() {
        let mut metrics: Metrics = (1..=3000).map(point).collect();
        metrics.cut_after(1001);
        assert_eq!(metrics.points().last().unwrap().step, 1000);
        assert_eq!(
            metrics.trained().map(|point| point.steps).sum::<usize>(),
            1000
        );
    }

    #[test]
    fn a_value_that_is_not_finite_is_no_value() {
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(Spread::of(value), None);
        }
        let huge = Spread::joined(Spread::of(f64::MAX), Spread::of(-f64::MAX)).unwrap();
        assert!(huge.mean.is_finite());
    }
}
