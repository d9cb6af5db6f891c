use wildmatch::WildMatch;

use crate::failure::Failure;

/// Whether, and how, a layer was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It was not chosen.
    No,
    /// A pattern matches it, or nothing was chosen and all layers are taken.
    Matched,
    /// Its whole name was given.
    Named,
}

/// Chooses among the layers of two networks by names, or by patterns in which `*` stands for any characters and `?` for one.
/// Without any, all are chosen.
///
/// A name or pattern may be of one network only; the error for one that is of neither lists the names there are.
pub(crate) fn choose(
    patterns: &[String],
    networks: [&[String]; 2],
) -> Result<[Vec<Choice>; 2], Failure> {
    if patterns.is_empty() {
        return Ok(networks.map(|names| vec![Choice::Matched; names.len()]));
    }
    let mut unmatched: Vec<bool> = vec![true; patterns.len()];
    let wild: Vec<WildMatch> = patterns
        .iter()
        .map(|pattern| WildMatch::new(pattern))
        .collect();
    let mut choice = |name: &String| {
        let mut choice = Choice::No;
        for (pattern, wild) in wild.iter().enumerate() {
            let by = match &patterns[pattern] == name {
                true => Choice::Named,
                false if wild.matches(name) => Choice::Matched,
                false => continue,
            };
            unmatched[pattern] = false;
            if choice != Choice::Named {
                choice = by;
            }
        }
        choice
    };
    let chosen = networks.map(|names| names.iter().map(&mut choice).collect::<Vec<_>>());
    if let Some(pattern) = unmatched.iter().position(|unmatched| *unmatched) {
        return Err(Failure::Usage(format!(
            "no layer matches `{}`; there are {}",
            patterns[pattern],
            listed(networks)
        )));
    }
    let is_chosen = |choice: &Choice| *choice != Choice::No;
    match chosen
        .iter()
        .position(|choices| !choices.iter().any(is_chosen))
    {
        None => Ok(chosen),
        Some(side) => Err(Failure::Usage(format!(
            "--layers chooses no layer of {}, which has {}",
            ["the rows", "the columns"][side],
            listed([networks[side], &[]])
        ))),
    }
}

/// The names of both networks, each once, the first of them where they are many.
fn listed(networks: [&[String]; 2]) -> String {
    const MOST: usize = 50;
    let mut names: Vec<&str> = networks[0].iter().map(String::as_str).collect();
    let first: std::collections::HashSet<&str> = names.iter().copied().collect();
    let more = networks[1].iter().map(String::as_str);
    names.extend(more.filter(|name| !first.contains(name)));
    match names.len() {
        0 => "none".to_string(),
        count if count > MOST => {
            format!("{} and {} more", names[..MOST].join(", "), count - MOST)
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn chosen(patterns: &[&str], a: &[&str], b: &[&str]) -> Result<[Vec<Choice>; 2], String> {
        let (patterns, a, b) = (names(patterns), names(a), names(b));
        choose(&patterns, [&a, &b]).map_err(|failure| match failure {
            Failure::Usage(message) => message,
            other => panic!("{other:?}"),
        })
    }

    use Choice::{Matched, Named, No};

    #[test]
    fn names_and_patterns_choose_in_both_networks() {
        let (a, b) = (["conv1", "conv2", "head"], ["conv1", "encoder", "head"]);
        assert_eq!(chosen(&[], &a, &b).unwrap(), [[Matched; 3], [Matched; 3]]);
        let found = chosen(&["conv?", "head"], &a, &b).unwrap();
        assert_eq!(found, [[Matched, Matched, Named], [Matched, No, Named]]);
        let found = chosen(&["conv*", "enc*"], &a, &b).unwrap();
        assert_eq!(found, [[Matched, Matched, No], [Matched, Matched, No]]);
    }

    #[test]
    fn a_name_with_signs_of_patterns_is_found_as_it_is() {
        let layers = ["layers[0].a*b", "layers[0].axb", "{x}"];
        let found = chosen(&["layers[0].a*b", "{x}"], &layers, &layers).unwrap();
        assert_eq!(found[0], [Named, Matched, Named]);
    }

    #[test]
    fn what_matches_nothing_lists_the_names_there_are() {
        let refused = chosen(&["conv9"], &["conv1"], &["conv1", "head"]).unwrap_err();
        assert_eq!(refused, "no layer matches `conv9`; there are conv1, head");
        let refused = chosen(&["head"], &["conv1"], &["head"]).unwrap_err();
        assert!(
            refused.contains("no layer of the rows, which has conv1"),
            "{refused}"
        );
    }
}
