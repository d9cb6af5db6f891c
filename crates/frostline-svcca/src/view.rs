use std::ops::Range;
use std::sync::{Arc, OnceLock};

use burn::tensor::{DType, Tensor};
use nalgebra::{DMatrix, DVector};

use crate::{
    Basis, Cut, Error, Measure,
    centre::{Centred, centre, column_means, select},
    decompose,
    precision::{Floats, Precision},
    products::{self, Rounding, read, upload},
    profile::{EqualDirections, Profile, Rank},
    range_finder,
    repeats::Repeats,
    rounding_noise::RoundingNoise,
    shared_inputs::SharedInputs,
};

/// A layer's activations made ready for comparison: checked and centred; decomposed when something
/// asks for it, once.
///
/// It holds the centred activations until it is dropped; a [`Basis`] made of it holds only the
/// directions that were kept.
#[derive(Debug)]
pub struct View {
    samples: usize,
    neurons: usize,
    /// Which neurons vary, ascending.
    varying: Vec<usize>,
    /// `[sample, varying neuron]`, divided by `scale`; none where no neuron varies.
    centred: Option<Tensor<2>>,
    scale: f64,
    precision: Precision,
    /// What rounding can have made of the varying neurons: see [`Centred`].
    rounding: RoundingNoise,
    floats: Floats,
    repeats: Arc<Repeats>,
    /// Samples in a row that are of one input; 0 where that isn't known.
    rows_of_input: usize,
    product: OnceLock<DMatrix<f64>>,
    eigen: OnceLock<Eigen>,
    exact: OnceLock<Exact>,
}

/// Eigenvalues and vectors of the product over samples, `Xᵀ X = V S² Vᵀ`; where there are no fewer
/// neurons than samples of the product over neurons, `X Xᵀ = U S² Uᵀ`.
#[derive(Debug)]
struct Eigen {
    singular_values: DVector<f64>,
    vectors: DMatrix<f64>,
    /// How many stand clear of the product's rounding.
    clear: usize,
    /// What rounding is likely to have added along these.
    noise: Vec<f64>,
}

/// `X = U S Vᵀ`, decomposed on the host.
#[derive(Debug)]
struct Exact {
    /// All of them, in descending order.
    singular_values: DVector<f64>,
    /// Those that stand clear of rounding, in descending order.
    real_values: DVector<f64>,
    /// What rounding is likely to have added along these.
    noise: Vec<f64>,
    /// `[sample, direction]` of those that stand clear of rounding.
    left: DMatrix<f64>,
}

/// Below this share of the largest, a kept eigenvalue makes the whitened basis lose too many digits:
/// its orthogonality is off by the product's ε over this.
const WHITENING_FLOOR: f64 = 1e-6;

impl View {
    /// Checks and centres `activations: [sample, neuron]`, in f64 where the device has it.
    ///
    /// Errors: `Empty`, `TooFewSamples` below two samples, `NotFinite` with the first bad row and
    /// column, `TooLarge`.
    pub fn new(activations: &Tensor<2>) -> Result<View, Error> {
        let activations = activations.clone().without_autodiff();
        let precision = Precision::of(&activations.device());
        View::with_precision(activations, precision)
    }

    /// Like [`View::new`], but held and projected in f32: half the memory and about twice the speed.
    ///
    /// The scatter is still multiplied in f64 where the device has it, so what a variance cut keeps
    /// stays the same; mean correlations of f32 activations move by less than 1e-6. Burn
    /// takes f32 as TF32 on tensor cores: there, on an H100, they moved by 1.3e-5.
    pub fn single(activations: &Tensor<2>) -> Result<View, Error> {
        let activations = activations.clone().without_autodiff();
        let precision = Precision::single(&activations.device());
        View::with_precision(activations, precision)
    }

