//! Products over samples of complex matrices, by three real products instead of four.

use nalgebra::{Complex, DMatrix};

use crate::decompose;

/// Some rows of a complex `[sample, channel]` matrix `P + iQ` in real parts, each row by row.
#[derive(Default)]
pub(super) struct Parts {
    real: Vec<f64>,
    imaginary: Vec<f64>,
    /// `P + Q`
    sum: Vec<f64>,
    /// `P - Q`
    difference: Vec<f64>,
}

impl Parts {
    /// Takes rows apart, in the room of those before.
    pub(super) fn fill(&mut self, rows: &[Complex<f64>]) {
        for part in [
            &mut self.real,
            &mut self.imaginary,
            &mut self.sum,
            &mut self.difference,
        ] {
            part.resize(rows.len(), 0.0);
        }
        let (real, imaginary) = (self.real.iter_mut(), self.imaginary.iter_mut());
        let (sum, difference) = (self.sum.iter_mut(), self.difference.iter_mut());
        let parts = real.zip(imaginary).zip(sum.zip(difference));
        for (((real, imaginary), (sum, difference)), value) in parts.zip(rows) {
            *real = value.re;
            *imaginary = value.im;
            *sum = value.re + value.im;
            *difference = value.re - value.im;
        }
    }
}

/// `Xᴴ X`, summed up over rows.
///
/// # Formula
/// With `M = (P + Q)ᵀ (P - Q)`, whose symmetric half is `PᵀP - QᵀQ` and whose other half is
/// `QᵀP - PᵀQ`: `Xᴴ X = (M + Mᵀ)/2 + 2 QᵀQ - i (M - Mᵀ)/2`.
pub(super) struct Hermitian {
    mixed: DMatrix<f64>,
    /// `QᵀQ`, the lower triangle.
    imaginary: DMatrix<f64>,
}

impl Hermitian {
    pub(super) fn zero(channels: usize) -> Hermitian {
        let zeros = || DMatrix::zeros(channels, channels);
        Hermitian {
            mixed: zeros(),
            imaginary: zeros(),
        }
    }

    pub(super) fn add(&mut self, x: &Parts) {
        decompose::add_product(&mut self.mixed, &x.sum, &x.difference);
        decompose::add_square(&mut self.imaginary, &x.imaginary);
    }

    /// The lower triangle.
    pub(super) fn lower(&self) -> DMatrix<Complex<f64>> {
        let (m, q, size) = (&self.mixed, &self.imaginary, self.mixed.nrows());
        let mut whole = DMatrix::zeros(size, size);
        for column in 0..size {
            for row in column..size {
                let (here, there) = (m[(row, column)], m[(column, row)]);
                let real = (here + there) / 2.0 + 2.0 * q[(row, column)];
                whole[(row, column)] = Complex::new(real, (there - here) / 2.0);
            }
        }
        whole
    }
}

/// `Xᴴ Y`, or `Xᵀ Y` where the conjugate of `X` is meant, summed up over rows.
///
/// # Formula
/// With `X = P + iQ`, `Y = R + iS`: `Xᴴ Y = PᵀR + QᵀS + i ((P - Q)ᵀ (R + S) - PᵀR + QᵀS)`. The conjugate
/// of `X` has `-Q` for `Q`.
pub(super) struct Cross {
    conjugate: bool,
    real: DMatrix<f64>,
    imaginary: DMatrix<f64>,
    mixed: DMatrix<f64>,
}

impl Cross {
    pub(super) fn zero(left: usize, right: usize, conjugate: bool) -> Cross {
        let zeros = || DMatrix::zeros(left, right);
        Cross {
            conjugate,
            real: zeros(),
            imaginary: zeros(),
            mixed: zeros(),
        }
    }

    pub(super) fn add(&mut self, x: &Parts, y: &Parts) {
        let mixed = if self.conjugate {
            &x.sum
        } else {
            &x.difference
        };
        decompose::add_product(&mut self.real, &x.real, &y.real);
        decompose::add_product(&mut self.imaginary, &x.imaginary, &y.imaginary);
        decompose::add_product(&mut self.mixed, mixed, &y.sum);
    }

    pub(super) fn whole(&self) -> DMatrix<Complex<f64>> {
        let sign = if self.conjugate { -1.0 } else { 1.0 };
        DMatrix::from_fn(self.real.nrows(), self.real.ncols(), |row, column| {
            let at = (row, column);
            let (real, imaginary) = (self.real[at], sign * self.imaginary[at]);
            Complex::new(real + imaginary, self.mixed[at] - real + imaginary)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_real_products_give_the_complex_one() {
        let matrix = |columns: usize, step: f64| {
            DMatrix::from_fn(7, columns, |row, column| {
                let angle = step * (1 + row * columns + column) as f64;
                Complex::new(angle.sin(), (2.3 * angle).cos())
            })
        };
        let (x, y) = (matrix(3, 0.7), matrix(2, 1.9));
        let [mut parts_x, mut parts_y] = [Parts::default(), Parts::default()];
        let (mut xx, mut xy) = (Hermitian::zero(3), Cross::zero(3, 2, false));
        let mut turned = Cross::zero(3, 2, true);
        // In two parts, the second of fewer rows.
        for rows in [0..4, 4..7] {
            let row_by_row = |m: &DMatrix<Complex<f64>>| {
                m.rows_range(rows.clone()).transpose().as_slice().to_vec()
            };
            parts_x.fill(&row_by_row(&x));
            parts_y.fill(&row_by_row(&y));
            xx.add(&parts_x);
            xy.add(&parts_x, &parts_y);
            turned.add(&parts_x, &parts_y);
        }
        let close = |a: DMatrix<Complex<f64>>, b: DMatrix<Complex<f64>>| (a - b).norm() < 1e-13;
        assert!(close(xx.lower(), (x.adjoint() * &x).lower_triangle()));
        assert!(close(xy.whole(), x.adjoint() * &y));
        assert!(close(turned.whole(), x.transpose() * &y));
    }
}
