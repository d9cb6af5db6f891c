//! The networks that the examples train. Every layer taps its output under its own name.
//!
//! Weights come from the device's random numbers: call `device.seed(seed)` before `init`.

mod convnet;
mod net;
mod paper;

pub use convnet::{Block, ConvNet};
pub use net::Net;
pub use paper::PaperNet;

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::Device;

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
