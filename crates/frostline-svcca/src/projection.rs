use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};

use crate::{
    Error, View, centre, decompose,
    products::{self, Rounding},
};

/// An affine map that keeps some directions of a layer and puts everything else at its mean.
///
/// # Formula
/// `z → mean + decode · encodeᵀ (z - mean)`, with `mean: [neuron]` and `encode, decode: [neuron, kept]`. The
/// variates `encodeᵀ (z - mean)` of the samples that made it are uncorrelated with variance 1 (over n - 1), or
/// the centred neurons themselves, and `encodeᵀ decode = 1`: projecting twice is projecting once.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use frostline_svcca::{Cut, Pair, Projection, View};
///
/// let noise = |d| Tensor::<2>::random([200, d], Distribution::Normal(0.0, 1.0), &Device::flex());
/// let (layer, logits) = (noise(20), noise(5));
/// let (x, y) = (View::new(&layer)?, View::new(&logits)?);
/// let directions = Pair::of(&x, &y)?.directions(Cut::default())?.x;
///
/// let projection = Projection::onto(&layer, &directions.weights, 3)?;
/// assert_eq!(projection.kept(), 3);
/// assert_eq!(projection.apply(layer)?.dims(), [200, 20]);
/// # Ok::<(), frostline_svcca::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    encode: DMatrix<f64>,
    decode: DMatrix<f64>,
    mean: DVector<f64>,
    /// The axis of the neurons in what it is applied to, where it was named.
    axis: Option<usize>,
}

impl Projection {
    /// The projection onto the first `k` directions: what a linear map can tell of `activations` from their `k`
    /// variates alone.
    ///
    /// # Formula
    /// With `X` the centred activations, `C = XᵀX` and `W` the first `k` columns of `weights`,
    /// `decode · encodeᵀ = C W (Wᵀ C W)⁻¹ Wᵀ`. Over these samples it is the orthogonal projection of each
    /// neuron's vector of activations onto the span of the variates `XW`, so of all linear reconstructions from
    /// them it has the least squared error. The paper projects in this way, since its directions are vectors
    /// over the data set; as a map of activations it serves other samples too.
    ///
    /// Directions that say the same about these samples as others do, or nothing, are left out, so
    /// [`kept`](Projection::kept) may be less than `k`.
    ///
    /// Shapes: `activations: [sample, neuron]`, `weights: [neuron, direction]` as
    /// [`Directions`](crate::Directions) have them. For maps `[sample, channel, height, width]`, whose pixels
    /// [`apply`](Projection::apply) takes one by one, make the activations with every pixel a sample.
    /// Source: Raghu et al. 2017, arXiv:1706.05806, on distributed representations.
    /// Errors: those of [`View::new`], `NeuronMismatch`, `BadCount`, `BadWeight`, `TooSmall`.
    pub fn onto(
        activations: &Tensor<2>,
        weights: &DMatrix<f64>,
        k: usize,
    ) -> Result<Projection, Error> {
        check_weights(activations.dims()[1], weights, k)?;
        let view = View::new(activations)?;
        Projection::of_view(&view, centre::means(activations)?, weights, k)
    }

    /// Keeps these neurons as they are and puts all others at their mean over `activations`.
    ///
    /// Shapes: `activations: [sample, neuron]`.
    /// Errors: `BadCount` for none, `UnknownNeuron`, `RepeatedNeuron`, `Empty`, `NotFinite`, `TooLarge`.
    pub fn keeping(activations: &Tensor<2>, neurons: &[usize]) -> Result<Projection, Error> {
        let [_, width] = activations.dims();
        check_count("neurons", neurons.len(), width)?;
        let mean = centre::means(activations)?;
        let mut encode = DMatrix::zeros(width, neurons.len());
        for (column, &neuron) in neurons.iter().enumerate() {
            if neuron >= width {
                let neurons = width;
                return Err(Error::UnknownNeuron { neuron, neurons });
            }
            if neurons[..column].contains(&neuron) {
                return Err(Error::RepeatedNeuron { neuron });
            }
            encode[(neuron, column)] = 1.0;
        }
        Ok(Projection {
            decode: encode.clone(),
            encode,
            mean,
            axis: None,
        })
    }

    /// The same projection for activations whose neurons are this axis: 1 for `[sample, channel, place..]`, the last
    /// for `[sample, token, neuron]` and `[sample, place.., channel]`.
    pub fn along(mut self, axis: usize) -> Projection {
        self.axis = Some(axis);
        self
    }