    /// Says that the rows are of so many inputs, as many of each and those of one together: places of a map or tokens of a
    /// sentence as samples.
    ///
    /// Such rows are not independent, so unrelated layers correlate more than the number of rows tells. The chance level of a
    /// value is then that of fewer samples.
    ///
    /// # Formula
    /// `n / (m ⟨A_x, A_y⟩)` samples of n rows, m of each input: `A: [m, m]` holds the mean products of two rows of an input along
    /// the kept directions, divided by its trace. `m ⟨A_x, A_y⟩` is 1 where rows of an input have nothing in common, and m where
    /// they are equal. Of more than 1024 rows an input, 1024 drawn ones stand for all.
    ///
    /// Source: Kish 1965, Survey Sampling, for the design effect of clusters.
    ///
    /// # Errors
    /// [`Error::NotOfInputs`] where the rows are no multiple of the inputs.
    pub fn of_inputs(mut self, inputs: usize) -> Result<View, Error> {
        if inputs == 0 || !self.samples.is_multiple_of(inputs) {
            return Err(Error::NotOfInputs {
                samples: self.samples,
                inputs,
            });
        }
        self.rows_of_input = self.samples / inputs;
        Ok(self)
    }

    /// Says what rounding made of the values: `errors: [sample, neuron]` as likely as those that they have, for values that
    /// were computed from f16 or bf16 in longer floats, such as means over the places of a map. See [`rounding_errors`].
    ///
    /// Which directions are real is then judged by these, as [`View::rank`] says.
    ///
    /// # Errors
    /// [`Error::SampleMismatch`] and [`Error::NeuronMismatch`] where the errors are of another shape.
    ///
    /// [`rounding_errors`]: crate::rounding_errors
    pub fn with_errors(mut self, errors: &Tensor<2>) -> Result<View, Error> {
        let [samples, neurons] = errors.dims();
        if samples != self.samples {
            return Err(Error::SampleMismatch {
                x: self.samples,
                y: samples,
            });
        }
        if neurons != self.neurons {
            return Err(Error::NeuronMismatch {
                weights: neurons,
                neurons: self.neurons,
            });
        }
        if !self.varying.is_empty() {
            let errors = errors
                .clone()
                .without_autodiff()
                .cast(self.precision.dtype());
            let errors = select(errors.mul_scalar(self.scale.recip()), &self.varying);
            self.rounding.draw(errors, self.precision)?;
            (self.eigen, self.exact) = (OnceLock::new(), OnceLock::new());
        }
        Ok(self)
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
    pub fn singular_values(&self) -> Result<DVector<f64>, Error> {
        let found = match &self.centred {
            None => None,
            Some(centred) => Some(match self.clear_eigen()? {
                Some(eigen) => &eigen.singular_values,
                None => &self.exact(centred)?.singular_values,
            }),
        };
        let value = |i: usize| found.and_then(|found| found.get(i)).copied().unwrap_or(0.0);
        let count = self.samples.min(self.neurons);
        Ok(DVector::from_fn(count, |i, _| value(i) * self.scale))
    }

    /// Effective rank: how many directions stand clear of rounding, constant neurons left out.
    ///
    /// # Formula
    /// With right singular vectors v, direction i counts where `s_i > max(samples, neurons) · ε · s_max`, ε that of f64,
    /// and `s_i > 1.5 Σ_j |v_ij| c_j + m (1 + √(neurons / samples)) e_i`, m 1.5 or for f16 and bf16, in which layers are computed too, 3. There `c_j = (2 h + 32 c) ‖x_j - mean‖` is what
    /// computing and holding neuron j can have made of it over all samples, errors that neurons may share, and e_i what
    /// rounding each number by itself to the floats in which it came adds along v: `√(Σ_j v_ij² u² ‖x_j‖² / 3)`, or for f16
    /// and bf16 the norm along v of errors that are drawn, by rounding the activations after each sample was multiplied by
    /// a number between ½ and 1. u is the unit roundoff of these floats (2⁻²⁴ for f32, 2⁻¹¹ for f16, 2⁻⁸ for bf16; numbers
    /// too small for it are rounded by their smallest step), h that of
    /// the floats in which the activations are held, and c the smaller of u and f32's, in which the network
    /// is taken to have computed them. So neurons that obey a linear law, such as those of a
    /// layer norm or a softmax, span one direction fewer than they are many, though rounding made them span all.
    ///
    /// Activations that came in longer floats than they fill, such as bf16 saved as f32, are judged by the shorter ones, but
    /// for whole numbers.
    ///
    /// Where the product over samples can't tell, the activations themselves are decomposed on the
    /// host.
    pub fn rank(&self) -> Result<usize, Error> {
        let Some(centred) = &self.centred else {
            return Ok(0);
        };
        Ok(match self.clear_eigen()? {
            Some(eigen) => eigen.clear,
            None => self.exact(centred)?.real_values.len(),
        })
    }

    /// Condition of the centred activations within their rank, the largest over the smallest singular value that stands
    /// clear of rounding; 1 where nothing varies.
    pub fn condition(&self) -> Result<f64, Error> {
        let Some(centred) = &self.centred else {
            return Ok(1.0);
        };
        let values = match self.clear_eigen()? {
            Some(eigen) => &eigen.singular_values,
            None => &self.exact(centred)?.real_values,
        };
        let last = values.iter().next_back();
        Ok(last.map_or(1.0, |last| values[0] / last))
    }

    /// Over how many directions the variance is spread: 1 where one holds all, the rank where all
    /// hold the same; 0 where nothing varies.
    ///
    /// # Formula
    /// `(Σ s²)² / Σ s⁴`, s the singular values of the centred activations.
    pub fn participation_ratio(&self) -> Result<f64, Error> {
        if self.centred.is_none() {
            return Ok(0.0);
        }
        let product = self.product()?;
        Ok((product.trace() / product.norm()).powi(2))
    }

    /// Orthonormal basis of the leading directions that `cut` keeps, `[sample, kept]`.
    ///
    /// The product over samples (or over neurons, where there are no fewer of them) runs on the
    /// device and its eigenvectors give the basis. Where the cut keeps directions so faint that the
    /// product's rounding could have made them, the activations themselves are decomposed on the host
    /// (QR, then singular values). A view with 2048 dimensions or more under a variance cut is
    /// searched by a randomised range finder first.
    ///
    /// Errors: `BadCut`, `DecompositionFailed`, `Device`.
    pub fn basis(&self, cut: Cut) -> Result<Basis, Error> {
        cut.check()?;
        let Some(centred) = &self.centred else {
            return self.to_basis(cut, None, Kept::nothing());
        };
        if let Cut::Variance(share) = cut
            && self.eigen.get().is_none()
            && let Some(found) = range_finder::leading(centred, share)?
        {
            let kept = Kept {
                rank: Rank::AtLeast(found.seen),
                margin: Some(found.margin),
                equal: found.equal,
                equal_rest: found.equal_rest,
                noise: Vec::new(),
                singular_values: found.singular_values,
            };
            return self.to_basis(cut, Some(found.directions), kept);
        }
        let eigen = self.eigen()?;
        let values = &eigen.singular_values;
        // A share of the variance is decided before the faint directions add to it.
        let kept = match cut {
            Cut::Variance(_) => cut.kept(values, values.len()),
            _ if eigen.clear == self.most() => cut.kept(values, values.len()),
            Cut::Directions(count) if count <= eigen.clear => count,
            _ => usize::MAX,
        };
        let floor = WHITENING_FLOOR.sqrt() * values[0];
        if kept > eigen.clear || kept > 0 && values[kept - 1] < floor {
            return self.exact_basis(centred, cut);
        }
        let directions = self.whitened(centred, eigen, 0..kept)?;
        let equal = equal_at(values, kept, self.telling(&eigen.noise));
        let whole =
            equal.filter(|equal| equal.end <= eigen.clear && values[equal.end - 1] >= floor);
        let equal_rest = whole.map(|equal| self.whitened(centred, eigen, kept..equal.end));
        let found = Kept {
            rank: match eigen.clear {
                clear if clear == self.most() => Rank::Exactly(clear),
                clear => Rank::AtLeast(clear),
            },
            margin: cut.margin(values),
            equal,
            equal_rest: equal_rest.transpose()?,
            noise: eigen.noise[..kept].to_vec(),
            singular_values: values.rows(0, kept).into_owned(),
        };
        self.to_basis(cut, Some(directions), found)
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
            varying,
            rounding,
            floats,
        } = centre(activations, precision)?;
        let repeats = match &activations {
            Some(centred) => Repeats::of(centred, precision, floats)?,
            None => Repeats::none(samples),
        };
        Ok(View {
            samples,
            neurons,
            varying,
            centred: activations,
            scale,
            precision,
            rounding,
            floats,
            repeats: Arc::new(repeats),
            rows_of_input: 0,
            product: OnceLock::new(),
            eigen: OnceLock::new(),
            exact: OnceLock::new(),
        })
    }

