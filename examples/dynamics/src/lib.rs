//! Do layers converge from the bottom up? Raghu et al. 2017, section 4.1 and figure 4: every layer during
//! training against every layer at its end, each layer's way to its final self, and the order of arrival.

use std::error::Error;

use burn::tensor::Device;
use cifar10::experiment::{Experiment, ExperimentArguments};
use cifar10::nets::{Net, PaperNet, ResNet};
use clap::Parser;
use frostline::prelude::*;
use frostline::report::{Pane, RunPictures, panes, similarity_to_end};
use frostline::{ConvergenceOrder, Dynamics};
use serde_json::{Value, json};

/// Train the paper's convnet and a residual net, and see in which order their layers become what they
/// will be
#[derive(Parser)]
#[command(name = "dynamics", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<2000, 7>,
    /// Networks of each kind, one a seed; three or more give the order an interval
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    networks: u64,
    /// A layer has arrived when it stays this similar to its final self
    #[arg(long, default_value_t = 0.9)]
    threshold: f64,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p dynamics
  cargo run --release -p dynamics -- --networks 3
  cargo run --release -p dynamics -- --data synthetic --images 500 --epochs 2

Each run is kept in a folder for `frostline report`, and not done again when it has ended.";

const CHECKS: usize = 20;
const MOMENTS: [f64; 4] = [0.0, 0.35, 0.75, 1.0];

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("dynamics")?;
    let paper = kind(&experiment, arguments, "convnet", PaperNet::init)?;
    let resnet = kind(&experiment, arguments, "resnet", ResNet::init)?;
    let table = [paper.0, resnet.0].join("\n");
    experiment.finish(&table, json!({ "convnet": paper.1, "resnet": resnet.1 }))
}

/// All networks of a kind: the first one's pictures, the order of all.
fn kind<N: Net + 'static>(
    experiment: &Experiment,
    arguments: &Arguments,
    name: &str,
    init: fn(usize, &Device) -> N,
) -> Result<(String, Value), Box<dyn Error>> {
    let (mut orders, mut accuracies) = (Vec::new(), Vec::new());
    let mut first: Option<Dynamics> = None;
    for seed in experiment.seed..experiment.seed + arguments.networks {
        let run = experiment.recorded(name, init, seed, CHECKS)?;
        experiment.doing("comparing layers over time");
        let measure = Measure::default();
        let dynamics = Dynamics::of(&run, &MOMENTS, measure, &experiment.device, |_| ());
        for problem in &dynamics.problems {
            experiment.say(problem);
        }
        accuracies.push(
            run.info
                .outcome
                .as_ref()
                .and_then(|outcome| outcome.accuracy),
        );
        orders.push(ConvergenceOrder::of(&dynamics.to_end, arguments.threshold)?);
        if first.is_none() {
            let pictures = RunPictures {
                run: &run,
                panes: dynamics.panes.clone(),
                to_end: dynamics.to_end.clone(),
            };
            experiment.picture(&format!("{name}-panes"), panes(&pictures))?;
            experiment.picture(&format!("{name}-to-end"), similarity_to_end(&pictures))?;
            first = Some(dynamics);
        }
    }
    let first = first.expect("at least one network was asked for");
    let blocks = first.panes.last().map(batch_norms).unwrap_or_default();
    let bottom_up = ConvergenceOrder::over(&orders);
    let correlations: Vec<Option<f64>> = orders.iter().map(|order| order.with_depth).collect();

    let mut table = format!(
        "{name}: layers and the step from which their similarity to their end stays at {} or above\n",
        arguments.threshold
    );
    for (layer, step) in orders[0].layers.iter().zip(&orders[0].steps) {
        let step = step.map_or("never".into(), |step| format!("{step:.0}"));
        table += &format!("  {layer:<15} {step:>8}\n");
    }
    table += &match &bottom_up {
        Some(found) => match found.interval {
            Some([low, high]) => format!(
                "  order against depth (1 is bottom-up): {:.2}, 95 % interval {low:.2} to {high:.2} over {} networks\n",
                found.mean, found.seeds
            ),
            None => format!(
                "  order against depth (1 is bottom-up): {:.2}\n",
                found.mean
            ),
        },
        None => "  order against depth: not defined\n".to_string(),
    };
    for (layer, before, value) in &blocks {
        table += &format!(
            "  {layer} against {before}, the layer that it norms: {value:.3} at the end\n"
        );
    }
    let numbers = json!({
        "threshold": arguments.threshold,
        "layers": orders[0].layers,
        "accuracy": accuracies,
        "steps": orders.iter().map(|order| &order.steps).collect::<Vec<_>>(),
        "order_with_depth": correlations,
        "mean_order_with_depth": bottom_up.map(|found| json!({
            "mean": found.mean, "interval": found.interval, "networks": found.seeds,
        })),
        "batch_norms": blocks,
    });
    Ok((table, numbers))
}

/// Each batch norm with the layer before it, and their similarity in this pane: the article's 2×2 blocks.
fn batch_norms(pane: &Pane) -> Vec<(String, String, f64)> {
    let named = pane.rows.iter().enumerate().skip(1);
    named
        .filter(|(_, layer)| layer.starts_with("bn"))
        .filter_map(|(row, layer)| {
            let before = &pane.rows[row - 1];
            let column = pane.columns.iter().position(|column| column == before)?;
            Some((layer.clone(), before.clone(), pane.values[row][column]?))
        })
        .collect()
}
