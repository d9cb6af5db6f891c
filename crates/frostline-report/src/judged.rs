//! A similarity together with what chance gives in its place, as pictures and tables have it.

use frostline_activations::ByChance;

use crate::Error;
use crate::error::number;

/// What a cell says under the pointer: the value, what chance gives, and what is left without it.
pub(crate) fn judged_text(value: &str, similarity: f64, chance: Option<&ByChance>) -> String {
    let Some(by) = chance else {
        return value.to_string();
    };
    let corrected = by
        .corrected
        .map(|corrected| format!(", corrected {corrected:.2}"));
    format!(
        "{}{}, {} samples a direction",
        beside_chance(value, similarity, chance),
        corrected.unwrap_or_default(),
        samples_a_direction(by)
    )
}

/// What a point says: the value and what chance gives. A page has thousands of points.
pub(crate) fn beside_chance(value: &str, similarity: f64, chance: Option<&ByChance>) -> String {
    let Some(by) = chance else {
        return value.to_string();
    };
    let doubt = match by.could_give(similarity) {
        true => "could be chance",
        false => "chance",
    };
    format!("{value}, {doubt} {:.2}", by.level)
}

/// Samples for each direction that was kept, as a text has them.
pub(crate) fn samples_a_direction(by: &ByChance) -> String {
    match by.samples_a_direction() {
        many if many >= 100.0 => format!("{many:.0}"),
        few => format!("{few:.1}"),
    }
}

/// Whether there is a value that chance could give.
pub(crate) fn doubtful(similarity: Option<f64>, chance: Option<&ByChance>) -> bool {
    chance
        .zip(similarity)
        .is_some_and(|(by, similarity)| by.could_give(similarity))
}

/// A cell of a table: in brackets where chance could give the value.
pub(crate) fn judged_cell(value: &str, similarity: f64, chance: Option<&ByChance>) -> String {
    match chance {
        Some(by) if by.could_give(similarity) => format!("({value})"),
        _ => value.to_string(),
    }
}

/// What a table says of its brackets; nothing where it has none.
pub(crate) fn brackets(any: bool) -> &'static str {
    match any {
        true => {
            "<p>In brackets: chance could give the value, also to layers that have nothing in common.</p>\n"
        }
        false => "",
    }
}

/// That the numbers of a chance level can be drawn.
pub(crate) fn check_chance(chance: &ByChance, of: impl Fn() -> String) -> Result<(), Error> {
    number(chance.level, || format!("the chance level of {}", of()))?;
    number(chance.upper, || {
        format!("the end of the chance level of {}", of())
    })?;
    Ok(())
}

/// How the columns of a table call the four numbers of a chance level.
pub(crate) const CHANCE_COLUMNS: [&str; 4] =
    ["chance", "chance_upper", "corrected", "samples_a_direction"];

/// The four numbers, in the order of [`CHANCE_COLUMNS`].
pub(crate) fn chance_numbers(chance: Option<&ByChance>) -> [Option<f64>; 4] {
    [
        chance.map(|by| by.level),
        chance.map(|by| by.upper),
        chance.and_then(|by| by.corrected),
        chance.map(ByChance::samples_a_direction),
    ]
}
