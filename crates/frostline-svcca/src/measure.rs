use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Cut, Error};

/// What to measure between two layers: one name for a policy, a command and a configuration file.
///
/// | name | value |
/// |---|---|
/// | `svcca`, `svcca(0.95)` | mean canonical correlation after a cut at 99 % (95 %) of the variance |
/// | `svcca_singular_values`, `svcca_singular_values(0.95)` | the same, the cut over singular values |
/// | `svcca_directions(20)` | the same, a fixed count of directions |
/// | `cca` | mean canonical correlation of everything |
/// | `pwcca`, `pwcca_x`, `pwcca_y` | canonical correlations weighted by what they explain, see [`crate::Pwcca`] |
/// | `cka`, `cka_biased` | centred kernel alignment, see [`crate::Cka`] |
/// | `procrustes` | cosine of the best rotation, see [`crate::Procrustes`] |
/// | `r2` | share of y's variance that a linear map of x explains, see [`crate::R2`] |
/// | `pls` | total covariance of the matched directions, see [`crate::Pls`]; in the activations' units |
///
/// What may be done to a layer without changing the value:
///
/// | name | reordering neurons | rotating the layer | one factor for all neurons | any invertible mix, such as a factor for each neuron |
/// |---|---|---|---|---|
/// | `cca` | yes | yes | yes | yes |
/// | `svcca` | yes | yes | yes | no: a small neuron may be cut off |
/// | `pwcca` | yes | no, of the weighting layer | yes | no, of the weighting layer |
/// | `cka`, `procrustes` | yes | yes | yes | no: large neurons weigh most |
/// | `r2` | yes | yes | yes | of x yes, of y no |
/// | `pls` | yes | yes | no | no |
///
/// It parses from these names, prints as them, and is written as them by serde.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Measure {
    /// Canonical correlations after a cut; [`Cut::All`] is plain CCA.
    Svcca(Cut),
    /// Projection-weighted canonical correlations.
    Pwcca(Weights),
    /// Linear centred kernel alignment.
    Cka(Bias),
    /// Orthogonal Procrustes, as a cosine.
    Procrustes,
    /// Linear regression of y on x.
    R2,
    /// Partial least squares.
    Pls,
}

/// Whose neurons weight the canonical correlations of PWCCA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// Those of the layer with fewer neurons; x where both have as many.
    #[default]
    Default,
    /// Those of x.
    X,
    /// Those of y.
    Y,
}

/// Which estimate of CKA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bias {
    /// The ratio of unbiased estimates: 0 for unrelated layers, at any number of samples.
    #[default]
    Debiased,
    /// The plain one, near 1 for any layers of few samples and many neurons.
    Biased,
}

impl Default for Measure {
    /// SVCCA at 99 % of the variance.
    fn default() -> Self {
        Measure::Svcca(Cut::default())
    }
}

impl Measure {
    /// Plain CCA.
    pub const CCA: Measure = Measure::Svcca(Cut::All);

    /// Every measure, by its default.
    pub const ALL: [Measure; 11] = [
        Measure::Svcca(Cut::Variance(SHARE)),
        Measure::Svcca(Cut::SingularValues(SHARE)),
        Measure::CCA,
        Measure::Pwcca(Weights::Default),
        Measure::Pwcca(Weights::X),
        Measure::Pwcca(Weights::Y),
        Measure::Cka(Bias::Debiased),
        Measure::Cka(Bias::Biased),
        Measure::Procrustes,
        Measure::R2,
        Measure::Pls,
    ];

    pub(crate) fn check(self) -> Result<(), Error> {
        match self {
            Measure::Svcca(cut) => cut.check(),
            _ => Ok(()),
        }
    }
}

