use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Level of each step of the test.
const LEVEL: f64 = 0.05;

/// See [`crate::Correlations::real_directions`]. `rho` in descending order.
pub(crate) fn real_directions(rho: &[f64], samples: usize, kept: [usize; 2]) -> Option<usize> {
    let [a, b] = kept;
    if samples < 10 * a.max(b) {
        return None;
    }
    let first_of_noise = (0..rho.len()).find(|k| {
        let explained: f64 = rho[..*k].iter().map(|rho| rho.powi(-2)).sum();
        let rest: f64 = rho[*k..].iter().map(|rho| (1.0 - rho * rho).ln()).sum();
        let factor = samples as f64 - *k as f64 - (a + b + 1) as f64 / 2.0 + explained;
        let freedom = ((a - k) * (b - k)) as f64;
        let noise = ChiSquared::new(freedom).expect("some directions are left on both sides");
        // Not a number where a correlation is 0, after which nothing is real.
        let statistic = -factor * rest;
        statistic.is_nan() || noise.sf(statistic) >= LEVEL
    });
    Some(first_of_noise.unwrap_or(rho.len()))
}
