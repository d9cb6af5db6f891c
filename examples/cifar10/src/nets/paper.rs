//! The convnet of the SVCCA paper.

use std::ops::Range;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use frostline::freeze::{Error, Features, Layered, Layers};
use frostline::prelude::Tap;

use super::{Net, conv, conv_flops, linear_flops, pool};

/// conv conv bn pool, conv conv conv bn pool, fc bn, fc bn, out: 4096 neurons after the second pool,
/// then 512 and 256.
///
/// The paper gives no filters: 32 in the first group and 64 in the second are ours, where 64 is
/// what 4096 neurons on 8×8 maps ask for. A rectifier follows each convolution and each
/// fully connected layer, so a batch norm is an affine map of the layer before it. Taps `c1`
/// `c2` `bn1` `p1` `c3` `c4` `c5` `bn2` `p2` `fc1` `bn3` `fc2` `bn4` `logits`; [`Net::logits`] taps `in`, the images, and `out`, the
/// probabilities, too.
///
/// Source: Raghu et al. 2017, arXiv:1706.05806.
#[derive(Module, Debug)]
pub struct PaperNet {
    /// `[3, 32, 32]` to `[32, 32, 32]`.
    pub c1: Conv2d,
    /// `[32, 32, 32]`.
    pub c2: Conv2d,
    /// Over the channels of `c2`.
    pub bn1: BatchNorm,
    /// To `[32, 16, 16]`.
    pub p1: MaxPool2d,
    /// To `[64, 16, 16]`.
    pub c3: Conv2d,
    /// `[64, 16, 16]`.
    pub c4: Conv2d,
    /// `[64, 16, 16]`.
    pub c5: Conv2d,
    /// Over the channels of `c5`.
    pub bn2: BatchNorm,
    /// To `[64, 8, 8]`, 4096 neurons.
    pub p2: MaxPool2d,
    /// To 512.
    pub fc1: Linear,
    /// Over the neurons of `fc1`.
    pub bn3: BatchNorm,
    /// To 256.
    pub fc2: Linear,
    /// Over the neurons of `fc2`.
    pub bn4: BatchNorm,
    /// To a logit a class.
    pub out: Linear,
}

impl PaperNet {
    /// A net with random weights for this many classes.
    pub fn init(classes: usize, device: &Device) -> Self {
        Self {
            c1: conv([3, 32], true, device),
            c2: conv([32, 32], true, device),
            bn1: BatchNormConfig::new(32).init(device),
            p1: pool(),
            c3: conv([32, 64], true, device),
            c4: conv([64, 64], true, device),
            c5: conv([64, 64], true, device),
            bn2: BatchNormConfig::new(64).init(device),
            p2: pool(),
            fc1: LinearConfig::new(64 * 8 * 8, 512).init(device),
            bn3: BatchNormConfig::new(512).init(device),
            fc2: LinearConfig::new(512, 256).init(device),
            bn4: BatchNormConfig::new(256).init(device),
            out: LinearConfig::new(256, classes).init(device),
        }
    }

    /// Logits `[image, class]` of images `[image, 3, 32, 32]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.run(0..self.depth(), Features::new(images)).tensor()
    }
}

impl Layered for PaperNet {
    fn depth(&self) -> usize {
        12
    }

    fn run(&self, layers: Range<usize>, x: Features) -> Features {
        // A pool has no parameters: it belongs to the batch norm before it.
        layers.fold(x, |x, layer| match layer {
            0 => Features::new(relu(self.c1.forward(x.tensor())).tap("c1")),
            1 => Features::new(relu(self.c2.forward(x.tensor())).tap("c2")),
            2 => {
                let x: Tensor<4> = self.bn1.forward(x.tensor()).tap("bn1");
                Features::new(self.p1.forward(x).tap("p1"))
            }
            3 => Features::new(relu(self.c3.forward(x.tensor())).tap("c3")),
            4 => Features::new(relu(self.c4.forward(x.tensor())).tap("c4")),
            5 => Features::new(relu(self.c5.forward(x.tensor())).tap("c5")),
            6 => {
                let x: Tensor<4> = self.bn2.forward(x.tensor()).tap("bn2");
                Features::new(self.p2.forward(x).tap("p2"))
            }
            7 => {
                let x: Tensor<2> = x.tensor::<4>().flatten(1, 3);
                Features::new(relu(self.fc1.forward(x)).tap("fc1"))
            }
            8 => Features::new(self.bn3.forward(x.tensor::<2>()).tap("bn3")),
            9 => Features::new(relu(self.fc2.forward(x.tensor::<2>())).tap("fc2")),
            10 => Features::new(self.bn4.forward(x.tensor::<2>()).tap("bn4")),
            _ => Features::new(self.out.forward(x.tensor::<2>()).tap("logits")),
        })
    }
}

impl Net for PaperNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let logits = self.forward(images.tap("in"));
        // The paper's last row: what the logits say, as probabilities.
        softmax(logits.clone(), 1).tap("out");
        logits
    }

    fn layers(&self) -> Result<Layers, Error> {
        // The rows of the paper that have parameters; the last one is tapped as `logits`.
        let rows = [
            "c1", "c2", "bn1", "c3", "c4", "c5", "bn2", "fc1", "bn3", "fc2", "bn4",
        ];
        Layers::builder()
            .layers(rows.map(|row| (row, [row])))
            .layer("logits", ["out"])
            .build(self)
    }

    fn forward_flops(&self) -> Vec<f64> {
        vec![
            conv_flops(&self.c1, 32),
            conv_flops(&self.c2, 32),
            0.0,
            conv_flops(&self.c3, 16),
            conv_flops(&self.c4, 16),
            conv_flops(&self.c5, 16),
            0.0,
            linear_flops(&self.fc1),
            0.0,
            linear_flops(&self.fc2),
            0.0,
            linear_flops(&self.out),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_becomes_a_logit_a_class() {
        let device = Device::flex();
        let net = PaperNet::init(10, &device);
        let logits = net.forward(Tensor::ones([2, 3, 32, 32], &device));
        assert_eq!(logits.dims(), [2, 10]);
    }

    #[test]
    fn the_second_pool_and_the_fully_connected_layers_are_as_wide_as_the_papers() {
        let net = PaperNet::init(10, &Device::flex());
        assert_eq!(net.fc1.weight.dims(), [4096, 512]);
        assert_eq!(net.fc2.weight.dims(), [512, 256]);
        let convolutions = 9 * (3 * 32 + 32 * 32 + 32 * 64 + 2 * 64 * 64) + 2 * 32 + 3 * 64;
        // Scale, shift, and the running mean and variance, which Burn counts too.
        let norms = 4 * (32 + 64 + 512 + 256);
        let connected = 4097 * 512 + 513 * 256 + 257 * 10;
        assert_eq!(net.num_params(), convolutions + norms + connected);
    }
    #[test]
    fn the_operations_are_those_of_a_count_by_hand() {
        let by_hand = [
            9 * 3 * 32 * 32 * 32,
            9 * 32 * 32 * 32 * 32,
            0,
            9 * 32 * 64 * 16 * 16,
            9 * 64 * 64 * 16 * 16,
            9 * 64 * 64 * 16 * 16,
            0,
            4096 * 512,
            0,
            512 * 256,
            0,
            256 * 10,
        ];
        let net = PaperNet::init(10, &Device::flex());
        assert_eq!(net.forward_flops(), by_hand.map(|adds| 2.0 * adds as f64));
    }
}
