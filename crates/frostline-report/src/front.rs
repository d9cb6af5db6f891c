use std::collections::BTreeSet;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::axis::short;

/// A training that ended: what it cost, and what it reached. Trainings of several lengths and seeds make
/// a front of accuracy against cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Pairs a freezing training with the ordinary ones that began with the same weights and images.
    pub seed: u64,
    /// Its length.
    pub epochs: usize,
    /// Seconds, or operations: the same for all that are compared.
    pub cost: f64,
    /// The share of correct answers, in `[0, 1]`.
    pub accuracy: f64,
}

/// Points of accuracy that freezing gained at equal cost.
///
/// # Formula
///
/// For a freezing training with seed `s`, cost `c` and accuracy `a`: `100 · (a - A_s(c))`, where `A_s` joins
/// the ordinary trainings of the same seed, by cost, with straight lines. Nothing is extrapolated: a cost
/// below the cheapest or above the dearest of them has no value. Of ordinary trainings of the same cost
/// the best counts. Overall: [`Estimate::over`] the seeds' means.
pub fn points_at_equal_cost(ordinary: &[Trial], freezing: &[Trial]) -> Figure {
    let points = |trial: &Trial| {
        let front = front(ordinary, trial.seed)?;
        finite(trial)?;
        let usual = interpolated(&front, trial.cost)?;
        Ok(100.0 * (trial.accuracy - usual))
    };
    let each = freezing.iter().map(|trial| Compared {
        seed: trial.seed,
        epochs: Some(trial.epochs),
        value: points(trial),
    });
    Figure::of(each.collect())
}

/// What freezing costs, as a share of what ordinary training costs, at equal accuracy.
///
/// # Formula
///
/// For each seed the accuracy to reach is that of the longest ordinary training. A front reaches it at
/// the least cost where `max_{c_i ≤ c} a_i`, the best accuracy of its trainings up to a cost, joined with
/// straight lines, is as high; where its cheapest training is, at that one's cost. The value is the
/// freezing front's cost over the ordinary one's, which a shorter training may have reached too; none
/// where no freezing training reaches it. Overall: [`Estimate::over`] the seeds that have a value.
pub fn cost_at_equal_accuracy(ordinary: &[Trial], freezing: &[Trial]) -> Figure {
    let share = |seed: u64| {
        let usual = front(ordinary, seed)?;
        let frozen = front(freezing, seed)?;
        let wanted = usual
            .iter()
            .max_by_key(|trial| trial.epochs)
            .expect("a front has a trial")
            .accuracy;
        let paid = reached_at(&usual, wanted).expect("the longest of them reached it");
        let needed = reached_at(&frozen, wanted).ok_or_else(|| NoFigure::NeverReached {
            wanted,
            best: frozen.iter().map(|t| t.accuracy).fold(0.0, f64::max),
        })?;
        match paid > 0.0 {
            true => Ok(needed / paid),
            false => Err(NoFigure::NoCost { cost: paid }),
        }
    };
    let seeds: BTreeSet<u64> = freezing.iter().map(|trial| trial.seed).collect();
    let each = seeds.into_iter().map(|seed| Compared {
        seed,
        epochs: None,
        value: share(seed),
    });
    Figure::of(each.collect())
}

/// What freezing is worth, by one measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Every comparison, or why there is no value.
    pub each: Vec<Compared>,
    /// Over the seeds that have a value.
    pub overall: Result<Estimate, NoFigure>,
}

/// One comparison of freezing with ordinary training.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The seed of both.
    pub seed: u64,
    /// The freezing training's length; none where all lengths of the seed were compared together.
    pub epochs: Option<usize>,
    /// The value.
    pub value: Result<f64, NoFigure>,
}

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Of the seeds' values.
    pub mean: f64,
    /// Lower and upper end of the 95 % interval; none with fewer than two seeds.
    pub interval: Option<[f64; 2]>,
    /// How many seeds.
    pub seeds: usize,
}

