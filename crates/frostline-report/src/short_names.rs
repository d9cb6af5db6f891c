use std::collections::HashSet;

use crate::svg::shorten;

/// Names for a picture with room for so many characters each. Where some are too long, what all of
/// them share goes first: `encoder.block1.conv` and `encoder.block2.conv` differ in the middle.
/// Names that still look alike are numbered from the input up.
pub(crate) fn short_names(names: &[String], room: usize) -> Vec<String> {
    if names.iter().all(|name| name.chars().count() <= room) {
        return names.to_vec();
    }
    let (head, tail) = shared(names);
    let cut = |name: &String| {
        let own = &name[head..name.len() - tail];
        shorten(if own.is_empty() { name } else { own }, room)
    };
    let short: Vec<String> = names.iter().map(cut).collect();
    let different: HashSet<&String> = short.iter().collect();
    if different.len() == names.len() {
        return short;
    }
    let numbered = |(index, name): (usize, &String)| {
        let number = format!("{} ", index + 1);
        let room = room.saturating_sub(number.len());
        number + &shorten(&name[head..name.len() - tail], room)
    };
    names.iter().enumerate().map(numbered).collect()
}

/// The bytes at the front and at the back that all names share, up to whole parts of the path.
fn shared(names: &[String]) -> (usize, usize) {
    let Some(first) = names.first().filter(|_| names.len() > 1) else {
        return (0, 0);
    };
    let parts = |at: usize| first.as_bytes()[at] == b'.';
    let head = (0..first.len())
        .filter(|&at| parts(at))
        .map(|at| at + 1)
        .take_while(|&end| names.iter().all(|name| name.starts_with(&first[..end])))
        .last()
        .unwrap_or(0);
    let tail = (head..first.len())
        .filter(|&at| parts(at))
        .find(|&at| {
            let end = &first[at..];
            // Every name keeps a part of its own between the two.
            names
                .iter()
                .all(|name| name.ends_with(end) && name.len() > head + end.len())
        })
        .map_or(0, |at| first.len() - at);
    (head, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn short_names_stay_whole() {
        let short = names(&["encoder.a", "encoder.b"]);
        assert_eq!(short_names(&short, 9), short);
    }

    #[test]
    fn long_names_lose_what_they_share() {
        let long = names(&["encoder.stage1.block1.conv", "encoder.stage1.block2.conv"]);
        assert_eq!(short_names(&long, 18), ["block1", "block2"]);
        let one = names(&["encoder.stage1.block1.conv"]);
        assert_eq!(short_names(&one, 11), ["encod….conv"]);
    }

    #[test]
    fn names_that_would_look_alike_are_numbered() {
        let (a, b) = (
            "x".repeat(20) + "1" + &"y".repeat(20),
            "x".repeat(20) + "2" + &"y".repeat(20),
        );
        assert_eq!(short_names(&[a, b], 9), ["1 xxx…yyy", "2 xxx…yyy"]);
    }

    #[test]
    fn the_same_name_and_names_within_names_are_no_trouble() {
        let same = names(&["a.b.c", "a.b.c"]);
        assert_eq!(short_names(&same, 3), ["1 c", "2 c"]);
        let within = names(&["a.b", "a.b.b", "é.b"]);
        assert_eq!(short_names(&within, 3).len(), 3);
    }
}
