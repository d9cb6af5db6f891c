use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{DMatrix, DVector};

use crate::{
    Error, decompose,
    precision::{Floats, Precision, rounded_to},
    products::gram,
};

/// How many times what rounding adds along a direction its singular value has to be: errors that all neurons of a sample
/// share, as of a layer norm computed in the floats in which it came, are a little larger than a number's own.
pub(crate) const ROUNDING_MARGIN: f64 = 1.5;

/// The same for f16 and bf16, in which layers are computed as well: what a layer norm is made of is rounded several times.
const SHORT_MARGIN: f64 = 3.0;

/// What rounding can have made of a view's values, in units of the view's scale.
#[derive(Clone, Debug)]
pub(crate) struct RoundingNoise {
    samples: usize,
    /// How many times what writing adds along a direction its singular value has to be.
    margin: f64,
    /// Of each varying neuron, `√Σ` over samples of the squared errors of computing and of holding it. Neurons of a sample may
    /// share these.
    computed: DVector<f64>,
    /// The same of writing it as the floats in which it came, at most. These errors are independent of each other.
    written: DVector<f64>,
    /// Where values were rounded to few digits, the product of errors that were drawn.
    drawn: Option<Drawn>,
}

/// Products of drawn errors.
#[derive(Clone, Debug)]
enum Drawn {
    /// `Eᵀ E: [varying neuron, varying neuron]`.
    OverSamples(DMatrix<f64>),
    /// `E Eᵀ: [sample, sample]`, of a view with no fewer neurons than samples.
    OverNeurons(DMatrix<f64>),
}

impl RoundingNoise {
    pub(crate) fn new(
        floats: Floats,
        samples: usize,
        computed: Vec<f64>,
        written: Vec<f64>,
    ) -> RoundingNoise {
        RoundingNoise {
            samples,
            margin: if floats.are_short() {
                SHORT_MARGIN
            } else {
                ROUNDING_MARGIN
            },
            computed: DVector::from_vec(computed),
            written: DVector::from_vec(written),
            drawn: None,
        }
    }

    /// Takes these errors `[sample, varying neuron]` for a draw of what writing the values made.
    pub(crate) fn draw(&mut self, errors: Tensor<2>, precision: Precision) -> Result<(), Error> {
        let [samples, neurons] = errors.dims();
        self.margin = SHORT_MARGIN;
        let errors = errors.clone() - errors.mean_dim(0);
        self.drawn = Some(if neurons >= samples {
            Drawn::OverNeurons(gram(&errors.transpose(), precision)?)
        } else {
            Drawn::OverSamples(gram(&errors, precision)?)
        });
        Ok(())
    }

    /// Of each direction, the columns of `right: [neuron, direction]` or of `left: [sample, direction]`, the largest norm that
    /// rounding can have given it.
    ///
    /// # Formula
    /// `1.5 Σ_j |v_j| c_j + m (1 + √(d / n)) e`: c of computing, m 1.5 or of short floats 3, and e the norm that writing adds
    /// along v, `√(Σ_j v_j² w_j² / 3)` of independent errors or that of the drawn ones. Of errors in n samples of d neurons the
    /// strongest direction has `1 + √(d / n)` times what one has in the mean.
    pub(crate) fn bound_along(
        &self,
        right: &DMatrix<f64>,
        left: Option<&DMatrix<f64>>,
    ) -> Vec<f64> {
        let across = (self.written.len() as f64 / self.samples as f64).sqrt();
        let crowd = match (&self.drawn, left) {
            (Some(Drawn::OverNeurons(_)), Some(_)) => 1.0 + across.recip(),
            _ => 1.0 + across,
        };
        let along = self.along(right, left);
        let shared = right.column_iter().map(|vector| {
            let pairs = vector.iter().zip(&self.computed);
            pairs.map(|(v, c)| v.abs() * c).sum::<f64>()
        });
        let bounds = shared.zip(along);
        bounds
            .map(|(shared, own)| ROUNDING_MARGIN * shared + self.margin * crowd * own)
            .collect()
    }

    /// The same for the samples' vectors of a view with no fewer neurons than samples. The neurons' own have norm 1, which
    /// bounds what is added along them.
    pub(crate) fn bound_along_samples(&self, left: &DMatrix<f64>) -> Vec<f64> {
        let computed = self.computed.norm();
        let spread = (self.samples as f64 / self.written.len() as f64).sqrt();
        let crowd = match &self.drawn {
            Some(Drawn::OverNeurons(_)) => 1.0 + spread,
            _ => 1.0 + spread.recip(),
        };
        let own = self.along_samples(left);
        let bounds = own
            .into_iter()
            .map(|own| ROUNDING_MARGIN * computed + self.margin * crowd * own);
        bounds.collect()
    }

