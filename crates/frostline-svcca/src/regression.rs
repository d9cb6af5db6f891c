use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use crate::{
    profile::Profile,
    whitened::{Whitened, enough_samples},
};

/// Linear regression between two views: the share of one's variance that the other explains.
///
/// # Formula
/// `y_from_x = ‖Uxᵀ Y‖²_F / ‖Y‖²_F`, Ux an orthonormal basis of the centred x. With `Y = Uy Sy Vyᵀ` it is
/// `Σ_ij (Uxᵀ Uy)²_ij s²_j / Σ s²_j`. 0 where nothing varies. Of k directions of unrelated noise it is `k / (n - 1)` in the
/// mean, whatever y is, and varies by `√(2k(N - k) / (N²(N + 2) p))`, `N = n - 1`, p the participation ratio of y; below two
/// samples a direction, where most of any y is explained, it is none. Where few samples are far larger than all others in both,
/// it varies more, as [`Chance`](crate::Chance) says.
///
/// Source: Kornblith et al. 2019, arXiv:1905.00414, section 3.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct R2 {
    /// Share of y's variance that a linear map of x explains, in [0, 1]; none with fewer than two samples for each direction
    /// of x.
    pub y_from_x: Option<f64>,
    /// Share of x's variance that a linear map of y explains, in [0, 1]; none with fewer than two samples for each direction
    /// of y.
    pub x_from_y: Option<f64>,
    /// What unrelated noise in place of x, and of y, would explain of the other.
    pub chance: [f64; 2],
    /// By how much that varies from draw to draw, one standard deviation.
    pub deviation: [f64; 2],
}

impl R2 {
    /// `whitened` keeps every direction.
    pub(crate) fn of(whitened: &Whitened) -> R2 {
        let cross = &whitened.cross;
        let [x, y] = &whitened.profiles;
        // Relative to the largest: squares of the values themselves may underflow.
        let shares = |values: &DVector<f64>| {
            let largest = values.amax().max(f64::MIN_POSITIVE);
            let squares = values.map(|value| (value / largest).powi(2));
            let whole = squares.sum();
            if whole > 0.0 {
                squares / whole
            } else {
                squares
            }
        };
        let (of_x, of_y) = (shares(&x.singular_values), shares(&y.singular_values));
        let along_y = cross.column_iter().zip(&of_y);
        let along_x = cross.row_iter().zip(&of_x);
        let y_from_x: f64 = along_y.map(|(c, share)| c.norm_squared() * share).sum();
        let x_from_y: f64 = along_x.map(|(c, share)| c.norm_squared() * share).sum();
        let samples = x.samples;
        let noise = whitened.independent().saturating_sub(1) as f64;
        let chance = |by: &Profile| (by.kept() as f64 / noise.max(1.0)).min(1.0);
        let deviation = |by: &Profile, shares: &DVector<f64>| {
            let k = by.kept() as f64;
            let spread = 2.0 * k * (noise - k).max(0.0) * shares.norm_squared();
            whitened.tail_factor() * (spread / (noise * noise * (noise + 2.0)).max(1.0)).sqrt()
        };
        let enough = |by: &Profile| enough_samples(samples, by.kept()).is_ok();
        R2 {
            y_from_x: enough(x).then(|| y_from_x.min(1.0)),
            x_from_y: enough(y).then(|| x_from_y.min(1.0)),
            chance: [chance(x), chance(y)],
            deviation: [deviation(x, &of_y), deviation(y, &of_x)],
        }
    }
}
