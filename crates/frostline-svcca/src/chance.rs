use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

/// What noise of the same shape would give.
///
/// # Formula
/// For independent Gaussian views with `a ≤ b` dimensions and `n` samples, the mean of ρ² is
/// `q = b / (n - 1)` exactly, and the law of λ = ρ² tends to Wachter's: with `α = a / (n - 1)` and
/// `β = b / (n - 1)`,
/// density `√((λ₊ - λ)(λ - λ₋)) / (2π α λ (1 - λ))` between `λ± = (√(α(1 - β)) ± √(β(1 - α)))²`,
/// and an atom at 1 of mass `max(0, (α + β - 1) / α)`. With `a = 1` the law is `Beta(b/2, (n - 1 - b)/2)`, and the mean ρ
/// is [`Chance::multiple_correlation`].
///
/// The mean of ρ² varies by `v² = 2b(N - a)(N - b) / (a N²(N + 2)(N - 1))` with `N = n - 1`, and the mean ρ by about
/// `v / (2 mean_rho)`; with `a = 1` by `√(mean_rho2 - mean_rho²)`.
///
/// Gaussian samples are about equally large. Where few samples are far larger than all others, the mean stays and values
/// scatter more, as those few happen to meet: the deviation is then multiplied by the factor by which that of `Σ ρ²` over all
/// orders of the samples exceeds the Gaussian one, `√(1 + (n - 3) τx τy / (2n(n - 1)))` with
/// `τ = (n - 1)(n(n + 1) Σ h² / k - (n - 1)(k + 2)) / ((n - 3)(n - 1 - k))`, h the leverages of the samples in the k kept
/// directions. Of moments, which hold no samples, they aren't known, and the level is the Gaussian one.
///
/// Source: Wachter 1980, Annals of Statistics 8(5); Muirhead 1982, Aspects of Multivariate Statistical Theory, section 10.6,
/// for the variance of Pillai's trace; Kazi-Aoual, Hitier, Sabatier, Lebreton 1995, Computational Statistics & Data Analysis
/// 20(6), for that over all orders.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// Mean ρ of noise.
    pub mean_rho: f64,
    /// Mean ρ² of noise, `q`.
    pub mean_rho2: f64,
    /// Standard deviation of the mean ρ of noise from one draw to another.
    pub deviation: f64,
    /// The largest ρ that noise gives: `√λ₊`, or 1 where there is an atom.
    pub edge: f64,
    /// The observed mean ρ² freed of chance, `(mean ρ² - q) / (1 - q)`: 0 for noise, 1 for equal
    /// views.
    pub corrected: f64,
}

impl Chance {
    /// Chance level of views with `x` and `y` kept dimensions, and the observed mean ρ² freed of it.
    ///
    /// With no dimension there is nothing to correlate and every field is 0. With `n - 1` or more,
    /// noise correlates perfectly: 1 for the level, 0 for what's left of the observation.
    pub fn of(samples: usize, x: usize, y: usize, mean_rho2_observed: f64) -> Chance {
        let (fewer, more) = (x.min(y), x.max(y));
        if fewer == 0 {
            return Chance {
                mean_rho: 0.0,
                mean_rho2: 0.0,
                deviation: 0.0,
                edge: 0.0,
                corrected: 0.0,
            };
        }
        if more + 1 >= samples {
            return Chance {
                mean_rho: 1.0,
                mean_rho2: 1.0,
                deviation: 0.0,
                edge: 1.0,
                corrected: 0.0,
            };
        }
        let freedom = (samples - 1) as f64;
        let (alpha, beta) = (fewer as f64 / freedom, more as f64 / freedom);
        let law = Wachter::of(alpha, beta);
        let mean_rho = if fewer == 1 {
            Chance::multiple_correlation(samples, more)
        } else {
            law.mean_rho()
        };
        Chance {
            mean_rho,
            mean_rho2: beta,
            deviation: if fewer == 1 {
                (beta - mean_rho * mean_rho).max(0.0).sqrt()
            } else {
                deviation_of_mean_square(samples, fewer, more) / (2.0 * mean_rho)
            },
            edge: if law.atom > 0.0 { 1.0 } else { law.upper },
            corrected: (mean_rho2_observed - beta) / (1.0 - beta),
        }
    }

