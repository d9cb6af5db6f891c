//! The shortest route we know, on the host with nalgebra's own decompositions, and the properties
//! that hold for any data.

use frostline_svcca::{Cut, Svcca, View, cca, svcca};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;

use crate::samples::{normal, related, tensor};

/// Rounding of f64 products times the condition of the data drawn here, which stays below 1e3.
const CLOSE: f64 = 1e-9;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nalgebras_route_agrees(seed: u64, share in 0.5..0.999) {
        let (x, y) = related(seed);
        let plain = cca(&tensor(&x), &tensor(&y)).unwrap();
        close(&plain.coefficients, &naive(&x, &y, |values| values.len()))?;
        let cut = Svcca { cut: Cut::Variance(share) };
        let found = svcca(&tensor(&x), &tensor(&y), &cut).unwrap();
        close(&found.coefficients, &naive(&x, &y, |values| {
            let sums: Vec<f64> = values.iter().scan(0.0, |sum, s| { *sum += s * s; Some(*sum) }).collect();
            let whole = sums[sums.len() - 1];
            sums.iter().position(|sum| *sum >= share * whole).unwrap() + 1
        }))?;
    }

    #[test]
    fn a_rotation_of_the_neurons_changes_nothing(seed: u64, share in 0.5..0.999) {
        let (x, y) = related(seed);
        let turned = &x * normal(x.ncols(), x.ncols(), seed ^ 7).qr().q();
        same_svcca((&x, &y), (&turned, &y), share)?;
    }

    #[test]
    fn scaling_a_whole_view_changes_nothing(seed: u64, share in 0.5..0.999, power in -200..200) {
        let (x, y) = related(seed);
        same_svcca((&x, &y), (&(&x * 10f64.powi(power)), &y), share)?;
    }

    #[test]
    fn the_order_of_samples_and_of_neurons_changes_nothing(seed: u64, share in 0.5..0.999) {
        let (x, y) = related(seed);
        let reversed = |m: &DMatrix<f64>| {
            DMatrix::from_fn(m.nrows(), m.ncols(), |i, j| m[(m.nrows() - 1 - i, j)])
        };
        let shifted = DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| {
            x[(x.nrows() - 1 - i, (j + 3) % x.ncols())]
        });
        same_svcca((&x, &y), (&shifted, &reversed(&y)), share)?;
    }

    #[test]
    fn cca_ignores_any_invertible_map_of_the_neurons(seed: u64) {
        let (x, y) = related(seed);
        // A rotation, a stretch of up to 32 and a shift of the origin.
        let turn = normal(x.ncols(), x.ncols(), seed ^ 7).qr().q();
        let stretch = DMatrix::from_diagonal(&DVector::from_fn(x.ncols(), |i, _| {
            2f64.powi(i as i32 % 6)
        }));
        let mapped = (&x * turn * stretch).add_scalar(3.0);
        let plain = cca(&tensor(&x), &tensor(&y)).unwrap();
        let other = cca(&tensor(&mapped), &tensor(&y)).unwrap();
        close(&plain.coefficients, &other.coefficients)?;
    }

    #[test]
    fn x_with_y_is_y_with_x_and_every_correlation_lies_between_0_and_1(seed: u64, share in 0.5..0.999) {
        let (x, y) = related(seed);
        let options = Svcca { cut: Cut::SingularValues(share) };
        let (xy, yx) = (
            svcca(&tensor(&x), &tensor(&y), &options).unwrap(),
            svcca(&tensor(&y), &tensor(&x), &options).unwrap(),
        );
        close(&xy.coefficients, &yx.coefficients)?;
        prop_assert_eq!(xy.kept, [yx.kept[1], yx.kept[0]]);
        prop_assert_eq!(xy.chance.mean_rho, yx.chance.mean_rho);
        prop_assert!(xy.coefficients.iter().all(|rho| (0.0..=1.0).contains(rho)));
        prop_assert!(xy.coefficients.as_slice().is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_wide_view_gives_what_its_transposed_product_gives(seed: u64, kept in 1usize..8) {
        // 30 samples of 50 neurons go by the product over neurons. Rotated into 29 neurons, which
        // hold all that varies, they go by the product over samples.
        let wide = normal(30, 50, seed);
        let mean = wide.row_mean();
        let centred = DMatrix::from_fn(30, 50, |i, j| wide[(i, j)] - mean[j]);
        let svd = centred.svd(true, true);
        let order = descending(svd.singular_values.as_slice());
        let turn = svd.v_t.unwrap().transpose().select_columns(&order[..29]);
        let narrow = &wide * turn;
        let y = normal(30, 6, seed ^ 1);
        let options = Svcca { cut: Cut::Directions(kept) };
        let a = svcca(&tensor(&wide), &tensor(&y), &options).unwrap();
        let b = svcca(&tensor(&narrow), &tensor(&y), &options).unwrap();
        close(&a.coefficients, &b.coefficients)?;
        prop_assert_eq!((a.rank[0], b.rank[0]), (29, 29));
    }
}

#[test]
fn a_views_singular_values_are_those_of_its_centred_activations() {
    let (x, _) = related(5);
    let view = View::new(&tensor(&x)).unwrap();
    let mean = x.row_mean();
    let centred = DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] - mean[j]);
    let mut expected = centred.singular_values();
    expected.as_mut_slice().sort_by(|a, b| b.total_cmp(a));
    assert_eq!(view.rank().unwrap(), x.ncols());
    let gap = (view.singular_values().unwrap() - &expected).amax();
    assert!(gap < 1e-9 * expected[0], "{gap:e}"); // ε times the condition
}

/// Centre, thin SVD, cut, and the singular values of the product of what's left.
fn naive(x: &DMatrix<f64>, y: &DMatrix<f64>, kept: impl Fn(&[f64]) -> usize) -> DVector<f64> {
    let basis = |m: &DMatrix<f64>| {
        let mean = m.row_mean();
        let centred = DMatrix::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] - mean[j]);
        let svd = centred.svd(true, false);
        let order = descending(svd.singular_values.as_slice());
        let values: Vec<f64> = order.iter().map(|i| svd.singular_values[*i]).collect();
        svd.u.unwrap().select_columns(&order[..kept(&values)])
    };
    let mut found = (basis(x).transpose() * basis(y)).singular_values();
    found.as_mut_slice().sort_by(|a, b| b.total_cmp(a));
    found
}

fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order
}

fn same_svcca(
    (x, y): (&DMatrix<f64>, &DMatrix<f64>),
    (other_x, other_y): (&DMatrix<f64>, &DMatrix<f64>),
    share: f64,
) -> Result<(), TestCaseError> {
    let options = Svcca {
        cut: Cut::Variance(share),
    };
    let found = svcca(&tensor(x), &tensor(y), &options).unwrap();
    let other = svcca(&tensor(other_x), &tensor(other_y), &options).unwrap();
    prop_assert_eq!(found.kept, other.kept);
    close(&found.coefficients, &other.coefficients)
}

fn close(a: &DVector<f64>, b: &DVector<f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    let worst = (a - b).amax();
    prop_assert!(worst < CLOSE, "off by {:e}", worst);
    Ok(())
}