    /// `[sample, neuron or fewer]`, divided by `scale`: the centred activations, or where there are
    /// no fewer neurons than samples a rotation of them into as many columns as samples.
    pub(crate) fn coordinates(&self) -> Result<Option<Tensor<2>>, Error> {
        let Some(centred) = &self.centred else {
            return Ok(None);
        };
        if !self.is_wide() {
            return Ok(Some(centred.clone()));
        }
        let eigen = self.eigen()?;
        let mut scaled = eigen.vectors.columns(0, self.most()).into_owned();
        for (mut column, value) in scaled.column_iter_mut().zip(&eigen.singular_values) {
            column *= *value;
        }
        Ok(Some(upload(&scaled, centred.dtype(), &centred.device())))
    }

    /// `‖x_i‖²` of every centred sample, divided by `scale` squared.
    pub(crate) fn squared_norms(&self) -> Result<DVector<f64>, Error> {
        let Some(centred) = self.in_sums() else {
            return Ok(DVector::zeros(self.samples));
        };
        let squares = (centred.clone() * centred).sum_dim(1);
        Ok(DVector::from_vec(read(squares)?))
    }

    /// `x_i · Σ_j x_j` of every centred sample, divided by `scale` squared: what rounding left of the mean.
    pub(crate) fn along_rest(&self) -> Result<DVector<f64>, Error> {
        let Some(centred) = self.in_sums() else {
            return Ok(DVector::zeros(self.samples));
        };
        let rest = column_means(&centred).mul_scalar(self.samples as f64);
        Ok(DVector::from_vec(read(centred.matmul(rest.transpose()))?))
    }

