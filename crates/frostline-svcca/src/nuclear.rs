use nalgebra::DMatrix;

use crate::{
    Chance, Error, centred_pair::CentredPair, decompose, range_finder::gaussian, similarity::Level,
};

/// The sum of singular values of `XᵀY` where X and Y have the spectra of this pair but nothing in common.
///
/// # Formula
/// `‖Sx R Sy‖_*` with `R = G / √N`, G of independent normal numbers and N one less than the samples that differ. Where both
/// sides fill much of the N dimensions, their bases are no longer as good as independent: the sum is then multiplied by the
/// ratio in which canonical correlations of noise ([`Chance`]) stand to the singular values of G.
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
    let draws = match fewer {
        1..=8 => 64,
        9..=32 => 8,
        _ => 2,
    };
    let crowded = (x.len() + y.len()) as f64 > freedom / 8.0;
    let (mut sums, mut plain) = (Vec::new(), 0.0);
    let all = gaussian(x.len() * draws, y.len());
    for draw in 0..draws {
        let noise = all.rows(draw * x.len(), x.len()) / freedom.sqrt();
        let weighted = DMatrix::from_fn(x.len(), y.len(), |i, j| x[i] * noise[(i, j)] * y[j]);
        sums.push(decompose::singular_values(&weighted)?.sum());
        if crowded {
            plain += decompose::singular_values(&noise)?.sum();
        }
    }
    let count = draws as f64;
    if crowded {
        let level = Chance::of(pair.independent, x.len(), y.len(), 0.0);
        let ratio = level.mean_rho * fewer as f64 * count / plain;
        sums.iter_mut().for_each(|sum| *sum *= ratio);
    }
    let mean = sums.iter().sum::<f64>() / count;
    let squares: f64 = sums.iter().map(|sum| (sum - mean).powi(2)).sum();
    Ok(Level {
        mean,
        deviation: (squares / (count - 1.0)).sqrt(),
    })
}
