//! A residual net in blocks, small enough to train on a CPU.

use std::ops::Range;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use frostline::freeze::{Error, Features, Layered, Layers};
use frostline::prelude::{Tap, scope};

use super::{Net, channel_means, conv_flops, linear_flops};

/// A stem, three stages of two residual blocks with 32, 64 and 128 channels, each stage beginning with a
/// stride of two, and a linear head on the channel means of the last block: 14 layers deep.
/// Taps `stem`, `stage1.0`, `stage1.1`, ... `stage3.1` and `head`, and of each block its two convolutions
/// (`stage1.0.first`, `stage1.0.second`): beside the sums, these make the stripes of the papers' residual nets.
///
/// Halving the image in the first stage already, where He et al. keep it, takes most of the memory
/// traffic away.
/// Source: He et al. 2015, arXiv:1512.03385, sections 3.3 and 4.2.
#[derive(Module, Debug)]
pub struct ResNet {
    /// `[3, 32, 32]` to `[32, 32, 32]`.
    pub stem: ConvNorm,
    /// To `[32, 16, 16]`.
    pub stage1: [ResidualBlock; 2],
    /// To `[64, 8, 8]`.
    pub stage2: [ResidualBlock; 2],
    /// To `[128, 4, 4]`.
    pub stage3: [ResidualBlock; 2],
    /// To a logit a class.
    pub head: Linear,
}

impl ResNet {
    /// A net with random weights for this many classes.
    pub fn init(classes: usize, device: &Device) -> Self {
        let stage = |channels: [usize; 2]| {
            let within = [channels[1], channels[1]];
            [
                ResidualBlock::init(channels, 2, device),
                ResidualBlock::init(within, 1, device),
            ]
        };
        Self {
            stem: ConvNorm::init([3, 32], 3, 1, device),
            stage1: stage([32, 32]),
            stage2: stage([32, 64]),
            stage3: stage([64, 128]),
            head: LinearConfig::new(128, classes).init(device),
        }
    }

    /// Logits `[image, class]` of images `[image, 3, 32, 32]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.run(0..self.depth(), Features::new(images)).tensor()
    }
}

impl Layered for ResNet {
    fn depth(&self) -> usize {
        8
    }

    fn run(&self, layers: Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| match layer {
            0 => Features::new(relu(self.stem.forward(x.tensor())).tap("stem")),
            1 => self.stage1[0].run(x, "stage1.0"),
            2 => self.stage1[1].run(x, "stage1.1"),
            3 => self.stage2[0].run(x, "stage2.0"),
            4 => self.stage2[1].run(x, "stage2.1"),
            5 => self.stage3[0].run(x, "stage3.0"),
            6 => self.stage3[1].run(x, "stage3.1"),
            _ => {
                let means = channel_means(x.tensor());
                Features::new(self.head.forward(means).tap("head"))
            }
        })
    }
}

impl Net for ResNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }

    fn layers(&self) -> Result<Layers, Error> {
        Layers::of(self)
    }

    fn forward_flops(&self) -> Vec<f64> {
        let stages = [(&self.stage1, 16), (&self.stage2, 8), (&self.stage3, 4)];
        let blocks = stages
            .iter()
            .flat_map(|(stage, side)| stage.iter().map(|block| block.forward_flops(*side)));
        std::iter::once(conv_flops(&self.stem.conv, 32))
            .chain(blocks)
            .chain([linear_flops(&self.head)])
            .collect()
    }
}

/// Two 3×3 convolutions around a rectifier, added to the input, and a rectifier over the sum.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// With the block's stride.
    pub first: ConvNorm,
    /// Keeps the size.
    pub second: ConvNorm,
    /// A 1×1 convolution of the input, where its size isn't the output's.
    pub shortcut: Option<ConvNorm>,
}

