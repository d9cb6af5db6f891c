use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::Projection;
use nalgebra::DMatrix;

use crate::Error;

/// A linear map that sees its input through a few directions: two small maps in place of a large one.
///
/// # Formula
/// With `P(x) = mean + decode · encodeᵀ (x - mean)` the [`Projection`] of its input, it answers what the layer answers
/// to `P(x)`: `W P(x) + b = (W · decode)(encodeᵀ (x - mean)) + (b + W · mean)`.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::{Device, Distribution, Tensor}};
/// use burn::module::Module;
/// use frostline::{LowRankLinear, prelude::*};
///
/// # let device = Device::flex();
/// # let noise = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
/// let fc1 = LinearConfig::new(20, 30).init(&device);
/// let input = noise([100, 4]).matmul(noise([4, 20])); // four directions in 20 neurons
/// let output = fc1.forward(input.clone());
///
/// let views = [View::new(&input)?, View::new(&output)?];
/// let directions = Pair::of(&views[0], &views[1])?.directions(Cut::default())?.x;
/// let projection = Projection::onto(&input, &directions.weights, 4)?;
/// let small = LowRankLinear::of(&fc1, &projection)?;
///
/// assert!(small.num_params() < fc1.num_params());
/// assert!((small.forward(input) - output).abs().max().into_scalar::<f32>() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Raghu et al. 2017, arXiv:1706.05806, on compression.
#[derive(Module, Debug)]
pub struct LowRankLinear {
    encode: Linear,
    decode: Linear,
}

impl LowRankLinear {
    /// `layer` behind a projection of its input.
    ///
    /// Errors: `NotTheInput`, `NothingKept`.
    pub fn of(layer: &Linear, input: &Projection) -> Result<LowRankLinear, Error> {
        let weight = layer.weight.val();
        let [inputs, outputs] = weight.dims();
        let Maps {
            encode,
            decode,
            mean,
            offset,
        } = Maps::of(input, inputs, &weight.device(), weight.dtype())?;
        let at_mean: Tensor<1> = mean.matmul(weight.clone()).reshape([outputs]);
        Ok(LowRankLinear {
            encode: Linear {
                weight: parameter(encode),
                bias: Some(parameter(offset)),
            },
            decode: Linear {
                weight: parameter(decode.transpose().matmul(weight)),
                bias: Some(parameter(with_bias(at_mean, &layer.bias))),
            },
        })
    }

    /// Shapes: `x: [.., input]`, the answer `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.decode.forward(self.encode.forward(x))
    }

    /// How many directions of the input it sees.
    pub fn directions(&self) -> usize {
        self.decode.weight.dims()[0]
    }

    /// Floating-point operations for one sample, a multiplication and an addition for each weight.
    pub fn flops(&self) -> f64 {
        let weights =
            [&self.encode, &self.decode].map(|map| map.weight.dims().iter().product::<usize>());
        2.0 * weights.iter().sum::<usize>() as f64
    }

    /// The most directions with which it has fewer parameters than `layer`; 0 where it never has.
    pub fn most_directions(layer: &Linear) -> usize {
        let [inputs, outputs] = layer.weight.dims();
        most_directions(layer.num_params(), inputs + 1 + outputs, outputs)
    }
}

/// A convolution that sees its input through a few directions of the channels: a 1×1 convolution to them, and one of the
/// layer's own shape from them.
///
/// # Formula
/// At each pixel of the input `v = encodeᵀ (x - mean)`. The layer's answer to the projected input
/// `P(x) = mean + decode · v` is the convolution of `v` by `W · decode` plus that of an image which is `mean` all over.
/// Zeros that the layer pads with stay zeros, so at the border it is as exact as inside; where it pads, the mean's
/// part depends on the place, and is computed of one image for all samples of a batch.
///
/// Source: Raghu et al. 2017, arXiv:1706.05806, on compression, of linear maps; at each pixel a convolution is one.
#[derive(Module, Debug)]
pub struct LowRankConv2d {
    encode: Conv2d,
    decode: Conv2d,
    /// From an image of ones; none where nothing is padded, so that it is part of the bias.
    mean: Option<Conv2d>,
}

impl LowRankConv2d {
    /// `layer` behind a projection of its input's channels, made of activations in which every pixel is a sample.
    ///
    /// Errors: `NotTheInput`, `NothingKept`, `Grouped`.
    pub fn of(layer: &Conv2d, input: &Projection) -> Result<LowRankConv2d, Error> {
        if layer.groups != 1 {
            let groups = layer.groups;
            return Err(Error::Grouped { groups });
        }
        let weight = layer.weight.val();
        let [outputs, channels, ..] = weight.dims();
        let Maps {
            encode,
            decode,
            mean,
            offset,
        } = Maps::of(input, channels, &weight.device(), weight.dtype())?;
        let of_mean = through(weight.clone(), mean.transpose());
        let zero = Tensor::zeros([outputs], (&weight.device(), weight.dtype()));
        let (mean, constant) = if pads(layer) {
            (Some(like(layer, of_mean, None)), zero)
        } else {
            (
                None,
                of_mean
                    .reshape([outputs as i64, -1])
                    .sum_dim(1)
                    .reshape([outputs]),
            )
        };
        let bias = with_bias(constant, &layer.bias);
        let kept = encode.dims()[1];
        Ok(LowRankConv2d {
            encode: Conv2d {
                weight: parameter(encode.transpose().reshape([kept, channels, 1, 1])),
                bias: Some(parameter(offset)),
                stride: [1, 1],
                kernel_size: [1, 1],
                dilation: [1, 1],
                groups: 1,
                padding: PaddingConfig2d::Valid,
            },
            decode: like(layer, through(weight, decode), Some(bias)),
            mean,
        })
    }

