use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};

use crate::{
    Basis, Cut, Error,
    centre::{Centred, Precision, centre, read},
    decompose, scatter,
};

/// A layer's activations made ready for comparison: checked, centred, with their spectrum.
///
/// It holds the centred activations until it is dropped; a [`Basis`] made of it holds only the
/// directions that were kept.
#[derive(Debug)]
pub struct View {
    samples: usize,
    neurons: usize,
    constant: usize,
    rank: usize,
    singular_values: DVector<f64>,
    directions: Directions,
    precision: Precision,
}

/// Singular directions of the centred activations `X: [sample, varying neuron]`, which are held
/// divided by a scale, as `singular_values` here are.
#[derive(Debug)]
enum Directions {
    /// No neuron varies.
    Nothing,
    /// `Xᵀ X = V S² Vᵀ`: the basis is `X V S⁻¹`.
    OfScatter {
        centred: Tensor<2>,
        vectors: DMatrix<f64>,
        singular_values: DVector<f64>,
    },
    /// `X Xᵀ = U S² Uᵀ`: the basis is `U`.
    OfGram {
        centred: Tensor<2>,
        vectors: DMatrix<f64>,
        singular_values: DVector<f64>,
    },
    /// `X = U S Vᵀ`: the basis is `U`.
    OfActivations {
        device: Device,
        vectors: DMatrix<f64>,
    },
}

impl View {
    /// Checks and centres `activations: [sample, neuron]` and finds their singular values.
    ///
    /// The product over samples (`Xᵀ X`, or `X Xᵀ` where there are more neurons than samples) runs
    /// on the device and its eigenvalues are the squared singular values. Where they are so small
    /// that the product's own rounding could have made them, the singular values of the activations
    /// themselves are computed on the host instead, so that the rank can be trusted.
    ///
    /// Errors: `Empty`, `TooFewSamples` below two samples, `NotFinite` with the first bad row and
    /// column, `TooLarge`.
    pub fn new(activations: &Tensor<2>) -> Result<View, Error> {
        let activations = activations.clone().without_autodiff();
        let precision = Precision::of(&activations.device());
        View::with_precision(activations, precision)
    }

    /// Samples, the rows.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Neurons, the columns, constant ones included.
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Singular values of the centred activations in descending order, `min(samples, neurons)` of
    /// them. Those beyond the rank are rounding.
    pub fn singular_values(&self) -> &DVector<f64> {
        &self.singular_values
    }

    /// Effective rank: how many singular values exceed `max(samples, neurons) · ε · s_max`, constant
    /// neurons left out, ε that of f64.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Orthonormal basis of the leading directions that `cut` keeps, `[sample, kept]`.
    ///
    /// Whitening divides by the kept singular values. Where the smallest is so small that this would
    /// enlarge rounding, the basis comes from the activations themselves, decomposed on the host.
    pub fn basis(&self, cut: Cut) -> Result<Basis, Error> {
        cut.check()?;
        let kept = cut.kept(&self.singular_values, self.rank);
        Ok(Basis {
            directions: if kept == 0 { None } else { self.leading(kept)? },
            precision: self.precision,
            cut,
            samples: self.samples,
            neurons: self.neurons,
            constant: self.constant,
            rank: self.rank,
        })
    }

    pub(crate) fn with_precision(
        activations: Tensor<2>,
        precision: Precision,
    ) -> Result<View, Error> {
        let [samples, neurons] = activations.dims();
        if samples == 0 || neurons == 0 {
            return Err(Error::Empty { samples, neurons });
        }
        if samples < 2 {
            return Err(Error::TooFewSamples {
                samples,
                dims: neurons,
            });
        }
        let Centred {
            activations,
            scale,
            peak,
            constant,
        } = centre(activations, precision)?;
        let (directions, found) = match activations {
            None => (Directions::Nothing, DVector::zeros(0)),
            Some(centred) => decomposed(centred, precision)?,
        };

        let most = samples.max(neurons) as f64 * f64::EPSILON;
        let floor = most * found.iter().copied().fold(0.0, f64::max);
        // Centring takes one dimension of the samples.
        let rank = found
            .iter()
            .filter(|value| **value > floor)
            .count()
            .min(samples - 1);
        let singular_values = DVector::from_fn(samples.min(neurons), |i, _| {
            found.get(i).map_or(0.0, |value| value * scale)
        });
        if !singular_values.iter().all(|value| value.is_finite()) {
            return Err(Error::TooLarge { peak });
        }
        Ok(View {
            samples,
            neurons,
            constant,
            rank,
            singular_values,
            directions,
            precision,
        })
    }

