use std::sync::{Arc, OnceLock};

use burn::tensor::{DType, Tensor};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{
    Cut, Error, Pair,
    centre::check_finite,
    centred_pair::CentredPair,
    decompose,
    precision::{Floats, Precision, rounding_unit},
    products::{self, on_host, read, upload},
    profile::{Profile, Rank},
    repeats::Repeats,
    rounding_noise::{RoundingNoise, written},
    shared_inputs::SharedInputs,
    view::equal_at,
    whitened::Whitened,
};

/// What two or more views of the same samples say together, gathered batch by batch in f64.
///
/// Every measure of [`Pair`] comes from it, but for the samples' own projections. Its size is the square
/// of the number of neurons and doesn't grow with the samples. Moments of different batches add up by
/// [`Moments::merge`], whatever thread, process or machine gathered them, and serde keeps them.
///
/// # Formula
/// Of each sample the row `r = [1, u, A]`: u the activations of all views less a pivot (the first batch's
/// mean), divided by a power of two, A the squared norm of each view's part. Kept is `Σ r rᵀ`. A change of
/// pivot or scale is a linear map of r, so moments about different pivots are brought to one and added.
///
/// Plain CCA from moments can't tell directions fainter than 1e-5 of the strongest, or than the rounding of the floats in
/// which the activations came, from rounding: they are left out, and [`crate::Warning::IllConditioned`] says so. Samples that
/// repeat are not found either: the chance level counts every sample.
///
/// Source: Chan, Golub, LeVeque 1983, The American Statistician 37(3), for the merging.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    samples: usize,
    /// Neurons of each view.
    neurons: Vec<usize>,
    /// Of each neuron.
    pivot: Vec<f64>,
    lowest: Vec<f64>,
    highest: Vec<f64>,
    /// Of each view.
    scale: Vec<f64>,
    /// Rounding of the devices that the batches came from.
    epsilon: f64,
    /// Of each view, the coarsest unit roundoff of the floats in which its batches came.
    #[serde(default)]
    came: Vec<f64>,
    /// Of each view, the finest one of the shortest floats that hold a batch.
    #[serde(default)]
    held: Vec<f64>,
    /// `Σ r rᵀ`.
    sums: DMatrix<f64>,
}

impl Moments {
    /// Of no samples yet.
    pub fn new() -> Moments {
        Moments::default()
    }

    /// Samples so far.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Neurons of each view; empty before the first batch.
    pub fn neurons(&self) -> &[usize] {
        &self.neurons
    }

    /// Adds a batch: `[sample, neuron]` of every view, the same samples in the same order.
    ///
    /// The products run on the device, where all views share one that has as many samples in the batch as
    /// there are neurons; a smaller batch is read instead, which moves fewer numbers.
    ///
    /// Errors, after which the moments are as before: `Empty`, `ViewsMismatch`, `SampleMismatch`,
    /// `NotFinite` with the row counted over all batches, `TooLarge`, `Device`.
    pub fn add(&mut self, batch: &[&Tensor<2>]) -> Result<(), Error> {
        let neurons: Vec<usize> = batch.iter().map(|view| view.dims()[1]).collect();
        if batch.is_empty() || self.samples > 0 && neurons != self.neurons {
            return Err(Error::ViewsMismatch {
                expected: self.neurons.clone(),
                found: neurons,
            });
        }
        let samples = batch[0].dims()[0];
        for view in batch {
            let [rows, columns] = view.dims();
            if rows == 0 || columns == 0 {
                return Err(Error::Empty {
                    samples: rows,
                    neurons: columns,
                });
            }
            if rows != samples {
                return Err(Error::SampleMismatch {
                    x: samples,
                    y: rows,
                });
            }
            check_finite(view, self.samples)?;
        }

        let mut next = Moments {
            samples,
            neurons,
            ..Moments::default()
        };
        let mut shifted = Vec::new();
        for (index, view) in batch.iter().enumerate() {
            let view = (*view).clone().without_autodiff();
            let precision = Precision::of(&view.device());
            next.came.push(rounding_unit(view.dtype()));
            next.held.push(Floats::of(&view)?.unit());
            let view = view.cast(precision.dtype());
            next.epsilon = next.epsilon.max(precision.epsilon());
            let lowest = read(view.clone().min_dim(0))?;
            let highest = read(view.clone().max_dim(0))?;
            let first = next.pivot.len();
            if self.samples > 0 {
                let columns = first..first + lowest.len();
                let pivot = self.pivot[columns].iter();
                next.pivot
                    .extend(pivot.map(|pivot| held(*pivot, precision)));
                next.scale.push(self.scale[index]);
            } else {
                let mean = read(view.clone().mean_dim(0))?;
                next.pivot.extend(mean);
                let scale = scale_about(&next.pivot[first..], &lowest, &highest, precision);
                next.scale.push(scale);
            }
            let (dtype, device) = (view.dtype(), view.device());
            let pivot = DMatrix::from_row_slice(1, lowest.len(), &next.pivot[first..]);
            let view = view.sub(upload(&pivot, dtype, &device));
            shifted.push(view.mul_scalar(next.scale[index].recip()));
            next.lowest.extend(lowest);
            next.highest.extend(highest);
        }
        next.sums = sums(&shifted)?;
        if !next.sums.iter().all(|sum| sum.is_finite()) {
            let peak = peak(&next.lowest, &next.highest);
            return Err(Error::TooLarge { peak });
        }
        self.merge(&next)
    }

