//! How few directions carry a layer? Raghu et al. 2017, figure 2: the accuracy of a network one of whose layers is
//! projected on its k best SVCCA directions, without training again, beside k random and the k most active neurons.

use std::error::Error;

use burn::tensor::Tensor;
use cifar10::experiment::{self, Experiment, ExperimentArguments};
use cifar10::nets::PaperNet;
use clap::Parser;
use frostline::freeze::Features;
use frostline::prelude::*;
use frostline::projecting;
use frostline::report::{Estimate, TradeOffLine, TradeOffPoint, trade_off};
use frostline::svcca::{most_active_neurons, random_neurons};
use serde_json::{Value, json};

/// Train the paper's convnet twice, find the directions that a layer of both shares, and see how the accuracy
/// grows with the directions that the layer keeps
#[derive(Parser)]
#[command(name = "directions", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<5000, 4>,
    /// Draws of random neurons for each number of them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=100))]
    draws: u64,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p directions
  cargo run --release -p directions -- --draws 20
  cargo run --release -p directions -- --data synthetic --images 500 --epochs 2";

/// Layers of neurons, and the place in the forward from which each can be asked again.
const LAYERS: [(&str, usize); 2] = [("fc1", 7), ("fc2", 9)];
const KEPT: [usize; 11] = [1, 2, 5, 10, 15, 25, 50, 100, 150, 256, 512];

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("directions")?;
    let [net, other] = experiment.two_trained("paper", PaperNet::init)?;
    // Directions come from images that the network has seen, accuracies from those that it has not.
    let seen = experiment.seen();
    let probe = || {
        let forward = |net: &PaperNet, images| net.forward(images);
        Probe::new(experiment.batches(&seen), forward).layout(Layout::ChannelMeans)
    };
    let [own, others] = [&net, &other].map(|net| probe().activations(net));
    let (own, others) = (own?, others?);
    let untouched = cifar10::train::test(&net, &experiment.asked);

    let mut table = format!(
        "{}\n\n  untouched: {:.2} %\n",
        experiment.title("accuracy of the paper's convnet, one layer projected"),
        100.0 * untouched
    );
    let mut numbers = serde_json::Map::from_iter([("untouched".to_string(), json!(untouched))]);
    for (layer, place) in LAYERS {
        experiment.doing("projecting a layer");
        let asked = Asked::of(&net, &experiment, layer, place);
        let (x, y) = (own.view(layer)?, others.view(layer)?);
        let (text, found) = of_layer(&asked, [&x, &y], arguments.draws, untouched)?;
        table += &text;
        numbers.insert(layer.to_string(), found);
    }
    experiment.finish(&table, Value::Object(numbers))
}

/// A layer's accuracies by what is kept of it, `[direction, random, most active]`.
fn of_layer(
    asked: &Asked,
    [x, y]: [&Tensor<2>; 2],
    draws: u64,
    untouched: f64,
) -> Result<(String, Value), Box<dyn Error>> {
    let layer = asked.layer;
    let [_, neurons] = x.dims();
    let views = [View::new(x)?, View::new(y)?];
    let directions = Pair::of(&views[0], &views[1])?
        .directions(Cut::default())?
        .x;
    let found = directions.weights.ncols();
    let mut table = format!(
        "\n  {layer}: {neurons} neurons, {found} directions shared with a second network\n  \
         kept   directions   random neurons   most active neurons\n"
    );
    let mut lines =
        ["SVCCA directions", "random neurons", "most active neurons"].map(|name| TradeOffLine {
            name: name.into(),
            points: Vec::new(),
        });
    for k in KEPT.into_iter().filter(|k| *k <= neurons) {
        let mut cells = Vec::new();
        if k <= found {
            let accuracy = asked.accuracy(&Projection::onto(x, &directions.weights, k)?)?;
            cells.push(Some((accuracy, None)));
        } else {
            cells.push(None);
        }
        let random = (0..draws).map(|draw| {
            let chosen = random_neurons(neurons, k, asked.experiment.seed + draw)?;
            asked.accuracy(&Projection::keeping(x, &chosen)?)
        });
        let random = random.collect::<Result<Vec<f64>, _>>()?;
        let mean = Estimate::over(&random).ok_or("an accuracy is not a number")?;
        cells.push(Some((mean.mean, mean.interval)));
        let active = Projection::keeping(x, &most_active_neurons(x, k)?)?;
        cells.push(Some((asked.accuracy(&active)?, None)));

        let text = |cell: &Option<(f64, Option<[f64; 2]>)>| {
            cell.map_or("-".into(), |(accuracy, _)| {
                format!("{:.2} %", 100.0 * accuracy)
            })
        };
        let row: Vec<String> = cells.iter().map(text).collect();
        table += &format!("  {k:>4} {:>12} {:>16} {:>21}\n", row[0], row[1], row[2]);
        for (line, cell) in lines.iter_mut().zip(cells) {
            line.points
                .extend(cell.map(|(accuracy, interval)| TradeOffPoint {
                    interval: interval.map(|ends| ends.map(|end| (100.0 * end).clamp(0.0, 100.0))),
                    ..TradeOffPoint::at(k as f64, 100.0 * accuracy)
                }));
        }
    }
    let numbers = lines.iter().map(|line| {
        let points = line
            .points
            .iter()
            .map(|point| json!({ "kept": point.x, "accuracy": point.y / 100.0 }));
        json!({ "kept": line.name, "points": points.collect::<Vec<_>>() })
    });
    let numbers = json!({ "neurons": neurons, "shared_directions": found, "lines": numbers.collect::<Vec<_>>() });
    let title = format!("Accuracy by what is kept of {layer}");
    let x = "directions or neurons kept";
    let picture = experiment::accuracies(&title, x, lines.into(), untouched);
    asked.experiment.picture(layer, trade_off(&picture))?;
    Ok((table, numbers))
}

/// A layer of a network, ready to be asked again from below it.
struct Asked<'a> {
    layer: &'static str,
    place: usize,
    net: &'a PaperNet,
    /// What goes into the layer, a batch each.
    inputs: Vec<Features>,
    experiment: &'a Experiment,
}

impl<'a> Asked<'a> {
    fn of(
        net: &'a PaperNet,
        experiment: &'a Experiment,
        layer: &'static str,
        place: usize,
    ) -> Self {
        let batches = experiment.batches(&experiment.asked).into_iter();
        Asked {
            layer,
            place,
            net,
            inputs: batches
                .map(|images| net.run(0..place, Features::new(images)))
                .collect(),
            experiment,
        }
    }

    /// The share of right answers when the layer keeps what the projection leaves.
    fn accuracy(&self, kept: &Projection) -> Result<f64, frostline::Error> {
        let logits = self.inputs.iter().map(|input| {
            let above = self.place..self.net.depth();
            let answer = || self.net.run(above, input.clone());
            Ok(projecting::<2, _>(self.layer, kept, answer)?.tensor())
        });
        let logits = logits.collect::<Result<Vec<Tensor<2>>, frostline::Error>>()?;
        Ok(self.experiment.accuracy(Tensor::cat(logits, 0)))
    }
}
