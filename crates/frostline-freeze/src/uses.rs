//! Which parameters act on which tap.

use std::cell::Cell;
use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Int, Tensor};
use frostline_activations::{Activation, Activations, Probe, Tapped};

use crate::{Error, Layers};

/// Whose parameters act on what a tap shows, beyond what it inherits from the taps below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Using {
    Layer(usize),
    Exempt,
}

impl Using {
    pub(crate) fn layer(self) -> Option<usize> {
        match self {
            Using::Layer(layer) => Some(layer),
            Using::Exempt => None,
        }
    }
}

/// Of each tap, in the order in which they fire, and of the network's output, whose parameters act on it.
///
/// Each group of parameters is changed in a forward in which the taps of layers return what they returned before, so that
/// a change is seen at those taps alone between which and the layers below them the parameters are used.
pub(crate) struct Uses {
    taps: Vec<String>,
    of: Vec<Vec<Using>>,
    /// Taps that show something else than the parameters of their own layer.
    doubtful: Vec<usize>,
    /// Taps that work on what taps below them return.
    fed: Vec<bool>,
}

/// What the output is called among the taps.
pub(crate) const OUTPUT: &str = "the output of the network";

impl Uses {
    /// None where it can't be known: the forward doesn't give the same twice, or fires other taps with other weights.
    ///
    /// Of `n` groups about `log₂ n` forwards are needed where all taps are right: half of the groups are changed at once, so
    /// that no group is changed wherever another is. A tap that is not as it should be takes one more for each group. `forwards` counts
    /// them.
    pub(crate) fn of<M: Module>(
        layers: &Layers,
        probe: &Probe<M>,
        model: &M,
        before: Tapped,
        forwards: &Cell<usize>,
    ) -> Result<Option<Uses>, Error> {
        let of_layers = before.taps.iter();
        let of_layers = of_layers.filter(|tap| layers.names().any(|name| name == tap.name()));
        let trial = Trial {
            probe,
            model,
            stand_ins: of_layers.cloned().collect(),
            before,
            forwards,
        };
        let exempt = layers.exempt().next().is_some();
        let groups = (0..layers.len()).map(Using::Layer);
        let groups: Vec<Using> = groups.chain(exempt.then_some(Using::Exempt)).collect();
        let paths: Vec<Vec<&str>> = groups
            .iter()
            .map(|group| match group {
                Using::Layer(layer) => layers.paths(*layer).collect(),
                Using::Exempt => layers.exempt().collect(),
            })
            .collect();

        let codes = codes(groups.len());
        let mut marks: Vec<u64> = vec![0; trial.shown().count()];
        for bit in 0..u64::BITS - codes.iter().fold(0, |all, code| all | code).leading_zeros() {
            let chosen = codes.iter().zip(&paths);
            let chosen = chosen.filter(|(code, _)| *code >> bit & 1 == 1);
            let changed = chosen
                .flat_map(|(_, paths)| paths.iter().copied())
                .collect();
            let Some(moved) = trial.moved_by(changed)? else {
                return Ok(None);
            };
            for (mark, moved) in marks.iter_mut().zip(moved) {
                *mark |= u64::from(moved) << bit;
            }
        }

        let mut taps: Vec<String> = trial.before.taps.names().map(str::to_string).collect();
        let tapped = taps.len();
        taps.extend(trial.before.output.is_some().then(|| OUTPUT.to_string()));
        let layer = |tap: usize| {
            let mut names = layers.names();
            names.position(|name| tap < tapped && name == taps[tap])
        };
        let right = |tap: usize| match layer(tap) {
            Some(layer) => marks[tap] == codes[layer],
            // Any other tap is in front of the tap of its layer, or shows what has no parameters.
            None => {
                let next = (tap..taps.len()).find_map(layer);
                marks[tap] == 0 || next.is_some_and(|layer| marks[tap] == codes[layer])
            }
        };
        let doubtful: Vec<usize> = (0..taps.len()).filter(|tap| !right(*tap)).collect();
        let mut uses = Uses {
            of: taps
                .iter()
                .enumerate()
                .map(|(tap, _)| layer(tap).map(Using::Layer).into_iter().collect())
                .collect(),
            fed: vec![true; taps.len()],
            taps,
            doubtful,
        };
        match uses.doubtful.is_empty() || uses.look_closer(&trial, &groups, &paths)? {
            true => Ok(Some(uses)),
            false => Ok(None),
        }
    }

