//! DFT-CCA against the reference, against the shortest route we know, and against what theory says.

use burn::tensor::{DType, Device};
use frostline_svcca::{DftCca, Fourier, Warning, cca, dft_cca};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;

use crate::{
    maps::{Maps, normal, pair, related},
    reference_case::{Case, numbers, own_maps, shared_maps},
};

/// Rounding of f64 sums times the condition of the data drawn here, which stays below 1e3.
const CLOSE: f64 = 1e-9;

#[test]
fn the_reference_is_met() {
    let own = own_maps();
    assert!(own.len() >= 4, "{} cases", own.len());
    for case in own.iter().chain(&shared_maps()) {
        meets(case);
    }
}

/// The tolerances of the reference: rounding of f64, or of the f32 in which the data is stored.
fn meets(case: &Case) {
    let [x, y] = case.maps(&Device::flex());
    let found = dft_cca(&x, &y).unwrap();
    let expected = &case.expected["dft_cca"];
    let (means, single) = match x.dtype() {
        DType::F64 => (1e-10, 1e-10),
        _ => (2e-7, 1e-6),
    };
    let name = &case.name;
    let grid: Vec<f64> = numbers(&expected["freq_grid"]);
    assert_eq!(
        found.frequencies.map(|size| size as f64),
        grid[..],
        "{name}"
    );
    let gap = (found.mean - expected["mean"].as_f64().unwrap()).abs();
    assert!(gap < means, "{name}: mean off by {gap:e}");
    for (row, values) in expected["mean_per_frequency"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        for (column, value) in numbers(values).into_iter().enumerate() {
            let gap = (found.mean_per_frequency[(row, column)] - value).abs();
            assert!(gap < single, "{name}: ({row}, {column}) off by {gap:e}");
        }
    }
    let each = expected["coefs_per_frequency"].as_array().unwrap();
    assert_eq!(found.coefficients.len(), each.len(), "{name}");
    for (found, expected) in found.coefficients.iter().zip(each) {
        let gap = (found - DVector::from_vec(numbers(expected))).amax();
        assert!(gap < single, "{name}: coefficients off by {gap:e}");
    }
    let dc = DVector::from_vec(numbers(&expected["dc_coefs"]));
    assert!(
        (found.coefficients_at(0, 0).unwrap() - dc).amax() < single,
        "{name}"
    );
}

