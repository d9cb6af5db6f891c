use serde::{Deserialize, Serialize};

use crate::Error;

/// What the axes of an activation mean that has more than two of them: where its channels are.
///
/// | axes | shape | who puts it out |
/// |---|---|---|
/// | `ChannelsFirst` | `[sample, channel, place..]` | Burn's convolutions and pools, in one, two and three dimensions |
/// | `ChannelsLast` | `[sample, place.., channel]` | networks that came from TensorFlow or JAX |
/// | `Tokens` | `[sample, token, neuron]` | embeddings, attention, LSTMs |
///
/// `[sample, neuron]` and `[sample]` need no axes. Four axes and more are channels first unless they are named, as
/// Burn has them. Three axes are never guessed: a convolution over a sequence and an attention over the same
/// sequence have the same shapes, and taking the one for the other compares neurons with places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axes {
    /// `[sample, channel, place..]`.
    ChannelsFirst,
    /// `[sample, place.., channel]`.
    ChannelsLast,
    /// `[sample, token, neuron]`: a token is a place and a neuron a channel.
    Tokens,
}

impl std::fmt::Display for Axes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Axes::ChannelsFirst => "[sample, channel, place..]",
            Axes::ChannelsLast => "[sample, place.., channel]",
            Axes::Tokens => "[sample, token, neuron]",
        })
    }
}

/// The shape of a layer's activation, its axes told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// The layer's name, its scopes included.
    pub name: String,
    /// The length of the first axis.
    pub samples: usize,
    /// Channels or neurons: the columns of a view that doesn't tell places apart.
    pub channels: usize,
    /// The lengths of the axes of places: none for `[sample, neuron]`, one for sequences, `[height, width]` for images,
    /// `[depth, height, width]` for volumes.
    pub places: Vec<usize>,
    /// Where the channels are; none where there are no places.
    pub axes: Option<Axes>,
}

impl LayerShape {
    /// Tells the axes of `shape` apart.
    ///
    /// # Errors
    /// [`Error::AxesUnknown`] for three axes that nobody named, [`Error::NotTokens`].
    pub fn of(
        name: impl Into<String>,
        shape: &[usize],
        axes: Option<Axes>,
    ) -> Result<LayerShape, Error> {
        let name = name.into();
        let (samples, channels, places, axes) = match (shape, axes) {
            ([], _) => unreachable!("Burn has no tensors of rank 0"),
            (&[n], _) => (n, 1, [].as_slice(), None),
            (&[n, d], _) => (n, d, [].as_slice(), None),
            ([_, _, _], None) => {
                let shape = shape.to_vec();
                return Err(Error::AxesUnknown { name, shape });
            }
            ([_, _, _, _, ..], Some(Axes::Tokens)) => {
                let shape = shape.to_vec();
                return Err(Error::NotTokens { name, shape });
            }
            ([n, c, places @ ..], None | Some(Axes::ChannelsFirst)) => {
                (*n, *c, places, Some(Axes::ChannelsFirst))
            }
            ([n, places @ .., c], Some(axes)) => (*n, *c, places, Some(axes)),
        };
        Ok(LayerShape {
            name,
            samples,
            channels,
            places: places.to_vec(),
            axes,
        })
    }

    /// Whether the channels are the last axis: so of `[sample, neuron]` too.
    pub fn channels_are_last(&self) -> bool {
        self.axes != Some(Axes::ChannelsFirst)
    }

    /// How many places a channel has: 1 for `[sample, neuron]`.
    pub fn positions(&self) -> usize {
        self.places.iter().product()
    }

    /// The places as depth, height and width, 1 where the layer has fewer axes. Of more than three axes the first
    /// count as one.
    pub(crate) fn volume(&self) -> [usize; 3] {
        let mut volume = [1; 3];
        for (axis, length) in self.places.iter().rev().enumerate() {
            volume[2 - axis.min(2)] *= length;
        }
        volume
    }
}
