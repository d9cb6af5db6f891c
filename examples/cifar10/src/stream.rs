//! Random numbers that depend on a seed and an index alone, in whatever order they are asked for.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The generator of the thing numbered `index` under `seed`. A named algorithm, so that the
/// numbers outlive a change of a library's default.
pub(crate) fn stream(seed: u64, index: u64) -> Xoshiro256PlusPlus {
    // An odd multiplier spreads neighbouring seeds over the whole range, away from indices.
    Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index)
}

/// A number in `[low, high)`.
pub(crate) fn between(rng: &mut Xoshiro256PlusPlus, low: f32, high: f32) -> f32 {
    // 24 bits are all that an f32 below 1 can hold, so `high` itself is rounded to rarely:
    // never, for the ranges used here, whose ends are small.
    let unit = (rng.random::<u32>() >> 8) as f32 / (1 << 24) as f32;
    low + (high - low) * unit
}
