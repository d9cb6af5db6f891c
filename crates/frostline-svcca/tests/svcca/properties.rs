//! What holds of every measure for any data.

use frostline_svcca::{Bias, Cut, Measure, Pair, View, Weights};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;

use crate::samples::{normal, related, tensor};

/// Rounding of f64 products times the condition of the data drawn here, which stays below 1e3.
const CLOSE: f64 = 1e-9;

/// Without `pls`, which has units.
const UNITLESS: [Measure; 10] = [
    Measure::Svcca(Cut::Variance(0.9)),
    Measure::Svcca(Cut::SingularValues(0.9)),
    Measure::CCA,
    Measure::Pwcca(Weights::Default),
    Measure::Pwcca(Weights::X),
    Measure::Pwcca(Weights::Y),
    Measure::Cka(Bias::Debiased),
    Measure::Cka(Bias::Biased),
    Measure::Procrustes,
    Measure::R2,
];

fn value(measure: Measure, x: &DMatrix<f64>, y: &DMatrix<f64>) -> f64 {
    let found = measure.between(&tensor(x), &tensor(y));
    found
        .unwrap_or_else(|error| panic!("{measure}: {error}"))
        .value
}

fn reordered(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let rows = matrix.nrows();
    DMatrix::from_fn(rows, matrix.ncols(), |i, j| matrix[((i * 7 + 3) % rows, j)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_is_as_similar_to_itself_as_can_be(seed: u64) {
        let (x, _) = related(seed);
        for measure in UNITLESS {
            prop_assert!((value(measure, &x, &x) - 1.0).abs() < CLOSE, "{measure}");
        }
    }

    #[test]
    fn every_value_lies_between_0_and_1(seed: u64, noise in 0.0..3.0) {
        let (x, y) = related(seed);
        let y = &y + normal(y.nrows(), y.ncols(), seed ^ 3) * noise;
        for measure in UNITLESS {
            let value = value(measure, &x, &y);
            // The debiased estimate scatters around 0 for unrelated views.
            let least = if measure == Measure::Cka(Bias::Debiased) { -0.2 } else { 0.0 };
            prop_assert!((least..=1.0 + CLOSE).contains(&value), "{measure}: {value}");
        }
    }

    #[test]
    fn the_order_of_the_samples_changes_nothing(seed: u64) {
        let (x, y) = related(seed);
        for measure in UNITLESS.into_iter().chain([Measure::Pls]) {
            let (one, other) = (value(measure, &x, &y), value(measure, &reordered(&x), &reordered(&y)));
            prop_assert!((one - other).abs() < CLOSE * one.abs().max(1.0), "{measure}: {one} {other}");
        }
    }

    #[test]
    fn shifting_and_scaling_a_whole_view_changes_nothing(seed: u64, power in -30..30, shift in -9.0..9.0) {
        let (x, y) = related(seed);
        let moved = (&x * 10f64.powi(power)).add_scalar(shift * 10f64.powi(power));
        for measure in UNITLESS {
            let (one, other) = (value(measure, &x, &y), value(measure, &moved, &y));
            prop_assert!((one - other).abs() < CLOSE, "{measure}: {one} {other}");
        }
        let (one, other) = (value(Measure::Pls, &x, &y), value(Measure::Pls, &(&x * 2.0), &y));
        prop_assert!((2.0 * one - other).abs() < CLOSE * other);
    }

    #[test]
    fn rotating_the_neurons_changes_all_but_the_weights_on_neurons(seed: u64) {
        let (x, y) = related(seed);
        let turned = &x * normal(x.ncols(), x.ncols(), seed ^ 7).qr().q();
        for measure in UNITLESS.into_iter().chain([Measure::Pls]) {
            if matches!(measure, Measure::Pwcca(Weights::X)) {
                continue;
            }
            // y has fewer neurons, so the default weights are its.
            let (one, other) = (value(measure, &x, &y), value(measure, &turned, &y));
            prop_assert!((one - other).abs() < CLOSE * one.abs().max(1.0), "{measure}: {one} {other}");
        }
    }

    #[test]
    fn an_invertible_map_changes_only_what_depends_on_variance(seed: u64) {
        let (x, y) = related(seed);
        let turn = normal(x.ncols(), x.ncols(), seed ^ 7).qr().q();
        let stretch = DVector::from_fn(x.ncols(), |i, _| 2f64.powi(i as i32 % 6));
        let mapped = &x * turn * DMatrix::from_diagonal(&stretch);
        for measure in [Measure::CCA, Measure::R2, Measure::Pwcca(Weights::Y)] {
            let (one, other) = (value(measure, &x, &y), value(measure, &mapped, &y));
            prop_assert!((one - other).abs() < CLOSE, "{measure}: {one} {other}");
        }
    }

    #[test]
    fn swapping_the_views_swaps_the_sides(seed: u64) {
        let (x, y) = related(seed);
        let (a, b) = (View::new(&tensor(&x)).unwrap(), View::new(&tensor(&y)).unwrap());
        let (xy, yx) = (Pair::of(&a, &b).unwrap(), Pair::of(&b, &a).unwrap());
        for measure in UNITLESS.into_iter().chain([Measure::Pls]) {
            let swapped = match measure {
                Measure::Pwcca(Weights::X) => Measure::Pwcca(Weights::Y),
                Measure::Pwcca(Weights::Y) => Measure::Pwcca(Weights::X),
                other => other,
            };
            if measure == Measure::R2 {
                continue;
            }
            let one = xy.similarity(measure).unwrap().value;
            let other = yx.similarity(swapped).unwrap().value;
            prop_assert!((one - other).abs() < CLOSE * one.abs().max(1.0), "{measure}: {one} {other}");
        }
        let (one, other) = (xy.r2().unwrap(), yx.r2().unwrap());
        prop_assert!((one.y_from_x.unwrap() - other.x_from_y.unwrap()).abs() < CLOSE);
        prop_assert!((one.x_from_y.unwrap() - other.y_from_x.unwrap()).abs() < CLOSE);
    }

    #[test]
    fn the_angle_of_procrustes_is_a_metric(seed: u64) {
        let (x, y) = related(seed);
        let z = normal(x.nrows(), 7, seed ^ 5);
        let angle = |x: &DMatrix<f64>, y: &DMatrix<f64>| {
            let (x, y) = (View::new(&tensor(x)).unwrap(), View::new(&tensor(y)).unwrap());
            Pair::of(&x, &y).unwrap().procrustes().unwrap().angular
        };
        let (xy, yz, xz) = (angle(&x, &y), angle(&y, &z), angle(&x, &z));
        prop_assert!(xz <= xy + yz + CLOSE && xy <= xz + yz + CLOSE && yz <= xy + xz + CLOSE);
    }

    #[test]
    fn the_shortest_routes_agree(seed: u64) {
        let (x, y) = related(seed);
        let (a, b) = (centred(&x), centred(&y));
        let (n, cross) = (x.nrows() as f64, a.transpose() * &b);
        let close = |measure: Measure, expected: f64| {
            let found = value(measure, &x, &y);
            assert!((found - expected).abs() < CLOSE * expected.abs().max(1.0), "{measure}: {found} {expected}");
        };
        close(Measure::Pls, cross.clone().singular_values().sum() / (n - 1.0));
        close(Measure::Procrustes, cross.clone().singular_values().sum() / (a.norm() * b.norm()));
        let (kx, ky) = (&a * a.transpose(), &b * b.transpose());
        close(Measure::Cka(Bias::Biased), kx.dot(&ky) / (kx.norm() * ky.norm()));
        close(Measure::Cka(Bias::Debiased), hsic(&kx, &ky) / (hsic(&kx, &kx) * hsic(&ky, &ky)).sqrt());
        let fitted = &a * a.clone().svd(true, true).solve(&b, 1e-12).unwrap();
        close(Measure::R2, fitted.norm_squared() / b.norm_squared());
        let squares = a.singular_values().map(|s| s * s);
        let ratio = View::new(&tensor(&x)).unwrap().participation_ratio().unwrap();
        prop_assert!((ratio - squares.sum().powi(2) / squares.norm_squared()).abs() < CLOSE);
        close(Measure::Pwcca(Weights::X), weighted(&a, &b));
    }
}

/// The unbiased estimator, from the kernels themselves (Song et al. 2012, equation 5).
fn hsic(kx: &DMatrix<f64>, ky: &DMatrix<f64>) -> f64 {
    let n = kx.nrows() as f64;
    let hollow = |k: &DMatrix<f64>| {
        let mut k = k.clone();
        k.fill_diagonal(0.0);
        k
    };
    let (kx, ky) = (hollow(kx), hollow(ky));
    let last = (kx.row_sum() * ky.column_sum())[(0, 0)];
    let middle = kx.sum() * ky.sum() / ((n - 1.0) * (n - 2.0));
    (kx.dot(&ky) + middle - 2.0 / (n - 2.0) * last) / (n * (n - 3.0))
}

/// PWCCA by x, from QR and the variates themselves.
fn weighted(a: &DMatrix<f64>, b: &DMatrix<f64>) -> f64 {
    let (qx, qy) = (a.clone().qr().q(), b.clone().qr().q());
    let svd = (qx.transpose() * qy).svd(true, false);
    let variates = qx * svd.u.unwrap();
    let along = variates.transpose() * a;
    let weights = DVector::from_fn(along.nrows(), |i, _| along.row(i).lp_norm(1));
    svd.singular_values.dot(&weights) / weights.sum()
}

fn centred(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let mean = matrix.row_mean();
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
        matrix[(i, j)] - mean[j]
    })
}
