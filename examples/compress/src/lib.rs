//! Can layers be replaced by their product through the directions that matter? Raghu et al. 2017, section 4.4:
//! `W x` becomes `(W Pᵀ)(P x)`, P the best SVCCA directions of the layer's input, without training again.

use std::error::Error;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::relu};
use cifar10::data::Images;
use cifar10::experiment::{Experiment, ExperimentArguments};
use cifar10::nets::PaperNet;
use clap::Parser;
use frostline::LowRankLinear;
use frostline::freeze::Features;
use frostline::prelude::*;
use frostline::report::{TradeOff, TradeOffLine, TradeOffPoint, trade_off};
use frostline::svcca::AlignedDirections;
use serde_json::json;

/// Train the paper's convnet twice, and replace the fully connected layers of one by products through the
/// directions of their inputs: those that a second network shares, and those that correlate with the logits
#[derive(Parser)]
#[command(name = "compress", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments<5000, 10>,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p compress
  cargo run --release -p compress -- --full
  cargo run --release -p compress -- --data synthetic --images 500 --epochs 2";

/// Shares of the parameters that the two layers may keep.
const SHARES: [f64; 8] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0];
/// Directions against the logits: there are no more than classes.
const AGAINST_LOGITS: [usize; 5] = [1, 2, 4, 7, 10];

/// Does the experiment.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let experiment = arguments.experiment.begin("compress")?;
    let [net, other] = experiment.two_trained("paper", PaperNet::init)?;
    let seen = experiment.seen();
    let [own, others] = [&net, &other].map(|net| inputs(net, &seen, &experiment));
    let asked = below(&net, &experiment.asked, &experiment.device);

    let whole = (net.fc1.num_params() + net.fc2.num_params()) as f64;
    let whole_answer = |x: Tensor<2>| {
        let maps = Features::new(x.reshape([-1, 64, 8, 8]));
        net.run(7..net.depth(), maps).tensor()
    };
    let untouched = experiment.accuracy(whole_answer(asked.clone()));
    let mut table = experiment.title("fc1 and fc2 of the paper's convnet through fewer directions");
    table += &format!(
        "\n\n  untouched: {:.2} %, {whole} parameters in fc1 and fc2\n\n  \
         directions of p2, bn3 against   parameters   accuracy   time\n",
        100.0 * untouched
    );
    // Directions that two networks share, and those that say most about the logits.
    let views = [View::new(&own.p2)?, View::new(&own.bn3)?];
    let shared = directions(&views, [&others.p2, &others.bn3])?;
    let logits = directions(&views, [&own.logits, &own.logits])?;
    let most = [
        LowRankLinear::most_directions(&net.fc1),
        LowRankLinear::most_directions(&net.fc2),
    ];
    let by_share = SHARES.map(|share| most.map(|most| ((share * most as f64) as usize).max(1)));
    let by_class = AGAINST_LOGITS.map(|k| [k, k]);
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for (against, found, counts) in [
        ("a second network", &shared, by_share.as_slice()),
        ("the logits", &logits, by_class.as_slice()),
    ] {
        let mut points = Vec::new();
        for wanted in counts {
            let small = Small::of(&net, &own, found, *wanted)?;
            let share = small.parameters() as f64 / whole;
            let reached = experiment.accuracy(small.answer(asked.clone()));
            let time = times(&asked, whole_answer, |x| small.answer(x));
            let kept = [small.fc1.directions(), small.fc2.directions()];
            let [p2, bn3] = kept;
            let [x, y] = [share, reached].map(|share| 100.0 * share);
            table +=
                &format!("  {p2:>4}, {bn3:>4}  {against:<18} {x:>9.1} % {y:>8.2} % {time:>6.2}\n");
            rows.push(json!({
                "against": against, "directions": kept, "parameters": share, "accuracy": reached, "time": time,
            }));
            points.push(TradeOffPoint {
                x,
                y,
                interval: None,
                says: Some(format!("{p2} directions of p2, {bn3} of bn3")),
            });
        }
        lines.push(TradeOffLine {
            name: format!("directions against {against}"),
            points,
        });
    }
    table += "\n  time: of fc1 to the logits, as a share of the untouched layers', median of 9 pairs in turn\n";
    let picture = TradeOff {
        title: "fc1 and fc2 through fewer directions of their inputs".into(),
        x: "parameters kept (%)".into(),
        y: "test accuracy (%)".into(),
        logarithmic: true,
        lines,
        level: Some(("untouched".into(), 100.0 * untouched)),
    };
    experiment.picture("compress", trade_off(&picture))?;
    let numbers = json!({ "untouched": untouched, "parameters": whole, "rows": rows });
    experiment.finish(&table, numbers)
}

