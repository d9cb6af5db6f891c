use serde::{Deserialize, Serialize};

use crate::{
    Chance, Correlations, Cut, DftCca, Error, Measure, Pair, Pwcca, R2, Warning, correlations,
};

/// Every measure of a pair, as a table or a file wants them.
///
/// What isn't defined for the pair is none, and a warning says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Samples.
    pub n: usize,
    /// Neurons of x and y.
    pub d: [usize; 2],
    /// Effective ranks of x and y.
    pub rank: [usize; 2],
    /// Plain CCA.
    pub cca: Option<Coefficients>,
    /// SVCCA at 99 % of the variance.
    pub svcca: Option<CutCoefficients>,
    /// SVCCA at 99 % of the sum of singular values.
    pub svcca_singular_values: Option<CutCoefficients>,
    /// Projection-weighted CCA.
    pub pwcca: Option<PwccaValues>,
    /// Linear centred kernel alignment.
    pub cka: crate::Cka,
    /// Orthogonal Procrustes.
    pub procrustes: Option<ProcrustesValues>,
    /// Linear regression.
    pub r2: R2,
    /// Of x and y.
    pub participation_ratio: [f64; 2],
    /// What noise would give to plain CCA.
    pub chance: Option<ChanceLevel>,
    /// How many correlations of plain CCA are real, by Bartlett's test.
    pub bartlett: Option<usize>,
    /// DFT-CCA, of convolutional layers.
    pub dft_cca: Option<DftValues>,
    /// What to know before believing the rest.
    pub warnings: Vec<Warning>,
}

/// Canonical correlations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coefficients {
    /// In descending order.
    pub coefs: Vec<f64>,
    /// Their mean.
    pub mean: f64,
}

/// Canonical correlations after a cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutCoefficients {
    /// The share that the cut keeps.
    pub cut: f64,
    /// Directions kept of x and y.
    pub kept: [usize; 2],
    /// In descending order.
    pub coefs: Vec<f64>,
    /// Their mean.
    pub mean: f64,
}

/// [`Pwcca`] without its weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PwccaValues {
    /// Weighted by x.
    pub x: f64,
    /// Weighted by y.
    pub y: f64,
    /// Weighted by the layer with fewer neurons.
    pub default: f64,
}

/// [`crate::Procrustes`] without its distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcrustesValues {
    /// In [0, 1].
    pub cosine: f64,
    /// Radians.
    pub angular: f64,
}

/// [`Chance`] without the observation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChanceLevel {
    /// Mean ρ of noise.
    pub mean_rho: f64,
    /// Mean ρ² of noise.
    pub mean_rho2: f64,
    /// The largest ρ of noise.
    pub edge: f64,
}

/// [`DftCca`] without its coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DftValues {
    /// Over all frequencies.
    pub mean: f64,
    /// `[vertical][horizontal]` frequency, in the order of the transform.
    pub mean_per_frequency: Vec<Vec<f64>>,
}

/// The share of the two cuts.
const SHARE: f64 = 0.99;

impl Pair<'_> {
    /// Every measure.
    ///
    /// Errors: only what leaves nothing to say, such as a failing device or decomposition.
    pub fn compare(&self) -> Result<Comparison, Error> {
        let (whitened, loadings) = self.everything()?;
        let mut warnings = Vec::new();
        let mut defined = Defined(&mut warnings);
        let cca = defined.or_none(Measure::CCA, Correlations::of(&whitened))?;
        let pwcca = match &cca {
            Some(_) => Some(Pwcca::of(&whitened, loadings.each_ref())?),
            None => None,
        };
        let svcca = Cut::Variance(SHARE);
        let svcca = defined.or_none(Measure::Svcca(svcca), self.svcca(svcca))?;
        let by_values = Cut::SingularValues(SHARE);
        let by_values = defined.or_none(Measure::Svcca(by_values), self.svcca(by_values))?;
        let cka = self.cka()?;
        let debiased = cka.need_debiased(self.samples()).map(|_| ());
        defined.or_none(Measure::Cka(crate::Bias::Debiased), debiased)?;
        let procrustes = defined.or_none(Measure::Procrustes, self.procrustes())?;
        let [x, y] = &whitened.profiles;
        let of_cut = [&svcca, &by_values].into_iter().flatten();
        let more: Vec<Warning> = correlations::warnings(x, y)
            .into_iter()
            .chain(of_cut.flat_map(|found| found.warnings.clone()))
            .collect();
        for warning in more {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok(Comparison {
            n: self.samples(),
            d: self.neurons(),
            rank: [x.rank, y.rank],
            chance: cca.as_ref().map(|found| ChanceLevel::from(found.chance)),
            bartlett: cca.as_ref().map(Correlations::real_directions),
            cca: cca.map(|found| Coefficients {
                coefs: found.coefficients.as_slice().to_vec(),
                mean: found.mean,
            }),
            svcca: svcca.map(cut_coefficients),
            svcca_singular_values: by_values.map(cut_coefficients),
            pwcca: pwcca.map(|found| PwccaValues {
                x: found.x,
                y: found.y,
                default: found.default,
            }),
            cka,
            procrustes: procrustes.map(|found| ProcrustesValues {
                cosine: found.cosine,
                angular: found.angular,
            }),
            r2: R2::of(&whitened),
            participation_ratio: self.participation_ratios()?,
            dft_cca: None,
            warnings,
        })
    }
}

/// Turns a measure that isn't defined into a warning.
struct Defined<'a>(&'a mut Vec<Warning>);

impl Defined<'_> {
    fn or_none<T>(
        &mut self,
        measure: Measure,
        found: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(
                error @ (Error::TooFewSamples { .. }
                | Error::NoVariance { .. }
                | Error::NoDebiasedEstimate { .. }),
            ) => {
                self.0.push(Warning::Undefined {
                    measure: measure.to_string(),
                    reason: error.to_string(),
                });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn cut_coefficients(found: Correlations) -> CutCoefficients {
    CutCoefficients {
        cut: SHARE,
        kept: found.kept,
        coefs: found.coefficients.as_slice().to_vec(),
        mean: found.mean,
    }
}

impl From<Chance> for ChanceLevel {
    fn from(chance: Chance) -> ChanceLevel {
        ChanceLevel {
            mean_rho: chance.mean_rho,
            mean_rho2: chance.mean_rho2,
            edge: chance.edge,
        }
    }
}

impl From<&DftCca> for DftValues {
    fn from(found: &DftCca) -> DftValues {
        let rows = found.mean_per_frequency.row_iter();
        DftValues {
            mean: found.mean,
            mean_per_frequency: rows.map(|row| row.iter().copied().collect()).collect(),
        }
    }
}
