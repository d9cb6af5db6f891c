//! Groups of networks.

mod samples;

use burn::tensor::Tensor;
use frostline::prelude::*;
use frostline::svcca::{Bias, Weights};
use frostline::{Error, GroupMean, Groups};

use samples::{activations, normal};

/// Networks of two layers: those of the one group share directions, with noise of their own.
fn group(count: u64, noise: f64, seed: u64) -> Vec<Activations> {
    let shared = normal([100, 3], 1);
    let layer = |neurons: usize, seed: u64| {
        shared.clone().matmul(normal([3, neurons], seed)) + normal([100, neurons], seed + 1) * noise
    };
    let network = |i: u64| {
        let seed = seed + 10 * i;
        // Other widths, so that a measure may differ by the way it is taken.
        let fc2 = layer(3 + i as usize, seed + 4);
        activations(&[("fc1", layer(5, seed + 2)), ("fc2", fc2)])
    };
    (0..count).map(network).collect()
}

/// Both ways, as views in f64.
fn similarity(x: &Activations, y: &Activations, layer: &str, measure: Measure) -> f64 {
    let [x, y] = [x, y].map(|network| network.view(layer).unwrap());
    let one = measure.between(&x, &y).unwrap().value;
    (one + measure.between(&y, &x).unwrap().value) / 2.0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// All pairs, each with its networks.
type Named = Vec<(usize, usize, f64)>;

/// The formula, by lists of pairs: networks of both groups counted through.
fn naive(pairs: &Named, groups: &[&[usize]], t: f64) -> (f64, [f64; 2]) {
    let of = |left_out: usize| {
        let kept = pairs
            .iter()
            .filter(|(i, j, _)| *i != left_out && *j != left_out);
        mean(&kept.map(|(.., value)| *value).collect::<Vec<_>>())
    };
    let mut variance = 0.0;
    for group in groups {
        let each: Vec<f64> = group.iter().map(|i| of(*i)).collect();
        let count = each.len() as f64;
        let squares = each.iter().map(|value| (value - mean(&each)).powi(2));
        variance += (count - 1.0) / count * squares.sum::<f64>();
    }
    let whole = mean(&pairs.iter().map(|(.., value)| *value).collect::<Vec<_>>());
    let reach = t * variance.sqrt();
    (whole, [whole - reach, whole + reach])
}

fn assert_same(found: GroupMean, (mean, interval): (f64, [f64; 2]), pairs: usize) {
    // A grid holds its views in f32.
    assert!((found.mean - mean).abs() < 1e-6, "{found:?} {mean}");
    let ends = found.interval.unwrap();
    for (end, expected) in ends.into_iter().zip(interval) {
        assert!((end - expected).abs() < 1e-4, "{found:?} {interval:?}");
    }
    assert_eq!(found.pairs, pairs);
}

#[test]
fn means_and_intervals_are_those_of_the_formula() {
    let (a, b) = (group(4, 0.3, 100), group(3, 3.0, 200));
    let all: Vec<&Activations> = a.iter().chain(&b).collect();
    for measure in [
        Measure::default(),
        Measure::Pwcca(Weights::X),
        Measure::R2,
        Measure::Cka(Bias::Debiased),
    ] {
        let found = Groups::of(&a, &b, measure).unwrap();
        assert_eq!(found.layers, ["fc1", "fc2"]);
        for (at, layer) in ["fc1", "fc2"].into_iter().enumerate() {
            let pairs = |left: &[usize], right: &[usize]| -> Named {
                let both = left
                    .iter()
                    .flat_map(|&i| right.iter().map(move |&j| (i, j)));
                both.filter(|(i, j)| i < j)
                    .map(|(i, j)| (i, j, similarity(all[i], all[j], layer, measure)))
                    .collect()
            };
            let (of_a, of_b) = ([0, 1, 2, 3], [4, 5, 6]);
            // Student's 97.5 % points of 3, 2 and 5 degrees of freedom.
            let within_a = naive(&pairs(&of_a, &of_a), &[&of_a], 3.182446);
            assert_same(found.within_a[at].unwrap(), within_a, 6);
            let within_b = naive(&pairs(&of_b, &of_b), &[&of_b], 4.302653);
            assert_same(found.within_b[at].unwrap(), within_b, 3);
            let between = naive(&pairs(&of_a, &of_b), &[&of_a, &of_b], 2.570582);
            assert_same(found.between[at].unwrap(), between, 12);
        }
    }
}

#[test]
fn networks_that_share_more_are_more_alike() {
    let (generalise, memorise) = (group(4, 0.3, 100), group(4, 3.0, 200));
    let found = Groups::of(&generalise, &memorise, Measure::default()).unwrap();
    for layer in 0..2 {
        let within = [&found.within_a, &found.within_b].map(|means| means[layer].unwrap());
        assert!(within[0].interval.unwrap()[0] > within[1].interval.unwrap()[1]);
        assert!(found.between[layer].unwrap().mean < within[0].mean);
    }
    assert!(found.problems.is_empty());
}

#[test]
fn a_group_of_two_has_a_mean_and_no_interval() {
    let (a, b) = (group(2, 0.3, 100), group(2, 3.0, 200));
    let found = Groups::of(&a, &b, Measure::default()).unwrap();
    let within = found.within_a[0].unwrap();
    assert_eq!((within.interval, within.pairs), (None, 1));
    let expected = similarity(&a[0], &a[1], "fc1", Measure::default());
    assert!((within.mean - expected).abs() < 1e-6);
    assert!(found.between[0].unwrap().interval.is_some());
}

#[test]
fn equal_networks_are_alike_without_doubt() {
    let one = &group(1, 0.3, 100)[0];
    let same = vec![one.clone(), one.clone(), one.clone()];
    let found = Groups::of(&same, &same, Measure::default()).unwrap();
    for mean in [found.within_a[0], found.within_b[1], found.between[0]] {
        let [low, high] = mean.unwrap().interval.unwrap();
        assert!(
            (low - 1.0).abs() < 1e-5 && (high - 1.0).abs() < 1e-5,
            "{mean:?}"
        );
    }
}

#[test]
fn a_layer_that_can_not_be_compared_has_no_mean_and_says_why() {
    let wide = |seed: u64| {
        activations(&[
            ("wide", normal([20, 30], seed)),
            ("fc", normal([20, 2], seed + 1)),
        ])
    };
    let (a, b) = (vec![wide(1), wide(3)], vec![wide(5), wide(7)]);
    let found = Groups::of(&a, &b, Measure::CCA).unwrap();
    assert_eq!(
        [found.within_a[0], found.within_b[0], found.between[0]],
        [None; 3]
    );
    assert!(found.between[1].is_some());
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].starts_with("wide: 20 samples are too few for 19"));
}

