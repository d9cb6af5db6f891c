use burn::module::Module;
use burn::tensor::Tensor;
use frostline::freeze::{Error, Layers};

use super::{ConvNet, PaperNet};

/// A network that this example can train: what the training loop needs to know of it.
pub trait Net: Module {
    /// Logits `[image, class]` of images `[image, 3, 32, 32]`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;

    /// Its layers from the input up, each named like its tap.
    fn layers(&self) -> Result<Layers, Error>;
}

impl Net for ConvNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }

    fn layers(&self) -> Result<Layers, Error> {
        Layers::of(self)
    }
}

impl Net for PaperNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }

    fn layers(&self) -> Result<Layers, Error> {
        // The rows of the paper that have parameters; the last one is tapped as `logits`.
        let rows = [
            "c1", "c2", "bn1", "c3", "c4", "c5", "bn2", "fc1", "bn3", "fc2", "bn4",
        ];
        let rows = rows.each_ref().map(|row| (*row, std::slice::from_ref(row)));
        let logits: (&str, &[&str]) = ("logits", &["out"]);
        Layers::named(self, &[rows.as_slice(), &[logits]].concat())
    }
}