/// The share that a cut's name leaves out.
const SHARE: f64 = 0.99;

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Measure::Svcca(Cut::Variance(share)) => return named(f, "svcca", share),
            Measure::Svcca(Cut::SingularValues(share)) => {
                return named(f, "svcca_singular_values", share);
            }
            Measure::Svcca(Cut::Directions(count)) => {
                return write!(f, "svcca_directions({count})");
            }
            Measure::Svcca(Cut::All) => "cca",
            Measure::Pwcca(Weights::Default) => "pwcca",
            Measure::Pwcca(Weights::X) => "pwcca_x",
            Measure::Pwcca(Weights::Y) => "pwcca_y",
            Measure::Cka(Bias::Debiased) => "cka",
            Measure::Cka(Bias::Biased) => "cka_biased",
            Measure::Procrustes => "procrustes",
            Measure::R2 => "r2",
            Measure::Pls => "pls",
        };
        f.write_str(name)
    }
}

fn named(f: &mut fmt::Formatter<'_>, name: &str, share: f64) -> fmt::Result {
    if share == SHARE {
        f.write_str(name)
    } else {
        write!(f, "{name}({share})")
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownMeasure {
            name: name.to_string(),
        };
        let (word, argument) = match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
            Some((word, argument)) => (word, Some(argument.trim())),
            None => (name, None),
        };
        let share = || match argument {
            None => Ok(SHARE),
            Some(share) => share.parse::<f64>().map_err(|_| unknown()),
        };
        let measure = match (word, argument) {
            ("svcca", _) => Measure::Svcca(Cut::Variance(share()?)),
            ("svcca_singular_values", _) => Measure::Svcca(Cut::SingularValues(share()?)),
            ("svcca_directions", Some(count)) => {
                Measure::Svcca(Cut::Directions(count_of(count).ok_or_else(unknown)?))
            }
            ("cca", None) => Measure::CCA,
            ("pwcca", None) => Measure::Pwcca(Weights::Default),
            ("pwcca_x", None) => Measure::Pwcca(Weights::X),
            ("pwcca_y", None) => Measure::Pwcca(Weights::Y),
            ("cka", None) => Measure::Cka(Bias::Debiased),
            ("cka_biased", None) => Measure::Cka(Bias::Biased),
            ("procrustes", None) => Measure::Procrustes,
            ("r2", None) => Measure::R2,
            ("pls", None) => Measure::Pls,
            _ => return Err(unknown()),
        };
        measure.check()?;
        Ok(measure)
    }
}

/// A count; one beyond all counts is the largest, since no layer has as many directions.
fn count_of(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(count) => Some(count),
        Err(_) => digits.then_some(usize::MAX),
    }
}

impl TryFrom<String> for Measure {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> String {
        measure.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_survives_its_name() {
        let more = [
            Measure::Svcca(Cut::Variance(0.95)),
            Measure::Svcca(Cut::SingularValues(0.5)),
            Measure::Svcca(Cut::Directions(20)),
        ];
        for measure in Measure::ALL.into_iter().chain(more) {
            let name = measure.to_string();
            assert_eq!(name.parse::<Measure>().unwrap(), measure, "{name}");
            let text = serde_json::to_string(&measure).unwrap();
            assert_eq!(text, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Measure>(&text).unwrap(), measure);
        }
        assert_eq!(Measure::default().to_string(), "svcca");
    }

    #[test]
    fn a_name_that_means_nothing_is_refused() {
        for name in [
            "",
            "SVCCA",
            "svcca()",
            "svcca(x)",
            "cka(3)",
            "svcca_directions",
            "ccca",
        ] {
            let refused = name.parse::<Measure>();
            assert!(
                matches!(refused, Err(Error::UnknownMeasure { .. })),
                "{name}: {refused:?}"
            );
        }
        let all = "svcca_directions(99999999999999999999)".parse::<Measure>();
        assert_eq!(all.unwrap(), Measure::Svcca(Cut::Directions(usize::MAX)));
        let nan = "svcca(nan)".parse::<Measure>().unwrap_err().to_string();
        assert!(nan.contains("keeps NaN % of variance"), "{nan}");
        assert!(matches!(
            "svcca(1.5)".parse::<Measure>(),
            Err(Error::BadCut { .. })
        ));
        assert!(matches!(
            "svcca_directions(0)".parse::<Measure>(),
            Err(Error::BadCut { .. })
        ));
    }
}