#[test]
fn groups_that_can_not_be_compared_are_errors_that_name_the_network() {
    let (a, b) = (group(3, 0.3, 100), group(3, 3.0, 200));
    let refused = Groups::of(&a, &b[..1], Measure::default());
    assert!(matches!(
        refused,
        Err(Error::TooFewNetworks {
            group: 'b',
            networks: 1
        })
    ));

    let layer = |name: &str, samples: usize| -> Activations {
        let tensors: [Tensor<2>; 2] = [normal([samples, 3], 1), normal([samples, 3], 2)];
        let [x, y] = tensors;
        activations(&[(name, x), ("fc2", y)])
    };
    let others = vec![b[0].clone(), layer("conv1", 100)];
    let refused = Groups::of(&a, &others, Measure::default()).unwrap_err();
    let expected = "network 1 of group b has the layers conv1, fc2, but the first one has fc1, fc2";
    assert!(refused.to_string().starts_with(expected), "{refused}");
    let others = vec![layer("fc1", 99), b[0].clone()];
    let refused = Groups::of(&others, &b, Measure::default()).unwrap_err();
    assert!(
        matches!(
            &refused,
            Error::SamplesDiffer {
                group: 'a',
                network: 1,
                found: 100,
                expected: 99,
                ..
            }
        ),
        "{refused}"
    );
    let empty = vec![Activations::default(), Activations::default()];
    assert!(matches!(
        Groups::of(&empty, &empty, Measure::default()),
        Err(Error::NoLayers)
    ));
}
