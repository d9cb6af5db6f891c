use crate::{
    Basis, Chance, Cut, Error, Measure, Prepared, Similarity, View, decompose,
    whitened::enough_samples,
};

/// A layer at one moment of a training, to be compared with itself at others.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use frostline_svcca::{Measure, Snapshot, View};
///
/// # let x = Tensor::<2>::random([200, 8], Distribution::Normal(0.0, 1.0), &Device::flex());
/// # let drift = Tensor::<2>::random([200, 8], Distribution::Normal(0.0, 1.0), &Device::flex());
/// let measure = Measure::default();
/// let at = |x: &Tensor<2>| Snapshot::of(&View::new(x)?, measure);
/// let (before, after) = (at(&x)?, at(&(x.clone() + drift * 0.01))?);
/// let movement = (1.0 - before.likeness(&after).unwrap()).max(0.0).sqrt();
/// assert!(movement > 0.005 && movement < 0.02); // about as far as it drifted
/// # Ok::<(), frostline_svcca::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    prepared: Prepared,
    /// What a wider cut keeps, for SVCCA by a share of the variance.
    wider: Option<Basis>,
}

/// The wider cut leaves out so many times less than the cut.
const WIDER: f64 = 20.0;
/// It keeps no more directions than have so many samples each.
const SAMPLES: usize = 4;

impl Snapshot {
    /// The layer, for this measure.
    ///
    /// Errors: those of [`Measure::prepare`].
    pub fn of(view: &View, measure: Measure) -> Result<Snapshot, Error> {
        let prepared = measure.prepare(view)?;
        let wider = match (measure, prepared.basis()) {
            (Measure::Svcca(Cut::Variance(share)), Some(basis)) if share < 1.0 => {
                let wider = view.basis(Cut::Variance(1.0 - (1.0 - share) / WIDER))?;
                let independent = basis.profile.independent_with(&basis.profile);
                let most = (independent / SAMPLES).max(basis.kept());
                Some(wider.leading(most))
            }
            _ => None,
        };
        Ok(Snapshot { prepared, wider })
    }

    /// The layer as it was prepared for its measure.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The similarity by the measure.
    ///
    /// Errors: those of [`Prepared::similarity`].
    pub fn similarity(&self, other: &Snapshot) -> Result<Similarity, Error> {
        self.prepared.similarity(&other.prepared)
    }

    /// How alike the layer is at both moments, freed of chance: 1 for layers that are the same, 0 in the mean for unrelated ones.
    /// `√(1 - likeness)` grows as a small movement does.
    ///
    /// # Formula
    /// For SVCCA that keeps a share of the variance it is `½ (c(k_x, l_y) + c(l_x, k_y))`. There `c(a, b)` is the mean correlation of the
    /// leading a directions of x and b of y, freed of chance: `(ρ̄ - q) / (1 - q)`, q the mean of noise
    /// ([`Chance`]); k is what the cut keeps, and l what a cut keeps that leaves out a twentieth of that, as far as there are
    /// four samples for each direction. A cut that both sides share makes a layer jump when two of its directions change places at the
    /// cut, however little it has moved; here each side looks for its directions in what the other keeps beyond the cut too.
    ///
    /// For other measures it is [`Similarity::corrected`]. None where the two can't be compared, and for a measure without
    /// such a value.
    pub fn likeness(&self, other: &Snapshot) -> Option<f64> {
        self.prepared.check(&other.prepared).ok()?;
        match (self.one_way(other), other.one_way(self)) {
            (Some(there), Some(back)) => Some((there + back) / 2.0),
            _ => self.similarity(other).ok()?.corrected,
        }
    }

    /// The directions that the cut keeps of this among those that the wider cut keeps of the other; none where there are too
    /// few samples for them.
    fn one_way(&self, other: &Snapshot) -> Option<f64> {
        let (kept, wider) = (self.prepared.basis()?, other.wider.as_ref()?);
        let dims = [kept.kept(), wider.kept()];
        enough_samples(kept.samples(), dims[0].max(dims[1])).ok()?;
        let correlations = decompose::singular_values(&kept.cross(wider).ok()?).ok()?;
        if correlations.is_empty() {
            return None;
        }
        let independent = kept.profile.independent_with(&wider.profile);
        let chance = Chance::of(independent, dims[0], dims[1], 0.0).mean_rho;
        let mean =
            correlations.iter().map(|rho| rho.min(1.0)).sum::<f64>() / correlations.len() as f64;
        (chance < 1.0).then(|| (mean - chance) / (1.0 - chance))
    }
}
