//! How small can layers be made without training again? Raghu et al. 2017, section 4.4: five layers at once on
//! their best SVCCA directions P, and what that saves where `W x` becomes `(W Pᵀ)(P x)`.

use burn::module::Module;
use burn::tensor::{Tensor, activation::relu};
use cifar10::experiment::{self, Experiment, ExperimentArguments};
use cifar10::nets::PaperNet;
use clap::Parser;
use frostline::freeze::Features;
use frostline::prelude::*;
use frostline::report::{TradeOffLine, TradeOffPoint, trade_off};
use frostline::svcca::Error;
use frostline::{LowRankLinear, projecting_each};
use nalgebra::DMatrix;
use serde_json::{Value, json};

/// Train the paper's convnet twice, and make the layers of one smaller by keeping their best directions: those
/// that a second network shares, and those that correlate with the logits
#[derive(Parser)]
#[command(name = "compress", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<5000, 4>,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p compress
  cargo run --release -p compress -- --full
  cargo run --release -p compress -- --data synthetic --images 500 --epochs 2";

/// Shares of the parameters that the two layers may keep.
const SHARES: [f64; 8] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0];
/// Directions against the logits: there are no more than classes.
const AGAINST_LOGITS: [usize; 5] = [1, 2, 4, 7, 10];

/// The layers that the paper makes smaller, from the second pool up.
const LAYERS: [&str; 5] = ["p2", "fc1", "bn3", "fc2", "bn4"];

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let experiment = arguments.experiment.begin("compress")?;
    let [net, other] = experiment.two_trained("paper", PaperNet::init)?;
    experiment.doing("finding directions");
    let seen = experiment.batches(&experiment.seen());
    let own = layers(&net, below(&net, &seen))?;
    let others = layers(&other, below(&other, &seen))?;
    // Directions that two networks share, and those that say most about the logits.
    let (mut shared, mut logits) = (Vec::new(), Vec::new());
    for (layer, other) in own.iter().zip(&others).take(LAYERS.len()) {
        let view = View::new(layer)?;
        let with = |y| Pair::of(&view, &View::new(y)?)?.directions(Cut::default());
        shared.push(with(other)?.x.weights);
        logits.push(with(&own[LAYERS.len()])?.x.weights);
    }
    let asked = below(&net, &experiment.batches(&experiment.asked));
    let untouched = experiment.accuracy(answer(&net, asked.clone()));
    let directions = [("a second network", shared), ("the logits", logits)];
    experiment.doing("making layers smaller");
    let found = Found {
        experiment: &experiment,
        net,
        asked,
        own,
        directions,
    };

    let mut table = experiment.title("the paper's convnet through fewer directions");
    table += &format!("\n\n  untouched: {:.2} %\n", 100.0 * untouched);
    let (projected, layers) = found.all_projected()?;
    let (small, products) = found.as_products(untouched)?;
    table += &(projected + &small);
    let numbers = json!({ "untouched": untouched, "layers": layers, "products": products });
    experiment.finish(&table, numbers)
}

/// What the five layers and the logits say over images, whose `p2` this is.
fn layers(net: &PaperNet, p2: Tensor<2>) -> Result<Vec<Tensor<2>>, Box<dyn std::error::Error>> {
    let (_, above) = record(|| answer(net, p2.clone()))?;
    let named = LAYERS[1..].iter().chain(&["logits"]);
    let views: Result<Vec<_>, _> = named.map(|layer| above.view(layer)).collect();
    Ok([vec![p2], views?].concat())
}

/// `[image, 4096]`: what fc1 sees.
fn below(net: &PaperNet, images: &[Tensor<4>]) -> Tensor<2> {
    let parts = images.iter().map(|batch| {
        let p2 = net.run(0..7, Features::new(batch.clone()));
        p2.tensor::<4>().flatten(1, 3)
    });
    Tensor::cat(parts.collect(), 0)
}

fn answer(net: &PaperNet, p2: Tensor<2>) -> Tensor<2> {
    let maps = Features::new(p2.reshape([-1, 64, 8, 8]));
    net.run(7..net.depth(), maps).tensor()
}

