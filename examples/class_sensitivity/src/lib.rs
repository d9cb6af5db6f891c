//! At which depth does a network begin to tell a class? Raghu et al. 2017, figure 6: every layer against each
//! class's logit, by DFT-CCA, which against a logit is CCA of the channel means.

use std::error::Error;

use burn::tensor::Device;
use cifar10::experiment::{Experiment, ExperimentArguments};
use cifar10::nets::{Net, PaperNet, ResNet};
use clap::Parser;
use frostline::ClassSensitivity;
use frostline::prelude::*;
use frostline::report::{ByDepth, DepthCurve, by_depth};
use serde_json::{Value, json};

/// Train the paper's convnet and a residual net, and see by depth how much each layer says about each class
#[derive(Parser)]
#[command(name = "class_sensitivity", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<5000, 4>,
    /// Compare with the true classes instead of the logits
    #[arg(long)]
    labels: bool,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p class_sensitivity
  cargo run --release -p class_sensitivity -- --labels
  cargo run --release -p class_sensitivity -- --data synthetic --images 500 --epochs 2";

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("class_sensitivity")?;
    let paper = of(&experiment, arguments.labels, "paper", PaperNet::init)?;
    let resnet = of(&experiment, arguments.labels, "resnet", ResNet::init)?;
    let table = [
        experiment.title("multiple correlation with each class"),
        paper.0,
        resnet.0,
    ];
    experiment.finish(
        &table.join("\n"),
        json!({ "paper": paper.1, "resnet": resnet.1 }),
    )
}

fn of<N: Net + 'static>(
    experiment: &Experiment,
    labels: bool,
    name: &str,
    init: fn(usize, &Device) -> N,
) -> Result<(String, Value), Box<dyn Error>> {
    let classes = &experiment.dataset.classes;
    let net = experiment.trained(name, init, experiment.seed)?;
    experiment.doing("comparing layers with classes");
    let activations = experiment.probe().activations(&net)?;
    let found = match labels {
        true => ClassSensitivity::of_labels(
            &activations,
            &experiment.labels(),
            classes.len(),
            Measure::CCA,
        )?,
        false => {
            let last = net.layers()?.names().last().map(str::to_string);
            let logits = activations.view(&last.ok_or("the network has no layers")?)?;
            ClassSensitivity::of(&activations, &logits, Measure::CCA)?
        }
    };
    for problem in &found.problems {
        experiment.say(&format!("{name}: {problem}"));
    }

    let mut table = format!(
        "\n{name}: least, mean and most of the {} classes\n",
        classes.len()
    );
    for (layer, (values, chance)) in found
        .layers
        .iter()
        .zip(found.values.iter().zip(&found.chance))
    {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let mean = known.iter().copied().reduce(|sum, value| sum + value);
        let mean = mean.map(|sum| sum / known.len() as f64);
        let ends = [f64::min, f64::max].map(|end| known.iter().copied().reduce(end));
        let [least, mean, most] = [ends[0], mean, ends[1]].map(text);
        let chance = text(*chance);
        table += &format!("  {layer:<15} {least} {mean} {most}  by chance {chance}\n");
    }
    let of_class = |class: usize| DepthCurve {
        name: classes[class].clone(),
        values: found.values.iter().map(|values| values[class]).collect(),
        intervals: Vec::new(),
    };
    let picture = ByDepth {
        title: format!("What each layer of the {name} net says about each class"),
        quantity: format!(
            "correlation with the {}",
            if labels { "label" } else { "logit" }
        ),
        layers: found.layers.clone(),
        curves: (0..found.classes).map(of_class).collect(),
        floor: Some(DepthCurve {
            name: "by chance".into(),
            values: found.chance.clone(),
            intervals: Vec::new(),
        }),
        range: Some([0.0, 1.0]),
    };
    experiment.picture(name, by_depth(&picture))?;
    let numbers = json!({
        "layers": found.layers, "classes": classes, "values": found.values, "by_chance": found.chance,
    });
    Ok((table, numbers))
}

fn text(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.3}"))
}
