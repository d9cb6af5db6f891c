use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{Error, LayerShape};

/// What counts as a sample and what as a neuron when an activation becomes a view `[sample, neuron]`.
///
/// For n inputs, c channels and p places (pixels, tokens; what the axes of an activation mean is [`Axes`](crate::Axes)):
///
/// | layout | view | row | column |
/// |---|---|---|---|
/// | `ChannelMeans` | `[n, c]` | an input | the channel's mean over all places |
/// | `Channels` | `[n·p, c]` | a place of an input | the channel there |
/// | `Positions` | `[n, p·c]` | an input | a channel at a place |
/// | `Pooled` | `[n·q, c]` | one of q places of a grid, of an input | the channel's mean around it |
///
/// `[n, d]` and `[n]` are `[n, d]` and `[n, 1]` in each of them, but that `Pooled` repeats their rows. Where a
/// [`Probe`](crate::Probe) has masks, padded tokens are no places.
///
/// `Channels` suits the same layer across time or seeds (Raghu et al. 2017, arXiv:1706.05806, section 3);
/// `ChannelMeans` is the cheap view for a check while training; `Positions` tells places apart and is wide; `Pooled`
/// compares maps of different sizes where there are few inputs. Means are taken in f32 at least, whatever the
/// activation is held in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Every place is a sample; the neurons are the channels.
    Channels,
    /// The mean over all places; the neurons are the channels.
    #[default]
    ChannelMeans,
    /// Every place of every channel is a neuron of its own.
    Positions,
    /// Some places of a grid, onto which every map is pooled, are samples; the neurons are the channels.
    Pooled(Pooled),
}

/// A grid onto which maps of all sizes are pooled, and how many of its places are taken as samples.
///
/// # Formula
/// Along an axis of length l, cell i of g is the mean over `⌊i·l/g⌋ ≤ place < ⌈(i+1)·l/g⌉`: adaptive average pooling, as
/// PyTorch and Burn have it. A map that is shorter than the grid repeats its values, and so does `[sample, neuron]`.
/// Of each input the `places` cells are taken that come first when all are sorted by a hash of (seed, number of
/// the input, cell), and stand in the order of the grid. They depend on these three alone, so that row k of every
/// layer, at every check and of every network, is the same place of the same input.
///
/// The rows of one input are not independent of each other, and repeated rows say nothing new: a view has as many
/// independent samples as there are inputs at least, and as there are rows at most. The chance level of a similarity counts them
/// by how alike they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pooled {
    /// Cells along depth, height and width; a sequence has the last axis only, an image the last two. The axes that a
    /// layer doesn't have repeat its values, and of more than three axes the first count as one.
    pub grid: [usize; 3],
    /// Cells of each input that are samples; all of them where the grid has no more.
    pub places: usize,
    /// Which cells.
    pub seed: u64,
}

/// Samples a direction below which a similarity is near what chance gives.
const SAMPLES_A_DIRECTION: usize = 10;

/// Rows of a view for which [`Layout::enough`] reaches at most.
const MOST_ROWS: usize = 4096;

/// Cells of a grid at most: finer ones than any map has are a slip.
const MOST_CELLS: usize = 1_000_000;

impl Layout {
    /// The layout that gives enough samples for layers of these shapes, evaluated on so many inputs.
    ///
    /// Channel means, where they give ten samples or more for each channel of the widest layer that has places. Else
    /// [`Pooled`] onto the smallest grid that gives as many, up to 4096 rows, and no finer along an axis than the
    /// largest map. The same shapes and inputs always give the same layout.
    pub fn enough(layers: &[LayerShape], inputs: usize) -> Layout {
        let maps = || layers.iter().filter(|layer| !layer.places.is_empty());
        let widest = maps().map(|layer| layer.channels).max().unwrap_or(0);
        let wanted = SAMPLES_A_DIRECTION * widest;
        if inputs == 0 || inputs >= wanted {
            return Layout::ChannelMeans;
        }
        let largest = maps().fold([1; 3], |largest, layer| {
            let volume = layer.volume();
            std::array::from_fn(|axis| volume[axis].max(largest[axis]))
        });
        let places = wanted.min(MOST_ROWS).div_ceil(inputs);
        let cube = |side: usize| largest.map(|length: usize| length.min(side));
        let cells = |grid: [usize; 3]| grid.iter().product::<usize>();
        let finest = largest.iter().copied().max().unwrap_or(1);
        let grid = (1..=finest).map(cube).find(|grid| cells(*grid) >= places);
        let grid = grid.unwrap_or(largest);
        match cells(grid) {
            1 => Layout::ChannelMeans,
            cells => Layout::Pooled(Pooled {
                grid,
                places: places.min(cells),
                seed: 0,
            }),
        }
    }
}

impl Pooled {
    /// Cells of the grid.
    pub fn cells(&self) -> usize {
        let sides = self.grid.iter();
        sides.fold(1, |cells: usize, side| cells.saturating_mul(*side))
    }

    /// # Errors
    /// [`Error::BadGrid`] for no cells, no places or more than a million cells.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.places > 0 && (1..=MOST_CELLS).contains(&self.cells()) {
            return Ok(());
        }
        Err(Error::BadGrid {
            grid: self.grid,
            places: self.places,
        })
    }

    /// The cells of this input that are samples, ascending; the last axis of the grid runs fastest.
    pub fn chosen(&self, input: usize) -> Vec<usize> {
        let mut cells: Vec<usize> = (0..self.cells()).collect();
        let places = self.places.min(cells.len());
        if places < cells.len() {
            cells.sort_by_cached_key(|&cell| {
                let key = [(input as u64).to_le_bytes(), (cell as u64).to_le_bytes()];
                xxh3_64_with_seed(key.as_flattened(), self.seed)
            });
            cells.truncate(places);
            cells.sort_unstable();
        }
        cells
    }

    /// The places `start..end` of an axis of `length` that cell `at` of `cells` is the mean of.
    pub(crate) fn cell(at: usize, cells: usize, length: usize) -> std::ops::Range<usize> {
        at * length / cells..((at + 1) * length).div_ceil(cells)
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Layout::Channels => f.write_str("channels, every position a sample"),
            Layout::ChannelMeans => f.write_str("channel means"),
            Layout::Positions => f.write_str("positions"),
            Layout::Pooled(pooled) => pooled.fmt(f),
        }
    }
}

impl std::fmt::Display for Pooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [depth, height, width] = self.grid;
        let places = self.places.min(self.cells());
        write!(f, "{places} places of each input, of a grid of ")?;
        match (depth, height) {
            (0 | 1, 0 | 1) => write!(f, "{width}"),
            (0 | 1, _) => write!(f, "{height} x {width}"),
            _ => write!(f, "{depth} x {height} x {width}"),
        }
    }
}