    /// Mean multiple correlation of noise: of `samples` of a Gaussian number with independent Gaussian views of
    /// `dims` kept dimensions. A class's column correlates with a layer by so much where they have nothing in
    /// common.
    ///
    /// # Formula
    /// ρ² has the law `Beta(d/2, (n - 1 - d)/2)`, so `E ρ = Γ((d+1)/2) Γ((n-1)/2) / (Γ(d/2) Γ(n/2))`; 0 without
    /// dimensions, and 1 from `d = n - 1` on.
    ///
    /// Source: Fisher 1928, Proceedings of the Royal Society A 121.
    pub fn multiple_correlation(samples: usize, dims: usize) -> f64 {
        if dims == 0 {
            return 0.0;
        }
        if dims + 1 >= samples {
            return 1.0;
        }
        let (d, n) = (dims as f64, samples as f64);
        let log = ln_gamma((d + 1.0) / 2.0) - ln_gamma(d / 2.0) + ln_gamma((n - 1.0) / 2.0)
            - ln_gamma(n / 2.0);
        log.exp().min(1.0)
    }
}

/// By what the standard deviation of `tr(S T)`, over all orders of the samples, exceeds that of Gaussian samples: see
/// [`Chance`]. `participation` are `tr(S)² / tr(S²)` and `diagonal` `Σ s_ii² / tr(S²)` of both centred products over neurons.
pub(crate) fn tail_factor(samples: usize, participation: [f64; 2], diagonal: [f64; 2]) -> f64 {
    let n = samples as f64;
    let tau = |side: usize| {
        let (beta, diagonal) = (participation[side], diagonal[side]);
        let heavy = n * (n + 1.0) * diagonal - (n - 1.0) * (beta + 2.0);
        (n - 1.0) * heavy / ((n - 3.0) * (n - 1.0 - beta))
    };
    let crowded = |beta: &f64| *beta >= n - 1.5;
    if samples < 5 || participation.iter().any(crowded) {
        return 1.0;
    }
    let more = (n - 3.0) * tau(0) * tau(1) / (2.0 * n * (n - 1.0));
    if more.is_finite() {
        (1.0 + more.max(0.0)).sqrt()
    } else {
        1.0
    }
}

/// Standard deviation of the mean ρ² of noise with `fewer ≤ more` dimensions.
fn deviation_of_mean_square(samples: usize, fewer: usize, more: usize) -> f64 {
    let (n, a, b) = (samples as f64 - 1.0, fewer as f64, more as f64);
    let variance = 2.0 * b * (n - a) * (n - b) / (a * n * n * (n + 2.0) * (n - 1.0));
    variance.max(0.0).sqrt()
}

struct Wachter {
    alpha: f64,
    /// Edges of ρ, not of ρ².
    lower: f64,
    upper: f64,
    /// Mass at ρ = 1.
    atom: f64,
}

impl Wachter {
    fn of(alpha: f64, beta: f64) -> Wachter {
        let (small, large) = ((alpha * (1.0 - beta)).sqrt(), (beta * (1.0 - alpha)).sqrt());
        Wachter {
            alpha,
            lower: (large - small).max(0.0),
            upper: (large + small).min(1.0),
            atom: ((alpha + beta - 1.0) / alpha).max(0.0),
        }
    }

