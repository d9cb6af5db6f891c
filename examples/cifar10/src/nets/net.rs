use burn::module::Module;
use burn::tensor::Tensor;
use frostline::freeze::{Error, Layered, Layers};

/// A network that this example can train: what the training loop needs to know of it.
pub trait Net: Module + Layered {
    /// Logits `[image, class]` of images `[image, 3, 32, 32]`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;

    /// Its layers from the input up, each named like its tap, in the order of [`Layered::run`].
    fn layers(&self) -> Result<Layers, Error>;

    /// Floating-point operations of each layer's forward for one image: two a multiply-add of the
    /// convolutions and linear maps. What norms, rectifiers, sums and pools add is left out.
    fn forward_flops(&self) -> Vec<f64>;
}