/// What goes into fc1 and fc2, and what comes out, over images.
struct Inputs {
    p2: Tensor<2>,
    bn3: Tensor<2>,
    logits: Tensor<2>,
}

fn inputs(net: &PaperNet, images: &Images, experiment: &Experiment) -> Inputs {
    let p2 = below(net, images, &experiment.device);
    let bn3 = net.bn3.forward(relu(net.fc1.forward(p2.clone())));
    let bn4 = net.bn4.forward(relu(net.fc2.forward(bn3.clone())));
    let logits = net.out.forward(bn4);
    Inputs { p2, bn3, logits }
}

/// `[image, 4096]`: what fc1 sees.
fn below(net: &PaperNet, images: &Images, device: &Device) -> Tensor<2> {
    let order: Vec<usize> = (0..images.len()).collect();
    let parts = order.chunks(250).map(|batch| {
        let images = Features::new(images.batch(batch, device).0);
        net.run(0..7, images).tensor::<4>().flatten(1, 3)
    });
    Tensor::cat(parts.collect(), 0)
}

/// The directions of p2 and bn3 that they share with these.
fn directions(
    [p2, bn3]: &[View; 2],
    with: [&Tensor<2>; 2],
) -> Result<[AlignedDirections; 2], frostline::svcca::Error> {
    let of = |view, with| Pair::of(view, &View::new(with)?)?.directions(Cut::default());
    Ok([of(p2, with[0])?, of(bn3, with[1])?])
}

/// The upper layers with fc1 and fc2 as products.
struct Small<'a> {
    net: &'a PaperNet,
    fc1: LowRankLinear,
    fc2: LowRankLinear,
}

impl<'a> Small<'a> {
    fn of(
        net: &'a PaperNet,
        inputs: &Inputs,
        [p2, bn3]: &[AlignedDirections; 2],
        wanted: [usize; 2],
    ) -> Result<Self, Box<dyn Error>> {
        let project = |input: &Tensor<2>, found: &AlignedDirections, wanted: usize| {
            let k = wanted.min(found.correlations.len());
            Projection::onto(input, &found.x.weights, k)
        };
        Ok(Small {
            fc1: LowRankLinear::of(&net.fc1, &project(&inputs.p2, p2, wanted[0])?)?,
            fc2: LowRankLinear::of(&net.fc2, &project(&inputs.bn3, bn3, wanted[1])?)?,
            net,
        })
    }

    fn parameters(&self) -> usize {
        self.fc1.num_params() + self.fc2.num_params()
    }

    fn answer(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.net.bn3.forward(relu(self.fc1.forward(x)));
        let x = self.net.bn4.forward(relu(self.fc2.forward(x)));
        self.net.out.forward(x)
    }
}

/// Seconds of the second over seconds of the first: the median of pairs in turn.
fn times(
    asked: &Tensor<2>,
    first: impl Fn(Tensor<2>) -> Tensor<2>,
    second: impl Fn(Tensor<2>) -> Tensor<2>,
) -> f64 {
    let seconds = |answer: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let started = Instant::now();
        let _ = answer(asked.clone()).into_data();
        started.elapsed().as_secs_f64()
    };
    let mut shares = [0.0; 9].map(|_| seconds(&first).recip() * seconds(&second));
    shares.sort_by(f64::total_cmp);
    shares[4]
}
