//! Alone in its file: tests of one file share their process, and with it a device's random numbers.

use burn::tensor::{Device, Tensor};
use cifar10::nets::ConvNet;

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
