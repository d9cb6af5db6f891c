use nalgebra::DMatrix;
use statrs::function::gamma::ln_gamma;

use crate::{
    Chance, Error, centred_pair::CentredPair, decompose, range_finder::gaussian, similarity::Level,
};

/// The strongest directions of wide pairs that are drawn alone, and how often.
const STRONG: usize = 8;
const OFTEN: usize = 64;

/// The sum of singular values of `XᵀY` where X and Y have the spectra of this pair but nothing in common.
///
/// # Formula
/// `‖Sx R Sy‖_*` with `R = G / √N`, G of independent normal numbers and N one less than the samples that differ. Where both
/// sides fill much of the N dimensions, their bases are no longer as good as independent: the sum is then multiplied by the
/// ratio in which canonical correlations of noise ([`Chance`]) stand to the singular values of G.
///
/// Where one side has a single direction, both are known. Wide pairs are drawn a few times only. Where their spectra are steep, the sum varies as that of their strongest
/// directions does, which are cheap: those alone are drawn often, and what the few draws have beyond them is added.
pub(crate) fn of_noise(pair: &CentredPair) -> Result<Level, Error> {
    let Some(spectra) = &pair.spectra else {
        unreachable!("a measure that sums singular values is prepared with both spectra")
    };
    // Directions a millionth as strong as the first add nothing visible.
    let [x, y] = spectra.each_ref().map(|spectrum| {
        let strong = |value: &&f64| **value > 1e-6 * spectrum[0];
        spectrum.rows(0, spectrum.iter().take_while(strong).count())
    });
    let fewer = x.len().min(y.len());
    if fewer == 0 {
        return Ok(Level {
            mean: 0.0,
            deviation: 0.0,
        });
    }
    let freedom = pair.independent.saturating_sub(1).max(1) as f64;
    let tails = pair.tail_factor();
    if fewer == 1 {
        let (one, more) = if x.len() == 1 { (x[0], y) } else { (y[0], x) };
        let Level { mean, deviation } = of_one_direction(more.as_slice(), freedom);
        return Ok(Level {
            mean: one * mean,
            deviation: one * deviation * tails,
        });
    }
    let draws = match fewer {
        2..=8 => 64,
        9..=32 => 8,
        33..=128 => 4,
        _ => 2,
    };
    let strong = [x.len(), y.len()].map(|count| count.min(STRONG));
    let often = if fewer > STRONG { OFTEN } else { 0 };
    let crowded = (x.len() + y.len()) as f64 > freedom / 8.0;
    let all = gaussian(x.len() * draws + strong[0] * often, y.len()) / freedom.sqrt();
    let sum = |first: usize, [rows, columns]: [usize; 2]| {
        let weighted = DMatrix::from_fn(rows, columns, |i, j| x[i] * all[(first + i, j)] * y[j]);
        Ok::<f64, Error>(decompose::singular_values(&weighted)?.sum())
    };
    let (mut sums, mut beyond, mut plain) = (Vec::new(), Vec::new(), 0.0);
    for draw in 0..draws {
        let first = draw * x.len();
        let whole = sum(first, [x.len(), y.len()])?;
        sums.push(whole);
        if often > 0 {
            beyond.push(whole - sum(first, strong)?);
        }
        if crowded {
            let noise = all.rows(first, x.len()).into_owned();
            plain += decompose::singular_values(&noise)?.sum();
        }
    }
    let count = draws as f64;
    if often > 0 {
        let more = beyond.iter().sum::<f64>() / count;
        let draws = (0..often).map(|draw| sum(x.len() * draws + draw * strong[0], strong));
        sums = draws.collect::<Result<Vec<f64>, Error>>()?;
        sums.iter_mut().for_each(|sum| *sum += more);
    }
    if crowded {
        let level = Chance::of(pair.independent, x.len(), y.len(), 0.0);
        let ratio = level.mean_rho * fewer as f64 * count / plain;
        let all = sums.iter_mut().chain(&mut beyond);
        all.for_each(|sum| *sum *= ratio);
    }
    let (mean, variance) = mean_and_variance(&sums);
    let (_, of_beyond) = mean_and_variance(&beyond);
    Ok(Level {
        mean,
        deviation: (variance + of_beyond).sqrt() * tails,
    })
}

/// `√(Σ s² u²)` for a random unit vector u in so many dimensions.
///
/// # Formula
/// With independent normal g, `E √(Σ s² g²) = ∫ (1 - Π (1 + 2 t s²)^-½) t^-3/2 dt / (2√π)`, divided by the mean length of g,
/// `√2 Γ((N + 1) / 2) / Γ(N / 2)`, which is independent of its direction; the mean square is `Σ s² / N`.
fn of_one_direction(singular_values: &[f64], dimensions: f64) -> Level {
    let largest = singular_values.iter().copied().fold(0.0, f64::max);
    let squares = singular_values
        .iter()
        .map(|value| (value / largest).powi(2));
    let squares: Vec<f64> = squares.collect();
    // In z = ln t, where the midpoint rule converges fastest.
    const STEP: f64 = 0.125;
    let integrand = |z: f64| {
        let logs = squares
            .iter()
            .map(|square| (2.0 * z.exp() * square).ln_1p());
        -(-0.5 * logs.sum::<f64>()).exp_m1() * (-z / 2.0).exp()
    };
    let sum: f64 = (-560..560)
        .map(|i| integrand((f64::from(i) + 0.5) * STEP))
        .sum();
    let of_normal = sum * STEP / (2.0 * std::f64::consts::PI.sqrt());
    let length = 0.5 * 2f64.ln() + ln_gamma((dimensions + 1.0) / 2.0) - ln_gamma(dimensions / 2.0);
    // As long as the longest where there are no more dimensions than directions.
    let mean = (of_normal / length.exp()).min(1.0);
    let square = (squares.iter().sum::<f64>() / dimensions).min(1.0);
    Level {
        mean: mean * largest,
        deviation: (square - mean * mean).max(0.0).sqrt() * largest,
    }
}

/// Of draws; the variance of fewer than two is 0.
fn mean_and_variance(draws: &[f64]) -> (f64, f64) {
    let mean = draws.iter().sum::<f64>() / draws.len().max(1) as f64;
    let squares: f64 = draws.iter().map(|draw| (draw - mean).powi(2)).sum();
    (mean, squares / draws.len().saturating_sub(1).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_direction_on_either_side_the_level_is_that_of_a_correlation() {
        for samples in [10, 100, 1000] {
            let found = of_one_direction(&[3.0], samples as f64 - 1.0);
            let exact = 3.0 * Chance::multiple_correlation(samples, 1);
            assert!(
                (found.mean - exact).abs() < 1e-9 * exact,
                "{samples}: {}",
                found.mean
            );
            let many = of_one_direction(&[2.0; 5], samples as f64 - 1.0);
            let exact = 2.0 * Chance::multiple_correlation(samples, 5);
            assert!(
                (many.mean - exact).abs() < 1e-9 * exact,
                "{samples}: {}",
                many.mean
            );
        }
    }
}
