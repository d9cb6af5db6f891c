//! A layer's output replaced while a forward runs.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use frostline_activations::{Error, Probe, Tap, record, replacing, scope};

fn ones() -> Tensor<2> {
    Tensor::ones([4, 3], &Device::flex())
}

/// `3 (2 x) + 1`, with taps.
fn net(x: Tensor<2>) -> Tensor<2> {
    let x = (x * 2.0).tap("double");
    (x * 3.0).tap("triple") + 1.0
}

fn assert_all(tensor: Tensor<2>, value: f32) {
    assert_eq!(tensor.into_data(), (ones() * value).into_data());
}

#[test]
fn what_stands_above_a_replaced_layer_goes_on_from_what_replaced_it() {
    let seen = Rc::new(Cell::new(0.0));
    let says = seen.clone();
    let replace = move |x: Tensor<2>| {
        says.set(x.clone().mean().into_scalar::<f32>());
        x + 5.0
    };
    let output = replacing("double", replace, || net(ones())).unwrap();

    assert_eq!(seen.get(), 2.0);
    assert_all(output, 3.0 * (2.0 + 5.0) + 1.0);
    assert_all(net(ones()), 7.0);
}

#[test]
fn two_layers_are_replaced_by_one_call_within_the_other() {
    let output = replacing(
        "triple",
        |x: Tensor<2>| x - 1.0,
        || replacing("double", |x: Tensor<2>| x + 5.0, || net(ones())).unwrap(),
    );
    assert_all(output.unwrap(), 3.0 * (2.0 + 5.0) - 1.0 + 1.0);
}

#[test]
fn of_two_replacements_of_one_layer_the_inner_comes_first() {
    let output = replacing(
        "double",
        |x: Tensor<2>| x * 10.0,
        || replacing("double", |x: Tensor<2>| x + 5.0, || net(ones())).unwrap(),
    );
    assert_all(output.unwrap(), 3.0 * 10.0 * (2.0 + 5.0) + 1.0);
}

#[test]
fn a_record_sees_what_replaced_the_layer_from_within_and_from_around() {
    let within = replacing("double", |x: Tensor<2>| x + 5.0, || record(|| net(ones())));
    let (_, within) = within.unwrap().unwrap();
    let around = record(|| replacing("double", |x: Tensor<2>| x + 5.0, || net(ones())).unwrap());
    let (_, around) = around.unwrap();

    for activations in [within, around] {
        assert_all(activations.view("double").unwrap(), 7.0);
        assert_all(activations.view("triple").unwrap(), 21.0);
    }
}

#[test]
fn scopes_within_the_forward_belong_to_the_name_and_those_around_it_do_not() {
    let blocks = || {
        let x = scope("first", || net(ones()));
        scope("second", || net(x))
    };
    let replace = |x: Tensor<2>| x.zeros_like();
    assert_all(replacing("second.double", replace, blocks).unwrap(), 1.0);

    // Also where someone listens outside, who hears of both scopes.
    let (output, activations) = record(|| {
        scope("net", || {
            replacing("second.double", replace, blocks).unwrap()
        })
    })
    .unwrap();
    assert_all(output, 1.0);
    assert_all(activations.view("net.second.double").unwrap(), 0.0);
}

#[test]
fn a_probe_replaces_in_each_of_its_batches() {
    // One forward each: replaced within what the probe asks.
    let forward = |scale: &Param<Tensor<2>>, x: Tensor<2>| {
        replacing("double", |x: Tensor<2>| x + 5.0, || net(x * scale.val())).unwrap()
    };
    let probe = Probe::new(vec![ones(), ones() * 2.0], forward);
    let found = probe
        .activations(&Param::from_tensor(ones()))
        .unwrap()
        .view("double")
        .unwrap();
    assert_all(found.clone().slice_dim(0, 0..4), 7.0);
    assert_all(found.slice_dim(0, 4..8), 9.0);
}

#[test]
fn gradients_go_through_what_replaced_the_layer() {
    let device = Device::flex().autodiff();
    let weight = Param::from_tensor(Tensor::<2>::ones([3, 3], &device));
    let x = Tensor::<2>::ones([2, 3], &device);
    let forward = || x.matmul(weight.val()).tap("product");
    let output = replacing("product", |x: Tensor<2>| x * 2.0, forward).unwrap();

    let gradient = weight.grad(&output.sum().backward()).unwrap();
    assert_eq!(gradient.mean().into_scalar::<f32>(), 4.0); // two samples, doubled
}

