use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use clap::ValueEnum;
use frostline::activations::{ArrayEntry, ArrayFile};
use frostline::svcca::{Error, View, rounding_errors};

use crate::failure::Failure;

/// Where the channels of an array with more than two axes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axes {
    /// The last axis, as TensorFlow and JAX keep it: [sample, height, width, channel]; nwc with one space
    /// axis, ndhwc with three
    #[value(name = "nhwc", aliases = ["nwc", "ndhwc", "channels-last"])]
    ChannelsLast,
    /// The second axis, as Burn and PyTorch keep it: [sample, channel, height, width]; ncw with one space
    /// axis, ncdhw with three
    #[value(name = "nchw", aliases = ["ncw", "ncdhw", "channels-first"])]
    ChannelsFirst,
    /// [sample, token, channel], as transformers keep it
    Tokens,
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

/// The memory that layers may take while they are compared, in bytes; larger ones are read in blocks.
pub(crate) const IN_MEMORY: u64 = 4 << 30;

/// The memory that comparing takes for each value of a view, in bytes: 17 to 19 were measured of more
/// samples than neurons, 29 of fewer.
const COMPARED: u64 = 32;

/// A layer's activations in a file, read by samples.
pub(crate) struct LayerFile<R = File> {
    file: ArrayFile<R>,
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
        refuse_name_that_is_no_text(path)?;
        let name = path.display().to_string();
        LayerFile::of(ArrayFile::open(path)?, name, axes, neurons)
    }
}

/// Refuses `file:name` with a name that isn't UTF-8, as that of every array is. A path may be any bytes.
#[cfg(unix)]
fn refuse_name_that_is_no_text(path: &Path) -> Result<(), Failure> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let mut parts = path.as_os_str().as_bytes().rsplitn(2, |byte| *byte == b':');
    let (Some(name), Some(file)) = (parts.next(), parts.next()) else {
        return Ok(());
    };
    let file = Path::new(OsStr::from_bytes(file));
    if std::str::from_utf8(name).is_ok() || path.exists() || !file.is_file() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{}: the name `{}` is not UTF-8, and the names of arrays are",
        file.display(),
        String::from_utf8_lossy(name)
    )))
}

/// Where paths are text anyway.
#[cfg(not(unix))]
fn refuse_name_that_is_no_text(_path: &Path) -> Result<(), Failure> {
    Ok(())
}

