//! What frozen means, bit by bit, under optimisers that would move a parameter without a gradient.

use crate::nets::{Net, gradients, samples, train_step, values, with_gradient};
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use frostline_freeze::{Layers, freeze};

fn sgd() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9)))
        .with_weight_decay(Some(WeightDecayConfig::new(0.01)))
        .init()
}

fn adam() -> ModuleOptimizer {
    AdamConfig::new()
        .with_weight_decay(Some(WeightDecayConfig::new(0.01)))
        .init()
}

/// Trains, freezes two of three blocks, trains 50 steps more, and compares.
fn frozen_stays_and_the_rest_moves(mut optimizer: ModuleOptimizer) {
    let mut net = Net::new(1);
    for seed in 0..20 {
        net = train_step(net, &mut optimizer, seed);
    }
    let layers = Layers::of(&net).unwrap();
    net = freeze(net, &layers, 2);
    let before = values(&net);
    for seed in 20..70 {
        net = train_step(net, &mut optimizer, seed);
    }
    let after = values(&net);

    let mut frozen = 0;
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        if path.starts_with("block1.") || path.starts_with("block2.") {
            assert_eq!(before, after, "{path} moved though it is frozen");
            frozen += 1;
        } else {
            assert_ne!(before, after, "{path} stood still though it is not frozen");
        }
    }
    // Weight and bias, gamma and beta, running mean and variance, in each of two blocks.
    assert_eq!(frozen, 12);
    assert_eq!(before.len(), 20);
}

#[test]
fn frozen_weights_and_statistics_stay_bit_by_bit_under_sgd_with_momentum_and_decay() {
    frozen_stays_and_the_rest_moves(sgd());
}

#[test]
fn frozen_weights_and_statistics_stay_bit_by_bit_under_adam_with_decay() {
    frozen_stays_and_the_rest_moves(adam());
}

#[test]
fn a_frozen_layer_gets_no_gradients_and_the_others_do() {
    let net = Net::new(1);
    let layers = Layers::of(&net).unwrap();
    assert_eq!(with_gradient(&net, &gradients(&net, 0)).len(), 3 * 4 + 2);

    let net = freeze(net, &layers, 2);
    let found = with_gradient(&net, &gradients(&net, 0));
    let trained = [
        with_gradient(&net.block3, &gradients(&net, 0)),
        with_gradient(&net.head, &gradients(&net, 0)),
    ];
    assert_eq!(found, trained.concat());
    assert_eq!(found.len(), 4 + 2);
}

#[test]
fn a_frozen_block_answers_as_in_evaluation_because_dropout_and_batch_statistics_are_off() {
    let mut net = Net::new(1);
    let mut optimizer = sgd();
    for seed in 0..5 {
        net = train_step(net, &mut optimizer, seed);
    }
    let x = samples(16, 9, &Device::flex());
    let evaluation = |net: &Net| net.valid().block1.forward(x.clone()).into_data();
    let train = |net: &Net| {
        let x = burn::tensor::Tensor::from_inner(x.clone());
        net.block1.forward(x).inner().into_data()
    };
    assert_ne!(train(&net), evaluation(&net));

    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 1);
    assert_eq!(train(&net), evaluation(&net));
}

#[test]
fn freezing_changes_no_answer_in_evaluation() {
    let mut net = Net::new(1);
    let mut optimizer = sgd();
    for seed in 0..5 {
        net = train_step(net, &mut optimizer, seed);
    }
    let x = samples(16, 9, &Device::flex());
    let before = net.valid().forward(x.clone()).into_data();
    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 3);
    assert_eq!(net.valid().forward(x).into_data(), before);
}