#[test]
fn another_threads_taps_are_left_alone() {
    let elsewhere = replacing(
        "double",
        |x: Tensor<2>| x + 5.0,
        || {
            let elsewhere = std::thread::spawn(|| net(ones())).join().unwrap();
            net(ones());
            elsewhere
        },
    );
    assert_all(elsewhere.unwrap(), 7.0);
}

#[test]
fn a_name_that_never_fires_is_an_error_with_the_names_that_did() {
    let never = replacing("fc1", |x: Tensor<2>| x, || net(ones())).unwrap_err();
    assert_eq!(
        never.to_string(),
        "no tap `fc1` fired, so nothing was replaced; fired have: double, triple"
    );
    let silent = replacing("fc1", |x: Tensor<2>| x, ones).unwrap_err();
    assert!(silent.to_string().ends_with("fired have: none"), "{silent}");
}

#[test]
fn a_layer_of_another_rank_is_an_error_and_keeps_its_output() {
    let mut output = None;
    let wrong = replacing(
        "double",
        |x: Tensor<4>| x * 0.0,
        || output = Some(net(ones())),
    );
    let error = wrong.unwrap_err();
    assert!(
        matches!(&error, Error::RankMismatch { name, shape, asked: 4 }
            if name == "double" && *shape == [4, 3]),
        "{error}"
    );
    assert_all(output.unwrap(), 7.0);
}

#[test]
fn another_shape_is_an_error_and_keeps_the_layers_output() {
    let mut output = None;
    let wrong = replacing(
        "double",
        |x: Tensor<2>| x.slice_dim(0, 0..2),
        || output = Some(net(ones())),
    );
    let message = wrong.unwrap_err().to_string();
    assert!(
        message.contains("`double` has shape [4, 3]") && message.contains("[2, 3]"),
        "{message}"
    );
    assert_all(output.unwrap(), 7.0);
}

#[test]
fn a_layer_that_fires_twice_is_an_error_that_names_it() {
    let twice = replacing("double", |x: Tensor<2>| x, || net(net(ones())));
    assert!(matches!(twice, Err(Error::TappedTwice { name }) if name == "double"));
}

#[test]
fn what_replaces_may_tap_and_replace_itself() {
    let replace = |x: Tensor<2>| {
        let half = (x * 0.5).tap("half");
        replacing("double", |x: Tensor<2>| x * 10.0, || half.tap("double")).unwrap()
    };
    let twice = record(|| replacing("double", replace, || net(ones())));
    // The inner `double` and the outer one are two taps of one name.
    assert!(matches!(twice, Err(Error::TappedTwice { name }) if name == "double"));

    let replace = |x: Tensor<2>| (x * 0.5).tap("half");
    let found = record(|| replacing("double", replace, || net(ones())).unwrap());
    let (output, activations) = found.unwrap();
    assert_all(output, 4.0);
    let names: Vec<_> = activations.names().collect();
    assert_eq!(names, ["half", "double", "triple"]);
}

#[test]
fn a_forward_or_a_replacement_that_panics_leaves_nothing_behind() {
    let forward = || -> Tensor<2> {
        scope("block", || {
            net(ones());
            panic!("in the middle of a forward")
        })
    };
    let panicked = catch_unwind(|| replacing("block.double", |x: Tensor<2>| x * 0.0, forward));
    assert!(panicked.is_err());
    let replace = |_: Tensor<2>| -> Tensor<2> { panic!("in the middle of a replacement") };
    let panicked = catch_unwind(|| replacing("double", replace, || net(ones())));
    assert!(panicked.is_err());

    assert_all(net(ones()), 7.0);
    let (_, activations) = record(|| net(ones())).unwrap();
    assert_eq!(
        activations.names().collect::<Vec<_>>(),
        ["double", "triple"]
    );
}

#[test]
fn a_scope_that_panics_ends_there() {
    let (_, activations) = record(|| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            scope("block", || -> Tensor<2> {
                panic!("in the middle of a scope")
            })
        }));
        assert!(panicked.is_err());
        net(ones())
    })
    .unwrap();
    assert_eq!(
        activations.names().collect::<Vec<_>>(),
        ["double", "triple"]
    );
}