/// Why a number is missing.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoFigure {
    /// A seed was not trained as usual.
    #[error("there is no ordinary training with seed {seed} to compare with")]
    NoOrdinary {
        /// The seed.
        seed: u64,
    },
    /// A training costs less or more than all ordinary trainings of its seed.
    #[error(
        "its cost {} is outside those of ordinary training, {} to {}",
        short(*.cost), short(*.least), short(*.most)
    )]
    OutsideFront {
        /// What it costs.
        cost: f64,
        /// What the cheapest ordinary training costs.
        least: f64,
        /// What the dearest costs.
        most: f64,
    },
    /// No freezing training is as good as the longest ordinary one.
    #[error(
        "the best freezing training reached {:.2} %, the longest ordinary one {:.2} %",
        100.0 * .best, 100.0 * .wanted
    )]
    NeverReached {
        /// The longest ordinary training's accuracy.
        wanted: f64,
        /// The best freezing training's.
        best: f64,
    },
    /// The ordinary training cost nothing, so that there is no ratio to it.
    #[error("the ordinary training's cost is {cost}")]
    NoCost {
        /// What it cost.
        cost: f64,
    },
    /// A number that was given is not finite, or too large to reckon with.
    #[error("seed {seed}, {epochs} epochs: the cost or the accuracy is not a finite number")]
    NotFinite {
        /// The training's seed.
        seed: u64,
        /// Its length.
        epochs: usize,
    },
    /// No seed has a value.
    #[error("no seed has a value")]
    NoSeeds,
}

impl Figure {
    fn of(each: Vec<Compared>) -> Self {
        let seeds: BTreeSet<u64> = each.iter().map(|compared| compared.seed).collect();
        let means: Vec<f64> = seeds
            .into_iter()
            .filter_map(|seed| {
                let of_seed = each.iter().filter(|compared| compared.seed == seed);
                mean(of_seed.filter_map(|compared| compared.value.as_ref().ok().copied()))
            })
            .collect();
        let overall = Estimate::over(&means).ok_or(NoFigure::NoSeeds);
        Figure { each, overall }
    }

    /// The comparisons without a value, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&Compared, &NoFigure)> {
        let each = self.each.iter();
        each.filter_map(|compared| Some((compared, compared.value.as_ref().err()?)))
    }
}

impl Estimate {
    /// The mean of one value a seed, and its interval. None without values, or when they are not finite.
    ///
    /// # Formula
    ///
    /// `m ± t · s / √k` for `k` seeds with mean `m` and standard deviation `s` (divided by `k - 1`), `t` the
    /// 0.975 quantile of Student's distribution with `k - 1` degrees of freedom.
    pub fn over(values: &[f64]) -> Option<Self> {
        let mean = mean(values.iter().copied()).filter(|mean| mean.is_finite())?;
        let seeds = values.len();
        let interval = (seeds > 1).then(|| {
            let squares = values.iter().map(|value| (value - mean).powi(2));
            let deviation = (squares.sum::<f64>() / (seeds - 1) as f64).sqrt();
            let half = student(seeds - 1) * deviation / (seeds as f64).sqrt();
            [mean - half, mean + half]
        });
        Some(Estimate {
            mean,
            interval: interval.filter(|ends| ends.iter().all(|end| end.is_finite())),
            seeds,
        })
    }
}

/// The 0.975 quantile of Student's t.
fn student(freedom: usize) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom as f64).expect("freedom is at least 1");
    student.inverse_cdf(0.975)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The trials of a seed by cost, and by accuracy where the cost is the same; at least one.
fn front(trials: &[Trial], seed: u64) -> Result<Vec<Trial>, NoFigure> {
    let of_seed = trials.iter().filter(|trial| trial.seed == seed);
    let mut front: Vec<Trial> = of_seed.copied().collect();
    if front.is_empty() {
        // Only the ordinary side can lack a seed: the seeds asked for are those of the freezing side.
        return Err(NoFigure::NoOrdinary { seed });
    }
    front.iter().try_for_each(finite)?;
    let by_cost = |a: &Trial, b: &Trial| (a.cost, a.accuracy).partial_cmp(&(b.cost, b.accuracy));
    front.sort_by(|a, b| by_cost(a, b).expect("all are finite"));
    Ok(front)
}

fn finite(trial: &Trial) -> Result<(), NoFigure> {
    // Twice the largest number is not finite any more.
    let small = |value: f64| value.is_finite() && value.abs() < 1e100;
    match small(trial.cost) && small(trial.accuracy) {
        true => Ok(()),
        false => Err(NoFigure::NotFinite {
            seed: trial.seed,
            epochs: trial.epochs,
        }),
    }
}

