use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What counts as a sample and what as a neuron when an activation becomes a view `[sample, neuron]`.
///
/// | activation | `Channels` | `ChannelMeans` | `Positions` |
/// |---|---|---|---|
/// | image `[n, c, h, w]` | `[n·h·w, c]` | `[n, c]`, mean over space | `[n, c·h·w]` |
/// | sequence `[n, s, d]` | `[n·s, d]`, a token a sample | `[n, d]`, mean over tokens | `[n, s·d]` |
/// | `[n, d]` | as it is | as it is | as it is |
/// | `[n]` | `[n, 1]` | `[n, 1]` | `[n, 1]` |
///
/// More than two spatial axes behave as two do. `Channels` suits the same layer across time or seeds
/// (Raghu et al. 2017, arXiv:1706.05806, section 3); `ChannelMeans` is the cheap view for a check while
/// training; `Positions` tells positions apart and is wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Every position is a sample; the neurons are the channels.
    Channels,
    /// The mean over all positions; the neurons are the channels.
    #[default]
    ChannelMeans,
    /// Every position of every channel is a neuron of its own.
    Positions,
}

impl Layout {
    /// The view `[sample, neuron]` of an activation given flat, with its shape.
    pub(crate) fn view(self, flat: Tensor<1>, shape: &[usize]) -> Tensor<2> {
        match *shape {
            [n] => flat.reshape([n, 1]),
            [n, d] => flat.reshape([n, d]),
            [n, tokens, d] => match self {
                Layout::Channels => flat.reshape([n * tokens, d]),
                Layout::ChannelMeans => flat.reshape([n, tokens, d]).mean_dim(1).reshape([n, d]),
                Layout::Positions => flat.reshape([n, tokens * d]),
            },
            [n, channels, ..] => {
                let positions = shape[2..].iter().product();
                let maps = flat.reshape([n, channels, positions]);
                match self {
                    Layout::Channels => maps.swap_dims(1, 2).reshape([n * positions, channels]),
                    Layout::ChannelMeans => maps.mean_dim(2).reshape([n, channels]),
                    Layout::Positions => maps.reshape([n, channels * positions]),
                }
            }
            [] => unreachable!("Burn has no tensors of rank 0"),
        }
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Layout::Channels => "channels, every position a sample",
            Layout::ChannelMeans => "channel means",
            Layout::Positions => "positions",
        })
    }
}
