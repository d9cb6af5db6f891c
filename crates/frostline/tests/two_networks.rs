//! Directions of two networks side by side.

mod samples;

use burn::tensor::Tensor;
use frostline::prelude::*;
use frostline::svcca::{self, most_active_neurons};
use frostline::{Error, TwoNetworks};

use samples::{normal, numbers};

/// Two layers that share three directions in other neurons each, with noise of their own.
fn layers() -> [Tensor<2>; 2] {
    let shared = normal([200, 3], 1);
    let layer = |neurons: usize, seed: u64| {
        shared.clone().matmul(normal([3, neurons], seed)) + normal([200, neurons], seed + 1) * 0.1
    };
    [layer(10, 2), layer(7, 4) + 3.0]
}

fn naive_pearson(values: &[[f64; 2]]) -> f64 {
    let mean = [0, 1].map(|side| values.iter().map(|v| v[side]).sum::<f64>() / values.len() as f64);
    let product = |a: usize, b: usize| {
        let products = values.iter().map(|v| (v[a] - mean[a]) * (v[b] - mean[b]));
        products.sum::<f64>()
    };
    product(0, 1) / (product(0, 0) * product(1, 1)).sqrt()
}

#[test]
fn aligned_directions_correlate_as_told_and_better_than_the_most_active_neurons() {
    let [x, y] = layers();
    let found = TwoNetworks::of(&x, &y, 2, Cut::default()).unwrap();
    assert_eq!((found.directions.len(), found.neurons.len()), (2, 2));
    for matched in found.directions.iter().chain(&found.neurons) {
        let gap = (matched.correlation.unwrap() - naive_pearson(&matched.values)).abs();
        assert!(gap < 1e-9, "{:?}: {gap:e}", matched.names);
    }
    let correlation = |matched: &frostline::Matched| matched.correlation.unwrap();
    assert!(found.directions.iter().map(correlation).fold(1.0, f64::min) > 0.98);
    assert!(found.neurons.iter().map(correlation).fold(0.0, f64::max) < 0.98);
    assert_eq!(found.directions[1].names, ["direction 2", "direction 2"]);
}

#[test]
fn neurons_stand_by_norm_with_what_they_say_and_their_names() {
    let [x, y] = layers();
    let found = TwoNetworks::of(&x, &y, 2, Cut::Directions(3)).unwrap();
    for (i, matched) in found.neurons.iter().enumerate() {
        for (side, layer) in [&x, &y].into_iter().enumerate() {
            let neuron = most_active_neurons(layer, 2).unwrap()[i];
            assert_eq!(matched.names[side], format!("neuron {neuron}"));
            let says = numbers(layer.clone().slice_dim(1, neuron..neuron + 1));
            let kept: Vec<f64> = matched.values.iter().map(|v| v[side]).collect();
            assert_eq!(kept, says);
        }
    }
}

#[test]
fn a_layer_and_its_mirror_image_have_the_same_directions_and_opposite_neurons() {
    let [x, _] = layers();
    let found = TwoNetworks::of(&x, &-x.clone(), 2, Cut::default()).unwrap();
    for i in 0..2 {
        assert!(found.directions[i].correlation.unwrap() > 1.0 - 1e-9);
        assert!(found.neurons[i].correlation.unwrap() < -1.0 + 1e-12);
    }
}

#[test]
fn a_neuron_that_never_varies_correlates_with_nothing() {
    let [x, y] = layers();
    // The same f32 for every sample, whose mean in f64 may round.
    let loud = Tensor::cat(vec![x, normal([200, 1], 9) * 0.0 + 1000.1], 1);
    let found = TwoNetworks::of(&loud, &y, 1, Cut::default()).unwrap();
    assert_eq!(found.neurons[0].names[0], "neuron 10");
    assert_eq!(found.neurons[0].correlation, None);
}

#[test]
fn more_than_there_is_is_an_error_with_its_numbers() {
    let [x, y] = layers();
    let asked = |k: usize, cut: Cut| match TwoNetworks::of(&x, &y, k, cut) {
        Err(Error::Svcca(svcca::Error::BadCount { what, asked, most })) => (what, asked, most),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(8, Cut::All), ("neurons", 8, 7));
    assert_eq!(asked(0, Cut::All), ("neurons", 0, 10));
    assert_eq!(asked(4, Cut::Directions(3)), ("directions", 4, 3));
    let refused = TwoNetworks::of(&x, &normal([100, 5], 1), 1, Cut::All).unwrap_err();
    assert!(
        refused.to_string().contains("200 samples but y has 100"),
        "{refused}"
    );
}