    /// The centred activations in the floats in which they are added up.
    fn in_sums(&self) -> Option<Tensor<2>> {
        let centred = self.centred.clone()?;
        Some(match self.precision {
            Precision::Mixed => centred.cast(DType::F64),
            Precision::F64 | Precision::F32 => centred,
        })
    }

    /// Singular values of the centred activations, divided by `scale`, from the product: to half its digits.
    pub(crate) fn spectrum(&self) -> Result<DVector<f64>, Error> {
        if self.centred.is_none() {
            return Ok(DVector::zeros(0));
        }
        Ok(self.eigen()?.singular_values.clone())
    }

    /// Norm of the product over samples, `‖Xᵀ X‖_F`, and its trace `‖X‖²_F`, in units of `scale`.
    pub(crate) fn product_norm_and_trace(&self) -> Result<(f64, f64), Error> {
        if self.centred.is_none() {
            return Ok((0.0, 0.0));
        }
        let product = self.product()?;
        Ok((product.norm(), product.trace()))
    }

    /// `Qᵀ X: [kept, neuron]`: how much of each neuron lies along each direction of a basis.
    pub(crate) fn loadings(&self, basis: &Basis) -> Result<DMatrix<f64>, Error> {
        let mut all = DMatrix::zeros(basis.kept(), self.neurons);
        let (directions, centred) = (basis.directions.as_ref(), self.centred.as_ref());
        let found = products::cross(directions, centred, Rounding::Least)?;
        for (column, neuron) in found.column_iter().zip(&self.varying) {
            all.set_column(*neuron, &(column * self.scale));
        }
        Ok(all)
    }