    /// Adds the samples of `other`.
    ///
    /// Errors: `ViewsMismatch`.
    pub fn merge(&mut self, other: &Moments) -> Result<(), Error> {
        if other.samples == 0 {
            return Ok(());
        }
        if self.samples == 0 {
            *self = other.clone();
            return Ok(());
        }
        self.sums += self.as_own(other)?;
        self.samples += other.samples;
        self.epsilon = self.epsilon.max(other.epsilon);
        for (came, other) in self.came.iter_mut().zip(&other.came) {
            *came = came.max(*other);
        }
        for (held, other) in self.held.iter_mut().zip(&other.held) {
            *held = held.min(*other);
        }
        for (low, other) in self.lowest.iter_mut().zip(&other.lowest) {
            *low = low.min(*other);
        }
        for (high, other) in self.highest.iter_mut().zip(&other.highest) {
            *high = high.max(*other);
        }
        Ok(())
    }

    /// Everything but the samples of `part`, which were merged into this before.
    pub(crate) fn without(&self, part: &Moments) -> Result<Moments, Error> {
        let mut rest = self.clone();
        rest.sums -= self.as_own(part)?;
        rest.samples -= part.samples;
        Ok(rest)
    }

    /// Two of the views, by their place in the batches.
    ///
    /// Errors: `Empty` where there is no such view, `TooFewSamples` below two, `TooLarge` where singular values
    /// would overflow.
    pub fn pair(&self, x: usize, y: usize) -> Result<Pair<'static>, Error> {
        Ok(Pair::of_moments(PairMoments::of(self, x, y)?))
    }

    /// The sums of `other` about the pivot and in the scale of `self`.
    fn as_own(&self, other: &Moments) -> Result<DMatrix<f64>, Error> {
        if self.neurons != other.neurons {
            return Err(Error::ViewsMismatch {
                expected: self.neurons.clone(),
                found: other.neurons.clone(),
            });
        }
        if self.pivot == other.pivot && self.scale == other.scale {
            return Ok(other.sums.clone());
        }
        // Rows, then by symmetry columns.
        let half = self.mapped(other, &other.sums).transpose();
        Ok(self.mapped(other, &half))
    }

    /// `T sums`, T the map from rows r of `other` to those of `self`.
    fn mapped(&self, other: &Moments, sums: &DMatrix<f64>) -> DMatrix<f64> {
        let mut mapped = sums.clone();
        let one = sums.row(0);
        for view in 0..self.neurons.len() {
            let factor = other.scale[view] / self.scale[view];
            let norm = self.norm_index(view);
            let mut of_norm = sums.row(norm) * (factor * factor);
            for column in self.columns(view) {
                let shift = (other.pivot[column] - self.pivot[column]) / self.scale[view];
                let own = sums.row(1 + column);
                mapped.set_row(1 + column, &(own * factor + one * shift));
                of_norm += own * (2.0 * factor * shift) + one * (shift * shift);
            }
            mapped.set_row(norm, &of_norm);
        }
        mapped
    }

    /// To what the values of a view were rounded.
    fn floats(&self, view: usize) -> Floats {
        let unit = |units: &[f64]| units.get(view).copied().unwrap_or(0.0);
        let (came, held) = (unit(&self.came), unit(&self.held));
        Floats {
            widened: held > came,
            ..Floats::of_unit(came.max(held))
        }
    }

    /// Columns of a view among those of all.
    fn columns(&self, view: usize) -> std::ops::Range<usize> {
        let first: usize = self.neurons[..view].iter().sum();
        first..first + self.neurons[view]
    }

    fn norm_index(&self, view: usize) -> usize {
        1 + self.pivot.len() + view
    }
}

