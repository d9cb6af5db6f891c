//! The networks that the examples train. Every layer taps its output under its own name.
//!
//! Weights come from the device's random numbers: call `device.seed(seed)` before `init`.

mod convnet;
mod net;
mod paper;
mod resnet;

pub use convnet::{Block, ConvNet};
pub use net::Net;
pub use paper::PaperNet;
pub use resnet::{ConvNorm, ResNet, ResidualBlock};

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

/// A 3×3 convolution that keeps the image's size.
fn conv(channels: [usize; 2], bias: bool, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3])
        .with_padding(PaddingConfig2d::Same)
        .with_bias(bias)
        .init(device)
}

/// Maximum over 2×2 pixels: half the height, half the width.
fn pool() -> MaxPool2d {
    MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init()
}

/// `[image, channel, row, column]` to `[image, channel]`.
fn channel_means(maps: Tensor<4>) -> Tensor<2> {
    let maps: Tensor<3> = maps.flatten(2, 3);
    maps.mean_dim(2).squeeze_dim(2)
}

/// Floating-point operations of a convolution for one image, its outputs `side` by `side` pixels.
fn conv_flops(conv: &Conv2d, side: usize) -> f64 {
    // `[out, in, row, column]`: what each pixel of the outputs multiplies and adds.
    let weights: usize = conv.weight.dims().iter().product();
    (2 * weights * side * side) as f64
}

/// Floating-point operations of a linear map for one image.
fn linear_flops(linear: &Linear) -> f64 {
    let weights: usize = linear.weight.dims().iter().product();
    (2 * weights) as f64
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use frostline::freeze::Features;
    use frostline::prelude::*;

    use super::*;

    fn images(device: &Device) -> Tensor<4> {
        Tensor::random([3, 3, 32, 32], Distribution::Normal(0.0, 1.0), device)
    }

    fn assert_can_be_entered_above_any_layer(net: impl Net, device: &Device) {
        let net = net.valid();
        let layers = net.layers().unwrap().len();
        let images = images(device);
        let whole = net.logits(images.clone()).into_data();
        for k in 0..=layers {
            let below = net.run(0..k, Features::new(images.clone()));
            let above: Tensor<2> = net.run(k..layers, below).tensor();
            assert_eq!(above.into_data(), whole, "entered above {k} layers");
        }
    }

    fn assert_each_layer_taps_its_name(net: impl Net, device: &Device) {
        let names: Vec<String> = net.layers().unwrap().names().map(str::to_string).collect();
        assert_eq!(net.forward_flops().len(), names.len());
        let mut x = Features::new(images(device));
        for (layer, name) in names.iter().enumerate() {
            let (above, taps) = record(|| net.run(layer..layer + 1, x)).unwrap();
            assert!(taps.names().any(|tap| tap == name), "{name}");
            x = above;
        }
    }

    #[test]
    fn every_net_can_be_entered_above_any_layer_with_the_same_logits() {
        let device = Device::flex();
        assert_can_be_entered_above_any_layer(ConvNet::init(10, &device), &device);
        assert_can_be_entered_above_any_layer(PaperNet::init(10, &device), &device);
        assert_can_be_entered_above_any_layer(ResNet::init(10, &device), &device);
    }

    #[test]
    fn every_layer_of_every_net_taps_its_output_under_its_name() {
        let device = Device::flex();
        assert_each_layer_taps_its_name(ConvNet::init(10, &device), &device);
        assert_each_layer_taps_its_name(PaperNet::init(10, &device), &device);
        assert_each_layer_taps_its_name(ResNet::init(10, &device), &device);
    }
}
