//! Do two networks that learnt the same share features that no neuron shows alone? Raghu et al. 2017, figure 1:
//! the most active neurons of a layer in two networks, side by side, and below them the aligned SVCCA directions.

use std::error::Error;

use cifar10::experiment::ExperimentArguments;
use cifar10::nets::PaperNet;
use clap::Parser;
use frostline::prelude::*;
use frostline::report::{Strip, Strips, strips};
use frostline::{Matched, TwoNetworks};
use serde_json::json;

/// Train the paper's convnet twice, with two seeds, and compare a layer of one with that of the other:
/// neuron by neuron, and along the directions that correlate best
#[derive(Parser)]
#[command(name = "two_nets", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<5000, 4>,
    /// The layer to look at: c1 c2 bn1 p1 c3 c4 c5 bn2 p2 fc1 bn3 fc2 bn4 logits
    #[arg(long, default_value = "fc2")]
    layer: String,
    /// Neurons and directions to draw
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=10))]
    rows: u8,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p two_nets
  cargo run --release -p two_nets -- --layer p2 --rows 3
  cargo run --release -p two_nets -- --data synthetic --images 500 --epochs 2";

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("two_nets")?;
    let seeds = [experiment.seed, experiment.seed + 1];
    let nets = experiment.two_trained("paper", PaperNet::init)?;
    experiment.doing("comparing layers");
    let [x, y] = nets.map(|net| experiment.probe().activations(&net));
    let (x, y) = (x?, y?);

    let mut table = format!(
        "{}\n\n  layer      similarity  by chance  directions of either\n",
        experiment.title("two convnets of the paper")
    );
    let mut layers = Vec::new();
    for layer in x.names() {
        let found = match svcca(&x.view(layer)?, &y.view(layer)?, &Svcca::default()) {
            Ok(found) => found,
            Err(error) => {
                table += &format!("  {layer:<10} {:>10} {:>10}  {error}\n", "-", "-");
                layers.push(json!({ "layer": layer, "mean": null, "why": error.to_string() }));
                continue;
            }
        };
        let (mean, chance, kept) = (found.mean, found.chance.mean_rho, found.kept);
        table += &format!(
            "  {layer:<10} {mean:>10.3} {chance:>10.3}  {} and {}\n",
            kept[0], kept[1]
        );
        layers.push(json!({ "layer": layer, "mean": mean, "by_chance": chance, "kept": kept }));
    }

    let layer = &arguments.layer;
    let rows = usize::from(arguments.rows);
    let found = TwoNetworks::of(&x.view(layer)?, &y.view(layer)?, rows, Cut::default())?;
    table += &format!("\n  {layer}, correlation between the networks\n");
    let pairs = || found.neurons.iter().chain(&found.directions);
    for pair in pairs() {
        let correlation = pair
            .correlation
            .map_or("-".into(), |rho| format!("{rho:.3}"));
        table += &format!("  {:<32} {correlation:>7}\n", name(pair));
    }
    let picture = Strips {
        title: format!(
            "{layer} of two networks, over {} test images by class",
            experiment.asked.len()
        ),
        classes: experiment.dataset.classes.clone(),
        labels: experiment.labels(),
        networks: seeds.map(|seed| format!("network of seed {seed}")),
        rows: pairs().map(strip).collect(),
    };
    experiment.picture("two_nets", strips(&picture))?;
    let pairs = pairs().map(|pair| json!({ "pair": name(pair), "correlation": pair.correlation }));
    experiment.finish(
        &table,
        json!({ "layer": layer, "layers": layers, "pairs": pairs.collect::<Vec<_>>() }),
    )
}

/// `direction 1`, or `neuron 3 and neuron 17`.
fn name(pair: &Matched) -> String {
    let [x, y] = &pair.names;
    match x == y {
        true => x.clone(),
        false => format!("{x} and {y}"),
    }
}

fn strip(pair: &Matched) -> Strip {
    Strip {
        name: name(pair),
        correlation: pair.correlation,
        values: [0, 1].map(|side| pair.values.iter().map(|values| values[side]).collect()),
    }
}