/// The pivot that a device can subtract. Where it is another one than that of the earlier batches, [`Moments::merge`]
/// brings the sums to one.
fn held(pivot: f64, precision: Precision) -> f64 {
    match precision {
        Precision::F64 => pivot,
        Precision::Mixed | Precision::F32 => f64::from(pivot as f32),
    }
}

fn scale_about(pivot: &[f64], lowest: &[f64], highest: &[f64], precision: Precision) -> f64 {
    let ranges = lowest.iter().zip(highest).zip(pivot);
    let farthest = ranges.map(|((low, high), pivot)| (high - pivot).abs().max((low - pivot).abs()));
    match farthest.fold(0.0, f64::max) {
        0.0 => precision.power_of_two(peak(lowest, highest)),
        farthest => precision.power_of_two(farthest),
    }
}

/// The largest absolute value within these ranges.
fn peak(lowest: &[f64], highest: &[f64]) -> f64 {
    let values = highest.iter().chain(lowest);
    values.map(|value| value.abs()).fold(0.0, f64::max)
}

/// The columns that vary by more than the rounding of their own values.
fn varying(lowest: &[f64], highest: &[f64], came: f64) -> Vec<usize> {
    let rounding = (2.0 * came).max(4.0 * f64::EPSILON);
    (0..highest.len())
        .filter(|column| {
            let (low, high) = (lowest[*column], highest[*column]);
            high - low > rounding * high.abs().max(low.abs())
        })
        .collect()
}

/// `Σ r rᵀ` of shifted views.
fn sums(shifted: &[Tensor<2>]) -> Result<DMatrix<f64>, Error> {
    let first = &shifted[0];
    let rows = first.dims()[0];
    let alike = |view: &Tensor<2>| view.device() == first.device() && view.dtype() == first.dtype();
    let width: usize = shifted.iter().map(|view| view.dims()[1]).sum();
    if shifted.iter().all(alike) && rows > width {
        let norms = shifted
            .iter()
            .map(|view| view.clone().powi_scalar(2).sum_dim(1));
        let parts = std::iter::once(Tensor::ones_like(&first.clone().slice([0..rows, 0..1])))
            .chain(shifted.iter().cloned())
            .chain(norms)
            .collect();
        let precision = match first.dtype() {
            DType::F64 => Precision::F64,
            _ => Precision::F32,
        };
        return products::gram(&Tensor::cat(parts, 1), precision);
    }
    let mut all = DMatrix::zeros(rows, 1 + width + shifted.len());
    all.column_mut(0).fill(1.0);
    let mut column = 1;
    for (index, view) in shifted.iter().enumerate() {
        let view = on_host(view)?;
        let norms = DVector::from_fn(rows, |row, _| view.row(row).norm_squared());
        all.columns_mut(column, view.ncols()).copy_from(&view);
        all.set_column(1 + width + index, &norms);
        column += view.ncols();
    }
    Ok(decompose::product(&all, &all))
}

/// Two views of [`Moments`].
#[derive(Clone, Debug)]
pub(crate) struct PairMoments {
    sides: [SideMoments; 2],
    centred: CentredPair,
}

#[derive(Clone, Debug)]
struct SideMoments {
    neurons: usize,
    varying: Vec<usize>,
    scale: f64,
    samples: usize,
    independent: usize,
    /// `Xᵀ X: [varying neuron, varying neuron]`.
    scatter: DMatrix<f64>,
    eigen: OnceLock<(DVector<f64>, DMatrix<f64>)>,
    floor: f64,
    /// What rounding can have made of the varying neurons: see [`crate::View::rank`].
    rounding: RoundingNoise,
    floats: Floats,
}

