//! Layers against classes.

mod samples;

use burn::tensor::Tensor;
use frostline::prelude::*;
use frostline::svcca::{Bias, Chance, Weights, dft_cca};
use frostline::{ClassSensitivity, Error};

use samples::{activations, normal};

/// Logits that share two directions with `x: [sample, neuron]`, and noise.
fn logits(x: &Tensor<2>, classes: usize, seed: u64) -> Tensor<2> {
    let [samples, neurons] = x.dims();
    x.clone().matmul(normal([neurons, classes], seed)) + normal([samples, classes], seed + 1) * 2.0
}

fn column(columns: &Tensor<2>, class: usize) -> Tensor<2> {
    columns.clone().slice_dim(1, class..class + 1)
}

#[test]
fn every_value_is_the_cca_of_a_layer_with_a_column() {
    let (x, y) = (normal([150, 6], 1), normal([150, 9], 2));
    let classes = logits(&x, 4, 3);
    let recorded = activations(&[("conv", x.clone()), ("fc", y.clone())]);
    let found = ClassSensitivity::of(&recorded, &classes, Measure::CCA).unwrap();
    assert_eq!(found.layers, ["conv", "fc"]);
    assert_eq!((found.classes, found.problems.len()), (4, 0));
    for (layer, view) in [&x, &y].into_iter().enumerate() {
        for class in 0..4 {
            let alone = cca(view, &column(&classes, class)).unwrap().mean;
            let gap = (found.values[layer][class].unwrap() - alone).abs();
            assert!(gap < 1e-6, "{gap:e}"); // a grid holds its views in f32
        }
    }
    assert!(found.values[0][0].unwrap() > 2.0 * found.chance[0].unwrap());
}

#[test]
fn for_maps_it_is_the_dft_cca_with_a_logit() {
    let maps = normal([120, 5, 3, 4], 1) + normal([120, 5, 1, 1], 2);
    let means = maps.clone().mean_dims(&[2, 3]).reshape([120, 5]);
    let classes = logits(&means, 3, 3);
    let recorded = activations(&[("conv", maps.clone())]);
    let found = ClassSensitivity::of(&recorded, &classes, Measure::CCA).unwrap();
    for class in 0..3 {
        let logit = column(&classes, class).reshape([120, 1, 1, 1]);
        let expected = dft_cca(&maps, &logit).unwrap();
        assert_eq!(expected.frequencies, [1, 1]);
        let gap = (found.values[0][class].unwrap() - expected.mean).abs();
        assert!(gap < 1e-6, "{gap:e}");
    }
}

#[test]
fn labels_are_columns_of_zeros_and_ones() {
    let x = normal([90, 4], 1);
    let labels: Vec<usize> = (0..90).map(|sample| sample % 3).collect();
    let of_class = |class: usize| {
        labels
            .iter()
            .map(move |label| f64::from(u8::from(*label == class)))
    };
    let recorded = activations(&[("fc", x.clone())]);
    let found = ClassSensitivity::of_labels(&recorded, &labels, 3, Measure::CCA).unwrap();
    for class in 0..3 {
        let values: Vec<f64> = of_class(class).collect();
        let column = Tensor::<1>::from_data(values.as_slice(), &x.device()).reshape([90, 1]);
        let alone = cca(&x, &column).unwrap().mean;
        assert!((found.values[0][class].unwrap() - alone).abs() < 1e-6);
    }
}

#[test]
fn noise_in_place_of_classes_gives_the_chance_level() {
    let x = normal([60, 8], 1);
    let recorded = activations(&[("fc", x)]);
    let noise = normal([60, 400], 2);
    for measure in [
        Measure::CCA,
        Measure::Pwcca(Weights::Default),
        Measure::R2,
        Measure::Cka(Bias::Debiased),
        Measure::Cka(Bias::Biased),
        Measure::Procrustes,
    ] {
        let found = ClassSensitivity::of(&recorded, &noise, measure).unwrap();
        let mean = found.values[0]
            .iter()
            .map(|value| value.unwrap())
            .sum::<f64>()
            / 400.0;
        let chance = found.chance[0].unwrap();
        // 400 draws with a standard deviation of 0.1 at most; CKA's ratio is biased by a hundredth.
        assert!((mean - chance).abs() < 0.02, "{measure}: {mean} {chance}");
    }
    let cut = Measure::Svcca(Cut::Directions(3));
    let found = ClassSensitivity::of(&recorded, &noise, cut).unwrap();
    assert_eq!(found.chance, [Some(Chance::multiple_correlation(60, 3))]);
}

#[test]
fn what_can_not_be_measured_is_none_and_told_once() {
    let recorded = activations(&[
        ("wide", normal([20, 30], 1)),
        ("still", normal([20, 3], 2) * 0.0),
        ("fc", normal([20, 3], 3)),
    ]);
    let labels: Vec<usize> = (0..20).map(|sample| sample % 2).collect();
    let found = ClassSensitivity::of_labels(&recorded, &labels, 3, Measure::CCA).unwrap();
    assert_eq!(found.values[0], [None; 3]);
    assert_eq!(found.values[1], [None; 3]);
    assert!(found.values[2][0].is_some() && found.values[2][1].is_some());
    assert_eq!(found.values[2][2], None);
    assert_eq!(found.chance[0], None);
    assert_eq!(found.chance[1], None);
    let told = found.problems.join("\n");
    assert_eq!(found.problems.len(), 3, "{told}");
    assert!(
        told.contains("wide and class 0, and 1 more pairs: 20 samples are too few for 19"),
        "{told}"
    );
    assert!(
        told.contains("still and class 0, and 2 more pairs: no neuron of the layer varies"),
        "{told}"
    );
    assert!(
        told.contains(
            "wide and class 2, and 1 more pairs: the class's column is the same for all samples"
        ),
        "{told}"
    );
}

#[test]
fn other_samples_are_told_and_impossible_labels_and_no_layers_are_errors() {
    let recorded = activations(&[("fc", normal([20, 3], 1))]);
    let found = ClassSensitivity::of(&recorded, &normal([21, 2], 2), Measure::CCA).unwrap();
    assert_eq!(found.values, [[None, None]]);
    assert!(found.problems[0].contains("20 samples") && found.problems[0].contains("21"));

    let refused = ClassSensitivity::of_labels(&recorded, &[0, 1, 5], 3, Measure::CCA);
    assert!(matches!(
        refused,
        Err(Error::UnknownClass {
            sample: 2,
            label: 5,
            classes: 3
        })
    ));
    let refused = ClassSensitivity::of(&Activations::default(), &normal([20, 2], 2), Measure::CCA);
    assert!(matches!(refused, Err(Error::NoLayers)));
}
