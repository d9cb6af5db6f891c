use std::sync::Arc;

use nalgebra::DVector;

use crate::{
    Cut, Error, Side, Warning, precision::Floats, repeats::Repeats, shared_inputs::SharedInputs,
};

/// What is known of one side of a comparison besides the numbers of its samples.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) cut: Cut,
    pub(crate) samples: usize,
    pub(crate) neurons: usize,
    /// Neurons that never vary.
    pub(crate) constant: usize,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) shared: SharedInputs,
    pub(crate) rank: Rank,
    /// The kept ones, in descending order.
    pub(crate) singular_values: DVector<f64>,
    /// How far the cumulative share of the directions stays from the cut's, where it has one.
    pub(crate) margin: Option<f64>,
    /// The directions that equal the last of the kept ones, where the cut left some of these out.
    pub(crate) equal: Option<EqualDirections>,
    /// What rounding is likely to have added to each kept direction, as a share of its singular value; empty where that isn't
    /// known.
    pub(crate) noise: Vec<f64>,
    /// `Σ h²` over the samples, h their squared norms in the kept directions; none where that isn't known.
    pub(crate) leverage: Option<f64>,
    /// To what the values were rounded, where one view's are known.
    pub(crate) floats: Option<Floats>,
    /// Samples in a row that are of one input; 0 where that isn't known.
    pub(crate) rows_of_input: usize,
    /// As how many independent samples these are good at most, whatever is known of them otherwise.
    pub(crate) at_most: usize,
}

/// Directions of equal strength among which a cut falls, by their places when all stand in descending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EqualDirections {
    /// The place of the first, which is kept.
    pub(crate) first: usize,
    /// The place behind the last, which isn't kept.
    pub(crate) end: usize,
}

/// The effective rank, and what is known of directions beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// There are none.
    Exactly(usize),
    /// There may be some, fainter than anything that was kept.
    AtLeast(usize),
    /// There may be some, and they were left out for being fainter than rounding.
    Limited(usize),
}

impl Rank {
    pub(crate) fn directions(self) -> usize {
        match self {
            Rank::Exactly(rank) | Rank::AtLeast(rank) | Rank::Limited(rank) => rank,
        }
    }
}

/// A share that f32 can't tell from the cut's.
const CLOSE: f64 = 1e-5;

impl Profile {
    /// Of a measure that whitens nothing and so finds no rank.
    pub(crate) fn unspecific(
        repeats: Arc<Repeats>,
        shared: SharedInputs,
        samples: usize,
        neurons: usize,
        constant: usize,
    ) -> Profile {
        Profile {
            cut: Cut::All,
            samples,
            neurons,
            constant,
            repeats,
            shared,
            rank: Rank::AtLeast((neurons - constant).min(samples.saturating_sub(1))),
            singular_values: DVector::zeros(0),
            margin: None,
            equal: None,
            noise: Vec::new(),
            leverage: None,
            floats: None,
            rows_of_input: 0,
            at_most: samples,
        }
    }

    /// By how much rounding is likely to have lowered the mean correlation with another layer: a direction of which the share η
    /// is rounding correlates by `1/√(1 + η²)` of what it would.
    pub(crate) fn lowered(&self) -> f64 {
        let kept = self.noise.len().max(1) as f64;
        let lowered = self.noise.iter().map(|share| share * share / 2.0);
        lowered.sum::<f64>() / kept
    }

    /// The same of the direction that rounding has lowered most.
    pub(crate) fn most_lowered(&self) -> f64 {
        let most = self.noise.iter().copied().fold(0.0, f64::max);
        most * most / 2.0
    }

    /// Errors where the rows of two views can't be of the same samples: `SampleMismatch`, `InputMismatch`.
    pub(crate) fn check_samples(&self, other: &Profile) -> Result<(), Error> {
        if self.samples != other.samples {
            let (x, y) = (self.samples, other.samples);
            return Err(Error::SampleMismatch { x, y });
        }
        same_inputs(self.samples, self.rows_of_input, other.rows_of_input)
    }

    pub(crate) fn kept(&self) -> usize {
        self.singular_values.len()
    }

    /// As how many independent samples those of both sides are good: samples that repeat count once, and those of one input
    /// less than those of as many inputs.
    pub(crate) fn independent_with(&self, other: &Profile) -> usize {
        let shared = self.shared.independent_with(&other.shared, self.samples);
        let repeats = self.repeats.independent_with(&other.repeats);
        shared.min(repeats).min(self.at_most).min(other.at_most)
    }

    /// Directions that were compared: those kept, or of a measure that keeps none in particular the neurons that vary.
    pub(crate) fn compared(&self) -> usize {
        match self.singular_values.len() {
            0 => self.rank.directions(),
            kept => kept,
        }
    }

    pub(crate) fn warnings(&self, side: Side) -> impl Iterator<Item = Warning> {
        let varying = self.neurons - self.constant;
        let most = varying.min(self.samples.saturating_sub(1));
        let count = self.constant;
        let (rank, neurons) = (self.rank.directions(), self.neurons);
        let close = self.margin.filter(|margin| *margin < CLOSE);
        let faint = match self.rank {
            Rank::Exactly(rank) if rank > 0 && rank < most => Some(Warning::RankDeficient {
                side,
                rank,
                neurons,
            }),
            Rank::Limited(rank) if rank > 0 => Some(Warning::IllConditioned { side, rank }),
            _ => None,
        };
        let widened = self
            .floats
            .filter(|floats| floats.widened && faint.is_some());
        [
            (count > 0).then_some(Warning::DeadNeurons { side, count }),
            (varying == 0 || rank == 0).then_some(Warning::NoVariance { side }),
            faint,
            widened.map(|floats| Warning::Widened {
                side,
                floats: floats.name().to_string(),
            }),
            close.map(|margin| Warning::CutIsClose { side, margin }),
        ]
        .into_iter()
        .flatten()
    }
}

/// Errors where both views are known to be of inputs, but not of as many.
pub(crate) fn same_inputs(samples: usize, x: usize, y: usize) -> Result<(), Error> {
    if x == y || x == 0 || y == 0 {
        return Ok(());
    }
    Err(Error::InputMismatch {
        samples,
        x: samples / x,
        y: samples / y,
    })
}