impl PairMoments {
    fn of(moments: &Moments, x: usize, y: usize) -> Result<PairMoments, Error> {
        let missing = x.max(y) >= moments.neurons.len();
        let samples = moments.samples;
        if missing {
            return Err(Error::Empty {
                samples,
                neurons: 0,
            });
        }
        if samples < 2 {
            let dims = moments.neurons[x].max(moments.neurons[y]);
            return Err(Error::TooFewSamples { samples, dims });
        }
        let alive = [x, y].map(|view| {
            let columns = moments.columns(view);
            let (low, high) = (&moments.lowest[columns.clone()], &moments.highest[columns]);
            varying(low, high, moments.floats(view).unit())
        });
        let place = |side: usize, neuron: usize| 1 + moments.columns([x, y][side]).start + neuron;
        let n = samples as f64;
        let sums = &moments.sums;
        let scatter = |left: usize, right: usize| {
            let (rows, columns) = (&alive[left], &alive[right]);
            DMatrix::from_fn(rows.len(), columns.len(), |i, j| {
                let (i, j) = (place(left, rows[i]), place(right, columns[j]));
                sums[(i, j)] - sums[(i, 0)] * (sums[(0, j)] / n)
            })
        };
        // Squared norms of centred rows are linear in r: |u - m|² = A - 2 m·u + |m|².
        let norm = |view: usize| {
            let mut weights = DVector::zeros(sums.nrows());
            for column in moments.columns(view) {
                let mean = sums[(0, 1 + column)] / n;
                weights[1 + column] = -2.0 * mean;
                weights[0] += mean * mean;
            }
            weights[moments.norm_index(view)] = 1.0;
            weights
        };
        let norms = [norm(x), norm(y)];
        let along = |a: usize, b: usize| norms[a].dot(&(sums * &norms[b]));
        let squared_norms = [along(0, 0), along(0, 1), along(1, 1)];
        let (of_x, of_y) = (scatter(0, 0), scatter(1, 1));
        // As large as the sums were before the mean's part was taken off them.
        let whole = |left: usize, right: usize| {
            let (rows, columns) = (&alive[left], &alive[right]);
            let places = rows
                .iter()
                .flat_map(|i| columns.iter().map(move |j| (*i, *j)));
            let entries = places.map(|(i, j)| sums[(place(left, i), place(right, j))]);
            entries.map(|entry| entry * entry).sum::<f64>()
        };
        let sizes = norms.each_ref().map(|weights| weights.abs());
        let absolute = sums.abs();
        let cancelled =
            |a: usize, b: usize| sizes[a].dot(&(&absolute * &sizes[b])) + 2.0 * whole(a, b);
        for (view, scatter) in [(x, &of_x), (y, &of_y)] {
            if !(moments.scale[view] * scatter.trace().sqrt()).is_finite() {
                let peak = peak(&moments.lowest, &moments.highest);
                return Err(Error::TooLarge { peak });
            }
        }
        let longest = of_x.nrows().max(of_y.nrows()) as f64;
        let floor = if moments.epsilon > f64::EPSILON {
            Precision::F32.rank_floor(samples)
        } else {
            (16.0 * longest * f64::EPSILON).max(FAINTEST)
        };
        let mut centred = CentredPair {
            cross: scatter(0, 1),
            norms: [of_x.norm(), of_y.norm()],
            traces: [of_x.trace(), of_y.trace()],
            squared_norms,
            row_sums: squared_norms,
            scales: [moments.scale[x], moments.scale[y]],
            samples,
            independent: samples,
            epsilon: if moments.epsilon > f64::EPSILON {
                Precision::F32.sum_epsilon()
            } else {
                Precision::F64.sum_epsilon()
            },
            held: if moments.epsilon > f64::EPSILON {
                moments.epsilon / 2.0
            } else {
                0.0
            },
            rounded: [0.0; 2],
            cancelled: [(0, 0), (0, 1), (1, 1)].map(|(a, b)| cancelled(a, b)),
            spectra: None,
        };
        // From the sums about the pivot.
        let rounding = |side: usize| {
            let (view, neurons) = ([x, y][side], &alive[side]);
            let first = moments.columns(view).start;
            let floats = moments.floats(view);
            let whole = neurons.iter().map(|neuron| {
                let at = 1 + first + neuron;
                let pivot = moments.pivot[first + neuron] / moments.scale[view];
                let square = sums[(at, at)] + 2.0 * pivot * sums[(at, 0)] + n * pivot * pivot;
                written(floats, square.max(0.0), samples, moments.scale[view])
            });
            // Errors that neurons share, as views allow for them.
            let computed = 32.0 * floats.unit().min(rounding_unit(DType::F32));
            let scatter = [&of_x, &of_y][side];
            let computed = scatter
                .diagonal()
                .map(|square| computed * square.max(0.0).sqrt());
            RoundingNoise::new(
                floats,
                samples,
                computed.as_slice().to_vec(),
                whole.collect(),
            )
        };
        let rounding = [rounding(0), rounding(1)];
        centred.rounded = [0, 1].map(|side| match centred.traces[side] {
            0.0 => 0.0,
            trace => rounding[side].energy() / trace,
        });
        let mut parts = alive.into_iter().zip(rounding);
        let mut side = |view: usize, scatter: DMatrix<f64>| {
            let (varying, rounding) = parts.next().expect("one for each side");
            SideMoments {
                neurons: moments.neurons[view],
                varying,
                scale: moments.scale[view],
                samples,
                independent: samples,
                scatter,
                eigen: OnceLock::new(),
                floor,
                rounding,
                floats: moments.floats(view),
            }
        };
        Ok(PairMoments {
            sides: [side(x, of_x), side(y, of_y)],
            centred,
        })
    }