    /// `∫ ρ dF(ρ)`.
    ///
    /// In ρ the density times ρ is `√((ρ₊² - ρ²)(ρ² - ρ₋²)) / (πα(1 - ρ²))`. With
    /// `ρ = middle + half · cos θ` the two root edges become `half² sin²θ` and the integrand is smooth
    /// and periodic in θ, where the midpoint rule converges fastest; midpoints also stay clear of
    /// ρ = 1, where `1 - ρ²` vanishes.
    fn mean_rho(&self) -> f64 {
        const POINTS: usize = 2000;
        let (middle, half) = (
            (self.upper + self.lower) / 2.0,
            (self.upper - self.lower) / 2.0,
        );
        let step = PI / POINTS as f64;
        let sum: f64 = (0..POINTS)
            .map(|i| {
                let theta = (i as f64 + 0.5) * step;
                let rho = middle + half * theta.cos();
                let root = ((self.upper + rho) * (rho + self.lower)).sqrt();
                (half * theta.sin()).powi(2) * root / (1.0 - rho * rho)
            })
            .sum();
        sum * step / (PI * self.alpha) + self.atom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_a_finite_level_between_0_and_1() {
        for samples in 2..40 {
            for x in 0..45 {
                for y in 0..45 {
                    let chance = Chance::of(samples, x, y, 0.5);
                    for level in [chance.mean_rho, chance.mean_rho2, chance.edge] {
                        assert!(
                            (0.0..=1.0 + 1e-9).contains(&level),
                            "{samples} {x} {y} {chance:?}"
                        );
                    }
                    assert!(chance.corrected.is_finite(), "{samples} {x} {y} {chance:?}");
                }
            }
        }
    }

    #[test]
    fn the_mean_of_noise_falls_with_the_number_of_samples() {
        // Independent noise of 32 dimensions a side, drawn many times: means to two digits.
        for (samples, mean) in [(64, 0.65), (128, 0.43), (320, 0.27)] {
            let chance = Chance::of(samples, 32, 32, 0.0);
            assert!(
                (chance.mean_rho - mean).abs() < 0.01,
                "{samples}: {}",
                chance.mean_rho
            );
        }
    }

    #[test]
    fn the_mean_of_noise_varies_as_much_as_draws_of_it_do() {
        // Independent Gaussian views, 4000 draws each by NumPy: mean and standard deviation of the mean ρ.
        for (samples, x, y, mean, deviation) in [
            (30, 1, 1, 0.150, 0.108),
            (30, 1, 3, 0.302, 0.120),
            (60, 4, 8, 0.343, 0.0412),
            (200, 10, 20, 0.296, 0.0143),
            (100, 40, 40, 0.563, 0.0076),
        ] {
            let chance = Chance::of(samples, x, y, 0.0);
            let (off, ratio) = (chance.mean_rho - mean, chance.deviation / deviation);
            assert!(off.abs() < 0.02, "{samples} {x} {y}: {}", chance.mean_rho);
            assert!(
                (0.8..1.25).contains(&ratio),
                "{samples} {x} {y}: {}",
                chance.deviation
            );
        }
    }

    #[test]
    fn more_dimensions_than_the_samples_can_hold_apart_put_an_atom_at_one() {
        // Two 30-dimensional spaces in 40 dimensions share 20: two thirds of ρ are 1.
        let chance = Chance::of(41, 30, 30, 1.0);
        assert_eq!(chance.edge, 1.0);
        assert!(chance.mean_rho > 2.0 / 3.0 && chance.mean_rho < 1.0);
        assert_eq!(chance.corrected, 1.0);
    }

    #[test]
    fn the_multiple_correlation_of_noise_is_known_for_small_shapes() {
        // Plain correlation of 3 samples: ρ = |cos| of an angle drawn evenly, so 2/π.
        let plain = Chance::multiple_correlation(3, 1);
        assert!(
            (plain - std::f64::consts::FRAC_2_PI).abs() < 1e-12,
            "{plain}"
        );
        // Of 4 samples: the height of a point drawn from a sphere, evenly between 0 and 1.
        assert!((Chance::multiple_correlation(4, 1) - 0.5).abs() < 1e-12);
        assert_eq!(Chance::multiple_correlation(10, 0), 0.0);
        assert_eq!(Chance::multiple_correlation(10, 9), 1.0);
        assert_eq!(Chance::multiple_correlation(2, 5), 1.0);
    }

    #[test]
    fn the_multiple_correlation_of_noise_squared_is_just_below_the_mean_square() {
        for (samples, dims) in [(50, 10), (1000, 64), (100_000, 512)] {
            let rho = Chance::multiple_correlation(samples, dims);
            let square = dims as f64 / (samples as f64 - 1.0);
            // The variance of ρ is about (1 - q)/(2n), by the law of ρ².
            assert!(rho * rho < square, "{samples} {dims}: {rho}");
            assert!(
                square - rho * rho < 1.0 / samples as f64,
                "{samples} {dims}: {rho}"
            );
        }
    }
}
