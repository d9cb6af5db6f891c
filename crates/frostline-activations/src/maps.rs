use burn::tensor::module::adaptive_avg_pool3d;
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};

use crate::{Error, LayerShape, Layout, Pooled, RealTokens};

/// A layer's activation with all its axes told apart, on the way to a view.
pub(crate) struct Maps<'a> {
    /// `[sample, channel, depth, height, width, 1]` where the channels come first, else
    /// `[sample, 1, depth, height, width, channel]`: nothing is moved before it has been averaged.
    values: Tensor<6>,
    shape: LayerShape,
    /// Where there is one, the tokens are the only axis of places.
    real: Option<&'a RealTokens>,
}

/// The axes of depth, height and width in [`Maps::values`].
const PLACES: [usize; 3] = [2, 3, 4];

impl Maps<'_> {
    /// # Errors
    /// [`Error::TokensDiffer`] where the layer's places are not the tokens of the mask.
    pub(crate) fn of(
        flat: Tensor<1>,
        shape: LayerShape,
        real: Option<&RealTokens>,
    ) -> Result<Maps<'_>, Error> {
        let real = real.filter(|_| !shape.places.is_empty());
        if let Some(real) = real
            && (shape.samples != real.samples() || shape.places != [real.tokens()])
        {
            return Err(Error::TokensDiffer {
                name: shape.name,
                places: [&[shape.samples], &*shape.places].concat(),
                mask: [real.samples(), real.tokens()],
            });
        }
        let [depth, height, width] = shape.volume();
        let (first, last) = if shape.channels_are_last() {
            (1, shape.channels)
        } else {
            (shape.channels, 1)
        };
        let values = flat.reshape([shape.samples, first, depth, height, width, last]);
        Ok(Maps {
            values,
            shape,
            real: real.filter(|real| real.any_padding()),
        })
    }

    /// The view `[sample, neuron]`; `first_input` is the number of the first sample among all inputs.
    pub(crate) fn view(self, layout: Layout, first_input: usize) -> Result<Tensor<2>, Error> {
        match layout {
            Layout::Channels => Ok(self.every_place()),
            Layout::ChannelMeans => Ok(self.means()),
            Layout::Positions => self.positions(),
            Layout::Pooled(pooled) => {
                pooled.check()?;
                Ok(self.pooled(&pooled, first_input))
            }
        }
    }

    fn every_place(self) -> Tensor<2> {
        let real = self.real;
        let rows = rows(self.values);
        match real {
            Some(real) => {
                let places = real.places().map(|place| place as i64).collect();
                select(rows, places)
            }
            None => rows,
        }
    }

    fn means(self) -> Tensor<2> {
        let [samples, channels] = [self.shape.samples, self.shape.channels];
        let values = accumulating(self.values);
        let means = match self.real {
            Some(real) => weighted(values, real, real.means_over(0, 1)),
            // Axis by axis, so that a sum has as many terms as an axis is long, and rounds as little.
            None => PLACES.into_iter().rev().fold(values, mean),
        };
        means.reshape([samples, channels])
    }

    fn positions(self) -> Result<Tensor<2>, Error> {
        match self.real {
            Some(_) => Err(Error::PaddedPositions {
                name: self.shape.name,
            }),
            None => {
                let neurons = self.shape.channels * self.shape.positions();
                Ok(self.values.reshape([self.shape.samples, neurons]))
            }
        }
    }

    fn pooled(self, pooled: &Pooled, first_input: usize) -> Tensor<2> {
        let (samples, channels) = (self.shape.samples, self.shape.channels);
        let mut values = accumulating(self.values);
        if let Some(real) = self.real {
            let [.., width] = pooled.grid;
            let cells =
                (0..width).map(|at| weighted(values.clone(), real, real.means_over(at, width)));
            values = Tensor::cat(cells.collect(), PLACES[2]);
        }
        let [_, _, depth, height, width, _] = values.dims();
        let channels_first = values.permute([0, 1, 5, 2, 3, 4]);
        let maps = channels_first.reshape([samples, channels, depth, height, width]);
        let values = adaptive_avg_pool3d(maps, pooled.grid).unsqueeze_dim(5);
        let cells = pooled.cells();
        if pooled.places >= cells {
            return rows(values);
        }
        let chosen = (0..samples).flat_map(|sample| {
            let places = pooled.chosen(first_input + sample).into_iter();
            places.map(move |place| (sample * cells + place) as i64)
        });
        select(rows(values), chosen.collect())
    }
}

/// `[sample and place, channel]`, the places of a sample one after the other.
fn rows(values: Tensor<6>) -> Tensor<2> {
    let [samples, first, depth, height, width, last] = values.dims();
    let places = samples * depth * height * width;
    let channels_last = values.permute([0, 2, 3, 4, 1, 5]);
    channels_last.reshape([places, first * last])
}

fn select(rows: Tensor<2>, chosen: Vec<i64>) -> Tensor<2> {
    let count = chosen.len();
    let data = TensorData::new(chosen, [count]);
    let chosen = Tensor::<1, Int>::from_data(data, &rows.device());
    rows.select(0, chosen)
}

/// In a type whose rounding a mean of many values survives: f64 as it is, everything else in f32.
fn accumulating(values: Tensor<6>) -> Tensor<6> {
    match values.dtype() {
        DType::F64 | DType::F32 => values,
        _ => values.cast(DType::F32),
    }
}

/// The mean along an axis, which stays as one of length 1.
fn mean(values: Tensor<6>, axis: usize) -> Tensor<6> {
    match values.dims()[axis] {
        1 => values,
        length => sum(values, axis) / length as f64,
    }
}

/// The sum along an axis, which stays as one of length 1.
fn sum(values: Tensor<6>, axis: usize) -> Tensor<6> {
    let mut shape = values.dims();
    let [before, after] = [&shape[..axis], &shape[axis + 1..]].map(|axes| axes.iter().product());
    let length = std::mem::replace(&mut shape[axis], 1);
    // Backends are fast along the last axis, which one of length 1 behind it would hide.
    match after {
        1 => values.reshape([before, length]).sum_dim(1).reshape(shape),
        _ => {
            let values: Tensor<3> = values.reshape([before, length, after]);
            values.sum_dim(1).reshape(shape)
        }
    }
}

/// `Σ_token weight · value` of each sample and channel, `weights: [sample, token]`.
fn weighted(values: Tensor<6>, real: &RealTokens, weights: Vec<f64>) -> Tensor<6> {
    let device = values.device();
    let (shape, over) = (values.dims(), [real.samples(), 1, 1, 1, real.tokens(), 1]);
    let padding = Tensor::<6, Bool>::from_data(TensorData::new(real.padding(), over), &device);
    let weights = Tensor::<6>::from_data(TensorData::new(weights, over), (&device, values.dtype()));
    // What an attention makes of padding may be NaN, which no weight takes away.
    let values = values.mask_fill(padding.expand(shape), 0.0);
    sum(values * weights, PLACES[2])
}