/// A network, and the directions of its layers, `[neuron, direction]`.
struct Found<'a> {
    experiment: &'a Experiment,
    net: PaperNet,
    asked: Tensor<2>,
    own: Vec<Tensor<2>>,
    directions: [(&'static str, Vec<DMatrix<f64>>); 2],
}

impl Found<'_> {
    /// A layer's best `k` directions, or as many as there are.
    fn onto(&self, layer: usize, found: &[DMatrix<f64>], k: usize) -> Result<Projection, Error> {
        let k = k.min(found[layer].ncols());
        Projection::onto(&self.own[layer], &found[layer], k)
    }

    /// All five layers at a share of their directions at once: their counts, and the accuracy.
    fn all_projected(&self) -> Result<(String, Value), Box<dyn std::error::Error>> {
        let mut table = format!("\n  {} projected, all at once\n", LAYERS.join(", "));
        table += "  directions against   at most   kept                            accuracy\n";
        let mut rows = Vec::new();
        for (against, directions) in &self.directions {
            let mut before = Vec::new();
            for share in [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0] {
                let mut kept = Vec::new();
                for (layer, name) in LAYERS.into_iter().enumerate() {
                    let most = share * self.own[layer].dims()[1] as f64;
                    kept.push((name, self.onto(layer, directions, most as usize)?));
                }
                let counts: Vec<usize> = kept.iter().map(|(_, onto)| onto.kept()).collect();
                if counts == before {
                    break;
                }
                let p2 = kept[0].1.apply(self.asked.clone())?;
                let logits = projecting_each::<2, _>(&kept[1..], || answer(&self.net, p2))?;
                let accuracy = self.experiment.accuracy(logits);
                let [most, reached] = [share, accuracy].map(|share| 100.0 * share);
                table += &format!(
                    "  {against:<18} {most:>7.0} %   {:<30} {reached:>7.2} %\n",
                    format!("{counts:?}")
                );
                rows.push(json!({ "against": against, "share": share, "directions": counts, "accuracy": accuracy }));
                before = counts;
            }
        }
        Ok((table, rows.into()))
    }

    /// fc1 and fc2 as products through directions of their inputs: parameters, accuracy and time.
    fn as_products(&self, untouched: f64) -> Result<(String, Value), Box<dyn std::error::Error>> {
        let net = &self.net;
        let whole = (net.fc1.num_params() + net.fc2.num_params()) as f64;
        let mut table = format!(
            "\n  fc1 and fc2, {whole} parameters, as products through directions of p2 and bn3\n  directions against   p2, bn3   parameters   accuracy   time\n"
        );
        let most = [&net.fc1, &net.fc2].map(LowRankLinear::most_directions);
        let by_share = SHARES.map(|share| most.map(|most| ((share * most as f64) as usize).max(1)));
        let by_class = AGAINST_LOGITS.map(|k| [k, k]);
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        let by = [&by_share[..], &by_class];
        for ((against, directions), counts) in self.directions.iter().zip(by) {
            let mut points = Vec::new();
            for wanted in counts {
                let fc1 = LowRankLinear::of(&net.fc1, &self.onto(0, directions, wanted[0])?)?;
                let fc2 = LowRankLinear::of(&net.fc2, &self.onto(2, directions, wanted[1])?)?;
                let small = |p2| {
                    let x = net.bn3.forward(relu(fc1.forward(p2)));
                    net.out.forward(net.bn4.forward(relu(fc2.forward(x))))
                };
                let share = (fc1.num_params() + fc2.num_params()) as f64 / whole;
                let reached = self.experiment.accuracy(small(self.asked.clone()));
                let time = experiment::relative_time(&self.asked, |p2| answer(net, p2), small);
                let kept @ [p2, bn3] = [fc1.directions(), fc2.directions()];
                let [x, y] = [share, reached].map(|share| 100.0 * share);
                table += &format!(
                    "  {against:<18} {p2:>4}, {bn3:>3} {x:>10.1} % {y:>8.2} % {time:>6.2}\n"
                );
                rows.push(json!({ "against": against, "directions": kept, "parameters": share, "accuracy": reached, "time": time }));
                let mut point = TradeOffPoint::at(x, y);
                point.says = Some(format!("{p2} directions of p2, {bn3} of bn3"));
                points.push(point);
            }
            let name = format!("directions against {against}");
            lines.push(TradeOffLine { name, points });
        }
        table += "  time: of fc1 to the logits, as a share of the untouched layers', median of 9 pairs in turn\n";
        let title = "fc1 and fc2 through fewer directions of their inputs";
        let picture = experiment::accuracies(title, "parameters kept (%)", lines, untouched);
        self.experiment.picture("compress", trade_off(&picture))?;
        Ok((table, rows.into()))
    }
}
