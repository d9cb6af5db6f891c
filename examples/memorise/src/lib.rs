//! Are networks that generalise more alike than networks that memorise? Morcos, Raghu, Bengio 2018: groups of
//! networks trained on true and on permuted labels, their similarity within and between the groups by depth.

use std::error::Error;

use cifar10::data::{Augmentation, Images};
use cifar10::experiment::{Experiment, ExperimentArguments};
use cifar10::nets::ConvNet;
use cifar10::train::test;
use clap::Parser;
use frostline::prelude::*;
use frostline::report::{ByDepth, DepthCurve, by_depth};
use frostline::{GroupMean, Groups};
use serde_json::json;

/// Train groups of networks on true labels and on permuted ones, and compare them within and between groups
#[derive(Parser)]
#[command(name = "memorise", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<600, 30>,
    /// Networks in each group; three or more give every mean an interval, and take longer than ten minutes on two cores
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(2..=100))]
    networks: u64,
    /// What layers are compared by
    #[arg(long, default_value = "pwcca")]
    measure: Measure,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p memorise
  cargo run --release -p memorise -- --measure 'svcca(0.99)' --networks 5
  cargo run --release -p memorise -- --data synthetic --images 200 --epochs 3 --networks 2";

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("memorise")?;
    // The same images for all, and the same labels within a group: only weights and order differ.
    let truth = experiment
        .dataset
        .train
        .balanced(experiment.images, experiment.seed);
    let permuted = truth.permuted(experiment.seed);
    let count = arguments.networks;
    let of_group = |name: &str, images: &Images, first: u64| {
        let networks = (first..first + count).map(|seed| network(&experiment, name, images, seed));
        networks.collect::<Result<Vec<_>, _>>()
    };
    // No two networks begin with the same weights.
    let generalise = of_group("convnet-true", &truth, experiment.seed)?;
    let memorise = of_group("convnet-permuted", &permuted, experiment.seed + count)?;

    let answers = |group: &[Network]| {
        group
            .iter()
            .map(|network| network.answers.clone())
            .collect::<Vec<_>>()
    };
    experiment.doing("comparing networks");
    let groups = Groups::of(
        &answers(&generalise),
        &answers(&memorise),
        arguments.measure,
    )?;
    for problem in &groups.problems {
        experiment.say(problem);
    }
    let curves = [
        ("true labels", &groups.within_a),
        ("permuted labels", &groups.within_b),
        ("one of each", &groups.between),
    ];
    let mut table = experiment.title("groups of convnets on true and on permuted labels");
    table += "\n\n  labels    images learnt, test images\n";
    for (name, group) in [("true", &generalise), ("permuted", &memorise)] {
        for network in group {
            let [seen, unseen] = network.accuracy.map(|share| 100.0 * share);
            table += &format!("  {name:<9} {seen:>6.1} % {unseen:>9.1} %\n");
        }
    }
    table += &format!(
        "\n  {:<10} similarity of two networks by {}\n",
        "layer", groups.measure
    );
    for (layer, name) in groups.layers.iter().enumerate() {
        let means = curves.map(|(curve, means)| format!("{curve} {}", text(means[layer])));
        table += &format!("  {name:<10} {}\n", means.join(", "));
    }
    let picture = ByDepth {
        title: "Similarity of two networks by what they were trained on".into(),
        quantity: format!("{}, test images", groups.measure),
        layers: groups.layers.clone(),
        curves: curves.map(|(name, means)| curve(name, means)).into(),
        floor: None,
        range: None,
    };
    experiment.picture("memorise", by_depth(&picture))?;
    let numbers = |means: &[Option<GroupMean>]| {
        let each = means
            .iter()
            .map(|mean| mean.map(|m| json!({ "mean": m.mean, "interval": m.interval })));
        each.collect::<Vec<_>>()
    };
    let accuracy = |group: &[Network]| {
        group
            .iter()
            .map(|network| network.accuracy)
            .collect::<Vec<_>>()
    };
    experiment.finish(
        &table,
        json!({
            "measure": groups.measure, "layers": groups.layers, "networks": arguments.networks,
            "true": numbers(&groups.within_a), "permuted": numbers(&groups.within_b),
            "between": numbers(&groups.between),
            "accuracy_true": accuracy(&generalise), "accuracy_permuted": accuracy(&memorise),
        }),
    )
}

/// A trained network: what its layers say about the test images, and how well it answers.
struct Network {
    answers: Activations,
    /// Of the images that it learnt, with the labels that it learnt, and of the test images.
    accuracy: [f64; 2],
}

fn network(
    experiment: &Experiment,
    name: &str,
    images: &Images,
    seed: u64,
) -> Result<Network, Box<dyn Error>> {
    let net = experiment.trained_on(images, Augmentation::None, name, ConvNet::init, seed)?;
    Ok(Network {
        answers: experiment.probe().activations(&net)?,
        accuracy: [images, &experiment.asked].map(|images| test(&net, images)),
    })
}

fn curve(name: &str, means: &[Option<GroupMean>]) -> DepthCurve {
    DepthCurve {
        name: name.into(),
        values: means
            .iter()
            .map(|mean| mean.map(|mean| mean.mean))
            .collect(),
        intervals: means
            .iter()
            .map(|mean| mean.and_then(|mean| mean.interval))
            .collect(),
    }
}

fn text(mean: Option<GroupMean>) -> String {
    match mean {
        Some(GroupMean {
            mean,
            interval: Some([low, high]),
            ..
        }) => format!("{mean:.3} ({low:.3} to {high:.3})"),
        Some(GroupMean { mean, .. }) => format!("{mean:.3}"),
        None => "-".into(),
    }
}
