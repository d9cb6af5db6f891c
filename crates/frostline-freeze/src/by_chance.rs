use frostline_activations::ByChance;
use frostline_svcca::Similarity;

/// What chance gives in place of this similarity, as a run folder and the pictures have it.
pub fn by_chance(similarity: &Similarity) -> ByChance {
    ByChance {
        samples: similarity.samples,
        directions: similarity.kept[0].max(similarity.kept[1]),
        level: similarity.chance,
        upper: similarity.chance_upper,
        corrected: similarity.corrected,
    }
}
