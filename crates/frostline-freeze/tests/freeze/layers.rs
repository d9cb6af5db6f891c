//! Which parameters belong to which layer, and what is said of a declaration that doesn't hold.

use crate::nets::Net;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use frostline_freeze::{Error, Layers, freeze};

/// `conv1` is a prefix of `conv10`; the dropout has no parameters; the blocks are a `Vec`.
#[derive(Module, Debug)]
struct Tricky {
    conv1: Linear,
    dropout: Dropout,
    conv10: Linear,
    blocks: Vec<Linear>,
    scale: Param<Tensor<1>>,
}

impl Tricky {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let linear = || LinearConfig::new(3, 3).init(&device);
        Tricky {
            conv1: linear(),
            dropout: DropoutConfig::new(0.5).init(),
            conv10: linear(),
            blocks: vec![linear(), linear()],
            scale: Param::from_tensor(Tensor::ones([3], &device)),
        }
    }
}

fn names(layers: &Layers) -> Vec<&str> {
    layers.names().collect()
}

fn requires_grad(linear: &Linear) -> bool {
    linear.weight.val().is_require_grad()
}

#[test]
fn the_layers_of_a_model_are_its_fields_with_parameters_and_the_elements_of_its_vecs() {
    let layers = Layers::of(&Tricky::new()).unwrap();
    assert_eq!(
        names(&layers),
        ["conv1", "conv10", "blocks.0", "blocks.1", "scale"]
    );
    assert_eq!(
        names(&Layers::of(&Net::new(1)).unwrap()),
        ["block1", "block2", "block3", "head"]
    );
}

#[test]
fn freezing_conv1_leaves_conv10_alone() {
    let net = Tricky::new();
    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 1);
    assert!(!requires_grad(&net.conv1));
    assert!(requires_grad(&net.conv10));
    let net = freeze(net, &layers, 3);
    assert!(!requires_grad(&net.conv10) && !requires_grad(&net.blocks[0]));
    assert!(requires_grad(&net.blocks[1]));
}

#[test]
fn a_dropout_field_freezes_when_all_layers_below_the_last_do() {
    let net = Tricky::new();
    let layers = Layers::of(&net).unwrap();
    let kept = |count| {
        let net = freeze(net.clone(), &layers, count);
        let ones = Tensor::<2>::ones([50, 50], &Device::flex().autodiff());
        let kept = net.dropout.forward(ones.clone()).inner().into_data();
        kept == ones.inner().into_data()
    };
    assert_eq!([1, 3, 4].map(kept), [false, false, true]);
}

#[test]
fn named_layers_take_what_lies_at_or_below_their_paths() {
    let net = Tricky::new();
    let named: [(&str, &[&str]); 3] = [
        ("stem", &["conv1"]),
        ("body", &["conv10", "blocks"]),
        ("scale", &["scale"]),
    ];
    let layers = Layers::named(&net, &named).unwrap();
    assert_eq!(names(&layers), ["stem", "body", "scale"]);
    let net = freeze(net, &layers, 2);
    assert!(net.blocks.iter().all(|block| !requires_grad(block)));
    assert!(net.scale.val().is_require_grad());
}

#[test]
fn a_path_that_matches_nothing_is_an_error_with_the_paths_that_exist() {
    let net = Tricky::new();
    let error = Layers::named(&net, &[("stem", &["conv2"])]).unwrap_err();
    assert!(matches!(error, Error::UnknownPath { .. }));
    let message = error.to_string();
    assert!(
        message.contains("`conv2`") && message.contains("conv10.weight"),
        "{message}"
    );
}

#[test]
fn a_parameter_in_two_layers_or_in_none_is_an_error_that_names_it() {
    let net = Tricky::new();
    let all: &[&str] = &["conv1", "conv10", "blocks", "scale"];
    let twice = Layers::named(&net, &[("all", all), ("again", &["conv10.bias"])]);
    assert!(matches!(
        twice.unwrap_err(),
        Error::InTwoLayers { path, first, second } if (path.as_str(), first.as_str(), second.as_str()) == ("conv10.bias", "all", "again")
    ));

    let left_out = Layers::named(
        &net,
        &[("stem", &["conv1"]), ("body", &["conv10", "blocks"])],
    );
    assert!(matches!(left_out.unwrap_err(), Error::InNoLayer { paths } if paths == "scale"));

    let same = Layers::named(&net, &[("stem", &["conv1"]), ("stem", &["conv10"])]);
    assert!(matches!(same.unwrap_err(), Error::SameName { .. }));
    assert!(matches!(
        Layers::named(&net, &[]),
        Err(Error::NoLayers { .. })
    ));
}

#[test]
fn a_weight_shared_by_two_layers_is_an_error() {
    let mut net = Tricky::new();
    net.conv10.weight = net.conv1.weight.clone();
    assert!(matches!(
        Layers::of(&net).unwrap_err(),
        Error::InTwoLayers { path, .. } if path == "conv10.weight"
    ));
}

#[test]
fn a_model_without_parameters_has_no_layers() {
    #[derive(Module, Debug)]
    struct Empty {
        dropout: Dropout,
    }
    let empty = Empty {
        dropout: DropoutConfig::new(0.5).init(),
    };
    assert!(matches!(Layers::of(&empty), Err(Error::NoLayers { .. })));
}