#[test]
fn of_shift_invariant_layers_dft_cca_is_cca_of_the_flattened_maps() {
    // Every circular shift of 40 images, through circular convolutions: theorem 1.
    let (height, width) = (3, 4);
    let images = normal(40 * 2 * height * width, 1);
    let image = |n: usize, c: usize, i: usize, j: usize| {
        images[((n * 2 + c) * height + i % height) * width + j % width]
    };
    let layer = |channels: usize, noise: f64, seed: u64| {
        let kernel = normal(channels * 2 * 4, seed);
        let own = normal(40 * channels * height * width, seed + 1);
        Maps::of(
            [40 * height * width, channels, height, width],
            |n, c, i, j| {
                let (n, shift) = (n / (height * width), n % (height * width));
                let (i, j) = (i + shift / width, j + shift % width);
                let taps = (0..8).map(|tap| {
                    let (from, tap) = (tap / 4, tap % 4);
                    kernel[(c * 2 + from) * 4 + tap] * image(n, from, i + tap / 2, j + tap % 2)
                });
                let own = own[((n * channels + c) * height + i % height) * width + j % width];
                taps.sum::<f64>() + noise * own
            },
        )
    };
    let (x, y) = (layer(3, 0.5, 2), layer(2, 1.0, 5));
    let found = dft_cca(&x.tensor(), &y.tensor()).unwrap();
    let flat = |maps: &Maps| maps.tensor().reshape([maps.shape[0], maps.neurons()]);
    let whole = cca(&flat(&x), &flat(&y)).unwrap();
    let mut each: Vec<f64> = found
        .coefficients
        .iter()
        .flat_map(|rho| rho.iter().copied())
        .collect();
    each.sort_by(|a, b| b.total_cmp(a));
    let gap = (DVector::from_vec(each) - &whole.coefficients).amax();
    assert!(gap < CLOSE, "{gap:e}");
    assert!((found.mean - whole.mean).abs() < CLOSE);
    assert!(found.mean > 0.1 && found.mean < 0.9, "{}", found.mean);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_definition_agrees(
        seed: u64,
        samples in 40usize..60,
        channels in (1usize..4, 1usize..4),
        x in (1usize..7, 1usize..7),
        y in (1usize..7, 1usize..7),
    ) {
        let x = related([samples, channels.0, x.0, x.1], seed, 1);
        let y = related([samples, channels.1, y.0, y.1], seed, 2);
        let found = dft_cca(&x.tensor(), &y.tensor()).unwrap();
        let expected = definition(&x, &y);
        prop_assert_eq!(found.coefficients.len(), expected.len());
        for (found, expected) in found.coefficients.iter().zip(&expected) {
            close(found, expected)?;
        }
        let mean = expected.iter().map(|rho| rho.mean()).sum::<f64>() / expected.len() as f64;
        prop_assert!((found.mean - mean).abs() < CLOSE);
    }

    #[test]
    fn shifting_all_maps_of_a_layer_changes_nothing(seed: u64, down in 0usize..5, right in 0usize..6) {
        let (x, y) = pair(seed);
        let shifted = Maps::of(x.shape, |n, c, i, j| {
            x.at(n, c, (i + down) % x.shape[2], (j + right) % x.shape[3])
        });
        same((&x, &y), (&shifted, &y))?;
    }

    #[test]
    fn the_order_of_samples_and_of_channels_changes_nothing(seed: u64) {
        let (x, y) = pair(seed);
        let last = x.shape[0] - 1;
        let turned = Maps::of(x.shape, |n, c, i, j| x.at(last - n, (c + 1) % x.shape[1], i, j));
        let other = Maps::of(y.shape, |n, c, i, j| y.at(last - n, c, i, j));
        same((&x, &y), (&turned, &other))?;
    }

    #[test]
    fn an_invertible_mix_of_channels_changes_nothing(seed: u64) {
        let (x, y) = pair(seed);
        let channels = x.shape[1];
        let turn = DMatrix::from_vec(channels, channels, normal(channels * channels, seed ^ 7)).qr().q();
        let mixed = Maps::of(x.shape, |n, c, i, j| {
            let mix = (0..channels).map(|from| 2f64.powi(from as i32) * turn[(from, c)] * x.at(n, from, i, j));
            mix.sum::<f64>() + 3.0
        });
        same((&x, &y), (&mixed, &y))?;
    }

    #[test]
    fn a_layers_scale_changes_nothing(seed: u64, power in -250..250) {
        let (x, y) = pair(seed);
        let scaled = Maps::of(x.shape, |n, c, i, j| 10f64.powi(power) * x.at(n, c, i, j));
        same((&x, &y), (&scaled, &y))?;
    }

    #[test]
    fn x_with_y_is_y_with_x_and_opposite_frequencies_are_equal(seed: u64) {
        let (x, y) = pair(seed);
        let (xy, yx) = (
            dft_cca(&x.tensor(), &y.tensor()).unwrap(),
            dft_cca(&y.tensor(), &x.tensor()).unwrap(),
        );
        let [height, width] = xy.frequencies;
        for row in 0..height {
            for column in 0..width {
                let here = xy.coefficients_at(row, column).unwrap();
                close(here, yx.coefficients_at(row, column).unwrap())?;
                let opposite = ((height - row) % height, (width - column) % width);
                prop_assert_eq!(Some(here), xy.coefficients_at(opposite.0, opposite.1));
                prop_assert!(here.iter().all(|rho| (0.0..=1.0).contains(rho)));
                prop_assert!(here.as_slice().is_sorted_by(|a, b| a >= b));
            }
        }
    }

    #[test]
    fn a_column_is_the_transpose_of_a_row(seed: u64, length in 1usize..9) {
        let (x, y) = (related([50, 3, 1, length], seed, 1), related([50, 2, 1, length], seed, 2));
        let column = |maps: &Maps| maps.tensor().reshape([50, maps.shape[1], length, 1]);
        let row: DftCca = dft_cca(&x.tensor(), &y.tensor()).unwrap();
        let column = dft_cca(&column(&x), &column(&y)).unwrap();
        prop_assert_eq!(column.frequencies, [length, 1]);
        for (found, row) in column.coefficients.iter().zip(&row.coefficients) {
            close(found, row)?;
        }
    }
}

