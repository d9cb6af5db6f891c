use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use clap::ValueEnum;
use frostline::activations::ArrayFile;
use frostline::svcca::Error;

use crate::failure::Failure;

/// Where the channels of an array with more than two axes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axes {
    /// [sample, height, width, channel], as TensorFlow and JAX keep it; [sample, position, channel]
    Nhwc,
    /// [sample, channel, height, width], as Burn and PyTorch keep it; [sample, channel, position]
    Nchw,
}

/// What counts as a neuron of an array with more than two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Neurons {
    /// Each channel's mean over space
    Means,
    /// The channels, every position a sample
    Channels,
    /// Every position of every channel
    Positions,
}

/// Layers, as f64, up to which they are held in memory.
pub(crate) const IN_MEMORY: u64 = 2 << 30;

/// A layer's activations in a file, read by samples.
pub(crate) struct LayerFile {
    file: ArrayFile,
    name: String,
    axes: Option<Axes>,
    neurons: Neurons,
}

impl LayerFile {
    pub(crate) fn open(
        path: &Path,
        axes: Option<Axes>,
        neurons: Neurons,
    ) -> Result<LayerFile, Failure> {
        let file = ArrayFile::open(path)?;
        let name = path.display().to_string();
        let shape = file.shape();
        match shape.len() {
            2 => {}
            3 | 4 if axes.is_some() => {}
            3 | 4 => {
                return Err(Failure::Usage(format!(
                    "{name} has shape {shape:?}: say with --layout nhwc or --layout nchw where its \
                     channels are"
                )));
            }
            _ => {
                return Err(Failure::Data(format!(
                    "{name} has shape {shape:?}; a layer is [sample, neuron], or with --layout a map of \
                     3 or 4 axes"
                )));
            }
        }
        Ok(LayerFile {
            file,
            name,
            axes,
            neurons,
        })
    }

    /// Samples in the file, which are fewer than the view's where positions are samples.
    pub(crate) fn samples(&self) -> usize {
        self.file.samples()
    }

    /// Bytes of all values as f64.
    pub(crate) fn size(&self) -> u64 {
        let count = self.file.shape().iter().map(|axis| *axis as u64);
        8 * count.product::<u64>()
    }

    /// Bytes of one sample as f64.
    pub(crate) fn sample_size(&self) -> u64 {
        self.size() / self.samples() as u64
    }

    /// Neurons of its view.
    pub(crate) fn neurons(&self) -> u64 {
        let shape = self.file.shape();
        let channels = match self.axes {
            Some(Axes::Nhwc) => shape[shape.len() - 1],
            _ => shape[1],
        };
        match self.neurons {
            Neurons::Means | Neurons::Channels if self.has_maps() => channels as u64,
            _ => self.sample_size() / 8,
        }
    }

    /// Whether it has maps, for DFT-CCA.
    pub(crate) fn has_maps(&self) -> bool {
        self.file.shape().len() > 2
    }

    /// `[sample, neuron]` of these samples.
    pub(crate) fn view(&mut self, samples: std::ops::Range<usize>) -> Result<Tensor<2>, Failure> {
        if !self.has_maps() {
            let data = self.file.read_rows(samples)?;
            return Ok(tensor::<2>(data));
        }
        let maps = self.maps(samples)?;
        let [count, channels, height, width] = maps.dims();
        let positions = height * width;
        let flat = maps.reshape([count, channels, positions]);
        Ok(match self.neurons {
            Neurons::Means => flat.mean_dim(2).reshape([count, channels]),
            Neurons::Channels => flat.swap_dims(1, 2).reshape([count * positions, channels]),
            Neurons::Positions => flat.reshape([count, channels * positions]),
        })
    }

    /// `[sample, channel, height, width]` of these samples; height 1 of a sequence.
    pub(crate) fn maps(&mut self, samples: std::ops::Range<usize>) -> Result<Tensor<4>, Failure> {
        let axes = self.axes.unwrap_or(Axes::Nchw);
        let shape = self.file.shape().to_vec();
        let count = samples.len();
        let data = self.file.read_rows(samples)?;
        Ok(match (axes, shape[1..].to_vec().as_slice()) {
            (Axes::Nchw, &[channels, width]) => {
                tensor::<3>(data).reshape([count, channels, 1, width])
            }
            (Axes::Nhwc, &[width, channels]) => {
                let maps = tensor::<3>(data).swap_dims(1, 2);
                maps.reshape([count, channels, 1, width])
            }
            (Axes::Nchw, _) => tensor::<4>(data),
            (Axes::Nhwc, _) => tensor::<4>(data).permute([0, 3, 1, 2]),
        })
    }

    /// An error of the library, told of this file: a row counted from where the block began.
    pub(crate) fn told(&self, error: Error) -> Failure {
        Failure::Data(format!("{}: {error}", self.name))
    }
}

fn tensor<const D: usize>(data: TensorData) -> Tensor<D> {
    let dtype = if data.dtype() == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    Tensor::from_data(data, (&Device::flex(), dtype))
}
