//! How many samples go through the taps of a thread, without recording them.

use std::cell::RefCell;

use crate::listening;

/// Nobody forgets to ask for longer than this many taps.
const LONGEST: usize = 100_000;

thread_local! {
    static NOTICED: RefCell<Option<Noticed>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Noticed {
    /// The first axes of each tap, summed over its firings.
    samples: Vec<(String, usize)>,
    firings: usize,
}

/// From now on the taps of this thread are counted, outside of any [`record`](crate::record), until
/// [`noticed`] asks for what went through them. Counting keeps no tensor.
pub fn notice() {
    let before = NOTICED.replace(Some(Noticed::default()));
    if before.is_none() {
        listening::one_more();
    }
}

/// How many samples, the first axis of its tensors, went through the first of these taps that fired on this thread since
/// [`notice`], or where none of them did through the first tap at all; none where no tap fired. Counting ends.
pub fn noticed<'a>(taps: impl IntoIterator<Item = &'a str>) -> Option<usize> {
    let noticed = NOTICED.take()?;
    listening::one_less();
    let samples = |tap: &str| noticed.samples.iter().find(|(name, _)| name == tap);
    let first = taps.into_iter().find_map(samples);
    let first = first.or(noticed.samples.first());
    first.map(|(_, samples)| *samples)
}

/// A tap fired while nobody records.
pub(crate) fn fired(name: &str, first_axis: usize) {
    let too_long = NOTICED.with_borrow_mut(|noticed| {
        let Some(noticed) = noticed else {
            return false;
        };
        match noticed.samples.iter_mut().find(|(tap, _)| tap == name) {
            Some((_, samples)) => *samples += first_axis,
            None => noticed.samples.push((name.to_string(), first_axis)),
        }
        noticed.firings += 1;
        noticed.firings > LONGEST
    });
    if too_long {
        NOTICED.take();
        listening::one_less();
    }
}