    /// The norm that writing the values is likely to have added along each direction.
    pub(crate) fn along(&self, right: &DMatrix<f64>, left: Option<&DMatrix<f64>>) -> Vec<f64> {
        match (&self.drawn, left) {
            (Some(Drawn::OverSamples(product)), _) => forms(product, right),
            (Some(Drawn::OverNeurons(product)), Some(left)) => forms(product, left),
            _ => {
                let own = right.column_iter().map(|vector| {
                    let pairs = vector.iter().zip(&self.written);
                    (pairs.map(|(v, w)| (v * w).powi(2)).sum::<f64>() / 3.0).sqrt()
                });
                own.collect()
            }
        }
    }

    /// The same along the samples' vectors.
    pub(crate) fn along_samples(&self, left: &DMatrix<f64>) -> Vec<f64> {
        match &self.drawn {
            Some(Drawn::OverNeurons(product)) => forms(product, left),
            _ => vec![self.written.amax() / 3f64.sqrt(); left.ncols()],
        }
    }

    /// The sum of squares that writing the values is likely to have added to the view.
    pub(crate) fn energy(&self) -> f64 {
        match &self.drawn {
            Some(Drawn::OverSamples(product) | Drawn::OverNeurons(product)) => product.trace(),
            None => self.written.norm_squared() / 3.0,
        }
    }
}

/// `√(vᵀ P v)` of every column v.
fn forms(product: &DMatrix<f64>, vectors: &DMatrix<f64>) -> Vec<f64> {
    let mapped = decompose::product(product, vectors);
    let pairs = mapped.column_iter().zip(vectors.column_iter());
    pairs.map(|(a, b)| a.dot(&b).max(0.0).sqrt()).collect()
}

/// Errors that rounding is likely to have made of `values`, of the same shape, where they fill no more than f16 or bf16: for
/// [`View::with_errors`](crate::View::with_errors), where a view is computed from them, such as means over places, by the same
/// map as the view is. None where the values fill longer floats, whose rounding hardly shows in a mean.
///
/// Shape: samples are the first axis.
///
/// # Errors
/// [`Error::Device`].
pub fn rounding_errors<const D: usize>(values: &Tensor<D>) -> Result<Option<Tensor<D>>, Error> {
    let values = values.clone().without_autodiff();
    let floats = Floats::of(&values)?;
    if !floats.are_short() {
        return Ok(None);
    }
    let values = match values.dtype() {
        DType::F64 => values,
        _ => values.cast(DType::F32),
    };
    drawn_errors(&values, floats.dtype).map(Some)
}

/// A draw of the errors that rounding `values` to short floats makes, of the same shape: each sample is multiplied by a number
/// of its own between ½ and 1 first, so that values lie elsewhere between two floats. Values of a sample that are alike still
/// have like errors.
pub(crate) fn drawn_errors<const D: usize>(
    values: &Tensor<D>,
    floats: DType,
) -> Result<Tensor<D>, Error> {
    let samples = values.dims()[0];
    let device: Device = values.device();
    // The golden ratio fills the range evenly.
    let factor = |i: usize| 0.5 + 0.5 * ((i as f64 + 0.5) * 0.618_033_988_749_895).fract();
    let mut shape = [1; D];
    shape[0] = samples;
    let factors: Vec<f64> = (0..samples).map(factor).collect();
    let factors = TensorData::new(factors, shape).convert_dtype(values.dtype());
    let factors = Tensor::<D>::from_data(factors, (&device, values.dtype()));
    let scaled = values.clone() * factors.clone();
    Ok((rounded_to(&scaled, floats)? - scaled) / factors)
}

/// What the values of a neuron were rounded by, at most: `√(u² Σ x² + n step²)`.
pub(crate) fn written(floats: Floats, sum_of_squares: f64, samples: usize, scale: f64) -> f64 {
    let step = floats.step() / scale;
    (floats.unit().powi(2) * sum_of_squares + samples as f64 * step * step).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::read;

    #[test]
    fn drawn_errors_are_those_of_the_floats() {
        let device = Device::flex();
        let values = crate::range_finder::gaussian(400, 3);
        let values = crate::products::upload(&values, DType::F64, &device);
        for (dtype, unit) in [(DType::F16, 2f64.powi(-11)), (DType::BF16, 2f64.powi(-8))] {
            let errors = drawn_errors(&values, dtype).unwrap();
            let ratio = read((errors.clone() / values.clone()).abs().max()).unwrap()[0];
            assert!(ratio <= unit && ratio > 0.8 * unit, "{dtype:?} {ratio:e}");
        }
        let alike = values.clone().slice_dim(1, 0..1).repeat_dim(1, 3);
        let errors = read(drawn_errors(&alike, DType::BF16).unwrap()).unwrap();
        assert!(
            errors
                .chunks(3)
                .all(|row| row[0] == row[1] && row[1] == row[2])
        );
    }
}
