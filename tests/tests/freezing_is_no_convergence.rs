//! A freeze takes away what the layers above it inherited, so they change less at once. That must not look like convergence: on the
//! main job's net and on a transformer, each trained with a freeze and without. Alone in its file: tests of one file
//! share their process, and with it a device's random numbers.

use std::sync::Mutex;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::transformer::{TransformerEncoderConfig, TransformerEncoderLayer};
use burn::nn::{Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Tensor};
use cifar10::nets::{ConvNet, Net};
use cifar10::synthetic::{Split, images};
use frostline::freeze::{Converged, FreezeAt, History, Watched};
use frostline::prelude::*;

static ALONE: Mutex<()> = Mutex::new(());

const STEPS: usize = 40;
/// Steps from one check to the next.
const APART: usize = 5;

/// Layers that freeze. The one above them is looked at.
const FROZEN: usize = 3;

/// Trains by these gradients and watches what each layer changes; with `freeze`, the lowest layers freeze halfway.
fn history<M: Module + 'static>(
    mut model: M,
    layers: Layers,
    probe: Probe<M>,
    rate: f64,
    freeze: bool,
    gradients: impl Fn(&M, usize) -> (f64, GradientsParams),
) -> History {
    let at = if freeze {
        vec![0.5; FROZEN]
    } else {
        Vec::new()
    };
    let mut freezing = FreezeTraining::new(layers, probe, FreezeAt { at }, Length::steps(STEPS))
        .checking(CheckpointSchedule::EverySteps(APART))
        .watching(Watched {
            parts: true,
            ..Watched::default()
        });
    let momentum = MomentumConfig::new().with_momentum(0.9);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    freezing.start(&model).unwrap();
    for step in 1..=STEPS {
        let (loss, gradients) = gradients(&model, step);
        model = optimizer.step(rate, model, gradients);
        let told = Step {
            loss: Some(loss),
            learning_rate: Some(rate),
            ..Step::from(step)
        };
        freezing.after_step(&mut model, told).unwrap();
    }
    freezing.history().clone()
}

/// What a policy that was asked at a check knew.
fn up_to(history: &History, check: usize) -> History {
    let mut known = History::new(history.layers().iter().cloned(), history.length());
    let checks = history.checks().iter().take(check + 1);
    checks.cloned().for_each(|seen| known.push(seen));
    known
}

/// The layer above the frozen ones, with the freeze and without.
fn assert_no_freeze_looks_like_convergence(usual: &History, frozen: &History) {
    let freeze = STEPS / 2 / APART;
    let of = |history: &History, check| {
        let own = history.own_change(FROZEN, check).unwrap();
        (own, history.change(FROZEN, check).unwrap())
    };
    for check in 1..=freeze {
        assert_eq!(of(usual, check), of(frozen, check), "the same until then");
    }
    for check in freeze + 1..=STEPS / APART {
        let ((usual_own, usual_all), (own, all)) = (of(usual, check), of(frozen, check));
        let told = format!(
            "check {check}: own {own:.3} for {usual_own:.3}, in all {all:.3} for {usual_all:.3}"
        );
        assert!((0.5..2.0).contains(&(own / usual_own)), "{told}");
        assert!(all < 0.9 * usual_all, "what it inherited is gone: {told}");
        assert!((own - all).abs() < 0.1 * all, "the rest is its own: {told}");
    }
    // A threshold that only the freeze makes it pass.
    let after = freeze + 1;
    let threshold = 0.5 * (of(usual, after).1 + of(frozen, after).1);
    let converged = Converged {
        threshold,
        patience: 0.2,
        ..Converged::default()
    };
    let known = up_to(frozen, after);
    assert!(known.change(FROZEN, after).unwrap() < threshold);
    assert_eq!(
        converged.frozen_layers(&known),
        FROZEN,
        "no more than before"
    );
    let reason = converged.reason(&known);
    assert!(reason.contains("since layers below it froze"), "{reason}");
}

#[test]
fn a_freeze_in_the_main_job_s_net_does_not_look_like_convergence() {
    let _alone = ALONE.lock();
    let device = Device::flex().autodiff();
    let (seen, asked) = (images(1, Split::Train, 80), images(1, Split::Test, 40));
    let of = |freeze| {
        device.seed(3);
        let net = ConvNet::init(10, &device);
        let layers = net.layers().unwrap();
        let indices: Vec<usize> = (0..asked.len()).collect();
        let probe = asked.batch(&indices, &Device::flex()).0;
        let probe = Probe::new(vec![probe], ConvNet::logits);
        let loss = CrossEntropyLossConfig::new().init(&device);
        history(net, layers, probe, 0.02, freeze, |net, step| {
            let batch: Vec<usize> = (0..8).map(|row| (8 * step + row) % seen.len()).collect();
            let (images, labels) = seen.batch(&batch, &device);
            let loss = loss.forward(net.logits(images), labels);
            let gradients = GradientsParams::from_grads(loss.backward(), net);
            (loss.into_scalar::<f32>().into(), gradients)
        })
    };
    assert_no_freeze_looks_like_convergence(&of(false), &of(true));
}

/// Burn's own blocks on `[sample, token, 12]`.
#[derive(Module, Debug)]
struct Transformer {
    tokens: Linear,
    blocks: Vec<TransformerEncoderLayer>,
    head: Linear,
}

const TOKENS: usize = 6;
const WIDTH: usize = 12;

impl Transformer {
    fn new(device: &Device) -> Self {
        device.seed(5);
        let blocks = TransformerEncoderConfig::new(WIDTH, 24, 2, 3).with_dropout(0.0);
        Transformer {
            tokens: LinearConfig::new(4, WIDTH).init(device),
            blocks: blocks.init(device).layers,
            head: LinearConfig::new(WIDTH, 2).init(device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let mut x = self.tokens.forward(x).tap("tokens");
        for (number, block) in self.blocks.iter().enumerate() {
            x = block
                .forward(x, None, None)
                .tap(&format!("blocks.{number}"));
        }
        let means: Tensor<2> = x.mean_dim(1).squeeze_dim(1);
        self.head.forward(means).tap("head")
    }
}

/// Standard normal tokens of this seed.
fn tokens(samples: usize, seed: u64, device: &Device) -> Tensor<3> {
    device.seed(seed);
    let shape = [samples, TOKENS, 4];
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

#[test]
fn a_freeze_in_a_transformer_does_not_look_like_convergence() {
    let _alone = ALONE.lock();
    let device = Device::flex().autodiff();
    let of = |freeze| {
        let model = Transformer::new(&device);
        let blocks = (0..3).map(|block| (format!("blocks.{block}"), [format!("blocks.{block}")]));
        let layers = Layers::builder().layer("tokens", ["tokens"]).layers(blocks);
        let layers = layers.layer("head", ["head"]).build(&model).unwrap();
        let probe = Probe::new(vec![tokens(300, 99, &Device::flex())], Transformer::forward);
        let probe = probe.axes(Axes::Tokens);
        history(model, layers, probe, 0.02, freeze, |model, step| {
            let x = tokens(32, step as u64, &device);
            let wanted: Tensor<2> = x
                .clone()
                .slice([0..32, 0..TOKENS, 0..2])
                .mean_dim(1)
                .squeeze_dim(1);
            let loss = (model.forward(x) - wanted).powi_scalar(2).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), model);
            (loss.into_scalar::<f32>().into(), gradients)
        })
    };
    assert_no_freeze_looks_like_convergence(&of(false), &of(true));
}