#[test]
fn samples_beyond_a_block_and_an_odd_one_at_the_end_are_counted() {
    for samples in [128, 129, 301] {
        let (x, y) = (
            related([samples, 2, 4, 3], 5, 1),
            related([samples, 3, 4, 3], 5, 2),
        );
        let found = dft_cca(&x.tensor(), &y.tensor()).unwrap();
        for (found, expected) in found.coefficients.iter().zip(&definition(&x, &y)) {
            assert!((found - expected).amax() < CLOSE);
        }
    }
}

#[test]
fn a_layer_transformed_once_is_compared_with_many() {
    let (x, y) = pair(3);
    let fourier = Fourier::of(&x.tensor()).unwrap();
    assert_eq!(
        (fourier.samples(), fourier.channels(), fourier.size()),
        (60, 3, [5, 6])
    );
    for other in [&x, &y] {
        let found = fourier
            .dft_cca(&Fourier::of(&other.tensor()).unwrap())
            .unwrap();
        assert_eq!(found, dft_cca(&x.tensor(), &other.tensor()).unwrap());
    }
    // A layer with itself, at every frequency.
    let found = fourier.dft_cca(&fourier).unwrap();
    assert!(
        found
            .coefficients
            .iter()
            .all(|rho| rho.amin() > 1.0 - 1e-12)
    );
    assert!(found.chance.corrected > 1.0 - 1e-10 && found.chance.mean_rho < 0.3);
    let warned = Warning::FewSamples {
        samples: 60,
        dims: 3,
    };
    assert!(!found.warnings.contains(&warned), "{:?}", found.warnings);
}

/// CCA at every shared frequency of the whole plane, by nalgebra's complex singular vectors.
fn definition(x: &Maps, y: &Maps) -> Vec<DVector<f64>> {
    let common = |axis: usize| {
        let size = x.shape[axis].min(y.shape[axis]) as isize;
        // -m/2 ≤ f < m/2, in the order of the transform.
        (0..size).map(move |i| if 2 * i < size { i } else { i - size })
    };
    let mut each = Vec::new();
    for row in common(2) {
        for column in common(3) {
            let [p, q] =
                [x, y].map(|maps| maps.transformed([row, column]).svd(true, false).u.unwrap());
            let mut rho = (p.adjoint() * q).singular_values();
            rho.as_mut_slice().sort_by(|a, b| b.total_cmp(a));
            each.push(rho);
        }
    }
    each
}

pub(crate) fn same(
    (x, y): (&Maps, &Maps),
    (other_x, other_y): (&Maps, &Maps),
) -> Result<(), TestCaseError> {
    let found = dft_cca(&x.tensor(), &y.tensor()).unwrap();
    let other = dft_cca(&other_x.tensor(), &other_y.tensor()).unwrap();
    prop_assert_eq!(found.rank, other.rank);
    for (found, other) in found.coefficients.iter().zip(&other.coefficients) {
        close(found, other)?;
    }
    Ok(())
}

fn close(a: &DVector<f64>, b: &DVector<f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    let worst = (a - b).amax();
    prop_assert!(worst < CLOSE, "off by {:e}", worst);
    Ok(())
}
