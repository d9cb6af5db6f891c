use std::collections::BTreeSet;

use crate::axis::{Axis, Unit, bounds};
use crate::curves::{padded, percent};
use crate::legend::Legend;
use crate::plot::{Bar, Curve, Plot, Point, Size, pieces};
use crate::{Cost, Error, Trial, colour};

/// Trainings of several lengths and seeds under one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    /// The policy, as the legend has it.
    pub name: String,
    /// Its trainings, in any order.
    pub trials: Vec<Trial>,
}

/// Accuracy against cost: a line a front through its means over seeds at each length, a bar from the
/// lowest to the highest seed, and lighter points for the single trainings.
///
/// Trainings whose numbers are not finite are left out. Errors: `Nothing` when none are left.
pub fn fronts(fronts: &[Front], cost: Cost) -> Result<String, Error> {
    let drawable =
        |trial: &Trial| crate::axis::drawable(trial.cost) && crate::axis::drawable(trial.accuracy);
    let fronts: Vec<Front> = fronts
        .iter()
        .map(|front| Front {
            name: front.name.clone(),
            trials: front.trials.iter().copied().filter(drawable).collect(),
        })
        .collect();
    let trials = || fronts.iter().flat_map(|front| &front.trials);
    let costs = bounds(trials().map(|trial| trial.cost));
    let accuracies = bounds(trials().map(|trial| trial.accuracy));
    let (Some(costs), Some(accuracies)) = (costs, accuracies) else {
        let text = format!("No training recorded its {} and its accuracy.", cost.name());
        return Err(Error::Nothing(text));
    };
    let (worth, unit) = cost.unit(costs.1);
    let curves = fronts.iter().enumerate();
    let curves = curves.map(|(index, front)| curve(index, front, cost, worth));

    let names: Vec<&str> = fronts.iter().map(|front| front.name.as_str()).collect();
    let (low, high) = padded((costs.0 / worth, costs.1 / worth));
    let (worst, best) = padded(accuracies);
    let accuracy = (worst.max(0.0), best.min(1.0).max(worst.max(0.0)));
    Ok(Plot {
        label: format!(
            "Test accuracy against {}, means over seeds: {}",
            cost.name(),
            names.join(", ")
        ),
        heading: format!("Test accuracy against {}", cost.name()),
        size: Size::Wide,
        x: Axis::linear(
            &format!("{} ({unit})", axis_name(cost)),
            (low, high),
            Unit::Number,
        ),
        y: Axis::linear("test accuracy (%)", accuracy, Unit::Percent),
        right: None,
        curves: curves.collect(),
        level: None,
        legend: Legend::Below,
    }
    .svg())
}

fn axis_name(cost: Cost) -> &'static str {
    match cost {
        Cost::Seconds => "time of training and measuring",
        Cost::CpuSeconds => "processor time of training and measuring",
        Cost::Flops => "operations of training and measuring",
    }
}

fn curve(index: usize, front: &Front, cost: Cost, worth: f64) -> Curve {
    let lengths: BTreeSet<usize> = front.trials.iter().map(|trial| trial.epochs).collect();
    let (mut means, mut bars, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for epochs in lengths {
        let of_length = front.trials.iter().filter(|trial| trial.epochs == epochs);
        let of_length: Vec<&Trial> = of_length.collect();
        let mean = Mean::of(&of_length);
        let at = format!("{}, {epochs} epochs", front.name);
        let (accuracy, price) = (percent(mean.accuracy), cost.written(mean.cost));
        let x = mean.cost / worth;
        let says = match of_length.as_slice() {
            [only] => format!("{at}, seed {}: {accuracy} at {price}", only.seed),
            seeds => format!("{at}: {accuracy} at {price}, mean of {} seeds", seeds.len()),
        };
        means.push(Some(Point {
            x,
            y: mean.accuracy,
            says,
        }));
        if of_length.len() > 1 {
            bars.push(Bar {
                x,
                low: mean.lowest,
                high: mean.highest,
            });
            beside.extend(of_length.iter().map(|trial| Point {
                x: trial.cost / worth,
                y: trial.accuracy,
                says: format!(
                    "{at}, seed {}: {} at {}",
                    trial.seed,
                    percent(trial.accuracy),
                    cost.written(trial.cost)
                ),
            }));
        }
    }
    Curve {
        pieces: pieces(means.into_iter()),
        beside,
        bars,
        ..Curve::named(&front.name, colour::run(index))
    }
}

/// Trainings of one length, over their seeds.
struct Mean {
    cost: f64,
    accuracy: f64,
    lowest: f64,
    highest: f64,
}

impl Mean {
    /// Of one training at least.
    fn of(trials: &[&Trial]) -> Self {
        let count = trials.len() as f64;
        let accuracies = || trials.iter().map(|trial| trial.accuracy);
        Mean {
            cost: trials.iter().map(|trial| trial.cost / count).sum(),
            accuracy: accuracies().map(|accuracy| accuracy / count).sum(),
            lowest: accuracies().fold(f64::INFINITY, f64::min),
            highest: accuracies().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}
