//! A layer that keeps only some directions while a network answers.

mod samples;

use burn::tensor::Tensor;
use frostline::prelude::*;
use frostline::svcca::{self, most_active_neurons, random_neurons};
use frostline::{Error, projecting, projecting_each};
use nalgebra::DMatrix;

use samples::{assert_near, normal};

const CLASSES: usize = 3;

/// Two layers with fixed weights; the logits see three directions of the eight of `fc1`.
fn net(images: Tensor<2>) -> Tensor<2> {
    let fc1 = images.matmul(normal([5, 8], 1)).tanh().tap("fc1");
    fc1.matmul(normal([8, CLASSES], 2)).tap("logits")
}

/// A convolution as a mix of channels, and the mean of each map.
fn conv_net(images: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = images.dims();
    let mixed = normal([4, c], 3).matmul(
        images
            .reshape([n, c, h * w])
            .swap_dims(0, 1)
            .reshape([c, n * h * w]),
    );
    let maps = mixed
        .reshape([4, n, h, w])
        .swap_dims(0, 1)
        .tanh()
        .tap("conv");
    maps.mean_dims(&[2, 3]).reshape([n, 4]).tap("logits")
}

fn recorded(images: &Tensor<2>) -> (Tensor<2>, Activations) {
    record(|| net(images.clone())).unwrap()
}

#[test]
fn projecting_onto_every_direction_leaves_the_logits_as_they_were() {
    let images = normal([60, 5], 10);
    let (logits, activations) = recorded(&images);
    let fc1 = activations.view("fc1").unwrap();
    let whole = Projection::onto(&fc1, &DMatrix::identity(8, 8), 8).unwrap();
    let found = projecting::<2, _>("fc1", &whole, || net(images)).unwrap();
    assert_near(found, logits, 1e-12); // ε times the condition of fc1
}

#[test]
fn maps_go_through_their_channels_directions() {
    let images = normal([20, 2, 3, 4], 11);
    let (logits, activations) = record(|| conv_net(images.clone())).unwrap();
    let pixels = activations.view_as("conv", Layout::Channels).unwrap();
    let whole = Projection::onto(&pixels, &DMatrix::identity(4, 4), 4).unwrap();
    let found = projecting::<4, _>("conv", &whole, || conv_net(images.clone())).unwrap();
    assert_near(found, logits.clone(), 1e-12);

    let some = Projection::keeping(&pixels, &[0, 2]).unwrap();
    let found = projecting::<4, _>("conv", &some, || conv_net(images)).unwrap();
    let kept = |logits: Tensor<2>| logits.slice([0..20, 2..3]);
    assert_near(kept(found.clone()), kept(logits), 1e-14);
    // A channel at its mean says the same about every image.
    let gone = found.slice([0..20, 1..2]);
    assert_near(
        gone.clone() - gone.mean_dim(0),
        normal([20, 1], 1) * 0.0,
        0.0,
    );
}

#[test]
fn as_many_svcca_directions_as_there_are_classes_hold_the_logits() {
    let images = normal([200, 5], 12);
    let (logits, activations) = recorded(&images);
    let fc1 = activations.view("fc1").unwrap();
    let views = [View::new(&fc1).unwrap(), View::new(&logits).unwrap()];
    let pair = Pair::of(&views[0], &views[1]).unwrap();
    let directions = pair.directions(Cut::All).unwrap().x;
    let distance = |projection: &Projection| {
        let found = projecting::<2, _>("fc1", projection, || net(images.clone())).unwrap();
        let error = (found - logits.clone())
            .powf_scalar(2.0)
            .sum()
            .into_scalar::<f64>();
        let spread = logits.clone() - logits.clone().mean_dim(0);
        error / spread.powf_scalar(2.0).sum().into_scalar::<f64>()
    };
    let onto = |k| distance(&Projection::onto(&fc1, &directions.weights, k).unwrap());
    assert!(onto(CLASSES) < 1e-20, "{:e}", onto(CLASSES));
    assert!(onto(1) > onto(2) && onto(2) > 0.01);
    let neurons = [
        random_neurons(8, CLASSES, 1).unwrap(),
        most_active_neurons(&fc1, CLASSES).unwrap(),
    ];
    for neurons in neurons {
        let left = distance(&Projection::keeping(&fc1, &neurons).unwrap());
        assert!(left > 0.01, "{neurons:?}: {left}");
    }
}

#[test]
fn of_several_layers_each_keeps_what_its_projection_leaves() {
    let images = normal([40, 5], 14);
    let (logits, activations) = recorded(&images);
    let fc1 = activations.view("fc1").unwrap();
    let kept = [
        ("fc1", Projection::keeping(&fc1, &[0, 3, 6]).unwrap()),
        ("logits", Projection::keeping(&logits, &[1]).unwrap()),
    ];
    let found = projecting_each::<2, _>(&kept, || net(images.clone())).unwrap();
    let below = kept[0].1.apply(fc1).unwrap();
    let by_hand = kept[1].1.apply(below.matmul(normal([8, CLASSES], 2)));
    assert_near(found.clone(), by_hand.unwrap(), 1e-14);
    let turned = [kept[1].clone(), kept[0].clone()];
    let in_any_order = projecting_each::<2, _>(&turned, || net(images.clone())).unwrap();
    assert_near(found, in_any_order, 0.0);
    let untouched = projecting_each::<2, _>(&[], || net(images.clone())).unwrap();
    assert_near(untouched, logits, 0.0);

    let unknown = [kept[0].clone(), ("fc7", kept[1].1.clone())];
    let refused = projecting_each::<2, _>(&unknown, || net(images)).unwrap_err();
    assert!(refused.to_string().contains("fc7"), "{refused}");
}

#[test]
fn a_projection_of_another_layer_is_an_error_with_its_numbers() {
    let images = normal([30, 5], 13);
    let projection = Projection::keeping(&images, &[0]).unwrap();
    let refused = projecting::<2, _>("fc1", &projection, || net(images.clone()));
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, Error::Svcca(svcca::Error::NotTheseNeurons { neurons: 5, shape }) if *shape == [30, 8]),
        "{refused}"
    );
    let refused = projecting::<2, _>("fc2", &projection, || net(images.clone())).unwrap_err();
    assert!(
        refused.to_string().contains("fired have: fc1, logits"),
        "{refused}"
    );
}
