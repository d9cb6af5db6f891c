//! Home folders in texts that are passed on: whose machine it was is nobody's business.

/// What home folders begin with, and whether the user's name follows.
const HOMES: [(&str, bool); 4] = [
    ("/home/", true),
    ("/Users/", true),
    ("C:\\Users\\", true),
    ("/root", false),
];

/// The text with `~` in the place of every home folder: `/home/ann/data; PNG` becomes `~/data; PNG`.
pub(crate) fn without_home(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        // Within a longer path it is a folder like any other.
        let begins = !written.ends_with(|c: char| c.is_alphanumeric() || "/\\._-~".contains(c));
        match home(rest).filter(|_| begins) {
            Some(length) => {
                written.push('~');
                rest = &rest[length..];
            }
            None => {
                written.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    written
}

/// How long the home folder is with which the text begins, if it begins with one.
fn home(text: &str) -> Option<usize> {
    let of_name = |c: char| c.is_alphanumeric() || "._-".contains(c);
    HOMES.iter().find_map(|(start, named)| {
        let rest = text.strip_prefix(start)?;
        let name = rest.find(|c| !of_name(c)).unwrap_or(rest.len());
        (*named == (name > 0)).then_some(start.len() + name)
    })
}

#[cfg(test)]
mod tests {
    use super::without_home;

    #[test]
    fn home_folders_of_any_system_become_a_tilde() {
        for (text, written) in [
            ("/home/ann/data; PNG", "~/data; PNG"),
            (
                "CIFAR-10 from /root/.cache/x and /Users/b.c/y",
                "CIFAR-10 from ~/.cache/x and ~/y",
            ),
            ("C:\\Users\\ann\\x", "~\\x"),
            ("/root", "~"),
            ("--data=/home/ann", "--data=~"),
        ] {
            assert_eq!(without_home(text), written);
        }
    }

    #[test]
    fn other_folders_stay() {
        for text in [
            "/data/home/ann",
            "/rooted/x",
            "/home/",
            "at home/ann",
            "größe",
            "~/x",
        ] {
            assert_eq!(without_home(text), text);
        }
    }
}