    pub(crate) fn samples(&self) -> usize {
        self.centred.samples
    }

    pub(crate) fn independent(&self) -> usize {
        self.centred.independent
    }

    /// Takes the samples for no more than so many independent ones.
    pub(crate) fn count(&mut self, independent: usize) {
        let independent = independent.clamp(1, self.centred.samples);
        self.centred.independent = independent;
        for side in &mut self.sides {
            side.independent = independent;
        }
    }

    pub(crate) fn neurons(&self) -> [usize; 2] {
        self.sides.each_ref().map(|side| side.neurons)
    }

    pub(crate) fn constant(&self) -> [usize; 2] {
        let constant = |side: &SideMoments| side.neurons - side.varying.len();
        self.sides.each_ref().map(constant)
    }

    pub(crate) fn participation_ratios(&self) -> [f64; 2] {
        let [x, y] = self.centred.norms;
        let ratio = |trace: f64, norm: f64| match norm {
            0.0 => 0.0,
            norm => (trace / norm).powi(2),
        };
        [
            ratio(self.centred.traces[0], x),
            ratio(self.centred.traces[1], y),
        ]
    }

    /// With the singular values of both sides where `decomposed`.
    pub(crate) fn centred(&self, decomposed: bool) -> Result<CentredPair, Error> {
        let mut centred = self.centred.clone();
        if decomposed {
            let [x, y] = &self.sides;
            centred.spectra = Some([x.eigen()?.0.clone(), y.eigen()?.0.clone()]);
        }
        Ok(centred)
    }

    pub(crate) fn whitened(&self, cut: Cut) -> Result<Whitened, Error> {
        cut.check()?;
        let [x, y] = &self.sides;
        let profiles = [x.profile(cut)?, y.profile(cut)?];
        let cross = |directions: [usize; 2]| {
            let half = decompose::product(&x.whitening(directions[0])?, &self.centred.cross);
            Ok::<_, Error>(half * y.whitening(directions[1])?)
        };
        let whole = |side: &Profile| side.equal.map_or(side.kept(), |equal| equal.end);
        let among_equal = profiles.iter().any(|side| side.equal.is_some());
        let with_equal = among_equal.then(|| cross(profiles.each_ref().map(whole)));
        Ok(Whitened {
            cross: cross(profiles.each_ref().map(Profile::kept))?,
            cross_with_equal: with_equal.transpose()?,
            profiles,
        })
    }

