use burn::tensor::Tensor;
use frostline_activations::Activations;
use frostline_svcca::{Grid, Measure, Wanted};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::Error;

/// How alike the networks of two groups are, layer by layer: within each group and between them.
///
/// Networks that generalise become more alike than networks that memorise random labels, which differ among
/// themselves as much as from the others.
///
/// Source: Morcos, Raghu, Bengio 2018, arXiv:1806.05759.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// By what.
    pub measure: Measure,
    /// The layers, in the order of the forward.
    pub layers: Vec<String>,
    /// Each layer's mean similarity of two networks of group a; none where the measure isn't defined.
    pub within_a: Vec<Option<GroupMean>>,
    /// The same of two networks of group b.
    pub within_b: Vec<Option<GroupMean>>,
    /// The same of one of each.
    pub between: Vec<Option<GroupMean>>,
    /// Why means are missing.
    pub problems: Vec<String>,
}

/// A mean over pairs of networks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupMean {
    /// Over all pairs.
    pub mean: f64,
    /// Lower and upper end of the 95 % interval; none within a group of two, which has one pair.
    pub interval: Option<[f64; 2]>,
    /// How many pairs.
    pub pairs: usize,
}

impl Groups {
    /// Compares the networks by what they answered to the same samples.
    ///
    /// # Formula
    /// With `θ` the mean similarity of all pairs and `θ_(i)` that of the pairs without network i,
    /// `se² = Σ_g (m_g - 1)/m_g Σ_{i ∈ g} (θ_(i) - θ̄_g)²` over the groups g that the pairs are of, with m_g networks and
    /// `θ̄_g` the mean of their `θ_(i)`; the interval is `θ ± t · se`, t the 97.5 % point of Student's law with
    /// `Σ_g (m_g - 1)` degrees of freedom. Leaving out networks and not pairs counts that pairs share them. A measure
    /// that isn't symmetric is taken both ways, and the two values' mean counts.
    ///
    /// Layers are taken as channel means. One layer of all networks is prepared at a time.
    ///
    /// ```no_run
    /// # use frostline::{Groups, prelude::*};
    /// # fn example(generalise: Vec<Activations>, memorise: Vec<Activations>) -> Result<(), frostline::Error> {
    /// let groups = Groups::of(&generalise, &memorise, "pwcca".parse()?)?;
    /// for (layer, mean) in groups.layers.iter().zip(&groups.within_a) {
    ///     println!("{layer}: {:?}", mean.map(|mean| mean.mean));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// Source: Arvesen 1969, Annals of Mathematical Statistics 40(6), for the jackknife.
    /// Errors: `TooFewNetworks` below two in a group, `NoLayers`, `LayersDiffer`, `SamplesDiffer`, `EmptyActivation`, and
    /// a device that fails.
    pub fn of(a: &[Activations], b: &[Activations], measure: Measure) -> Result<Groups, Error> {
        let networks: Vec<&Activations> = a.iter().chain(b).collect();
        check(a, b)?;
        let layers: Vec<String> = a[0].names().map(str::to_string).collect();
        let (of_a, of_b): (Vec<usize>, Vec<usize>) =
            (0..networks.len()).partition(|network| *network < a.len());
        let mut groups = Groups {
            measure,
            layers: Vec::new(),
            within_a: Vec::new(),
            within_b: Vec::new(),
            between: Vec::new(),
            problems: Vec::new(),
        };
        for layer in layers {
            let views = networks.iter().map(|network| network.view(&layer));
            let views = views.collect::<Result<Vec<Tensor<2>>, _>>()?;
            let pairs = Pairs::of(&views, measure)?;
            let mut known = |found: Result<GroupMean, String>| {
                let told = |why: &String| groups.problems.push(format!("{layer}: {why}"));
                found.inspect_err(told).ok()
            };
            groups.within_a.push(known(pairs.within(&of_a)));
            groups.within_b.push(known(pairs.within(&of_b)));
            groups.between.push(known(pairs.between(&of_a, &of_b)));
            groups.layers.push(layer);
        }
        // Two groups that lack the same say so once.
        groups.problems.dedup();
        Ok(groups)
    }
}

fn check(a: &[Activations], b: &[Activations]) -> Result<(), Error> {
    for (group, networks) in [('a', a.len()), ('b', b.len())] {
        if networks < 2 {
            return Err(Error::TooFewNetworks { group, networks });
        }
    }
    let first = &a[0];
    if first.is_empty() {
        return Err(Error::NoLayers);
    }
    for (group, network, answers) in members('a', a).chain(members('b', b)) {
        if !answers.names().eq(first.names()) {
            return Err(Error::LayersDiffer {
                group,
                network,
                found: listed(answers),
                expected: listed(first),
            });
        }
        for (layer, expected) in answers.iter().zip(first.iter()) {
            let (found, expected) = (layer.shape()[0], expected.shape()[0]);
            if found != expected {
                return Err(Error::SamplesDiffer {
                    layer: layer.name().to_string(),
                    group,
                    network,
                    found,
                    expected,
                });
            }
        }
    }
    Ok(())
}