/// The accuracy at a cost, between the trials around it.
fn interpolated(front: &[Trial], cost: f64) -> Result<f64, NoFigure> {
    let (least, most) = (front[0].cost, front[front.len() - 1].cost);
    if cost < least || cost > most {
        return Err(NoFigure::OutsideFront { cost, least, most });
    }
    // The last trial that is not dearer, and the first that is.
    let above = front.partition_point(|trial| trial.cost <= cost);
    let below = front[above - 1];
    Ok(match front.get(above) {
        Some(above) => {
            let share = (cost - below.cost) / (above.cost - below.cost);
            below.accuracy + share * (above.accuracy - below.accuracy)
        }
        None => below.accuracy,
    })
}

/// The least cost at which the best so far is as accurate as `wanted`.
fn reached_at(front: &[Trial], wanted: f64) -> Option<f64> {
    let first = front.iter().position(|trial| trial.accuracy >= wanted)?;
    let reaching = front[first];
    // Before it nothing reached it, so the best is less.
    let best = front[..first].iter().map(|trial| trial.accuracy);
    let Some(best) = best.reduce(f64::max) else {
        return Some(reaching.cost);
    };
    let from = front[first - 1].cost;
    let share = (wanted - best) / (reaching.accuracy - best);
    Some(from + share * (reaching.cost - from))
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for NoFigure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(seed: u64, epochs: usize, cost: f64, accuracy: f64) -> Trial {
        Trial {
            seed,
            epochs,
            cost,
            accuracy,
        }
    }

    /// Two ordinary trainings a seed: 60 % at 100, 70 % at 200.
    fn ordinary(seeds: &[u64]) -> Vec<Trial> {
        let both = |&seed: &u64| [trial(seed, 10, 100.0, 0.6), trial(seed, 20, 200.0, 0.7)];
        seeds.iter().flat_map(both).collect()
    }

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        let error = (found - expected).abs();
        assert!(error <= tolerance, "{found} instead of {expected}");
    }

    #[test]
    fn points_are_gained_over_the_line_between_ordinary_trainings() {
        // At a cost of 150 ordinary training reaches 65 %.
        let figure = points_at_equal_cost(&ordinary(&[1]), &[trial(1, 30, 150.0, 0.67)]);
        assert_close(figure.each[0].value.clone().unwrap(), 2.0, 1e-12);
        let overall = figure.overall.unwrap();
        assert_eq!((overall.interval, overall.seeds), (None, 1));
    }

    #[test]
    fn a_freezing_training_meets_the_ordinary_one_of_its_own_cost() {
        for (cost, accuracy) in [(100.0, 0.6), (200.0, 0.7)] {
            let figure = points_at_equal_cost(&ordinary(&[1]), &[trial(1, 30, cost, accuracy)]);
            assert_eq!(figure.each[0].value, Ok(0.0));
        }
    }

    #[test]
    fn of_ordinary_trainings_of_one_cost_the_best_counts() {
        let mut usual = ordinary(&[1]);
        usual.push(trial(1, 11, 100.0, 0.5));
        let figure = points_at_equal_cost(&usual, &[trial(1, 30, 100.0, 0.6)]);
        assert_eq!(figure.each[0].value, Ok(0.0));
    }

    #[test]
    fn nothing_is_extrapolated() {
        let freezing = [trial(1, 8, 99.0, 0.6), trial(1, 30, 201.0, 0.9)];
        let figure = points_at_equal_cost(&ordinary(&[1]), &freezing);
        for (compared, cost) in figure.each.iter().zip([99.0, 201.0]) {
            let outside = NoFigure::OutsideFront {
                cost,
                least: 100.0,
                most: 200.0,
            };
            assert_eq!(compared.value, Err(outside));
        }
        assert_eq!(figure.overall, Err(NoFigure::NoSeeds));
        assert_eq!(figure.missing().count(), 2);
    }

    #[test]
    fn an_interval_is_students_over_the_seeds_means() {
        // Seed means 1 (of 0 and 2), 2 and 3 points: mean 2, deviation 1, t(2) = 4.302653 (NIST, table 1.3.6.7.2).
        let freezing = [
            trial(1, 25, 150.0, 0.65),
            trial(1, 30, 150.0, 0.67),
            trial(2, 30, 150.0, 0.67),
            trial(3, 30, 150.0, 0.68),
        ];
        let overall = points_at_equal_cost(&ordinary(&[1, 2, 3]), &freezing).overall;
        let overall = overall.unwrap();
        assert_close(overall.mean, 2.0, 1e-12);
        let half = 4.302653 / 3f64.sqrt();
        let [low, high] = overall.interval.unwrap();
        // The quantile is written with six decimals.
        assert_close(low, 2.0 - half, 1e-6);
        assert_close(high, 2.0 + half, 1e-6);
    }

    #[test]
    fn two_seeds_give_a_wide_interval() {
        // t(1) = 12.706205, deviation √2/2 of values 1 apart, so half a width of t/2.
        let [low, high] = Estimate::over(&[1.0, 2.0]).unwrap().interval.unwrap();
        assert_close(high - low, 12.706205, 1e-5);
    }

    #[test]
    fn a_front_reaches_an_accuracy_between_its_trainings() {
        // 70 % is half way from 68 % at 90 to 72 % at 130.
        let freezing = [trial(1, 20, 90.0, 0.68), trial(1, 30, 130.0, 0.72)];
        let figure = cost_at_equal_accuracy(&ordinary(&[1]), &freezing);
        assert_close(figure.each[0].value.clone().unwrap(), 110.0 / 200.0, 1e-9);
    }

    #[test]
    fn a_longer_training_that_is_worse_does_not_lower_a_front() {
        // The best up to 110 is 68 %, so 70 % lies half way from 110 to 130.
        let freezing = [
            trial(1, 20, 90.0, 0.68),
            trial(1, 25, 110.0, 0.5),
            trial(1, 30, 130.0, 0.72),
        ];
        let figure = cost_at_equal_accuracy(&ordinary(&[1]), &freezing);
        assert_close(figure.each[0].value.clone().unwrap(), 120.0 / 200.0, 1e-9);
    }

    #[test]
    fn the_cheapest_training_that_is_good_enough_is_not_extrapolated_below() {
        let figure = cost_at_equal_accuracy(&ordinary(&[1]), &[trial(1, 20, 90.0, 0.9)]);
        assert_eq!(figure.each[0].value, Ok(0.45));
    }

    #[test]
    fn a_shorter_ordinary_training_that_is_as_good_is_what_freezing_is_measured_by() {
        // The longest reaches 70 %, but the one before reached 75 %: 70 % lies two thirds from 100 to 160.
        let mut usual = ordinary(&[1]);
        usual.push(trial(1, 15, 160.0, 0.75));
        let figure = cost_at_equal_accuracy(&usual, &[trial(1, 20, 140.0, 0.7)]);
        assert_close(figure.each[0].value.clone().unwrap(), 1.0, 1e-9);
    }

    #[test]
    fn a_seed_that_never_reaches_it_has_no_value_and_says_why() {
        let freezing = [trial(1, 20, 90.0, 0.7), trial(2, 20, 90.0, 0.69)];
        let figure = cost_at_equal_accuracy(&ordinary(&[1, 2]), &freezing);
        assert_eq!(figure.each[0].value, Ok(0.45));
        let why = figure.each[1].value.clone().unwrap_err().to_string();
        assert_eq!(
            why,
            "the best freezing training reached 69.00 %, the longest ordinary one 70.00 %"
        );
        assert_eq!(figure.overall.unwrap().seeds, 1);
    }

    #[test]
    fn a_seed_without_ordinary_training_and_bad_numbers_are_told() {
        let freezing = [trial(7, 20, 150.0, 0.7)];
        for figure in [points_at_equal_cost, cost_at_equal_accuracy] {
            let found = figure(&ordinary(&[1]), &freezing);
            assert_eq!(
                found.each[0].value,
                Err(NoFigure::NoOrdinary { seed: 7 }) //
            );
            for bad in [f64::NAN, f64::INFINITY, f64::MAX] {
                let found = figure(&ordinary(&[7]), &[trial(7, 20, bad, 0.7)]);
                let not_finite = NoFigure::NotFinite {
                    seed: 7,
                    epochs: 20,
                };
                assert_eq!(found.each[0].value, Err(not_finite));
            }
            assert_eq!(figure(&[], &[]).overall, Err(NoFigure::NoSeeds));
        }
        let free = [trial(1, 10, 0.0, 0.6)];
        let found = cost_at_equal_accuracy(&free, &free);
        assert_eq!(found.each[0].value, Err(NoFigure::NoCost { cost: 0.0 }));
    }
}