impl<R: Read + Seek> LayerFile<R> {
    /// An array as a layer; `name` is what errors call it.
    pub(crate) fn of(
        file: ArrayFile<R>,
        name: String,
        axes: Option<Axes>,
        neurons: Neurons,
    ) -> Result<LayerFile<R>, Failure> {
        let shape = file.shape();
        match (shape.len(), axes) {
            (1 | 2, _) | (3, Some(_)) => {}
            (4 | 5, Some(Axes::ChannelsFirst | Axes::ChannelsLast)) => {}
            (4 | 5, Some(Axes::Tokens)) => {
                return Err(Failure::Usage(format!(
                    "{name} has shape {shape:?}, and --layout tokens is for [sample, token, channel]: say \
                     with --layout nchw or --layout nhwc where its channels are"
                )));
            }
            (3, None) => {
                return Err(Failure::Usage(format!(
                    "{name} has shape {shape:?}: say with --layout tokens that it is [sample, token, \
                     channel], or with --layout ncw or --layout nwc where its channels are"
                )));
            }
            (4 | 5, None) => {
                return Err(Failure::Usage(format!(
                    "{name} has shape {shape:?}: say with --layout nchw or --layout nhwc where its \
                     channels are"
                )));
            }
            _ => {
                return Err(Failure::Data(format!(
                    "{name} has shape {shape:?}; a layer is [sample, neuron], or with --layout an array of \
                     3 to 5 axes"
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

    /// The bytes of memory that comparing its view with another takes for it.
    pub(crate) fn memory(&self) -> u64 {
        match (self.map_axes(), self.neurons) {
            // The maps are read before their means are taken.
            (Some(_), Neurons::Means) => {
                let means = self.samples() as u64 * self.neurons();
                self.maps_memory()
                    .saturating_add(COMPARED.saturating_mul(means))
            }
            _ => COMPARED.saturating_mul(self.size()),
        }
    }

    /// The bytes of memory that its maps take in DFT-CCA: as they are read, and once more.
    pub(crate) fn maps_memory(&self) -> u64 {
        let width = if self.file.is_double() { 8 } else { 4 };
        (2_u64 * width).saturating_mul(self.size())
    }

    /// Bytes of one sample while it is read.
    pub(crate) fn sample_size(&self) -> u64 {
        8 * self.size() / self.samples() as u64
    }

    /// How many values the file has; an eighth of 2^64 at most, since they lie in it.
    fn size(&self) -> u64 {
        self.file.shape().iter().map(|axis| *axis as u64).product()
    }

    /// Neurons of its view.
    pub(crate) fn neurons(&self) -> u64 {
        match (self.map_axes(), self.neurons) {
            (Some((channels, _)), Neurons::Means | Neurons::Channels) => channels as u64,
            _ => self.size() / self.samples() as u64,
        }
    }

    /// Whether it has maps, for DFT-CCA.
    pub(crate) fn has_maps(&self) -> bool {
        self.map_axes().is_some()
    }

    /// How many channels it has, and the lengths of its axes of space; none where it has no space.
    fn map_axes(&self) -> Option<(usize, &[usize])> {
        match (self.file.shape(), self.axes) {
            ([_] | [_, _], _) => None,
            ([_, channels, space @ ..], Some(Axes::ChannelsFirst)) => Some((*channels, space)),
            ([_, space @ .., channels], _) => Some((*channels, space)),
            ([], _) => None,
        }
    }

    /// `[sample, neuron]` of these samples.
    pub(crate) fn values(&mut self, samples: Range<usize>) -> Result<Values, Failure> {
        let count = samples.len();
        let data = self.file.read_rows(samples)?;
        let Some((channels, space)) = self.map_axes() else {
            let neurons = self.neurons() as usize;
            return Ok(Values::of(self.as_saved(tensor(data, [count, neurons]))));
        };
        let positions = space.iter().product();
        let first = self.axes == Some(Axes::ChannelsFirst);
        let flat = if first {
            tensor(data, [count, channels, positions])
        } else {
            tensor(data, [count, positions, channels])
        };
        let flat = self.as_saved(flat);
        let space = if first { 2 } else { 1 };
        Ok(match self.neurons {
            Neurons::Means => {
                let errors = rounding_errors(&flat).map_err(|error| self.told(error))?;
                let means = |maps: Tensor<3>| maps.mean_dim(space).reshape([count, channels]);
                Values {
                    // A mean has more digits than what it is of.
                    values: means(widened(flat)),
                    errors: errors.map(means),
                }
            }
            Neurons::Channels if first => {
                Values::of(flat.swap_dims(1, 2).reshape([count * positions, channels]))
            }
            Neurons::Channels => Values::of(flat.reshape([count * positions, channels])),
            Neurons::Positions => Values::of(flat.reshape([count, channels * positions])),
        })
    }

    /// How many rows each sample has in its view.
    pub(crate) fn rows_of_sample(&self) -> usize {
        match (self.map_axes(), self.neurons) {
            (Some((_, space)), Neurons::Channels) => space.iter().product(),
            _ => 1,
        }
    }

    /// Of what its rows are, where they are samples of others: as many inputs, and places that lie alike.
    pub(crate) fn places(&self) -> Places {
        let space = match (self.map_axes(), self.neurons) {
            (Some((_, space)), Neurons::Channels) => space.to_vec(),
            _ => Vec::new(),
        };
        Places {
            samples: self.samples(),
            space,
        }
    }

    /// The values in the floats in which they were saved: the reader widens them, but a direction is judged by the rounding of
    /// the floats in which they came.
    fn as_saved<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        match self.file.dtype_name() {
            "float16" => values.cast(DType::F16),
            "bfloat16" => values.cast(DType::BF16),
            _ => values,
        }
    }

    /// `[sample, channel, height, width]` of these samples; height 1 of a sequence.
    pub(crate) fn maps(&mut self, samples: Range<usize>) -> Result<Tensor<4>, Failure> {
        let (channels, height, width) = match self.map_axes() {
            Some((channels, &[width])) => (channels, 1, width),
            Some((channels, &[height, width])) => (channels, height, width),
            _ => {
                return Err(Failure::Data(format!(
                    "{} has shape {:?}, and DFT-CCA is of maps with one or two axes of space",
                    self.name,
                    self.file.shape()
                )));
            }
        };
        let count = samples.len();
        let data = self.file.read_rows(samples)?;
        Ok(self.as_saved(if self.axes == Some(Axes::ChannelsFirst) {
            tensor(data, [count, channels, height, width])
        } else {
            tensor(data, [count, height, width, channels]).permute([0, 3, 1, 2])
        }))
    }

    /// An error of the library, told of this file: a row counted from where the block began.
    pub(crate) fn told(&self, error: Error) -> Failure {
        Failure::Data(format!("{}: {error}", self.name))
    }
}

/// The values of a layer that are compared.
pub(crate) struct Values {
    /// `[sample, neuron]`.
    pub(crate) values: Tensor<2>,
    /// What rounding is likely to have made of these, where they are means of short floats.
    errors: Option<Tensor<2>>,
}

impl Values {
    fn of(values: Tensor<2>) -> Values {
        Values {
            values,
            errors: None,
        }
    }

    /// As a view of so many inputs: as precise as can be, or in f32 where the values came in no longer floats.
    pub(crate) fn view(self, inputs: usize, precise: bool) -> Result<View, Error> {
        let view = if precise || self.values.dtype() == DType::F64 {
            View::new(&self.values)?
        } else {
            View::single(&self.values)?
        };
        let view = view.of_inputs(inputs)?;
        match self.errors {
            Some(errors) => view.with_errors(&errors),
            None => Ok(view),
        }
    }
}

/// Of what the rows of a layer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) samples: usize,
    /// The axes of space whose places are rows; none where each row is a sample of its own.
    pub(crate) space: Vec<usize>,
}

impl Places {
    /// Why the rows of two layers can't be paired, though they may be as many; none where they can.
    pub(crate) fn mismatch(&self, other: &Places, [x, y]: [&str; 2]) -> Option<String> {
        if self.samples != other.samples {
            let (x_samples, y_samples) = (self.samples, other.samples);
            let mismatch = Error::SampleMismatch {
                x: x_samples,
                y: y_samples,
            };
            return Some(mismatch.named(x, y));
        }
        let shown = |space: &[usize]| match space {
            [] => "no places".to_string(),
            space => {
                let axes: Vec<String> = space.iter().map(usize::to_string).collect();
                format!("places {}", axes.join(" x "))
            }
        };
        (self.space != other.space).then(|| {
            format!(
                "{x} has {} but {y} has {}: a place of one is no sample of the other; compare with --neurons means, or by \
                 dft_cca of maps",
                shown(&self.space),
                shown(&other.space)
            )
        })
    }
}

/// In f32 where they are shorter.
fn widened<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    match values.dtype() {
        DType::F64 => values,
        _ => values.cast(DType::F32),
    }
}

/// Why an array of a file isn't a layer to compare with the others, if it isn't one.
pub(crate) fn left_out(entry: &ArrayEntry) -> Option<String> {
    match (entry.problem(), entry.shape()) {
        (Some(problem), _) => Some(problem.to_string()),
        (None, [_]) => Some("it has one axis, as labels have".to_string()),
        (None, _) => None,
    }
}

/// The values in another shape, which has as many.
fn tensor<const D: usize>(data: TensorData, shape: [usize; D]) -> Tensor<D> {
    let dtype = if data.dtype() == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    let data = TensorData::from_bytes(data.into_bytes(), shape, dtype);
    Tensor::from_data(data, (&Device::flex(), dtype))
}