    /// `Qᵀ X = S Vᵀ: [kept, neuron]` of either side.
    pub(crate) fn loadings(&self, cut: Cut) -> Result<[DMatrix<f64>; 2], Error> {
        let [x, y] = &self.sides;
        Ok([x.loadings(cut)?, y.loadings(cut)?])
    }
}

/// Below this share of the largest, an eigenvalue of moments in f64 leaves a direction's correlations
/// fewer than six digits.
const FAINTEST: f64 = 1e-10;

impl SideMoments {
    /// Singular values in units of the scale, and vectors.
    fn eigen(&self) -> Result<(&DVector<f64>, &DMatrix<f64>), Error> {
        if self.eigen.get().is_none() {
            let (squares, vectors) = if self.scatter.is_empty() {
                (DVector::zeros(0), DMatrix::zeros(0, 0))
            } else {
                decompose::symmetric(&self.scatter)?
            };
            self.eigen.get_or_init(|| (squares.map(f64::sqrt), vectors));
        }
        let (values, vectors) = self.eigen.get().expect("set above");
        Ok((values, vectors))
    }

    /// Which directions stand clear of rounding, by their place.
    fn real(&self) -> Result<Vec<usize>, Error> {
        let (values, vectors) = self.eigen()?;
        let most = self.varying.len().min(self.samples - 1);
        let floor = values.get(0).map_or(0.0, |first| first * self.floor.sqrt());
        let rounding = self.rounding.bound_along(vectors, None);
        let real = (0..most).filter(|i| values[*i] > floor.max(rounding[*i]));
        Ok(real.collect())
    }

    /// Singular values in units of the scale, and vectors, of what a cut keeps.
    fn kept(&self, cut: Cut) -> Result<(DVector<f64>, DMatrix<f64>), Error> {
        let (values, vectors) = self.eigen()?;
        let mut real = self.real()?;
        if !real.is_empty() {
            real.truncate(cut.kept(&values.select_rows(&real), real.len()));
        }
        Ok((values.select_rows(&real), vectors.select_columns(&real)))
    }

    /// `V S⁻¹: [varying neuron, direction]` of the strongest directions that stand clear of rounding.
    fn whitening(&self, directions: usize) -> Result<DMatrix<f64>, Error> {
        let (values, vectors) = self.eigen()?;
        let real = self.real()?;
        let mut vectors = vectors.select_columns(&real[..directions]);
        for (mut column, place) in vectors.column_iter_mut().zip(&real) {
            column /= values[*place];
        }
        Ok(vectors)
    }

    fn profile(&self, cut: Cut) -> Result<Profile, Error> {
        let most = self.varying.len().min(self.samples - 1);
        let (values, _) = self.eigen()?;
        let real = self.real()?;
        let rank = real.len();
        let (kept, vectors) = self.kept(cut)?;
        let noise = self.rounding.along(&vectors, None);
        let loudest = noise.iter().copied().fold(0.0, f64::max);
        let apart = 2.0 * loudest / (self.samples as f64).sqrt();
        Ok(Profile {
            cut,
            samples: self.samples,
            neurons: self.neurons,
            constant: self.neurons - self.varying.len(),
            rank: if rank < most {
                Rank::Limited(rank)
            } else {
                Rank::Exactly(rank)
            },
            margin: cut.margin(values),
            equal: equal_at(&values.select_rows(&real), kept.len(), apart),
            noise: noise
                .iter()
                .zip(&kept)
                .map(|(noise, value)| noise / value)
                .collect(),
            leverage: None,
            floats: Some(self.floats),
            rows_of_input: 0,
            at_most: self.independent,
            repeats: Arc::new(Repeats::none(self.samples)),
            shared: SharedInputs::default(),
            singular_values: kept * self.scale,
        })
    }

    fn loadings(&self, cut: Cut) -> Result<DMatrix<f64>, Error> {
        let (values, vectors) = self.kept(cut)?;
        let mut all = DMatrix::zeros(values.len(), self.neurons);
        for (row, neuron) in self.varying.iter().enumerate() {
            for direction in 0..values.len() {
                all[(direction, *neuron)] =
                    vectors[(row, direction)] * values[direction] * self.scale;
            }
        }
        Ok(all)
    }
}