    fn leading(&self, kept: usize) -> Result<Option<Tensor<2>>, Error> {
        let trusted = |values: &DVector<f64>| {
            let share = values[kept - 1] / values[0];
            share * share >= whitening_floor(self.precision)
        };
        let (device, basis) = match &self.directions {
            Directions::Nothing => return Ok(None),
            Directions::OfScatter {
                centred,
                vectors,
                singular_values,
            } if trusted(singular_values) => {
                let mut whitening = vectors.columns(0, kept).into_owned();
                for (i, mut column) in whitening.column_iter_mut().enumerate() {
                    column /= singular_values[i];
                }
                let whitening = scatter::upload(&whitening, self.precision, &centred.device());
                return Ok(Some(centred.clone().matmul(whitening)));
            }
            Directions::OfGram {
                centred,
                vectors,
                singular_values,
            } if trusted(singular_values) => {
                (centred.device(), vectors.columns(0, kept).into_owned())
            }
            Directions::OfScatter { centred, .. } | Directions::OfGram { centred, .. } => {
                let (_, vectors) = of_activations(centred)?;
                (centred.device(), vectors.columns(0, kept).into_owned())
            }
            Directions::OfActivations { device, vectors } => {
                (device.clone(), vectors.columns(0, kept).into_owned())
            }
        };
        Ok(Some(scatter::upload(&basis, self.precision, &device)))
    }
}

/// Singular directions and values of the centred activations, by the cheapest route that can be
/// trusted.
fn decomposed(
    centred: Tensor<2>,
    precision: Precision,
) -> Result<(Directions, DVector<f64>), Error> {
    let [samples, neurons] = centred.dims();
    let wide = neurons >= samples;
    let product = if wide {
        let across = centred.clone().transpose();
        scatter::cross(&across, &across, precision)?
    } else {
        scatter::cross(&centred, &centred, precision)?
    };
    let (squares, vectors) = decompose::symmetric(&product)?;

    // The last eigenvalue of the wide product belongs to the mean, which is gone.
    let real = if wide { samples - 1 } else { neurons };
    if squares[real - 1] < rank_floor(samples.max(neurons), precision) * squares[0] {
        let (singular_values, vectors) = of_activations(&centred)?;
        let device = centred.device();
        return Ok((
            Directions::OfActivations { device, vectors },
            singular_values,
        ));
    }
    let singular_values = squares.map(f64::sqrt);
    let found = singular_values.clone();
    let directions = if wide {
        Directions::OfGram {
            centred,
            vectors,
            singular_values,
        }
    } else {
        Directions::OfScatter {
            centred,
            vectors,
            singular_values,
        }
    };
    Ok((directions, found))
}

/// Singular values and left singular vectors of the activations, on the host.
fn of_activations(centred: &Tensor<2>) -> Result<(DVector<f64>, DMatrix<f64>), Error> {
    let [samples, neurons] = centred.dims();
    decompose::left_singular(&read(centred.clone())?, samples, neurons)
}

/// Below this share of the largest, a kept eigenvalue makes the whitened basis lose too many digits:
/// its orthogonality is off by the product's ε over this.
fn whitening_floor(precision: Precision) -> f64 {
    match precision {
        Precision::F64 => 1e-6,
        Precision::F32 => 1e-4,
    }
}

/// Below this share of the largest, an eigenvalue may be nothing but the product's rounding.
fn rank_floor(longest: usize, precision: Precision) -> f64 {
    match precision {
        Precision::F64 => 16.0 * longest as f64 * f64::EPSILON,
        // f32 rounds within a block only, so the number of samples doesn't enter.
        Precision::F32 => 1e-5,
    }
}