    /// The activations that are left, of the same shape.
    ///
    /// Shapes: the neurons are the last axis of `[sample, neuron]`, and the channels of `[sample, channel, height, width]`,
    /// each pixel of which is mapped on its own. Of three axes they are the one that is as long as there are
    /// neurons. [`along`](Self::along) names another.
    ///
    /// # Errors
    /// [`Error::NotTheseNeurons`], and [`Error::WhichNeurons`] where two of three axes are as long as there are neurons.
    pub fn apply<const D: usize>(&self, activations: Tensor<D>) -> Result<Tensor<D>, Error> {
        let (shape, neurons) = (activations.dims(), self.neurons());
        let axis = match (self.axis, D) {
            (Some(axis), _) => axis,
            (None, 3) if shape[1] == neurons && shape[2] == neurons => {
                let shape = shape.to_vec();
                return Err(Error::WhichNeurons { neurons, shape });
            }
            (None, 3) if shape[1] == neurons => 1,
            (None, 1..=3) => D - 1,
            (None, _) => 1,
        };
        let width = if D == 1 { Some(&1) } else { shape.get(axis) };
        if width != Some(&neurons) {
            let shape = shape.to_vec();
            return Err(Error::NotTheseNeurons { neurons, shape });
        }
        let axis = axis.min(D - 1);
        let turned = activations.swap_dims(axis, D - 1);
        let turned_shape = turned.dims();
        let rows = turned_shape.iter().product::<usize>() / neurons;
        let projected = self.of_rows(turned.reshape([rows, neurons]));
        Ok(projected.reshape(turned_shape).swap_dims(axis, D - 1))
    }

    /// How many directions or neurons are kept.
    pub fn kept(&self) -> usize {
        self.encode.ncols()
    }

    /// Neurons of the layer.
    pub fn neurons(&self) -> usize {
        self.mean.len()
    }

    /// `[neuron, kept]`: centred activations times this are the variates.
    pub fn encode(&self) -> &DMatrix<f64> {
        &self.encode
    }

    /// `[neuron, kept]`: the variates times the transpose of this are what is left of the centred activations.
    pub fn decode(&self) -> &DMatrix<f64> {
        &self.decode
    }

    /// Of each neuron, over the samples that made the projection.
    pub fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    fn of_view(
        view: &View,
        mean: DVector<f64>,
        weights: &DMatrix<f64>,
        k: usize,
    ) -> Result<Projection, Error> {
        let Some((centred, varying)) = view.centred() else {
            return Ok(Projection::of_nothing(mean));
        };
        let weights = DMatrix::from_fn(varying.len(), k, |i, j| weights[(varying[i], j)]);
        let weights = of_size_one(weights);
        let variates = times(centred, &weights);
        let scatter = products::gram(&variates, view.precision())?;
        let Some(mix) = orthonormalising(view, &weights, &scatter)? else {
            return Ok(Projection::of_nothing(mean));
        };
        let basis = times(&variates, &mix);
        let loadings = products::cross(Some(&basis), Some(centred), Rounding::Least)?;

        let unit = (view.samples() as f64 - 1.0).sqrt();
        let (encode, decode) = (weights * mix * unit, loadings.transpose() / unit);
        let (mut whole_encode, mut whole_decode) = (
            DMatrix::zeros(view.neurons(), encode.ncols()),
            DMatrix::zeros(view.neurons(), encode.ncols()),
        );
        for (row, neuron) in varying.iter().enumerate() {
            whole_encode.set_row(*neuron, &(encode.row(row) / view.scale()));
            whole_decode.set_row(*neuron, &(decode.row(row) * view.scale()));
        }
        if !whole_encode.iter().all(|weight| weight.is_finite()) {
            let singular_value = scatter.diagonal().min().sqrt() * view.scale();
            return Err(Error::TooSmall { singular_value });
        }
        Ok(Projection {
            encode: whole_encode,
            decode: whole_decode,
            mean,
            axis: None,
        })
    }

    fn of_nothing(mean: DVector<f64>) -> Projection {
        Projection {
            encode: DMatrix::zeros(mean.len(), 0),
            decode: DMatrix::zeros(mean.len(), 0),
            mean,
            axis: None,
        }
    }

    fn of_rows(&self, rows: Tensor<2>) -> Tensor<2> {
        let (dtype, device) = (rows.dtype(), rows.device());
        let on_device = |matrix: &DMatrix<f64>| products::upload(matrix, dtype, &device);
        let mean = DMatrix::from_row_slice(1, self.neurons(), self.mean.as_slice());
        let mean = on_device(&mean);
        if self.kept() == 0 {
            return rows.zeros_like().add(mean);
        }
        let variates = rows.sub(mean.clone()).matmul(on_device(&self.encode));
        variates
            .matmul(on_device(&self.decode).transpose())
            .add(mean)
    }
}

