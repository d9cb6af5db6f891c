//! Layers made smaller through the directions of their inputs.

mod samples;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{DType, Device, Gradients, Tensor};
use frostline::prelude::*;
use frostline::{Error, LowRankConv2d, LowRankLinear};
use nalgebra::DMatrix;

use samples::{assert_near, normal, numbers};

/// f64 products, in another order.
const CLOSE: f64 = 1e-10;

fn linear(inputs: usize, outputs: usize, bias: bool) -> Linear {
    Linear {
        weight: Param::from_tensor(normal([inputs, outputs], 21)),
        bias: bias.then(|| Param::from_tensor(normal([outputs], 22))),
    }
}

/// A 3×2 kernel from 5 to 4 channels.
fn conv(padding: PaddingConfig2d, stride: [usize; 2], bias: bool) -> Conv2d {
    let config = Conv2dConfig::new([5, 4], [3, 2])
        .with_stride(stride)
        .with_padding(padding);
    let mut conv = config.init(&Device::flex());
    conv.weight = Param::from_tensor(normal([4, 5, 3, 2], 23));
    conv.bias = bias.then(|| Param::from_tensor(normal([4], 24)));
    conv
}

/// Directions at random, of activations far from zero.
fn projection(activations: &Tensor<2>, k: usize) -> Projection {
    let [_, neurons] = activations.dims();
    let weights = DMatrix::from_vec(neurons, k, numbers(normal([neurons * k], 25)));
    Projection::onto(activations, &weights, k).unwrap()
}

fn pixels(maps: &Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = maps.dims();
    maps.clone().permute([0, 2, 3, 1]).reshape([n * h * w, c])
}

const PADDINGS: [PaddingConfig2d; 4] = [
    PaddingConfig2d::Valid,
    PaddingConfig2d::Same,
    PaddingConfig2d::Explicit(2, 0, 1, 1),
    PaddingConfig2d::Explicit(0, 0, 0, 0),
];

#[test]
fn a_compressed_linear_map_answers_what_the_layer_answers_to_the_projected_input() {
    let x = normal([40, 6], 1) + 3.0;
    for bias in [true, false] {
        let layer = linear(6, 7, bias);
        for k in [1, 4, 6] {
            let projection = projection(&x, k);
            let small = LowRankLinear::of(&layer, &projection).unwrap();
            assert_eq!(small.directions(), k);
            let others = normal([9, 6], 2);
            let expected = layer.forward(projection.apply(others.clone()).unwrap());
            assert_near(small.forward(others), expected, CLOSE);
            let tokens = normal([2, 5, 6], 3);
            let expected = layer.forward(projection.apply(tokens.clone()).unwrap());
            assert_near(small.forward(tokens), expected, CLOSE);
        }
    }
}

#[test]
fn a_compressed_convolution_answers_what_the_layer_answers_to_the_projected_input() {
    let x = normal([6, 5, 7, 8], 1) + 3.0;
    for padding in PADDINGS {
        for stride in [[1, 1], [2, 2], [2, 1]] {
            for bias in [true, false] {
                let layer = conv(padding.clone(), stride, bias);
                for k in [1, 3] {
                    let projection = projection(&pixels(&x), k);
                    let small = LowRankConv2d::of(&layer, &projection).unwrap();
                    assert_eq!(small.directions(), k);
                    let others = normal([3, 5, 7, 8], 2);
                    let expected = layer.forward(projection.apply(others.clone()).unwrap());
                    assert_near(small.forward(others), expected, CLOSE);
                }
            }
        }
    }
}

#[test]
fn a_dilated_convolution_stays_dilated() {
    let x = normal([6, 5, 9, 9], 1);
    let mut layer = conv(PaddingConfig2d::Explicit(2, 1, 2, 1), [1, 1], true);
    layer.dilation = [2, 2];
    let projection = projection(&pixels(&x), 2);
    let small = LowRankConv2d::of(&layer, &projection).unwrap();
    let expected = layer.forward(projection.apply(x.clone()).unwrap());
    assert_near(small.forward(x), expected, CLOSE);
}

#[test]
fn through_all_directions_a_layer_is_what_it_was_up_to_its_border() {
    let x = normal([40, 6], 1) + 3.0;
    let layer = linear(6, 7, true);
    let small = LowRankLinear::of(&layer, &projection(&x, 6)).unwrap();
    assert_near(small.forward(x.clone()), layer.forward(x), CLOSE);

    let maps = normal([6, 5, 7, 8], 2) + 3.0;
    for padding in PADDINGS {
        let layer = conv(padding, [1, 1], true);
        let small = LowRankConv2d::of(&layer, &projection(&pixels(&maps), 5)).unwrap();
        assert_near(
            small.forward(maps.clone()),
            layer.forward(maps.clone()),
            CLOSE,
        );
    }
}

