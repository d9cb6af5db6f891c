use std::sync::Arc;

use nalgebra::DMatrix;

use crate::{
    AlignedDirections, Basis, Cka, Correlations, Cut, Directions, Error, Measure, Pls, Procrustes,
    Pwcca, R2, Similarity, View,
    centred_pair::CentredPair,
    coordinates::Coordinates,
    directions::Rotations,
    moments::PairMoments,
    products::on_host,
    profile::{Profile, same_inputs},
    repeats::Repeats,
    shared_inputs::SharedInputs,
    whitened::{Whitened, same_samples},
};

/// Two views of the same samples, and every measure between them.
///
/// Of two [`View`]s by [`Pair::of`], or of two views in [`crate::Moments`] by
/// [`crate::Moments::pair`].
#[derive(Debug)]
pub struct Pair<'a> {
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Views(&'a View, &'a View),
    Moments(Box<PairMoments>),
}

/// Bases against each other, with what the directions need besides.
pub(crate) struct Detailed {
    pub(crate) whitened: Whitened,
    /// `Qᵀ X: [kept, neuron]` of either side.
    pub(crate) loadings: [DMatrix<f64>; 2],
    /// Where the samples are at hand.
    bases: Option<[Basis; 2]>,
}

impl<'a> Pair<'a> {
    /// Two views.
    ///
    /// Errors: `SampleMismatch`, and `InputMismatch` where both are known to be [of inputs](View::of_inputs), but not of as many.
    pub fn of(x: &'a View, y: &'a View) -> Result<Pair<'a>, Error> {
        same_samples(x.samples(), y.samples())?;
        same_inputs(x.samples(), x.rows_of_input(), y.rows_of_input())?;
        Ok(Pair {
            source: Source::Views(x, y),
        })
    }

    pub(crate) fn of_moments(moments: PairMoments) -> Pair<'static> {
        Pair {
            source: Source::Moments(Box::new(moments)),
        }
    }

    /// Says as how many independent samples those in moments are good, at most all of them: moments can't tell which samples
    /// repeat or are of one input. Of two views, which can, it changes nothing.
    pub fn counting(mut self, independent: usize) -> Pair<'a> {
        if let Source::Moments(moments) = &mut self.source {
            moments.count(independent);
        }
        self
    }

    /// Samples of both.
    pub fn samples(&self) -> usize {
        match &self.source {
            Source::Views(x, _) => x.samples(),
            Source::Moments(moments) => moments.samples(),
        }
    }

    /// Neurons of x and y.
    pub fn neurons(&self) -> [usize; 2] {
        match &self.source {
            Source::Views(x, y) => [x.neurons(), y.neurons()],
            Source::Moments(moments) => moments.neurons(),
        }
    }

    /// Canonical correlations after a cut, as [`crate::svcca`]; with [`Cut::All`] plain CCA.
    ///
    /// Errors: those of [`crate::correlations`], `BadCut`.
    pub fn svcca(&self, cut: Cut) -> Result<Correlations, Error> {
        Correlations::of(&self.whitened(cut)?)
    }

    /// Plain CCA.
    ///
    /// Errors: those of [`crate::correlations`].
    pub fn cca(&self) -> Result<Correlations, Error> {
        self.svcca(Cut::All)
    }

    /// Projection-weighted CCA of every direction.
    ///
    /// Errors: those of [`crate::correlations`].
    pub fn pwcca(&self) -> Result<Pwcca, Error> {
        let detailed = self.detailed(Cut::All)?;
        let [x, y] = &detailed.whitened.profiles;
        Whitened::check(x, y)?;
        Pwcca::of(&detailed.whitened, detailed.loadings.each_ref())
    }

    /// Linear regression of each on the other. A share is none where there are fewer than two samples for each direction
    /// that it is explained by.
    pub fn r2(&self) -> Result<R2, Error> {
        Ok(R2::of(&self.whitened(Cut::All)?))
    }

    /// Linear centred kernel alignment.
    pub fn cka(&self) -> Result<Cka, Error> {
        Ok(Cka::of(&self.centred()?))
    }

    /// Orthogonal Procrustes.
    ///
    /// Errors: `NoVariance`.
    pub fn procrustes(&self) -> Result<Procrustes, Error> {
        Procrustes::of(&self.centred()?)
    }

    /// Partial least squares.
    ///
    /// Errors: `TooLarge`.
    pub fn pls(&self) -> Result<Pls, Error> {
        Pls::of(&self.centred()?)
    }

    /// Participation ratios of x and y, see [`View::participation_ratio`].
    pub fn participation_ratios(&self) -> Result<[f64; 2], Error> {
        match &self.source {
            Source::Views(x, y) => Ok([x.participation_ratio()?, y.participation_ratio()?]),
            Source::Moments(moments) => Ok(moments.participation_ratios()),
        }
    }

    /// The directions of both views that correlate best after a cut, aligned with each other.
    ///
    /// They are given with few samples too, as what is left of a layer may be tried: below two samples a direction their
    /// correlations say nothing, and up to one sample more than directions they are refused.
    ///
    /// Errors: those of [`crate::correlations`], `BadCut`, `TooSmall`.
    pub fn directions(&self, cut: Cut) -> Result<AlignedDirections, Error> {
        let detailed = self.detailed(cut)?;
        let [x, y] = &detailed.whitened.profiles;
        Whitened::check_directions(x, y)?;
        let mut rotations = Rotations::of(&detailed.whitened.cross)?;
        let [of_x, of_y] = rotations.weights(&detailed.whitened, detailed.loadings.each_ref());
        for (weights, profile) in [(&of_x, x), (&of_y, y)] {
            if !weights.iter().all(|weight| weight.is_finite()) {
                let singular_value = profile.singular_values.min();
                return Err(Error::TooSmall { singular_value });
            }
        }
        let projected = |basis: &Basis, rotation: &DMatrix<f64>| {
            let found = basis.projections(rotation);
            let nothing = || Ok(DMatrix::zeros(basis.samples(), 0));
            found.as_ref().map_or_else(nothing, on_host)
        };
        let [x, y] = match &detailed.bases {
            Some([x, y]) => [
                Some(projected(x, &rotations.x)?),
                Some(projected(y, &rotations.y)?),
            ],
            None => [None, None],
        };
        Ok(AlignedDirections {
            correlations: rotations.correlations,
            x: Directions {
                weights: of_x,
                projections: x,
            },
            y: Directions {
                weights: of_y,
                projections: y,
            },
        })
    }

    /// Any measure by its name.
    ///
    /// Errors: those of the measure, `NoDebiasedEstimate` from `cka`.
    pub fn similarity(&self, measure: Measure) -> Result<Similarity, Error> {
        measure.check()?;
        let Some(cut) = measure.cut() else {
            let pair = self.centred_with(measure.decomposes())?;
            return Similarity::of_centred(measure, &pair, self.unspecific()?);
        };
        if measure.is_weighted() {
            let detailed = self.detailed(cut)?;
            let loadings = detailed.loadings.each_ref();
            return Similarity::of_whitened(measure, &detailed.whitened, Some(loadings));
        }
        Similarity::of_whitened(measure, &self.whitened(cut)?, None)
    }

    /// Of measures that whiten nothing.
    pub(crate) fn unspecific(&self) -> Result<[Profile; 2], Error> {
        let (samples, neurons, constant) = (self.samples(), self.neurons(), self.constant());
        let (repeats, shared) = (self.repeats(), self.shared_inputs()?);
        let known = match &self.source {
            Source::Views(x, y) => {
                [*x, *y].map(|view| (Some(view.floats()), view.rows_of_input(), samples))
            }
            Source::Moments(moments) => [(None, 0, moments.independent()); 2],
        };
        Ok([0, 1].map(|i| {
            let repeats = repeats[i].clone();
            let (floats, rows_of_input, at_most) = known[i];
            Profile {
                floats,
                rows_of_input,
                at_most,
                ..Profile::unspecific(repeats, shared[i].clone(), samples, neurons[i], constant[i])
            }
        }))
    }

    /// How alike the samples of one input are in x and in y. Moments don't know.
    fn shared_inputs(&self) -> Result<[SharedInputs; 2], Error> {
        let of = |view: &View| view.shared_inputs(view.centred().map(|(centred, _)| centred));
        match &self.source {
            Source::Views(x, y) => Ok([of(x)?, of(y)?]),
            Source::Moments(_) => Ok([SharedInputs::default(), SharedInputs::default()]),
        }
    }

    /// Neurons that never vary, of x and y.
    fn constant(&self) -> [usize; 2] {
        match &self.source {
            Source::Views(x, y) => [x.constant(), y.constant()],
            Source::Moments(moments) => moments.constant(),
        }
    }

    /// Which samples repeat in x and in y. Moments, which hold no samples, don't know.
    fn repeats(&self) -> [Arc<Repeats>; 2] {
        match &self.source {
            Source::Views(x, y) => [x.repeats().clone(), y.repeats().clone()],
            Source::Moments(moments) => {
                let none = Arc::new(Repeats::none(moments.samples()));
                [none.clone(), none]
            }
        }
    }

    pub(crate) fn whitened(&self, cut: Cut) -> Result<Whitened, Error> {
        match &self.source {
            Source::Views(x, y) => {
                let (x, y) = (x.basis(cut)?, y.basis(cut)?);
                Whitened::of(&x, &y, x.cross(&y)?)
            }
            Source::Moments(moments) => moments.whitened(cut),
        }
    }

    pub(crate) fn detailed(&self, cut: Cut) -> Result<Detailed, Error> {
        match &self.source {
            Source::Views(x, y) => {
                let (of_x, of_y) = (x.basis(cut)?, y.basis(cut)?);
                Ok(Detailed {
                    loadings: [x.loadings(&of_x)?, y.loadings(&of_y)?],
                    whitened: Whitened::of(&of_x, &of_y, of_x.cross(&of_y)?)?,
                    bases: Some([of_x, of_y]),
                })
            }
            Source::Moments(moments) => Ok(Detailed {
                whitened: moments.whitened(cut)?,
                loadings: moments.loadings(cut)?,
                bases: None,
            }),
        }
    }

    fn centred(&self) -> Result<CentredPair, Error> {
        self.centred_with(false)
    }

    /// With the singular values of both sides where `decomposed`.
    pub(crate) fn centred_with(&self, decomposed: bool) -> Result<CentredPair, Error> {
        match &self.source {
            Source::Views(x, y) => {
                let (x, y) = (
                    Coordinates::of(x, decomposed)?,
                    Coordinates::of(y, decomposed)?,
                );
                let cross = x.cross(&y)?;
                Ok(x.against(&y, cross))
            }
            Source::Moments(moments) => moments.centred(decomposed),
        }
    }
}
