//! What have two different architectures in common, layer by layer? Raghu et al. 2017, figure 7: a residual net
//! against a convnet by DFT-CCA, maps of different sizes included.

use std::error::Error;

use burn::tensor::Tensor;
use cifar10::experiment::ExperimentArguments;
use cifar10::nets::{Net, PaperNet, ResNet};
use cifar10::progress::Bar;
use clap::Parser;
use frostline::CrossModel;
use frostline::activations::Activation;
use frostline::prelude::*;
use frostline::report::{Heatmap, heatmap};
use serde_json::json;

/// Train a residual net and the paper's convnet, and compare every layer of one with every layer of the other
#[derive(Parser)]
#[command(name = "cross_model", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<5000, 4>,
    /// Images whose maps are compared; layers wider than a fifth of them are left out
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u32).range(60..=10_000))]
    maps: u32,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p cross_model
  cargo run --release -p cross_model -- --maps 2000      # needs 5 GB
  cargo run --release -p cross_model -- --data synthetic --images 500 --epochs 2 --maps 200";

/// Samples a channel below which noise has too much in common with anything.
const SAMPLES: usize = 5;

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("cross_model")?;
    let resnet = experiment.trained("resnet", ResNet::init, experiment.seed)?;
    let paper = experiment.trained("paper", PaperNet::init, experiment.seed)?;
    let maps = experiment.asked.balanced(arguments.maps as usize, 0);
    let order: Vec<usize> = (0..maps.len()).collect();
    let images = maps.batch(&order, &experiment.device).0;

    let mut left_out = Vec::new();
    let rows = layers(&resnet, &images, &mut left_out)?;
    let columns = layers(&paper, &images, &mut left_out)?;
    let bar = Bar::new("comparing layers", "pairs");
    let found = CrossModel::of(rows, columns, |pairs| {
        bar.at("comparing layers", pairs.done, pairs.total);
    });
    bar.clear();

    let values = found.values();
    let mut table = format!(
        "{}\n\n",
        experiment.title("residual net against convnet, DFT-CCA")
    );
    table += "  layer of the residual net: the convnet's layer that it is most like\n";
    for (row, values) in found.rows.iter().zip(&values) {
        let known = values
            .iter()
            .enumerate()
            .filter_map(|(column, value)| Some((column, (*value)?)));
        if let Some((column, value)) = known.max_by(|a, b| a.1.total_cmp(&b.1)) {
            table += &format!("  {row:<15} {:<8} {value:.3}\n", found.columns[column]);
        }
    }
    if !left_out.is_empty() {
        table += &format!(
            "  left out, since they are wider than a {SAMPLES}th of {} samples: {}\n",
            maps.len(),
            left_out.join(", ")
        );
    }
    for why in found
        .cells
        .iter()
        .flatten()
        .filter_map(|cell| cell.as_ref().err())
    {
        experiment.say(&why.to_string());
    }
    let picture = Heatmap {
        title: "Residual net against convnet".into(),
        measure: format!("DFT-CCA, mean over frequencies, {} test images", maps.len()),
        rows: ("residual net".into(), found.rows.clone()),
        columns: ("convnet of the paper".into(), found.columns.clone()),
        values: values.clone(),
        chance: found.chance(),
    };
    experiment.picture("cross_model", heatmap(&picture))?;
    let numbers = json!({
        "rows": found.rows, "columns": found.columns, "values": values, "left_out": left_out, "maps": maps.len(),
    });
    experiment.finish(&table, numbers)
}

/// The maps of a network's layers that are narrow enough for so many samples.
fn layers<N: Net>(
    net: &N,
    images: &Tensor<4>,
    left_out: &mut Vec<String>,
) -> Result<Vec<Activation>, Box<dyn Error>> {
    let (_, activations) = record(|| net.logits(images.clone()))?;
    let (narrow, wide): (Vec<_>, Vec<_>) = activations
        .iter()
        .cloned()
        .partition(|layer| SAMPLES * layer.shape()[1] <= layer.shape()[0]);
    left_out.extend(wide.iter().map(|layer| layer.name().to_string()));
    Ok(narrow)
}
