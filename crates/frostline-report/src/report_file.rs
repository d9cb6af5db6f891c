use std::collections::HashSet;

/// A file that a report leaves beside its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// Its name, below whichever folder it is put in; `/` goes between folders.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Names of runs as names of files: what any system takes, and each once where case doesn't count.
///
/// Letters, digits, `.`, `_` and `-` stay, anything else becomes `-`.
pub(crate) fn file_names(names: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut free = |name: &String| taken.insert(name.to_lowercase());
    let unique = |name: &String| {
        let name = file_name(name);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        candidates.find(&mut free).expect("there is no last number")
    };
    names.iter().map(unique).collect()
}

fn file_name(name: &str) -> String {
    // Four bytes at most each: with what comes behind, below the 255 that a name may have.
    const LONGEST: usize = 50;
    let stays = |c: char| c.is_alphanumeric() || "._-".contains(c);
    let parts = name.split(|c| !stays(c)).filter(|part| !part.is_empty());
    let joined = parts.collect::<Vec<_>>().join("-");
    let cut: String = joined.chars().take(LONGEST).collect();
    // Dots in front hide a file or lead out of its folder; systems drop those at the end.
    match cut.trim_matches(['.', '-']) {
        "" => "run".to_string(),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        file_names(
            &names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn letters_digits_and_points_stay() {
        assert_eq!(files(&["lr_0.1-Größe"]), ["lr_0.1-Größe"]);
    }

    #[test]
    fn what_a_path_could_stumble_over_goes() {
        let names = ["../../etc/passwd", "a b\t(c)", "C:\\x\0", "...", "", " / "];
        let safe = ["etc-passwd", "a-b-c", "C-x", "run", "run-2", "run-3"];
        assert_eq!(files(&names), safe);
    }

    #[test]
    fn no_two_are_the_same_even_where_case_does_not_count() {
        assert_eq!(files(&["a", "A", "a-2", "a"]), ["a", "A-2", "a-2-2", "a-3"]);
    }

    #[test]
    fn long_names_stay_below_what_file_systems_take() {
        let names = files(&["𝔸".repeat(300).as_str(), "𝔸".repeat(301).as_str()]);
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() < 210), "{names:?}");
    }
}