    /// Shapes: `x: [sample, channel, height, width]`; the answer has the layer's shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let (device, dtype) = (x.device(), x.dtype());
        let answer = self.decode.forward(self.encode.forward(x));
        match &self.mean {
            Some(mean) => {
                answer + mean.forward(Tensor::ones([1, 1, height, width], (&device, dtype)))
            }
            None => answer,
        }
    }

    /// How many directions of the input's channels it sees.
    pub fn directions(&self) -> usize {
        self.encode.weight.dims()[0]
    }

    /// Floating-point operations for one sample whose maps are `[height, width]` before and after, a multiplication and
    /// an addition for each weight and pixel. The mean's part is a batch's, not a sample's, and left out.
    pub fn flops(&self, before: [usize; 2], after: [usize; 2]) -> f64 {
        let of = |layer: &Conv2d, [height, width]: [usize; 2]| {
            let weights: usize = layer.weight.dims().iter().product();
            2.0 * (weights * height * width) as f64
        };
        of(&self.encode, before) + of(&self.decode, after)
    }

    /// The most directions with which it has fewer parameters than `layer`; 0 where it never has.
    pub fn most_directions(layer: &Conv2d) -> usize {
        let [outputs, channels, height, width] = layer.weight.dims();
        let of_mean = if pads(layer) {
            outputs * height * width
        } else {
            0
        };
        let a_direction = channels + 1 + outputs * height * width;
        most_directions(layer.num_params(), a_direction, outputs + of_mean)
    }
}

/// A projection on a layer's device.
struct Maps {
    /// `[input, kept]`.
    encode: Tensor<2>,
    /// `[input, kept]`.
    decode: Tensor<2>,
    /// `[1, input]`.
    mean: Tensor<2>,
    /// `-encodeᵀ mean: [kept]`.
    offset: Tensor<1>,
}

impl Maps {
    fn of(
        projection: &Projection,
        inputs: usize,
        device: &Device,
        dtype: DType,
    ) -> Result<Maps, Error> {
        let neurons = projection.neurons();
        if neurons != inputs {
            return Err(Error::NotTheInput { inputs, neurons });
        }
        if projection.kept() == 0 {
            return Err(Error::NothingKept);
        }
        let (encode, mean) = (projection.encode(), projection.mean());
        let upload = |matrix: &DMatrix<f64>| {
            // nalgebra keeps columns together, Burn rows.
            let rows = matrix.transpose().as_slice().to_vec();
            let data = TensorData::new(rows, [matrix.nrows(), matrix.ncols()]);
            Tensor::<2>::from_data(data.convert_dtype(dtype), (device, dtype))
        };
        let offset = -(mean.transpose() * encode);
        let offset = DMatrix::from_row_slice(1, projection.kept(), offset.as_slice());
        Ok(Maps {
            encode: upload(encode),
            decode: upload(projection.decode()),
            mean: upload(&DMatrix::from_row_slice(1, inputs, mean.as_slice())),
            offset: upload(&offset).reshape([projection.kept()]),
        })
    }
}

/// A kernel `[output, channel, height, width]` that takes `[channel, kept]` combinations of its channels.
fn through(weight: Tensor<4>, channels: Tensor<2>) -> Tensor<4> {
    let [outputs, count, height, width] = weight.dims();
    let kept = channels.dims()[1];
    let rows = weight
        .permute([0, 2, 3, 1])
        .reshape([outputs * height * width, count]);
    let combined = rows.matmul(channels);
    combined
        .reshape([outputs, height, width, kept])
        .permute([0, 3, 1, 2])
}

/// A parameter of its own: no gradient of the compressed layer goes back to the one that it was made of.
fn parameter<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(tensor.detach())
}

/// A convolution that goes over its input as `layer` does.
fn like(layer: &Conv2d, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Conv2d {
    Conv2d {
        weight: parameter(weight),
        bias: bias.map(parameter),
        stride: layer.stride,
        kernel_size: layer.kernel_size,
        dilation: layer.dilation,
        groups: 1,
        padding: layer.padding.clone(),
    }
}

fn with_bias(constant: Tensor<1>, bias: &Option<Param<Tensor<1>>>) -> Tensor<1> {
    match bias {
        Some(bias) => constant + bias.val(),
        None => constant,
    }
}

fn pads(layer: &Conv2d) -> bool {
    match layer.padding {
        PaddingConfig2d::Valid | PaddingConfig2d::Explicit(0, 0, 0, 0) => false,
        PaddingConfig2d::Same | PaddingConfig2d::Explicit(..) => true,
    }
}

/// The largest k for which `k · a_direction + rest < parameters`.
fn most_directions(parameters: usize, a_direction: usize, rest: usize) -> usize {
    parameters.saturating_sub(rest + 1) / a_direction
}