    /// Changes one group after another. False where the forward doesn't give the same twice.
    fn look_closer<M: Module>(
        &mut self,
        trial: &Trial<M>,
        groups: &[Using],
        paths: &[Vec<&str>],
    ) -> Result<bool, Error> {
        let Some(moved) = trial.moved_by(HashSet::new())? else {
            return Ok(false);
        };
        if moved.contains(&true) {
            return Ok(false);
        }
        for of in &mut self.of {
            of.clear();
        }
        for (group, paths) in groups.iter().zip(paths) {
            let Some(moved) = trial.moved_by(paths.iter().copied().collect())? else {
                return Ok(false);
            };
            for (of, _) in self.of.iter_mut().zip(moved).filter(|(_, moved)| *moved) {
                of.push(*group);
            }
        }
        if let Some(fed) = trial.moved_by_taps()? {
            self.fed = fed;
        }
        Ok(true)
    }

    /// The taps that show something else than the parameters of their own layer, with what acts on them.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = (&str, &[Using])> {
        let doubtful = self.doubtful.iter();
        doubtful.map(|tap| (self.taps[*tap].as_str(), self.of[*tap].as_slice()))
    }

    /// The taps on which the parameters of this layer act.
    pub(crate) fn taps_of(&self, layer: usize) -> Vec<&str> {
        let taps = self.taps.iter().zip(&self.of);
        let used = taps.filter(|(_, of)| of.contains(&Using::Layer(layer)));
        used.map(|(tap, _)| tap.as_str()).collect()
    }

    pub(crate) fn fires_before(&self, tap: &str, other: &str) -> bool {
        let place = |name: &str| self.taps.iter().position(|tap| tap == name);
        place(tap) < place(other)
    }

    /// Whether a tap works on what taps below it return. Where a tap's tensor is dropped and the forward goes on without
    /// it, all layers act on all taps above them.
    pub(crate) fn goes_through_taps(&self, tap: &str) -> bool {
        let place = self.taps.iter().position(|name| name == tap);
        place.is_some_and(|place| self.fed[place])
    }
}

/// Forwards of one model that are compared with one another.
struct Trial<'a, M> {
    probe: &'a Probe<M>,
    model: &'a M,
    before: Tapped,
    /// What the taps of layers return.
    stand_ins: Activations,
    /// How many were run.
    forwards: &'a Cell<usize>,
}

impl<M: Module> Trial<'_, M> {
    /// Which taps show something else with what lies at these paths changed.
    fn moved_by(&self, paths: HashSet<&str>) -> Result<Option<Vec<bool>>, Error> {
        // Each `valid()` has running statistics of its own; those of a clone are shared.
        let model = self.model.valid();
        let model = match paths.is_empty() {
            true => model,
            false => model.map(&mut Changing {
                path: Vec::new(),
                paths,
            }),
        };
        self.differ(&self.apart(&model, &self.stand_ins)?)
    }

    /// Which taps show something else when the layers below them return something else.
    fn moved_by_taps(&self) -> Result<Option<Vec<bool>>, Error> {
        let changed = self.stand_ins.iter().map(|layer| {
            let values = changed(layer.values());
            Activation::from_values(layer.name(), values, layer.shape())
        });
        let changed: Activations = changed.collect();
        self.differ(&self.apart(&self.model.valid(), &changed)?)
    }

    fn apart(&self, model: &M, handed_on: &Activations) -> Result<Tapped, Error> {
        self.forwards.update(|forwards| forwards + 1);
        Ok(self.probe.taps_apart(model, handed_on)?)
    }

    /// What was shown before: by the taps, and by the output.
    fn shown(&self) -> impl Iterator<Item = &Activation> {
        self.before.taps.iter().chain(&self.before.output)
    }

    fn differ(&self, apart: &Tapped) -> Result<Option<Vec<bool>>, Error> {
        let now: Vec<&Activation> = apart.taps.iter().chain(&apart.output).collect();
        let names = now.iter().map(|layer| layer.name());
        if !names.eq(self.shown().map(Activation::name)) {
            return Ok(None);
        }
        let pairs = self.shown().zip(now);
        let differ = pairs.map(|(before, now)| distance(before, now));
        let differ: Vec<Distance> = differ.collect::<Result<_, _>>()?;
        Ok(
            match differ.iter().all(|between| between.largest.is_finite()) {
                true => Some(differ.iter().map(Distance::is_seen_in_a_repeat).collect()),
                false => None,
            },
        )
    }
}