/// Errors: `BadCount` unless `asked` is between 1 and `most`.
pub(crate) fn check_count(what: &'static str, asked: usize, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&asked) {
        Ok(())
    } else {
        Err(Error::BadCount { what, asked, most })
    }
}

fn check_weights(neurons: usize, weights: &DMatrix<f64>, k: usize) -> Result<(), Error> {
    if weights.nrows() != neurons {
        return Err(Error::NeuronMismatch {
            weights: weights.nrows(),
            neurons,
        });
    }
    check_count("directions", k, weights.ncols())?;
    let first = weights.columns(0, k);
    let bad = first.iter().position(|weight| !weight.is_finite());
    bad.map_or(Ok(()), |at| {
        let (neuron, direction) = (at % neurons, at / neurons);
        Err(Error::BadWeight {
            neuron,
            direction,
            value: first[(neuron, direction)],
        })
    })
}

/// Columns divided by their largest entry, so that any weights can be held in f32: only their span counts.
fn of_size_one(mut weights: DMatrix<f64>) -> DMatrix<f64> {
    for mut column in weights.column_iter_mut() {
        let size = column.amax();
        if size > 0.0 {
            column /= size;
        }
    }
    weights
}

/// `[direction, kept]` by which to multiply the variates `X W`, given their scatter, so that they become
/// orthonormal and stay as near to what they were as they can; none where nothing is left of them.
///
/// # Formula
/// With `D` the diagonal of the scatter and `D^-½ S D^-½ = V Λ Vᵀ`: `D^-½ V Λ^-½ Vᵀ`; without the last factor
/// where directions repeat each other and those of Λ that are rounding are left out.
fn orthonormalising(
    view: &View,
    weights: &DMatrix<f64>,
    scatter: &DMatrix<f64>,
) -> Result<Option<DMatrix<f64>>, Error> {
    let precision = view.precision();
    let whole = view.squared_norms()?.sum();
    let rounding = (16.0 * precision.epsilon()).powi(2) * whole;
    let heard: Vec<usize> = (0..weights.ncols())
        .filter(|&j| scatter[(j, j)] > rounding * weights.column(j).norm_squared())
        .collect();
    if heard.is_empty() {
        return Ok(None);
    }
    let unit: Vec<f64> = heard
        .iter()
        .map(|&j| scatter[(j, j)].sqrt().recip())
        .collect();
    let correlation = DMatrix::from_fn(heard.len(), heard.len(), |i, j| {
        scatter[(heard[i], heard[j])] * unit[i] * unit[j]
    });
    let (values, vectors) = decompose::symmetric(&correlation)?;
    let floor = precision.rank_floor(view.samples().max(view.neurons())) * values[0];
    let rank = values.iter().take_while(|value| **value > floor).count();
    let vectors = vectors.columns(0, rank).into_owned();
    let mut root = vectors.clone();
    for (mut column, value) in root.column_iter_mut().zip(&values) {
        column /= value.sqrt();
    }
    if rank == heard.len() {
        root *= vectors.transpose();
    }
    let mut mix = DMatrix::zeros(weights.ncols(), rank);
    for (row, (j, unit)) in heard.iter().zip(&unit).enumerate() {
        mix.set_row(*j, &(root.row(row) * *unit));
    }
    Ok(Some(mix))
}

/// Where the columns live, with a matrix of the host.
fn times(columns: &Tensor<2>, matrix: &DMatrix<f64>) -> Tensor<2> {
    let matrix = products::upload(matrix, columns.dtype(), &columns.device());
    columns.clone().matmul(matrix)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};

    use super::*;
    use crate::{precision::Precision, split_mix::SplitMix};

    #[test]
    fn a_device_without_f64_projects_to_f32() {
        let mut random = SplitMix(1);
        let mut number = || random.draw() as f64 / u64::MAX as f64 - 0.5;
        let weights = DMatrix::from_fn(8, 3, |_, _| number());
        let numbers: Vec<f64> = (0..300 * 8).map(|_| number()).collect();
        let data = TensorData::new(numbers, [300, 8]);
        let activations = Tensor::<2>::from_data(data, (&Device::flex(), DType::F32));
        let mean = centre::means(&activations).unwrap();
        let of = |precision| {
            let view = View::with_precision(activations.clone(), precision).unwrap();
            Projection::of_view(&view, mean.clone(), &weights, 3).unwrap()
        };
        let map = |projection: Projection| projection.encode * projection.decode.transpose();
        let gap = (map(of(Precision::F32)) - map(of(Precision::F64))).amax();
        assert!(gap < 1e-6, "{gap:e}"); // a few ε of f32: the data and the weights are well-conditioned
    }
}
