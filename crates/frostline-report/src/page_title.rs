use frostline_activations::Run;

use crate::summary::run_names;

/// The heading of a page of these runs: of one run its title, or its name where it has none. Of several it is the title that all
/// have; where they differ, the parts up to a comma that all begin with, and the runs' names.
pub fn page_title(runs: &[&Run]) -> String {
    let names = run_names(runs);
    let titles: Option<Vec<&str>> = runs.iter().map(|run| run.info.title.as_deref()).collect();
    let titles = titles.unwrap_or_default();
    match (&titles[..], &names[..]) {
        ([first, others @ ..], _) if others.iter().all(|title| title == first) => first.to_string(),
        (_, [only]) => only.clone(),
        _ => {
            let shared = shared_parts(&titles).join(", ");
            if shared.is_empty() {
                listed(&names)
            } else {
                format!("{shared}: {}", listed(&names))
            }
        }
    }
}

/// The parts between commas with which all titles begin.
fn shared_parts<'a>(titles: &[&'a str]) -> Vec<&'a str> {
    let Some((first, others)) = titles.split_first() else {
        return Vec::new();
    };
    let begins = |at: usize, part: &str| {
        let mut parts = others.iter().map(|title| title.split(", ").nth(at));
        parts.all(|other| other == Some(part))
    };
    let parts = first.split(", ").enumerate();
    let shared = parts.take_while(|(at, part)| begins(*at, part));
    shared.map(|(_, part)| part).collect()
}

/// The names as a list, of which the first stand for all where there are many.
fn listed(names: &[String]) -> String {
    const MOST: usize = 4;
    let (first, last) = match names {
        [] => return String::new(),
        _ if names.len() > MOST => {
            let more = names.len() - MOST + 1;
            (&names[..MOST - 1], format!("{more} more runs"))
        }
        [first @ .., last] => (first, last.clone()),
    };
    if first.is_empty() {
        last
    } else {
        format!("{} and {last}", first.join(", "))
    }
}