/// How far two activations are from each other.
pub(crate) struct Distance {
    /// The largest absolute value of the first.
    pub(crate) largest: f32,
    /// The largest absolute difference.
    pub(crate) difference: f32,
}

impl Distance {
    /// More than what the same kernels make of the same in two runs: sums in another order at most.
    fn is_seen_in_a_repeat(&self) -> bool {
        self.exceeds(1e-5)
    }

    /// More than what other kernels, other orders of sums, f16 or TF32 make of the same.
    pub(crate) fn is_more_than_rounding(&self) -> bool {
        self.exceeds(2e-3)
    }

    fn exceeds(&self, share: f32) -> bool {
        // A difference that is not a number is one.
        self.difference.is_nan() || self.difference > share * self.largest
    }
}

/// Reads two numbers from the device. Activations of different shapes are infinitely far from each other.
pub(crate) fn distance(before: &Activation, now: &Activation) -> Result<Distance, Error> {
    if before.shape() != now.shape() {
        return Ok(Distance {
            largest: 0.0,
            difference: f32::INFINITY,
        });
    }
    distance_of(before.values(), now.values())
}

/// The same of two tensors of the same length.
pub(crate) fn distance_of(before: Tensor<1>, now: Tensor<1>) -> Result<Distance, Error> {
    use burn::tensor::DType;
    let (before, now) = (before.cast(DType::F32), now.cast(DType::F32));
    let largest = before.clone().abs().max();
    let numbers = Tensor::cat(vec![largest, (now - before).abs().max()], 0);
    let numbers = numbers.try_into_data().map_err(|error| Error::Unreadable {
        problem: error.to_string(),
    })?;
    let numbers: Vec<f32> = numbers.try_to_vec().expect("cast to f32 above");
    Ok(Distance {
        largest: numbers[0],
        difference: numbers[1],
    })
}

/// A number for each of `n` groups, such that none has all the ones of another: they all have the same number of ones.
/// The fewest digits that are enough for `n`.
fn codes(n: usize) -> Vec<u64> {
    for digits in 1..=40u32 {
        let ones = (digits / 2).max(1);
        let codes = (1..1u64 << digits).filter(|code| code.count_ones() == ones);
        let codes: Vec<u64> = codes.take(n).collect();
        if codes.len() == n {
            return codes;
        }
    }
    unreachable!("40 digits are enough for 10¹¹ groups")
}

/// Changes what lies at these paths.
struct Changing<'a> {
    path: Vec<String>,
    paths: HashSet<&'a str>,
}

impl ModuleMapper for Changing<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.paths.contains(self.path.join(".").as_str()) {
            true => param.map(changed),
            false => param,
        }
    }
}

/// Other values, by an eighth and more of each: not the same everywhere, since a norm would take a common factor or a
/// common shift away again.
fn changed<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    let count = values.dims().iter().product::<usize>();
    if count == 0 || !values.dtype().is_float() {
        return values;
    }
    let numbers = Tensor::<1, Int>::arange(0..count as i64, &values.device());
    let waves = numbers.float().mul_scalar(0.7).reshape(values.dims());
    let waves = waves.cast(values.dtype());
    values * (waves.clone().sin() * 0.25 + 1.0) + waves.cos() * 0.05
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_has_all_the_ones_of_another_and_few_digits_are_enough() {
        for n in [1, 2, 3, 6, 7, 20, 70] {
            let codes = codes(n);
            assert_eq!(codes.len(), n);
            for (i, code) in codes.iter().enumerate() {
                let covered = codes.iter().enumerate();
                assert!(
                    covered
                        .filter(|(j, other)| i != *j && code & *other == *code)
                        .count()
                        == 0
                );
            }
        }
        let digits = |n| {
            codes(n)
                .iter()
                .map(|code| 64 - code.leading_zeros())
                .max()
                .unwrap()
        };
        assert_eq!([1, 2, 6, 20, 70].map(digits), [1, 2, 4, 6, 8]);
    }
}
