use frostline_activations::ByChance;
use frostline_svcca::Similarity;

/// What chance gives in place of this similarity, as a run folder and the pictures have it; none where its measure has
/// no chance level.
pub fn by_chance(similarity: &Similarity) -> Option<ByChance> {
    let level = similarity.chance?;
    Some(ByChance {
        samples: similarity.samples,
        directions: similarity.kept[0].max(similarity.kept[1]),
        level,
        upper: similarity.chance_upper.unwrap_or(level),
        corrected: similarity.corrected,
    })
}
