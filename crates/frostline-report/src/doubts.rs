//! What makes the similarities of a run less believable, each thing said once.

use frostline_activations::Run;

use crate::summary::grouped;

/// The warnings of all checks. Those that differ by their layer and by numbers alone become one, with the layers and the range of
/// each number, and with the steps at which they were noted.
pub(crate) fn doubts(run: &Run) -> Vec<String> {
    let mut doubts: Vec<Doubt> = Vec::new();
    for check in &run.history {
        for warning in &check.warnings {
            let words = words(warning, &run.info.layers);
            match doubts.iter_mut().find(|doubt| doubt.is_like(&words)) {
                Some(doubt) => doubt.add(&words, check.step),
                None => doubts.push(Doubt::new(words, check.step)),
            }
        }
    }
    doubts.iter().map(Doubt::text).collect()
}

/// A word of a warning, with what stands directly around it.
#[derive(Clone, Debug, PartialEq)]
enum Word<'a> {
    Text(&'a str),
    Layer { name: &'a str, behind: &'a str },
    Number { digits: &'a str, behind: &'a str },
}

fn words<'a>(warning: &'a str, layers: &[String]) -> Vec<Word<'a>> {
    let word = |(at, word): (usize, &'a str)| {
        let core = word.trim_end_matches([',', '.', ':', ';']);
        let behind = &word[core.len()..];
        let is_number = core.parse::<f64>().is_ok_and(f64::is_finite);
        // A layer's name may be a number: at the beginning, before a colon, it is the name.
        let names_it = !is_number || at == 0 && behind == ":";
        match layers.iter().any(|layer| layer == core) {
            true if names_it => Word::Layer { name: core, behind },
            _ if is_number => Word::Number {
                digits: core,
                behind,
            },
            _ => Word::Text(word),
        }
    };
    warning.split(' ').enumerate().map(word).collect()
}

/// Warnings that say the same.
struct Doubt<'a> {
    words: Vec<Word<'a>>,
    /// The layers, where each warning is about one.
    layers: Vec<&'a str>,
    /// The least and the greatest of each number.
    ranges: Vec<[&'a str; 2]>,
    /// The checks at which it was noted.
    steps: Vec<usize>,
}

impl<'a> Doubt<'a> {
    fn new(words: Vec<Word<'a>>, step: usize) -> Doubt<'a> {
        Doubt {
            layers: layer(&words).into_iter().collect(),
            ranges: numbers(&words).map(|digits| [digits; 2]).collect(),
            steps: vec![step],
            words,
        }
    }

    /// Whether a warning differs by its layer and by numbers alone.
    fn is_like(&self, words: &[Word<'_>]) -> bool {
        let about_one = layer(&self.words).is_some() && layer(words).is_some();
        let alike = |(a, b): (&Word<'_>, &Word<'_>)| match (a, b) {
            (Word::Layer { behind, .. }, Word::Layer { behind: other, .. }) if about_one => {
                behind == other
            }
            (Word::Number { behind, .. }, Word::Number { behind: other, .. }) => behind == other,
            _ => a == b,
        };
        self.words.len() == words.len() && self.words.iter().zip(words).all(alike)
    }

    fn add(&mut self, words: &[Word<'a>], step: usize) {
        if let Some(layer) = layer(words)
            && !self.layers.contains(&layer)
        {
            self.layers.push(layer);
        }
        let value = |digits: &str| digits.parse::<f64>().expect("it was read as a number");
        for ([least, greatest], digits) in self.ranges.iter_mut().zip(numbers(words)) {
            if value(digits) < value(least) {
                *least = digits;
            }
            if value(digits) > value(greatest) {
                *greatest = digits;
            }
        }
        if self.steps.last() != Some(&step) {
            self.steps.push(step);
        }
    }

    fn text(&self) -> String {
        let at = match self.steps.as_slice() {
            [step] => format!("step {}", grouped(*step)),
            [first, .., last] => {
                let (first, last) = (grouped(*first), grouped(*last));
                format!("{} checks, steps {first} to {last}", self.steps.len())
            }
            [] => unreachable!("it is noted with its first step"),
        };
        let mut ranges = self.ranges.iter();
        let word = |word: &Word<'_>| match word {
            Word::Text(text) => text.to_string(),
            Word::Layer { behind, name } => match layer(&self.words) {
                Some(_) => format!("{}{behind}", self.layers.join(", ")),
                None => format!("{name}{behind}"),
            },
            Word::Number { behind, .. } => match ranges.next() {
                Some([least, greatest]) if least != greatest => {
                    format!("{least}–{greatest}{behind}")
                }
                Some([digits, _]) => format!("{digits}{behind}"),
                None => unreachable!("each number has a range"),
            },
        };
        let words: Vec<String> = self.words.iter().map(word).collect();
        format!("{at}: {}", words.join(" "))
    }
}

/// The one layer that these words name; none where they name several, or none.
fn layer<'a>(words: &[Word<'a>]) -> Option<&'a str> {
    let mut names = words.iter().filter_map(|word| match word {
        Word::Layer { name, .. } => Some(*name),
        _ => None,
    });
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

fn numbers<'a>(words: &[Word<'a>]) -> impl Iterator<Item = &'a str> {
    words.iter().filter_map(|word| match *word {
        Word::Number { digits, .. } => Some(digits),
        _ => None,
    })
}
