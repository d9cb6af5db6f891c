use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::{
    Bias, Cka, Correlations, Error, Measure, Pls, Procrustes, Pwcca, R2, Warning,
    centred_pair::CentredPair,
    correlations::warnings,
    profile::Profile,
    whitened::{Whitened, same_samples},
};

/// One number for two layers, whatever it was measured by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// By what.
    pub measure: Measure,
    /// Higher is more alike; between 0 and 1 but for `pls`, and for `cka` where noise makes it negative.
    pub value: f64,
    /// Directions kept of x and y where the measure whitens, else neurons that vary.
    pub kept: [usize; 2],
    /// What to know before believing it.
    pub warnings: Vec<Warning>,
}

impl Similarity {
    pub(crate) fn of_whitened(
        measure: Measure,
        whitened: &Whitened,
        loadings: Option<[&DMatrix<f64>; 2]>,
    ) -> Result<Similarity, Error> {
        let [x, y] = &whitened.profiles;
        let value = match (measure, loadings) {
            (Measure::Pwcca(weights), Some(loadings)) => {
                Whitened::check(x, y)?;
                Pwcca::of(whitened, loadings)?.value(weights)
            }
            (Measure::R2, _) => {
                same_samples(x.samples, y.samples)?;
                R2::of(whitened).y_from_x
            }
            _ => Correlations::of(whitened)?.mean,
        };
        Ok(Similarity {
            measure,
            value,
            kept: [x.kept(), y.kept()],
            warnings: warnings(x, y),
        })
    }

    pub(crate) fn of_centred(
        measure: Measure,
        pair: &CentredPair,
        [x, y]: [Profile; 2],
    ) -> Result<Similarity, Error> {
        let value = match measure {
            Measure::Cka(Bias::Biased) => Cka::of(pair).biased,
            Measure::Cka(Bias::Debiased) => Cka::of(pair).need_debiased(pair.samples)?,
            Measure::Pls => Pls::of(pair)?.total,
            _ => Procrustes::of(pair)?.cosine,
        };
        Ok(Similarity {
            measure,
            value,
            kept: [x.rank.directions(), y.rank.directions()],
            warnings: warnings(&x, &y),
        })
    }
}
