//! A convnet of six blocks that learns CIFAR-10 in minutes on a CPU.

use std::ops::Range;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use frostline::freeze::{Error, Features, Layered, Layers};
use frostline::prelude::Tap;

use super::{Net, channel_means, conv, conv_flops, linear_flops, pool};

/// Six blocks of 32, 32, 64, 64, 128 and 128 channels, the first, third and fifth ending in a pool, and a
/// linear head on the channel means of the last. Taps `block1` to `block6` and `head`.
#[derive(Module, Debug)]
pub struct ConvNet {
    /// `[3, 32, 32]` to `[32, 16, 16]`.
    pub block1: Block,
    /// `[32, 16, 16]`.
    pub block2: Block,
    /// To `[64, 8, 8]`.
    pub block3: Block,
    /// `[64, 8, 8]`.
    pub block4: Block,
    /// To `[128, 4, 4]`.
    pub block5: Block,
    /// `[128, 4, 4]`.
    pub block6: Block,
    /// To a logit a class.
    pub head: Linear,
}

impl ConvNet {
    /// A net with random weights for this many classes.
    pub fn init(classes: usize, device: &Device) -> Self {
        Self {
            block1: Block::init([3, 32], true, device),
            block2: Block::init([32, 32], false, device),
            block3: Block::init([32, 64], true, device),
            block4: Block::init([64, 64], false, device),
            block5: Block::init([64, 128], true, device),
            block6: Block::init([128, 128], false, device),
            head: LinearConfig::new(128, classes).init(device),
        }
    }

    /// Logits `[image, class]` of images `[image, 3, 32, 32]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.run(0..self.depth(), Features::new(images)).tensor()
    }
}

impl Layered for ConvNet {
    fn depth(&self) -> usize {
        7
    }

    fn run(&self, layers: Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| match layer {
            0 => self.block1.run(x, "block1"),
            1 => self.block2.run(x, "block2"),
            2 => self.block3.run(x, "block3"),
            3 => self.block4.run(x, "block4"),
            4 => self.block5.run(x, "block5"),
            5 => self.block6.run(x, "block6"),
            _ => {
                let means = channel_means(x.tensor());
                Features::new(self.head.forward(means).tap("head"))
            }
        })
    }
}

impl Net for ConvNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }

    fn layers(&self) -> Result<Layers, Error> {
        Layers::of(self)
    }

    fn forward_flops(&self) -> Vec<f64> {
        let blocks = [
            (&self.block1, 32),
            (&self.block2, 16),
            (&self.block3, 16),
            (&self.block4, 8),
            (&self.block5, 8),
            (&self.block6, 4),
        ];
        let blocks = blocks.map(|(block, side)| conv_flops(&block.conv, side));
        [blocks.as_slice(), &[linear_flops(&self.head)]].concat()
    }
}

/// Convolution, batch norm, rectifier, and a pool where the block has one.
#[derive(Module, Debug)]
pub struct Block {
    /// Without a bias: the batch norm has one.
    pub conv: Conv2d,
    /// Over channels.
    pub norm: BatchNorm,
    /// 2×2 where the block halves the image.
    pub pool: Option<MaxPool2d>,
}

impl Block {
    fn init(channels: [usize; 2], pooled: bool, device: &Device) -> Self {
        Self {
            conv: conv(channels, false, device),
            norm: BatchNormConfig::new(channels[1]).init(device),
            pool: pooled.then(pool),
        }
    }

    /// `[image, channel, row, column]` to the same with the block's channels.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let x = relu(self.norm.forward(self.conv.forward(images)));
        match &self.pool {
            Some(pool) => pool.forward(x),
            None => x,
        }
    }

    fn run(&self, x: Features, tap: &str) -> Features {
        Features::new(self.forward(x.tensor()).tap(tap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_becomes_a_logit_a_class() {
        let device = Device::flex();
        let net = ConvNet::init(10, &device);
        let logits = net.forward(Tensor::ones([2, 3, 32, 32], &device));
        assert_eq!(logits.dims(), [2, 10]);
    }

    #[test]
    fn the_parameters_are_those_of_the_drawing() {
        let convolutions = 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128);
        // Scale, shift, and the running mean and variance, which Burn counts too.
        let norms = 4 * (32 + 32 + 64 + 64 + 128 + 128);
        let head = 128 * 10 + 10;
        let net = ConvNet::init(10, &Device::flex());
        assert_eq!(net.num_params(), convolutions + norms + head);
    }

    #[test]
    fn the_operations_are_those_of_a_count_by_hand() {
        // Multiply-adds of the convolutions where they run, before their pools, and of the head.
        let by_hand = [
            9 * 3 * 32 * 32 * 32,
            9 * 32 * 32 * 16 * 16,
            9 * 32 * 64 * 16 * 16,
            9 * 64 * 64 * 8 * 8,
            9 * 64 * 128 * 8 * 8,
            9 * 128 * 128 * 4 * 4,
            128 * 10,
        ];
        let net = ConvNet::init(10, &Device::flex());
        assert_eq!(net.forward_flops(), by_hand.map(|adds| 2.0 * adds as f64));
    }
}
