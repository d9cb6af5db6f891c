//! A convnet of six blocks that learns CIFAR-10 in minutes on a CPU.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use frostline::prelude::Tap;

use super::{conv, pool};

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
        let x = self.block1.forward(images).tap("block1");
        let x = self.block2.forward(x).tap("block2");
        let x = self.block3.forward(x).tap("block3");
        let x = self.block4.forward(x).tap("block4");
        let x = self.block5.forward(x).tap("block5");
        let x = self.block6.forward(x).tap("block6");
        let x: Tensor<3> = x.flatten(2, 3);
        self.head.forward(x.mean_dim(2).squeeze_dim(2)).tap("head")
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
    fn a_seed_gives_the_same_net_again() {
        let device = Device::flex();
        let logits = |seed| {
            device.seed(seed);
            let net = ConvNet::init(10, &device);
            net.forward(Tensor::ones([1, 3, 32, 32], &device))
                .into_data()
        };
        assert_eq!(logits(7), logits(7));
        assert_ne!(logits(7), logits(8));
    }
}
