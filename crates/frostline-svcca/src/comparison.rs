use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Cka, Correlations, Cut, Error, Measure, Pair, Procrustes, Pwcca, R2, Side, Similarity, Warning,
    pair::Detailed,
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
    /// Every measure that is defined, with its value, its chance level and its warnings.
    pub similarities: Vec<Similarity>,
    /// What to know before believing the rest, each warning once.
    pub warnings: Vec<MeasureWarning>,
}

/// A warning with the measures that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureWarning {
    /// The measures; empty where the warning is about all of them, or names them itself.
    pub measures: Vec<Measure>,
    /// The warning.
    #[serde(flatten)]
    pub warning: Warning,
}

/// The share of the two cuts.
const SHARE: f64 = 0.99;

impl Pair<'_> {
    /// Every measure.
    ///
    /// # Errors
    /// Only what leaves nothing to say, such as a failing device or decomposition.
    pub fn compare(&self) -> Result<Comparison, Error> {
        let Detailed {
            whitened, loadings, ..
        } = self.detailed(Cut::All)?;
        let centred = self.centred_with(true)?;
        let unspecific = self.unspecific()?;
        let mut gathered = Gathered::default();
        for measure in Measure::ALL {
            gathered.add(
                measure,
                match measure.cut() {
                    None => Similarity::of_centred(measure, &centred, unspecific.clone()),
                    Some(Cut::All) => {
                        let loadings = loadings.each_ref();
                        Similarity::of_whitened(measure, &whitened, Some(loadings))
                    }
                    Some(cut) => Similarity::of_whitened(measure, &self.whitened(cut)?, None),
                },
            )?;
        }
        let cca = defined(Correlations::of(&whitened))?;
        let pwcca = cca
            .as_ref()
            .map(|_| Pwcca::of(&whitened, loadings.each_ref()));
        let [x, y] = &whitened.profiles;
        Ok(Comparison {
            samples: self.samples(),
            neurons: self.neurons(),
            rank: [x.rank.directions(), y.rank.directions()],
            cca,
            svcca: defined(self.svcca(Cut::Variance(SHARE)))?,
            svcca_singular_values: defined(self.svcca(Cut::SingularValues(SHARE)))?,
            pwcca: pwcca.transpose()?,
            cka: Cka::of(&centred),
            procrustes: defined(Procrustes::of(&centred))?,
            r2: R2::of(&whitened),
            participation_ratio: self.participation_ratios()?,
            warnings: gathered.warnings(),
            similarities: gathered.similarities,
        })
    }
}

/// None where a measure has no value for these views; other errors stay.
fn defined<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_undefined() => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for MeasureWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.measures.iter().map(Measure::to_string).collect();
        if names.is_empty() {
            write!(f, "{}", self.warning)
        } else {
            write!(f, "{}: {}", names.join(", "), self.warning)
        }
    }
}

impl From<Warning> for MeasureWarning {
    /// A warning about all measures.
    fn from(warning: Warning) -> MeasureWarning {
        MeasureWarning {
            measures: Vec::new(),
            warning,
        }
    }
}

/// Why a measure isn't defined.
#[derive(PartialEq)]
enum Reason {
    /// A layer doesn't vary, which holds for every measure.
    Still(Side),
    Other(String),
}

/// What the measures of a pair gave, one after the other.
#[derive(Default)]
struct Gathered {
    similarities: Vec<Similarity>,
    /// Why measures aren't defined, with their names.
    undefined: Vec<(Reason, Vec<Measure>)>,
}

impl Gathered {
    fn add(&mut self, measure: Measure, found: Result<Similarity, Error>) -> Result<(), Error> {
        match found {
            Ok(found) => self.similarities.push(found),
            // Covariances are squares: theirs may overflow where all else is known.
            Err(error) if error.is_undefined() || matches!(error, Error::TooLarge { .. }) => {
                let reason = match error {
                    Error::NoVariance { side, .. } => Reason::Still(side),
                    // The reason names the measure where it is of one measure alone.
                    other => Reason::Other(other.to_string()),
                };
                match self
                    .undefined
                    .iter_mut()
                    .find(|(other, _)| *other == reason)
                {
                    Some((_, measures)) => measures.push(measure),
                    None => self.undefined.push((reason, vec![measure])),
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Each warning once, with the measures that gave it; those that all gave come without.
    fn warnings(&self) -> Vec<MeasureWarning> {
        let mut all: Vec<MeasureWarning> = Vec::new();
        for (reason, measures) in &self.undefined {
            let names: Vec<String> = measures.iter().map(Measure::to_string).collect();
            all.push(MeasureWarning::from(match reason {
                Reason::Still(side) => Warning::NoVariance { side: *side },
                Reason::Other(reason) => Warning::Undefined {
                    measure: names.join(", "),
                    reason: reason.clone(),
                },
            }));
        }
        let first = all.len();
        for found in &self.similarities {
            for warning in &found.warnings {
                let known = all[first..]
                    .iter_mut()
                    .find(|known| known.warning == *warning);
                match known {
                    Some(known) => known.measures.push(found.measure),
                    None => all.push(MeasureWarning {
                        measures: vec![found.measure],
                        warning: warning.clone(),
                    }),
                }
            }
        }
        for warning in &mut all[first..] {
            if warning.measures.len() == self.similarities.len() {
                warning.measures.clear();
            }
        }
        all
    }
}
