use serde::{Deserialize, Serialize};

/// What chance gives in place of a similarity: what the similarity is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByChance {
    /// The samples that were compared.
    pub samples: usize,
    /// The directions that were kept of the layer of which more were kept.
    pub directions: usize,
    /// The mean similarity of unrelated noise of this shape.
    pub level: f64,
    /// A similarity up to this may well be chance's: the mean of noise and two standard deviations.
    pub upper: f64,
    /// The similarity freed of chance: 0 for noise, 1 for layers that are the same. None where the measure has no
    /// such value.
    pub corrected: Option<f64>,
}

impl ByChance {
    /// Whether unrelated layers could give this similarity.
    pub fn could_give(&self, similarity: f64) -> bool {
        similarity <= self.upper
    }

    /// How far a similarity is on the way from what chance gives to 1: `(s - level) / (1 - level)`, below 0 for less
    /// than chance gives. Where chance alone gives 1 or more: 1 for a similarity that it could not give, else 0.
    pub fn above(&self, similarity: f64) -> f64 {
        match self.level < 1.0 {
            true => (similarity - self.level) / (1.0 - self.level),
            false if self.could_give(similarity) => 0.0,
            false => 1.0,
        }
    }

    /// Samples for each direction that was kept; with fewer than ten, chance gives visibly more than nothing.
    pub fn samples_a_direction(&self) -> f64 {
        self.samples as f64 / self.directions.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similarity_is_seen_from_what_chance_gives() {
        let by = ByChance {
            samples: 250,
            directions: 100,
            level: 0.5,
            upper: 0.6,
            corrected: None,
        };
        assert_eq!(by.samples_a_direction(), 2.5);
        assert_eq!(
            [0.25, 0.5, 0.75, 1.0].map(|s| by.above(s)),
            [-0.5, 0.0, 0.5, 1.0]
        );
        assert_eq!(
            [0.5, 0.6, 0.61].map(|s| by.could_give(s)),
            [true, true, false]
        );
        let nothing = ByChance {
            directions: 0,
            level: 1.0,
            upper: 1.0,
            ..by
        };
        // A measure that has no largest value.
        assert_eq!(nothing.above(1.5), 1.0);
        assert_eq!(
            (nothing.above(1.0), nothing.samples_a_direction()),
            (0.0, 250.0)
        );
    }
}
