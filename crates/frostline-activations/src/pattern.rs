use crate::Error;

/// A layer's name, or a pattern of names in which `*` stands for any characters and `?` for one.
pub(crate) struct Pattern {
    text: String,
    glob: glob::Pattern,
}

impl Pattern {
    /// # Errors
    /// [`Error::BadPattern`].
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        let glob = glob::Pattern::new(pattern).map_err(|source| Error::BadPattern {
            pattern: pattern.to_string(),
            problem: source.to_string(),
        })?;
        Ok(Pattern {
            text: pattern.to_string(),
            glob,
        })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.text == name || self.glob.matches(name)
    }
}
