use serde::{Deserialize, Serialize};

use crate::whitened::Whitened;

/// Linear regression between two views: the share of one's variance that the other explains.
///
/// # Formula
/// `y_from_x = ‖Uxᵀ Y‖²_F / ‖Y‖²_F`, Ux an orthonormal basis of the centred x. With `Y = Uy Sy Vyᵀ` it is
/// `Σ_ij (Uxᵀ Uy)²_ij s²_j / Σ s²_j`. 0 where nothing varies; 1 for any data with no more samples than
/// neurons.
///
/// Source: Kornblith et al. 2019, arXiv:1905.00414, section 3.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct R2 {
    /// Share of y's variance that a linear map of x explains, in [0, 1].
    pub y_from_x: f64,
    /// Share of x's variance that a linear map of y explains, in [0, 1].
    pub x_from_y: f64,
}

impl R2 {
    /// `whitened` keeps every direction.
    pub(crate) fn of(whitened: &Whitened) -> R2 {
        let cross = &whitened.cross;
        let [x, y] = &whitened.profiles;
        // Relative to the largest: squares of the values themselves may underflow.
        let shares = |values: &nalgebra::DVector<f64>| {
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
        R2 {
            y_from_x: y_from_x.min(1.0),
            x_from_y: x_from_y.min(1.0),
        }
    }
}
