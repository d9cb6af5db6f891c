/// The share of the longest run's planned steps that a smoothed value is the mean of.
pub(crate) const WINDOW: f64 = 0.05;

/// The means of values around each of them, `window` steps wide.
///
/// Each value is given with the number of steps that it stands for, and weighs as much. The window is centred: it
/// looks as far ahead as back. At the beginning, where curves are steep, it is narrower on both sides; at the end it is
/// cut off, since the last value alone would say more than it knows.
pub(crate) fn smoothed(values: &[(f64, f64)], window: f64) -> Vec<f64> {
    // Where each value lies in steps, and the sums of steps and of values by steps before it.
    let (mut centres, mut steps, mut sums) = (Vec::new(), vec![0.0], vec![0.0]);
    for (value, weight) in values {
        let (before, sum) = (steps[steps.len() - 1], sums[sums.len() - 1]);
        centres.push(before + weight / 2.0);
        steps.push(before + weight);
        sums.push(sum + value * weight);
    }
    let first = centres.first().copied().unwrap_or_default();
    let mean = |centre: &f64| {
        let half = (window / 2.0).min(centre - first);
        let from = centres.partition_point(|other| *other < centre - half);
        let to = centres.partition_point(|other| *other <= centre + half);
        (sums[to] - sums[from]) / (steps[to] - steps[from])
    };
    centres.iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothed_value_is_the_mean_of_those_around_it() {
        let values = [6.0, 3.0, 0.0, 3.0, 6.0, 9.0].map(|value| (value, 1.0));
        // Two steps: one on either side.
        let expected = [6.0, 3.0, 2.0, 3.0, 6.0, 7.5];
        assert_eq!(smoothed(&values, 2.0), expected);
        assert_eq!(smoothed(&values, 0.0), values.map(|(value, _)| value));
        assert!(smoothed(&[], 2.0).is_empty());
    }

    #[test]
    fn a_straight_line_stays_straight_but_at_its_end() {
        let values: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), 1.0)).collect();
        let smoothed = smoothed(&values, 10.0);
        for (value, smooth) in values.iter().zip(&smoothed).take(95) {
            assert!((value.0 - smooth).abs() < 1e-9); // sums of numbers below 5000
        }
        assert_eq!(smoothed[99], 96.5); // of 94 to 99
    }

    #[test]
    fn a_value_weighs_as_many_steps_as_it_stands_for() {
        let values = [(1.0, 1.0), (2.0, 3.0), (7.0, 2.0)];
        // Centres at 0.5, 2.5 and 5: two steps on either side of 2.5 hold the first two.
        assert_eq!(smoothed(&values, 4.0)[1], (1.0 + 6.0) / 4.0);
    }
}
