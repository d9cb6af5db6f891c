//! What a page of many runs and layers leaves out, so that it opens at once and can be sent around.

/// What a page weighs at most, if leaving out what is said under the pointer can achieve it.
pub(crate) const MOST_BYTES: usize = 2_000_000;

/// A page's body, with less said under the pointer where it has more than so many bytes: first the values of curves
/// go, then those of heatmaps' cells. The page then says so.
pub(crate) fn within(bytes: usize, body: String) -> String {
    let fits = |body: &String| body.len() <= bytes;
    if fits(&body) {
        return body;
    }
    let with_cells = notice("curves") + &without_titles(&body, true);
    if fits(&with_cells) {
        return with_cells;
    }
    notice("pictures") + &without_titles(&body, false)
}

fn notice(silent: &str) -> String {
    format!(
        "<p>To keep this page small, its {silent} do not say their values under the pointer. The tables have \
         them, and the pictures as files say them.</p>\n"
    )
}

/// Without the titles of shapes, but for those of heatmaps' cells if they keep them. What is there for its title alone
/// goes with it.
fn without_titles(body: &str, cells_keep: bool) -> String {
    let mut left = String::with_capacity(body.len());
    for line in body.lines() {
        // What the canvas writes: a text from outside has no tags.
        let titled = line.starts_with("<path ") && line.ends_with("</title></path>");
        match line.split_once("><title>").filter(|_| titled) {
            Some((look, _)) if !look.contains(" stroke=") => continue,
            Some((look, _)) if !cells_keep => left.extend([look, "/>"]),
            _ => left += line,
        }
        left.push('\n');
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "<h1>a</h1>\n\
                        <path d=\"M0 0h9\" stroke=\"#440154\"><title>a × b: 0.50</title></path>\n\
                        <path fill=\"none\" d=\"M0 0h9\"/>\n\
                        <path d=\"M0 0h9v9h-9\"><title>loss at step 3: 2</title></path>\n\
                        <p>&lt;path &gt;</title></path>\n";

    #[test]
    fn a_page_that_is_too_large_says_less_under_the_pointer() {
        let body = |bytes| within(bytes, BODY.to_string());
        assert_eq!(body(BODY.len()), BODY);

        let padded = BODY.repeat(20);
        let less = within(padded.len() - 1, padded.clone());
        assert!(less.starts_with("<p>To keep this page small, its curves "));
        assert_eq!(less.matches("<title>").count(), 20);
        assert!(less.contains("<title>a × b: 0.50</title>") && !less.contains("loss at step"));
        assert!(
            less.contains("<path fill=\"none\" d=\"M0 0h9\"/>\n<p>&lt;path &gt;</title></path>\n")
        );

        let least = within(less.len() - 1, padded);
        assert!(least.starts_with("<p>To keep this page small, its pictures "));
        assert_eq!(least.matches("<title>").count(), 0);
        let cell = "<h1>a</h1>\n<path d=\"M0 0h9\" stroke=\"#440154\"/>\n<path fill";
        assert_eq!(least.matches(cell).count(), 20);
    }
}
