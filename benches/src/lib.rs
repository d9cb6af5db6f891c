//! Measures variants in turn, so that a machine whose speed drifts drifts for all of them alike.

pub mod arrays;
pub mod peers;

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// What one run of a variant took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// On the clock.
    pub wall: Duration,
    /// Of all threads of the process.
    pub cpu: Duration,
}

/// Runs `work` and measures it.
pub fn measure(work: impl FnOnce()) -> Took {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    work();
    Took {
        wall: wall.elapsed(),
        cpu: cpu.elapsed(),
    }
}

/// Runs all variants once to warm up, then `rounds` times in turn: what each took, by variant.
pub fn in_turn(rounds: usize, variants: &mut [&mut dyn FnMut()]) -> Vec<Vec<Took>> {
    for variant in variants.iter_mut() {
        variant();
    }
    let mut took = vec![Vec::new(); variants.len()];
    for _ in 0..rounds {
        for (variant, took) in variants.iter_mut().zip(&mut took) {
            took.push(measure(&mut **variant));
        }
    }
    took
}

/// The median of some numbers.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The median, over the rounds, of `a` against `b` in the same round, by CPU time.
pub fn ratio(a: &[Took], b: &[Took]) -> f64 {
    let pairs = a.iter().zip(b);
    median(pairs.map(|(a, b)| a.cpu.as_secs_f64() / b.cpu.as_secs_f64()))
}

/// The smallest and the largest of those ratios.
pub fn spread(a: &[Took], b: &[Took]) -> (f64, f64) {
    let pairs = a.iter().zip(b);
    let ratios = pairs.map(|(a, b)| a.cpu.as_secs_f64() / b.cpu.as_secs_f64());
    ratios.fold((f64::INFINITY, 0.0), |(low, high), ratio| {
        (low.min(ratio), high.max(ratio))
    })
}