    /// `[sample, varying neuron]`, divided by `scale`, and which neurons these are; none where no neuron varies.
    pub(crate) fn centred(&self) -> Option<(&Tensor<2>, &[usize])> {
        let centred = self.centred.as_ref()?;
        Some((centred, &self.varying))
    }

    /// The share of the view's sum of squares that rounding its values is likely to have made.
    pub(crate) fn rounded_share(&self) -> Result<f64, Error> {
        let (_, trace) = self.product_norm_and_trace()?;
        Ok(if trace > 0.0 {
            self.rounding.energy() / trace
        } else {
            0.0
        })
    }

    pub(crate) fn floats(&self) -> Floats {
        self.floats
    }

    pub(crate) fn rows_of_input(&self) -> usize {
        self.rows_of_input
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// How alike the samples of one input are in these columns.
    pub(crate) fn shared_inputs(&self, columns: Option<&Tensor<2>>) -> Result<SharedInputs, Error> {
        SharedInputs::of(columns, self.rows_of_input)
    }

    pub(crate) fn repeats(&self) -> &Arc<Repeats> {
        &self.repeats
    }

    /// Neurons that never vary.
    pub(crate) fn constant(&self) -> usize {
        self.neurons - self.varying.len()
    }

    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// What preparing for a measure with this cut decomposes on the host: the products only, so that
    /// the host's part may run in parallel with that of other views.
    pub(crate) fn multiply(&self, cut: Option<Cut>) -> Result<(), Error> {
        let searched =
            matches!(cut, Some(Cut::Variance(_))) && range_finder::is_for(self.smaller());
        if self.centred.is_some() && !searched {
            self.product()?;
        }
        Ok(())
    }

    /// The host's part, where [`View::multiply`] has been and the measure asks for it.
    pub(crate) fn decompose(&self, measure: Measure) -> Result<(), Error> {
        if (measure.decomposes() || self.is_wide()) && self.product.get().is_some() {
            self.eigen()?;
        }
        Ok(())
    }

    fn smaller(&self) -> usize {
        self.samples.min(self.varying.len())
    }

    fn is_wide(&self) -> bool {
        self.varying.len() >= self.samples
    }

    /// As many directions as can be: centring takes one dimension of the samples.
    fn most(&self) -> usize {
        self.varying.len().min(self.samples - 1)
    }

    fn product(&self) -> Result<&DMatrix<f64>, Error> {
        once(&self.product, || {
            let centred = self
                .centred
                .as_ref()
                .expect("asked only where neurons vary");
            if self.is_wide() {
                products::gram(&centred.clone().transpose(), self.precision)
            } else {
                products::gram(centred, self.precision)
            }
        })
    }

    fn eigen(&self) -> Result<&Eigen, Error> {
        once(&self.eigen, || {
            let (squares, vectors) = decompose::symmetric(self.product()?)?;
            let longest = self.samples.max(self.neurons);
            let floor = self.precision.rank_floor(longest) * squares[0];
            let singular_values = squares.rows(0, self.most()).map(f64::sqrt);
            let rounding = if self.is_wide() {
                self.rounding.bound_along_samples(&vectors)
            } else {
                self.rounding.bound_along(&vectors, None)
            };
            let clear = (0..self.most())
                .take_while(|i| squares[*i] > floor && singular_values[*i] > rounding[*i])
                .count();
            let some = vectors.columns(0, clear).into_owned();
            let noise = if self.is_wide() {
                self.rounding.along_samples(&some)
            } else {
                self.rounding.along(&some, None)
            };
            Ok(Eigen {
                singular_values,
                vectors,
                clear,
                noise,
            })
        })
    }

    /// The eigenvalues, where all of them can be told from rounding.
    fn clear_eigen(&self) -> Result<Option<&Eigen>, Error> {
        let eigen = self.eigen()?;
        Ok((eigen.clear == self.most()).then_some(eigen))
    }

    fn exact(&self, centred: &Tensor<2>) -> Result<&Exact, Error> {
        once(&self.exact, || {
            let values = read(centred.clone())?;
            let [samples, neurons] = centred.dims();
            let found = decompose::singular_of_rows(&values, samples, neurons)?;
            let longest = self.samples.max(self.neurons) as f64;
            let floor = longest * f64::EPSILON * found.values[0];
            let rounding = self.rounding.bound_along(&found.right, Some(&found.left));
            // Rounding of large neurons can be stronger than what small ones say, so what is real needn't come first.
            let real: Vec<usize> = (0..self.most())
                .filter(|i| found.values[*i] > floor.max(rounding[*i]))
                .collect();
            let left = found.left.select_columns(&real);
            let right = found.right.select_columns(&real);
            Ok(Exact {
                real_values: found.values.select_rows(&real),
                noise: self.rounding.along(&right, Some(&left)),
                left,
                singular_values: found.values,
            })
        })
    }

    fn exact_basis(&self, centred: &Tensor<2>, cut: Cut) -> Result<Basis, Error> {
        let Exact {
            real_values,
            left,
            noise,
            ..
        } = self.exact(centred)?;
        let rank = real_values.len();
        let kept = if rank == 0 {
            0
        } else {
            cut.kept(real_values, rank)
        };
        let along = |places: Range<usize>| {
            let some = left.columns(places.start, places.len()).into_owned();
            upload(&some, centred.dtype(), &centred.device())
        };
        let directions = (kept > 0).then(|| along(0..kept));
        let equal = equal_at(real_values, kept, self.telling(noise));
        let found = Kept {
            rank: Rank::Exactly(rank),
            margin: cut.margin(real_values),
            equal,
            equal_rest: equal.map(|equal| along(kept..equal.end)),
            noise: noise[..kept].to_vec(),
            singular_values: real_values.rows(0, kept).into_owned(),
        };
        self.to_basis(cut, directions, found)
    }

    /// The directions at these places, from the eigenvectors.
    fn whitened(
        &self,
        centred: &Tensor<2>,
        eigen: &Eigen,
        places: Range<usize>,
    ) -> Result<Tensor<2>, Error> {
        let (dtype, device) = (centred.dtype(), centred.device());
        let Range { start, end } = places;
        let mut vectors = eigen.vectors.columns(start, end - start).into_owned();
        if self.is_wide() {
            return Ok(upload(&vectors, dtype, &device));
        }
        let values = eigen.singular_values.iter().skip(start);
        for (mut column, value) in vectors.column_iter_mut().zip(values) {
            column /= *value;
        }
        let basis = centred.clone().matmul(upload(&vectors, dtype, &device));
        let share = (eigen.singular_values[end - 1] / eigen.singular_values[0]).powi(2);
        if share >= self.precision.second_whitening_floor() {
            return Ok(basis);
        }
        orthonormal(basis, self.precision)
    }

    /// How far two singular values are apart that rounding can't tell from equal ones, from what it adds along directions: from
    /// one sample to the next it points another way, so of all samples only a square root is left between two directions.
    fn telling(&self, noise: &[f64]) -> f64 {
        let most = noise.iter().copied().fold(0.0, f64::max);
        2.0 * most / (self.samples as f64).sqrt()
    }

    fn to_basis(
        &self,
        cut: Cut,
        directions: Option<Tensor<2>>,
        kept: Kept,
    ) -> Result<Basis, Error> {
        let noise = kept.noise.iter().zip(&kept.singular_values);
        let leverage = directions.as_ref().map(|directions| {
            let squares = (directions.clone() * directions.clone()).sum_dim(1);
            // Relative to the mean, whose square may be beneath the floats.
            let mean = kept.singular_values.len() as f64 / self.samples as f64;
            let shares = squares.mul_scalar(mean.recip());
            let sum = read((shares.clone() * shares).mean())?[0];
            Ok::<f64, Error>(sum * mean * mean * self.samples as f64)
        });
        Ok(Basis {
            profile: Profile {
                cut,
                samples: self.samples,
                neurons: self.neurons,
                constant: self.constant(),
                repeats: self.repeats.clone(),
                shared: self.shared_inputs(directions.as_ref())?,
                rank: kept.rank,
                noise: noise.map(|(noise, value)| noise / value).collect(),
                singular_values: kept.singular_values * self.scale,
                margin: kept.margin,
                equal: kept.equal,
                floats: Some(self.floats),
                rows_of_input: self.rows_of_input,
                at_most: self.samples,
                leverage: leverage.transpose()?,
            },
            equal_rest: kept.equal_rest,
            directions,
        })
    }
}

/// What is known of the directions that a cut kept, in units of `scale`.
struct Kept {
    singular_values: DVector<f64>,
    rank: Rank,
    margin: Option<f64>,
    /// As in [`Profile`].
    equal: Option<EqualDirections>,
    /// As in [`Basis`].
    equal_rest: Option<Tensor<2>>,
    /// What rounding is likely to have added along each; empty where that isn't known.
    noise: Vec<f64>,
}

impl Kept {
    fn nothing() -> Kept {
        Kept {
            singular_values: DVector::zeros(0),
            rank: Rank::Exactly(0),
            margin: None,
            equal: None,
            equal_rest: None,
            noise: Vec::new(),
        }
    }
}

/// Which of these descending singular values equal the last of the kept ones, where one that isn't kept is among them: the
/// cut then chooses among directions that can be turned into each other. None where it doesn't.
pub(crate) fn equal_at(values: &DVector<f64>, kept: usize, apart: f64) -> Option<EqualDirections> {
    if kept == 0 || kept >= values.len() {
        return None;
    }
    // Singular values from products have half of the digits of f64.
    let last = values[kept - 1];
    let apart = apart.max(1e-6 * last);
    if last - values[kept] > apart {
        return None;
    }
    let before = (1..kept)
        .rev()
        .take_while(|i| values[i - 1] - values[*i] <= apart);
    let after = (kept + 1..values.len()).take_while(|i| values[i - 1] - values[*i] <= apart);
    Some(EqualDirections {
        first: kept - 1 - before.count(),
        end: kept + 1 + after.count(),
    })
}

/// `B (Bᵀ B)^-½`: the orthonormal columns nearest to those of `basis`, which are nearly so.
pub(crate) fn orthonormal(basis: Tensor<2>, precision: Precision) -> Result<Tensor<2>, Error> {
    let (squares, vectors) = decompose::symmetric(&products::gram(&basis, precision)?)?;
    // What lies below rounding stays short: it isn't a direction of the span.
    let floor = (precision.epsilon() * squares[0]).max(f64::MIN_POSITIVE);
    let mut scaled = vectors.clone();
    for (mut column, square) in scaled.column_iter_mut().zip(&squares) {
        column /= square.max(floor).sqrt();
    }
    let root = &scaled * vectors.transpose();
    let (dtype, device) = (basis.dtype(), basis.device());
    Ok(basis.matmul(upload(&root, dtype, &device)))
}

/// The value in `cell`, computed when it is asked for first.
fn once<T>(cell: &OnceLock<T>, compute: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = compute()?;
    Ok(cell.get_or_init(|| value))
}