impl ResidualBlock {
    fn init(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        let within = [channels[1], channels[1]];
        let resizes = stride != 1 || channels[0] != channels[1];
        Self {
            first: ConvNorm::init(channels, 3, stride, device),
            second: ConvNorm::init(within, 3, 1, device),
            shortcut: resizes.then(|| ConvNorm::init(channels, 1, stride, device)),
        }
    }

    /// `[image, channel, row, column]` to the same with the block's channels, rows and columns.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = relu(self.first.forward(x.clone())).tap("first");
        let change = self.second.forward(inner).tap("second");
        let kept = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(change + kept)
    }

    fn run(&self, x: Features, tap: &str) -> Features {
        Features::new(scope(tap, || self.forward(x.tensor())).tap(tap))
    }

    /// Of one image whose outputs are `side` by `side` pixels.
    fn forward_flops(&self, side: usize) -> f64 {
        let convolutions = [&self.first, &self.second].into_iter();
        convolutions
            .chain(&self.shortcut)
            .map(|part| conv_flops(&part.conv, side))
            .sum()
    }
}

/// A convolution without a bias and a batch norm, which has one.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// 3×3 or 1×1.
    pub conv: Conv2d,
    /// Over channels.
    pub norm: BatchNorm,
}

impl ConvNorm {
    fn init(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let edge = kernel / 2;
        Self {
            conv: Conv2dConfig::new(channels, [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(edge, edge, edge, edge))
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(channels[1]).init(device),
        }
    }

    /// `[image, channel, row, column]` to the same with its channels, a stride smaller.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_becomes_a_logit_a_class() {
        let device = Device::flex();
        let net = ResNet::init(10, &device);
        let logits = net.forward(Tensor::ones([2, 3, 32, 32], &device));
        assert_eq!(logits.dims(), [2, 10]);
    }

    #[test]
    fn the_parameters_are_those_of_the_drawing() {
        let stem = 9 * 3 * 32;
        let stage1 = 9 * 4 * 32 * 32 + 32 * 32;
        let stage2 = 9 * (32 * 64 + 3 * 64 * 64) + 32 * 64;
        let stage3 = 9 * (64 * 128 + 3 * 128 * 128) + 64 * 128;
        // Scale, shift, and the running mean and variance, which Burn counts too: one norm in the stem, five
        // in each stage.
        let norms = 4 * (32 + 5 * (32 + 64 + 128));
        let head = 128 * 10 + 10;
        let net = ResNet::init(10, &Device::flex());
        let expected = stem + stage1 + stage2 + stage3 + norms + head;
        assert_eq!(net.num_params(), expected);
    }

    #[test]
    fn the_operations_are_those_of_a_count_by_hand() {
        // Multiply-adds: pixels of the output times the weights that each of them meets.
        let by_hand = [
            32 * 32 * 9 * 3 * 32,
            16 * 16 * (9 * 32 * 32 + 9 * 32 * 32 + 32 * 32),
            16 * 16 * (9 * 32 * 32 + 9 * 32 * 32),
            8 * 8 * (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64),
            8 * 8 * (9 * 64 * 64 + 9 * 64 * 64),
            4 * 4 * (9 * 64 * 128 + 9 * 128 * 128 + 64 * 128),
            4 * 4 * (9 * 128 * 128 + 9 * 128 * 128),
            128 * 10,
        ];
        let net = ResNet::init(10, &Device::flex());
        assert_eq!(net.forward_flops(), by_hand.map(|adds| 2.0 * adds as f64));
    }

    #[test]
    fn a_block_whose_convolutions_give_nothing_passes_its_input_on() {
        let device = Device::flex();
        let mut block = ResidualBlock::init([4, 4], 1, &device);
        block.second.norm.gamma = block.second.norm.gamma.map(|scale| scale * 0.0);
        let x = Tensor::<4>::ones([2, 4, 8, 8], &device);
        assert_eq!(block.forward(x.clone()).into_data(), x.into_data());
    }
}
