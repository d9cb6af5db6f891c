use serde::{Deserialize, Serialize};

use crate::{
    Bias, Cka, Correlations, Cut, Error, Measure, Pair, Procrustes, Pwcca, R2, Warning,
    correlations, pair::Detailed,
};

/// Every measure of a pair.
///
/// What isn't defined for the pair is none, and a warning says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Samples.
    pub samples: usize,
    /// Neurons of x and y.
    pub neurons: [usize; 2],
    /// Effective ranks of x and y.
    pub rank: [usize; 2],
    /// Plain CCA.
    pub cca: Option<Correlations>,
    /// SVCCA at 99 % of the variance.
    pub svcca: Option<Correlations>,
    /// SVCCA at 99 % of the sum of singular values.
    pub svcca_singular_values: Option<Correlations>,
    /// Projection-weighted CCA.
    pub pwcca: Option<Pwcca>,
    /// Linear centred kernel alignment.
    pub cka: Cka,
    /// Orthogonal Procrustes.
    pub procrustes: Option<Procrustes>,
    /// Linear regression.
    pub r2: R2,
    /// Of x and y, see [`crate::View::participation_ratio`].
    pub participation_ratio: [f64; 2],
    /// What to know before believing the rest.
    pub warnings: Vec<Warning>,
}

/// The share of the two cuts.
const SHARE: f64 = 0.99;

impl Pair<'_> {
    /// Every measure.
    ///
    /// Errors: only what leaves nothing to say, such as a failing device or decomposition.
    pub fn compare(&self) -> Result<Comparison, Error> {
        let Detailed {
            whitened, loadings, ..
        } = self.detailed(Cut::All)?;
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
        defined.or_none(Measure::Cka(Bias::Debiased), debiased)?;
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
            samples: self.samples(),
            neurons: self.neurons(),
            rank: [x.rank.directions(), y.rank.directions()],
            cca,
            svcca,
            svcca_singular_values: by_values,
            pwcca,
            cka,
            procrustes,
            r2: R2::of(&whitened),
            participation_ratio: self.participation_ratios()?,
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