/// Each network with its group and its place in it.
fn members(
    group: char,
    networks: &[Activations],
) -> impl Iterator<Item = (char, usize, &Activations)> {
    let numbered = networks.iter().enumerate();
    numbered.map(move |(network, answers)| (group, network, answers))
}

fn listed(activations: &Activations) -> String {
    activations.names().collect::<Vec<_>>().join(", ")
}

/// The similarities of one layer in all networks, either way, or why one isn't defined.
struct Pairs {
    values: Vec<Vec<Result<f64, String>>>,
}

impl Pairs {
    fn of(views: &[Tensor<2>], measure: Measure) -> Result<Pairs, Error> {
        let prepared = measure.prepare_all(views);
        let grid = Grid::of(&prepared, &prepared, Wanted::Values, |_| ())?;
        let rows = grid.cells.into_iter().map(|row| {
            let values = row.into_iter().map(|cell| match cell.similarity {
                Some(similarity) => Ok(similarity.value),
                None => Err(cell.error.unwrap_or_default()),
            });
            values.collect()
        });
        Ok(Pairs {
            values: rows.collect(),
        })
    }

    /// The mean of both ways.
    fn similarity(&self, i: usize, j: usize) -> Result<f64, String> {
        let one = self.values[i][j].as_ref().map_err(String::clone)?;
        let other = self.values[j][i].as_ref().map_err(String::clone)?;
        Ok((one + other) / 2.0)
    }

    fn within(&self, group: &[usize]) -> Result<GroupMean, String> {
        let without = |left_out: Option<usize>| {
            let kept: Vec<usize> = group
                .iter()
                .copied()
                .filter(|i| Some(*i) != left_out)
                .collect();
            let pairs = kept.iter().enumerate();
            let pairs = pairs.flat_map(|(n, &i)| kept[..n].iter().map(move |&j| (i, j)));
            self.mean(pairs)
        };
        let (mean, pairs) = without(None)?;
        if group.len() < 3 {
            let interval = None;
            return Ok(GroupMean {
                mean,
                interval,
                pairs,
            });
        }
        let each = group.iter().map(|&i| Ok(without(Some(i))?.0));
        let variance = variance(&each.collect::<Result<Vec<f64>, String>>()?);
        Ok(GroupMean {
            mean,
            interval: Some(interval(mean, variance, group.len() - 1)),
            pairs,
        })
    }

    fn between(&self, a: &[usize], b: &[usize]) -> Result<GroupMean, String> {
        let without = |left_out: Option<usize>| {
            let stays = move |i: &&usize| Some(**i) != left_out;
            let pairs = a.iter().filter(stays);
            let pairs = pairs.flat_map(|&i| b.iter().filter(stays).map(move |&j| (i, j)));
            self.mean(pairs)
        };
        let (mean, pairs) = without(None)?;
        let mut sum = 0.0;
        for group in [a, b] {
            let each = group.iter().map(|&i| Ok(without(Some(i))?.0));
            sum += variance(&each.collect::<Result<Vec<f64>, String>>()?);
        }
        Ok(GroupMean {
            mean,
            interval: Some(interval(mean, sum, a.len() + b.len() - 2)),
            pairs,
        })
    }

    /// The mean, and of how many pairs.
    fn mean(&self, pairs: impl Iterator<Item = (usize, usize)>) -> Result<(f64, usize), String> {
        let found = pairs.map(|(i, j)| self.similarity(i, j));
        let found = found.collect::<Result<Vec<f64>, String>>()?;
        Ok((found.iter().sum::<f64>() / found.len() as f64, found.len()))
    }
}

/// `(m - 1)/m Σ (θ_(i) - θ̄)²`.
fn variance(without: &[f64]) -> f64 {
    let count = without.len() as f64;
    let mean = without.iter().sum::<f64>() / count;
    let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
    (count - 1.0) / count * squares
}

fn interval(mean: f64, variance: f64, freedom: usize) -> [f64; 2] {
    let law = StudentsT::new(0.0, 1.0, freedom as f64).expect("groups have two networks or more");
    let reach = law.inverse_cdf(0.975) * variance.sqrt();
    [mean - reach, mean + reach]
}