#[test]
fn fewer_directions_than_told_make_a_layer_smaller_and_more_do_not() {
    let x = normal([60, 20], 1);
    let layer = linear(20, 30, true);
    let most = LowRankLinear::most_directions(&layer);
    let parameters = |k| {
        LowRankLinear::of(&layer, &projection(&x, k))
            .unwrap()
            .num_params()
    };
    assert!(parameters(most) < layer.num_params());
    assert!(parameters(most + 1) >= layer.num_params());
    assert_eq!(LowRankLinear::most_directions(&linear(3, 1, false)), 0);

    let maps = normal([9, 5, 4, 4], 2);
    for padding in PADDINGS {
        let layer = conv(padding, [1, 1], false);
        let most = LowRankConv2d::most_directions(&layer);
        let parameters = |k| {
            let small = LowRankConv2d::of(&layer, &projection(&pixels(&maps), k));
            small.unwrap().num_params()
        };
        assert!(parameters(most) < layer.num_params(), "{most}");
        assert!(parameters(most + 1) >= layer.num_params(), "{most}");
    }
}

#[test]
fn operations_are_counted_from_the_weights() {
    let layer = linear(20, 30, true);
    let small = LowRankLinear::of(&layer, &projection(&normal([60, 20], 1), 4)).unwrap();
    assert_eq!(small.flops(), 2.0 * (20.0 * 4.0 + 4.0 * 30.0));
    let layer = conv(PaddingConfig2d::Same, [2, 2], true);
    let maps = normal([9, 5, 8, 8], 2);
    let small = LowRankConv2d::of(&layer, &projection(&pixels(&maps), 2)).unwrap();
    let [_, _, height, width] = small.forward(maps).dims();
    let expected = 2.0 * (5.0 * 2.0 * 64.0 + 2.0 * 4.0 * 6.0 * 16.0);
    assert_eq!(small.flops([8, 8], [height, width]), expected);
}

#[test]
fn a_compressed_layer_trains_on_in_its_own_floats() {
    let device = Device::flex().autodiff();
    let input = normal([50, 6], 1).cast(DType::F32);
    let layer = LinearConfig::new(6, 4).init(&device);
    let small = LowRankLinear::of(&layer, &projection(&input, 2)).unwrap();
    let output = small.forward(Tensor::from_inner(input.clone()));
    assert_eq!(output.dtype(), DType::F32);
    let gradients = output.powf_scalar(2.0).mean().backward();
    assert!(LeastGradient::of(&small, &gradients) > 0.0);
    let of_layer = layer.weight.val().grad(&gradients);
    assert!(of_layer.is_none(), "the layer itself is left alone");

    let maps = normal([4, 5, 6, 6], 2).cast(DType::F32);
    let layer = Conv2dConfig::new([5, 3], [3, 3])
        .with_padding(PaddingConfig2d::Same)
        .init(&device);
    let projection = projection(&pixels(&maps), 2);
    let small = LowRankConv2d::of(&layer, &projection).unwrap();
    let maps = Tensor::from_inner(maps);
    let expected = layer.forward(projection.apply(maps.clone()).unwrap());
    assert_near(small.forward(maps).inner(), expected.inner(), 1e-5);
}

/// The smallest of the largest gradients of a module's parameters, 0 where one has none.
struct LeastGradient<'a> {
    gradients: &'a Gradients,
    least: f32,
}

impl<'a> LeastGradient<'a> {
    fn of(module: &impl Module, gradients: &'a Gradients) -> f32 {
        let least = f32::INFINITY;
        let mut visitor = LeastGradient { gradients, least };
        module.visit(&mut visitor);
        visitor.least
    }
}

impl ModuleVisitor for LeastGradient<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients);
        let largest = gradient.map_or(0.0, |gradient| gradient.abs().max().into_scalar::<f32>());
        self.least = self.least.min(largest);
    }
}

#[test]
fn a_layer_that_is_replaced_answers_as_the_network_with_its_input_projected() {
    let images = normal([50, 6], 1);
    let fc = linear(6, 4, true);
    let (_, recorded) = record(|| images.clone().tanh().tap("input")).unwrap();
    let projection = projection(&recorded.view("input").unwrap(), 2);
    let forward = || fc.forward(images.clone().tanh().tap("input"));
    let projected = frostline::projecting::<2, _>("input", &projection, forward).unwrap();
    let small = LowRankLinear::of(&fc, &projection).unwrap();
    assert_near(small.forward(images.tanh()), projected, CLOSE);
}

#[test]
fn what_can_not_be_compressed_is_an_error_with_its_numbers() {
    let three = projection(&normal([40, 3], 1), 2);
    let refused = LowRankLinear::of(&linear(6, 7, true), &three).unwrap_err();
    assert!(matches!(
        refused,
        Error::NotTheInput {
            inputs: 6,
            neurons: 3
        }
    ));
    let layer = conv(PaddingConfig2d::Valid, [1, 1], true);
    let refused = LowRankConv2d::of(&layer, &three).unwrap_err();
    assert!(matches!(
        refused,
        Error::NotTheInput {
            inputs: 5,
            neurons: 3
        }
    ));

    let still = normal([40, 5], 1) * 0.0;
    let nothing = Projection::onto(&still, &DMatrix::identity(5, 5), 2).unwrap();
    let refused = LowRankConv2d::of(&layer, &nothing).unwrap_err();
    assert!(matches!(refused, Error::NothingKept));

    let grouped = Conv2dConfig::new([4, 4], [3, 3])
        .with_groups(2)
        .init(&Device::flex());
    let of_four = projection(&normal([40, 4], 1), 2);
    let refused = LowRankConv2d::of(&grouped, &of_four).unwrap_err();
    assert!(matches!(refused, Error::Grouped { groups: 2 }));
}
