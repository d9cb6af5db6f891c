//! Taps, scopes, layouts and probes on small networks.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use frostline_activations::{Activation, Error, Layout, Probe, Tap, record, scope};

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    dropout: Dropout,
    second: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        device.seed(7);
        Net {
            first: LinearConfig::new(5, 4).init(device),
            dropout: DropoutConfig::new(0.5).init(),
            second: LinearConfig::new(4, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.first.forward(x).tap("first");
        let x = self.dropout.forward(x);
        self.second.forward(x).tap("second")
    }
}

fn numbers<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as i64;
    Tensor::<1, burn::tensor::Int>::arange(0..count, &Device::flex())
        .float()
        .reshape(shape)
}

fn same<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
    assert_eq!(left.into_data(), right.into_data());
}

#[test]
fn a_tap_returns_the_tensor_and_keeps_a_copy_while_someone_records() {
    let x = numbers([4, 3]);
    let (output, activations) = record(|| (x.clone() * 2.0).tap("double") + 1.0).unwrap();

    same(output, x.clone() * 2.0 + 1.0);
    same(
        activations.layer("double").unwrap().tensor().unwrap(),
        x * 2.0,
    );
}

#[test]
fn a_tap_keeps_nothing_while_nobody_records() {
    let _ = numbers([2, 2]).tap("before");
    let (_, activations) = record(|| numbers([2, 2]).tap("within")).unwrap();
    let _ = numbers([2, 2]).tap("after");

    assert_eq!(activations.names().collect::<Vec<_>>(), ["within"]);
}

#[test]
fn a_kept_activation_is_outside_the_autodiff_graph() {
    let device = Device::flex().autodiff();
    let weight = Param::from_tensor(Tensor::<2>::ones([3, 3], &device));
    let x = Tensor::<2>::ones([2, 3], &device);
    let (output, activations) = record(|| x.matmul(weight.val()).tap("product")).unwrap();

    let kept = activations.view("product").unwrap();
    assert!(!kept.is_autodiff());
    let gradients = output.sum().backward();
    assert!(
        weight.grad(&gradients).is_some(),
        "the tap must not cut the graph"
    );
}

#[test]
fn another_threads_taps_are_not_recorded() {
    let (_, activations) = record(|| {
        std::thread::spawn(|| numbers([2, 2]).tap("elsewhere"))
            .join()
            .unwrap();
        numbers([2, 2]).tap("here")
    })
    .unwrap();

    assert_eq!(activations.names().collect::<Vec<_>>(), ["here"]);
}

#[test]
fn a_name_tapped_twice_is_an_error_that_names_it() {
    let twice = record(|| {
        scope("block", || {
            let x = numbers([2, 2]).tap("conv");
            x.tap("conv")
        })
    });

    let error = twice.unwrap_err();
    assert!(matches!(&error, Error::TappedTwice { name } if name == "block.conv"));
    assert!(error.to_string().contains("`block.conv`"));
}

#[test]
fn scopes_prefix_names_and_end_where_they_end() {
    let (_, activations) = record(|| {
        scope("stage1", || {
            scope("block", || numbers([2, 2]).tap("conv"));
            numbers([2, 2]).tap("pool")
        });
        numbers([2, 2]).tap("head")
    })
    .unwrap();

    let names: Vec<_> = activations.names().collect();
    assert_eq!(names, ["stage1.block.conv", "stage1.pool", "head"]);
}

#[test]
fn the_inner_of_two_records_listens_alone() {
    let (inner, outer) = record(|| {
        let _ = numbers([2, 2]).tap("outside");
        let (_, inner) = record(|| numbers([2, 2]).tap("inside")).unwrap();
        let _ = numbers([2, 2]).tap("again");
        inner
    })
    .unwrap();

    assert_eq!(inner.names().collect::<Vec<_>>(), ["inside"]);
    assert_eq!(outer.names().collect::<Vec<_>>(), ["outside", "again"]);
}

#[test]
fn a_forward_that_panics_leaves_nobody_recording() {
    let panicked = std::panic::catch_unwind(|| {
        record(|| {
            let _ = numbers([2, 2]).tap("layer");
            if numbers([2, 2]).dims() == [2, 2] {
                panic!("in the middle of a forward");
            }
        })
    });
    assert!(panicked.is_err());

    let (_, activations) = record(|| numbers([2, 2]).tap("layer")).unwrap();
    assert_eq!(activations.len(), 1);
}

#[test]
fn an_unknown_layer_is_an_error_that_lists_what_was_recorded() {
    let (_, activations) = record(|| numbers([2, 2]).tap("a").tap("b")).unwrap();

    let message = activations.view("c").unwrap_err().to_string();
    assert_eq!(message, "no layer `c` was recorded; recorded are: a, b");
}

#[test]
fn an_empty_activation_is_an_error() {
    let empty = Activation::new("nothing", Tensor::<2>::empty([0, 3], &Device::flex()));
    assert!(matches!(
        empty.view(Layout::Channels),
        Err(Error::EmptyActivation { .. })
    ));
}

#[test]
fn a_probe_gives_what_one_forward_of_all_batches_gives_in_evaluation_mode() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let x = Tensor::<2>::random([10, 5], Distribution::Normal(0.0, 1.0), &Device::flex());
    let batches = x.clone().split(4, 0); // 4, 4 and 2 samples

    let probe = Probe::new(batches, Net::forward);
    let found = probe.activations(&net).unwrap();
    let (_, expected) = record(|| net.valid().forward(x)).unwrap();

    assert_eq!(found.names().collect::<Vec<_>>(), ["first", "second"]);
    for layer in ["first", "second"] {
        same(found.view(layer).unwrap(), expected.view(layer).unwrap());
    }
    let again = probe.activations(&net).unwrap();
    same(found.view("second").unwrap(), again.view("second").unwrap());
}

#[test]
fn a_probe_says_what_is_wrong_with_it() {
    let device = Device::flex();
    let net = Net::new(&device);
    let batch = || Tensor::<2>::ones([2, 5], &device);

    let none = Probe::<Net>::new(Vec::<Tensor<2>>::new(), Net::forward);
    assert!(matches!(none.activations(&net), Err(Error::EmptyProbe)));

    let silent = Probe::new(vec![batch()], |net: &Net, x| net.first.forward(x));
    assert!(matches!(silent.activations(&net), Err(Error::NoTaps)));

    let uneven = Probe::new(vec![false, true], move |_: &Net, tapped: bool| {
        let x = numbers([2, 2]).tap("always");
        if tapped { x.tap("sometimes") } else { x }
    });
    assert!(matches!(
        uneven.activations(&net),
        Err(Error::TapsDiffer { batch: 1, .. })
    ));

    let sizes = Probe::new(vec![3, 4], |_: &Net, d: usize| numbers([2, d]).tap("wide"));
    assert!(matches!(
        sizes.activations(&net),
        Err(Error::WidthsDiffer {
            batch: 1,
            found: 4,
            expected: 3,
            ..
        })
    ));
}
