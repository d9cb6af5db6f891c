//! Values that rounding, chance or repeated samples could have made: what is said in place of them, or beside them.

use std::cell::Cell;

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::{
    Bias, Error, Grid, Measure, Moments, Pair, View, Wanted, Warning, Weights, cca, dft_cca,
};
use nalgebra::DMatrix;

use crate::samples;

thread_local!(static SEED: Cell<u64> = const { Cell::new(1) });

/// Other numbers at each call, the same ones in each run: every test has a thread of its own.
fn normal(samples: usize, neurons: usize) -> Tensor<2> {
    SEED.set(SEED.get() + 1);
    samples::tensor(&samples::normal(samples, neurons, SEED.get()))
}

/// A pair by a measure, as a grid finds it.
fn in_grid(x: &Tensor<2>, y: &Tensor<2>, measure: Measure) -> Result<f64, String> {
    let (rows, columns) = (measure.prepare_all([x]), measure.prepare_all([y]));
    let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ()).unwrap();
    let cell = grid.cells[0][0].clone();
    cell.similarity
        .map(|found| found.value)
        .ok_or_else(|| cell.error.unwrap())
}

fn gathered(x: &Tensor<2>, y: &Tensor<2>) -> Moments {
    let mut moments = Moments::new();
    let rows = x.dims()[0];
    for start in (0..rows).step_by(17) {
        let part = start..rows.min(start + 17);
        let [x, y] = [x, y].map(|view| view.clone().slice([part.clone()]));
        moments.add(&[&x, &y]).unwrap();
    }
    moments
}

#[test]
fn debiased_cka_of_a_layer_with_itself_is_one_or_hidden_whatever_stands_out() {
    let measure = Measure::Cka(Bias::Debiased);
    let (mut measured, mut hidden) = (0, 0);
    for dtype in [DType::F32, DType::F64] {
        for size in [1e2, 1e3, 3e4, 1e6, 1e10, 1e18] {
            // One sample, or one value, beyond all others.
            for wide in [1, 5] {
                let x = normal(60, 5);
                let spike = Tensor::<2>::full([1, wide], size, (&x.device(), DType::F64));
                let x = x.slice_assign([7..8, 0..wide], spike).cast(dtype);
                let pair = gathered(&x, &x);
                let found = [
                    in_grid(&x, &x, measure),
                    measure
                        .between(&x, &x)
                        .map(|found| found.value)
                        .map_err(|e| e.to_string()),
                    pair.pair(0, 1)
                        .unwrap()
                        .similarity(measure)
                        .map(|found| found.value)
                        .map_err(|error| error.to_string()),
                ];
                for found in found {
                    match found {
                        Ok(value) => {
                            measured += 1;
                            assert!(
                                (value - 1.0).abs() < 0.01,
                                "{size:e} {wide} {dtype:?}: {value}"
                            );
                        }
                        Err(error) => {
                            hidden += 1;
                            assert!(error.contains("rounding"), "{error}");
                        }
                    }
                }
            }
        }
    }
    assert!(measured > 30 && hidden > 6, "{measured} {hidden}");
}

#[test]
fn two_layers_with_the_same_outlier_are_as_alike_as_in_exact_arithmetic() {
    // By another route: the kernels themselves, their diagonals set to zero, in f64.
    let (x, y) = (normal(50, 4), normal(50, 4));
    let spike = Tensor::<2>::full([1, 4], 3e4, (&x.device(), DType::F64));
    let [x, y] = [x, y].map(|view| {
        view.slice_assign([3..4, 0..4], spike.clone())
            .cast(DType::F32)
    });
    let kernel = |view: &Tensor<2>| {
        let values = view
            .clone()
            .cast(DType::F64)
            .into_data()
            .try_into_vec::<f64>()
            .unwrap();
        let mut rows = DMatrix::from_row_slice(50, 4, &values);
        for mut column in rows.column_iter_mut() {
            // About the median, which the outlier doesn't move: the estimate is the same about any point.
            let mut sorted: Vec<f64> = column.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            column.add_scalar_mut(-sorted[25]);
        }
        let mut kernel = &rows * rows.transpose();
        kernel.fill_diagonal(0.0);
        kernel
    };
    let hsic = |k: &DMatrix<f64>, l: &DMatrix<f64>| {
        let n = 50.0;
        let (of_k, of_l) = (k.row_sum(), l.row_sum());
        k.dot(l) + k.sum() * l.sum() / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * of_k.dot(&of_l)
    };
    let (k, l) = (kernel(&x), kernel(&y));
    let exact = hsic(&k, &l) / (hsic(&k, &k) * hsic(&l, &l)).sqrt();
    for found in [
        in_grid(&x, &y, Measure::Cka(Bias::Debiased)).unwrap(),
        Measure::Cka(Bias::Debiased).between(&x, &y).unwrap().value,
    ] {
        assert!((found - exact).abs() < 2e-3, "{found} against {exact}");
    }
}

#[test]
fn a_grid_measures_activations_that_f32_can_not_hold() {
    let (x, y) = (normal(200, 4), normal(200, 3));
    let y = y + x.clone().slice([0..200, 0..3]).mul_scalar(2.0);
    for measure in [
        Measure::default(),
        Measure::CCA,
        Measure::Cka(Bias::Debiased),
    ] {
        let plain = measure.between(&x, &y).unwrap().value;
        for (factor, offset) in [
            (1.0, 1e8),
            (1.0, 1e10),
            (1e-200, 0.0),
            (1e200, 0.0),
            (1e-60, 1e-55),
        ] {
            let moved = x.clone().mul_scalar(factor).add_scalar(offset);
            let found = in_grid(&moved, &y, measure).unwrap();
            // At an offset of 1e10 the activations themselves keep six digits.
            assert!(
                (found - plain).abs() < 1e-5,
                "{measure} {factor:e} {offset:e}: {found} {plain}"
            );
            let own = in_grid(&moved, &moved, measure).unwrap();
            assert!(
                (own - 1.0).abs() < 1e-5,
                "{measure} {factor:e} {offset:e}: {own}"
            );
        }
    }
}

/// Rows divided by their spread about their mean: the neurons sum up to 0.
fn layer_norm(x: Tensor<2>) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let spread = (centred.clone() * centred.clone()).mean_dim(1).sqrt();
    centred / spread
}

#[test]
fn neurons_that_obey_a_linear_law_span_one_direction_fewer_in_any_floats() {
    let x = normal(1500, 9);
    let y = x.clone() + normal(1500, 9).mul_scalar(0.5);
    let gain = normal(1, 9).abs().add_scalar(0.5);
    let laws: [(&str, &dyn Fn(Tensor<2>) -> Tensor<2>); 4] = [
        ("layer norm", &layer_norm),
        ("layer norm with gain", &|x| {
            let gain = gain.clone().cast(x.dtype());
            layer_norm(x) * gain + 0.3
        }),
        ("softmax", &|x| burn::tensor::activation::softmax(x, 1)),
        ("centred logits", &|x| x.clone() - x.mean_dim(1)),
    ];
    for (name, law) in laws {
        let exact = cca(&law(x.clone()), &law(y.clone())).unwrap();
        assert_eq!(exact.kept, [8, 8], "{name}");
        for (dtype, within) in [(DType::F32, 1e-5), (DType::F16, 3e-3), (DType::BF16, 2e-2)] {
            // Rounded once, and computed in these floats where they are f32.
            let mut pairs = vec![[law(x.clone()).cast(dtype), law(y.clone()).cast(dtype)]];
            if dtype == DType::F32 {
                pairs.push([law(x.clone().cast(dtype)), law(y.clone().cast(dtype))]);
            }
            for [x, y] in pairs {
                let views = [View::new(&x).unwrap(), View::new(&y).unwrap()];
                let moments = gathered(&x, &y);
                for (way, found) in [
                    (
                        "views",
                        Pair::of(&views[0], &views[1]).unwrap().cca().unwrap(),
                    ),
                    ("moments", moments.pair(0, 1).unwrap().cca().unwrap()),
                ] {
                    assert_eq!(found.kept, [8, 8], "{name} {dtype:?} {way}");
                    let off = (found.mean - exact.mean).abs();
                    assert!(off < within, "{name} {dtype:?} {way}: off by {off:e}");
                }
                let found = in_grid(&x, &y, Measure::CCA).unwrap();
                assert!(
                    (found - exact.mean).abs() < within,
                    "{name} {dtype:?} grid: {found}"
                );
                let r2 = Measure::R2
                    .between(&law(x.clone()), &law(y.clone()))
                    .unwrap();
                assert!(r2.kept == [8, 8], "{name} {dtype:?}: {:?}", r2.kept);
            }
        }
    }
}

#[test]
fn one_hot_labels_of_three_classes_span_two_directions() {
    let x = normal(900, 6).cast(DType::F32);
    let labels: Vec<f32> = (0..900 * 3)
        .map(|i| f32::from(u8::from((i / 3) % 3 == i % 3)))
        .collect();
    let labels = Tensor::<2>::from_data(TensorData::new(labels, [900, 3]), &Device::flex());
    let found = Measure::CCA.between(&labels, &x).unwrap();
    assert_eq!(found.kept, [2, 6]);
    let in_grid = in_grid(&labels, &x, Measure::CCA).unwrap();
    assert!(
        (in_grid - found.value).abs() < 1e-6,
        "{in_grid} {}",
        found.value
    );
}

#[test]
fn a_faint_neuron_of_its_own_is_kept_in_f32() {
    // Rounding of a neuron is a share of that neuron's values, so small neurons beside large ones are real.
    let x = normal(800, 5);
    let faint = Tensor::<2>::from_data([[1e4, 1.0, 1e-2, 1e-4, 1e-7]], (&x.device(), DType::F64));
    let found = cca(&(x.clone() * faint).cast(DType::F32), &x).unwrap();
    assert_eq!(found.kept, [5, 5]);
    assert!((found.mean - 1.0).abs() < 1e-6, "{}", found.mean);
}

#[test]
fn dead_and_repeated_neurons_are_no_dimensions() {
    let live = normal(120, 20);
    let y = live.clone().slice([0..120, 0..10]) + normal(120, 10);
    let plain = cca(&live, &y).unwrap();
    let dead = Tensor::cat(
        vec![
            Tensor::zeros([120, 400], (&live.device(), DType::F64)),
            live.clone(),
        ],
        1,
    );
    let repeated = Tensor::cat(vec![live.clone(); 12], 1);
    for wide in [dead, repeated] {
        let found = cca(&wide, &y).unwrap();
        assert_eq!(found.kept, [20, 10]);
        assert!(
            (found.mean - plain.mean).abs() < 1e-10,
            "{} {}",
            found.mean,
            plain.mean
        );
        assert!(Measure::Pwcca(Weights::Y).between(&wide, &y).is_ok());
    }
}

#[test]
fn a_layer_that_never_varies_has_no_value_by_any_measure() {
    let flat = Tensor::<2>::full([60, 4], 2.0, (&Device::flex(), DType::F64));
    let x = normal(60, 3);
    for measure in Measure::ALL {
        for (one, other) in [(&flat, &flat), (&flat, &x), (&x, &flat)] {
            let refused = in_grid(one, other, measure).unwrap_err();
            assert!(refused.contains("no neuron"), "{measure}: {refused}");
        }
    }
}

#[test]
fn samples_that_repeat_are_counted_once_by_chance() {
    let (x, y) = (normal(30, 6), normal(30, 6));
    let [many_x, many_y] = [&x, &y].map(|view| Tensor::cat(vec![view.clone(); 40], 0));
    let (few, many) = (cca(&x, &y).unwrap(), cca(&many_x, &many_y).unwrap());
    assert!((few.mean - many.mean).abs() < 1e-9);
    assert_eq!(few.chance.mean_rho, many.chance.mean_rho);
    let repeated = Warning::RepeatedSamples {
        samples: 1200,
        distinct: 30,
    };
    assert!(many.warnings.contains(&repeated), "{:?}", many.warnings);
    assert!(
        !few.warnings
            .iter()
            .any(|w| matches!(w, Warning::RepeatedSamples { .. }))
    );
    // Labels repeat, samples do not.
    let labels = Tensor::cat(vec![normal(10, 3); 30], 0);
    let found = cca(&labels, &normal(300, 4)).unwrap();
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn projection_weighted_cca_says_between_what_it_lies_where_correlations_are_equal() {
    // Three directions are shared exactly, four more are not.
    let shared = normal(300, 3);
    let mix = |width: usize| {
        let whole = Tensor::cat(vec![shared.clone(), normal(300, 4)], 1);
        whole.matmul(normal(7, width))
    };
    let (x, y) = (mix(7), mix(7));
    let (of_x, of_y) = (View::new(&x).unwrap(), View::new(&y).unwrap());
    let found = Pair::of(&of_x, &of_y).unwrap().pwcca().unwrap();
    assert_eq!(found.equal, 3);
    let [low, high] = found.range_x;
    assert!(
        low < found.x && found.x < high && high - low > 0.01,
        "{found:?}"
    );
    // Another basis of the same three variates gives another value within the range.
    for seed in 0..20 {
        let turn = DMatrix::from_fn(3, 3, |i, j| ((seed * 9 + i * 3 + j) as f64 * 1.7).sin())
            .qr()
            .q();
        let mut weights = 0.0;
        let mut value = 0.0;
        let loadings = x.clone() - x.clone().mean_dim(0);
        let variates = orthonormal(&found_variates(&x, &y));
        let mut variates = variates;
        let three = variates.columns(0, 3) * turn;
        variates.columns_mut(0, 3).copy_from(&three);
        let values = loadings.into_data().try_into_vec::<f64>().unwrap();
        let along = variates.transpose() * DMatrix::from_row_slice(300, 7, &values);
        for (i, rho) in found.coefficients.iter().enumerate() {
            let weight = along.row(i).lp_norm(1);
            weights += weight;
            value += weight * rho;
        }
        let value = value / weights;
        assert!(
            (low..=high).contains(&value),
            "{value} not in {low}..{high}"
        );
    }
    let named = Measure::Pwcca(Weights::X).between(&x, &y).unwrap();
    let not_unique = |w: &Warning| matches!(w, Warning::NotUnique { equal: 3, .. });
    assert!(
        named.warnings.iter().any(not_unique),
        "{:?}",
        named.warnings
    );
    // All correlations are 1: whatever the weights, so is the value.
    let own = Measure::Pwcca(Weights::X).between(&x, &x).unwrap();
    assert!(
        !own.warnings
            .iter()
            .any(|w| matches!(w, Warning::NotUnique { .. }))
    );
}

/// Canonical variates of x, variance 1.
fn found_variates(x: &Tensor<2>, y: &Tensor<2>) -> DMatrix<f64> {
    let (x, y) = (View::new(x).unwrap(), View::new(y).unwrap());
    let directions = Pair::of(&x, &y)
        .unwrap()
        .directions(frostline_svcca::Cut::All)
        .unwrap();
    directions.x.projections.unwrap()
}

fn orthonormal(variates: &DMatrix<f64>) -> DMatrix<f64> {
    variates / (variates.nrows() as f64 - 1.0).sqrt()
}

#[test]
fn moments_of_activations_far_from_zero_are_those_of_activations_at_zero() {
    let (x, y) = (normal(300, 4), normal(300, 4));
    let y = y + x.clone();
    // Counts, so that f64 holds them exactly at any of these offsets.
    let [x, y] = [x, y].map(|view| view.mul_scalar(1000.0).round());
    let plain = gathered(&x, &y).pair(0, 1).unwrap().cka().unwrap();
    for offset in [1e6, 1e9, 1e12] {
        let moved = gathered(&x.clone().add_scalar(offset), &y)
            .pair(0, 1)
            .unwrap()
            .cka()
            .unwrap();
        let off = (moved.debiased.unwrap() - plain.debiased.unwrap()).abs();
        assert!(off < 1e-8, "{offset:e}: {off:e}");
    }
}

#[test]
fn every_measure_knows_what_unrelated_layers_give() {
    // Draws of layers whose neurons differ in size, of few and of many samples.
    const DRAWS: usize = 40;
    for (samples, x, y) in [(60, 3, 5), (100, 20, 30), (400, 10, 40)] {
        let draw = |neurons: usize| {
            let sizes: Vec<f64> = (0..neurons).map(|i| 0.9f64.powi(i as i32)).collect();
            let sizes = Tensor::<2>::from_data(
                TensorData::new(sizes, [1, neurons]),
                (&Device::flex(), DType::F64),
            );
            normal(samples, neurons) * sizes
        };
        for measure in Measure::ALL {
            let found: Vec<_> = (0..DRAWS)
                .map(|_| measure.between(&draw(x), &draw(y)).unwrap())
                .collect();
            let mean = |of: &dyn Fn(&frostline_svcca::Similarity) -> f64| {
                found.iter().map(of).sum::<f64>() / DRAWS as f64
            };
            let (value, chance) = (mean(&|one| one.value), mean(&|one| one.chance));
            let reach = mean(&|one| one.chance_upper - one.chance);
            assert!(reach > 0.0, "{measure}");
            // The mean of 40 draws lies within a third of two standard deviations, and a tenth that laws in the limit miss.
            let allowed = reach * 0.35 + 0.1 * chance;
            assert!(
                (value - chance).abs() < allowed,
                "{measure} {samples} {x} {y}: {value} {chance} {reach}"
            );
            let beyond = found.iter().filter(|one| !one.is_chance()).count();
            assert!(
                beyond <= 6,
                "{measure} {samples} {x} {y}: {beyond} of {DRAWS} exceed {:?}",
                found[0]
            );
        }
    }
}

#[test]
fn the_chance_level_of_steep_wide_spectra_is_seldom_exceeded() {
    const DRAWS: usize = 200;
    let sizes: Vec<f64> = (0..40).map(|i| 0.5f64.powi(i)).collect();
    let device = (&Device::flex(), DType::F64);
    let sizes = Tensor::<2>::from_data(TensorData::new(sizes, [1, 40]), device);
    for measure in [Measure::Procrustes, Measure::Pls] {
        let found: Vec<_> = (0..DRAWS)
            .map(|_| {
                let draw = || normal(400, 40) * sizes.clone();
                measure.between(&draw(), &draw()).unwrap()
            })
            .collect();
        // 5 % of a half-normal number lie beyond its mean and two standard deviations.
        let beyond = found.iter().filter(|one| !one.is_chance()).count();
        assert!((2..=20).contains(&beyond), "{measure}: {beyond} of {DRAWS}");
    }
}

#[test]
fn where_covariances_overflow_everything_else_is_said_and_no_number_is_infinite() {
    // Their squares add up to less than the largest f64 at first, then with what noise gives to more, then by themselves.
    let x = samples::tensor(&samples::normal(30, 3, 7));
    for scale in [1e153, 1.2e154, 1e155, 1e200] {
        let x = x.clone().cast(DType::F64) * scale;
        let (a, b) = (View::new(&x).unwrap(), View::new(&x).unwrap());
        let found = Pair::of(&a, &b).unwrap().compare().unwrap();
        let value = |wanted: Measure| {
            let found = found
                .similarities
                .iter()
                .find(|found| found.measure == wanted);
            found.map(|found| found.value)
        };
        assert!((value(Measure::Cka(Bias::Debiased)).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(value(Measure::Pls).is_some(), scale < 1e154, "{scale:e}");
        for found in &found.similarities {
            assert!(
                found.chance.is_finite() && found.chance_upper.is_finite(),
                "{found:?}"
            );
        }
        let told = found
            .warnings
            .iter()
            .any(|warning| warning.to_string().contains("no value of pls"));
        assert_eq!(told, scale > 1e154);
    }
}

#[test]
fn an_error_names_the_measure_that_rounding_hides() {
    let huge = Tensor::<2>::from_data(
        [[1e30, 1.0], [1.0, 2.0], [2.0, 0.0], [3.0, 1.0]],
        (&Device::flex(), DType::F64),
    );
    let refused = Measure::Cka(Bias::Debiased).between(&huge, &huge);
    assert!(
        matches!(refused, Err(Error::HiddenByRounding { measure: Measure::Cka(Bias::Debiased), doubt }) if doubt > 1.0),
        "{refused:?}"
    );
}

#[test]
fn a_measure_ignores_what_its_table_says_and_nothing_else() {
    // y's neurons differ in size, so that what a factor of each does is seen.
    let shared = normal(400, 4);
    let x = Tensor::cat(vec![shared.clone(), normal(400, 2)], 1);
    let sizes = Tensor::<2>::from_data([[3.0, 1.0, 0.5, 2.0, 1.0]], (&x.device(), DType::F64));
    // Noise, so that no correlations are equal, which would leave PWCCA open.
    let shared = shared + normal(400, 4).mul_scalar(0.3);
    let y = Tensor::cat(vec![shared, normal(400, 1)], 1) * sizes;
    let order = Tensor::cat(
        [3, 0, 4, 1, 2]
            .map(|i| y.clone().slice([0..400, i..i + 1]))
            .to_vec(),
        1,
    );
    let turn = samples::normal(5, 5, 77).qr().q();
    let rotated = y.clone().matmul(samples::tensor(&turn));
    let scaled = y.clone().mul_scalar(7.0);
    let each = Tensor::<2>::from_data([[50.0, 0.02, 50.0, 0.02, 1.0]], (&x.device(), DType::F64));
    let mixed = y.clone() * each;
    for (measure, expected) in [
        (Measure::CCA, [true, true, true, true]),
        (Measure::default(), [true, true, true, false]),
        (Measure::Pwcca(Weights::Y), [true, false, true, false]),
        (Measure::Pwcca(Weights::X), [true, true, true, true]),
        (Measure::Cka(Bias::Debiased), [true, true, true, false]),
        (Measure::Procrustes, [true, true, true, false]),
        (Measure::R2, [true, true, true, false]),
        (Measure::Pls, [true, true, false, false]),
    ] {
        let plain = measure.between(&x, &y).unwrap().value;
        for (changed, ignored) in [&order, &rotated, &scaled, &mixed]
            .into_iter()
            .zip(expected)
        {
            let found = measure.between(&x, changed).unwrap().value;
            assert_eq!(
                (found - plain).abs() < 1e-9,
                ignored,
                "{measure}: {found} {plain}"
            );
        }
    }
    let explained = Measure::R2.between(&y, &x).unwrap().value;
    let by_mixed = Measure::R2.between(&mixed, &x).unwrap().value;
    assert!(
        (explained - by_mixed).abs() < 1e-9,
        "{explained} {by_mixed}"
    );
}

#[test]
fn channels_that_obey_a_linear_law_span_one_direction_fewer_at_every_frequency() {
    // Normalised over 5 channels at each of 4 x 4 pixels.
    let maps = || {
        let x = normal(200, 5 * 16).reshape([200, 5, 4, 4]);
        let centred = x.clone() - x.mean_dim(1);
        let spread = (centred.clone() * centred.clone()).mean_dim(1).sqrt();
        centred / spread
    };
    let (x, y) = (maps(), maps());
    let exact = dft_cca(&x, &y).unwrap();
    assert_eq!(exact.rank, [4, 4]);
    for (dtype, within) in [(DType::F32, 1e-5), (DType::BF16, 2e-2)] {
        let found = dft_cca(&x.clone().cast(dtype), &y.clone().cast(dtype)).unwrap();
        assert_eq!(found.rank, [4, 4], "{dtype:?}");
        let off = (found.mean - exact.mean).abs();
        assert!(off < within, "{dtype:?}: {off:e}");
    }
    // Two channels that are dead are no dimensions.
    let dead = Tensor::<4>::ones([12, 20, 4, 4], (&x.device(), DType::F64));
    let few = Tensor::cat(vec![x.clone().slice_dim(0, 0..12), dead], 1);
    assert!(dft_cca(&few, &few).is_ok());
}

#[test]
fn places_of_one_input_count_as_fewer_samples_by_chance() {
    // Eight places an input, a share of each input's variance common to them.
    let draw = |common: f64, neurons: usize| {
        let of_input = normal(60, neurons)
            .reshape([60, 1, neurons as i32])
            .repeat_dim(1, 8);
        let own = normal(480, neurons);
        let whole = of_input
            .reshape([480, neurons as i32])
            .mul_scalar(common.sqrt())
            + own.mul_scalar((1.0 - common).sqrt());
        View::new(&whole).unwrap().of_inputs(60).unwrap()
    };
    for (common, fewest, most) in [(0.0, 430, 480), (0.5, 160, 200), (1.0, 60, 60)] {
        let (mut values, mut levels, mut beyond) = (0.0, 0.0, 0);
        for _ in 0..30 {
            let (x, y) = (draw(common, 6), draw(common, 9));
            let found = Pair::of(&x, &y).unwrap().similarity(Measure::CCA).unwrap();
            assert!(
                (fewest..=most).contains(&found.samples),
                "{common}: {}",
                found.samples
            );
            values += found.value;
            levels += found.chance;
            beyond += usize::from(!found.is_chance());
        }
        assert!(
            (values / levels - 1.0).abs() < 0.1,
            "{common}: {values} {levels}"
        );
        assert!(beyond <= 4, "{common}: {beyond} of 30 exceed chance");
    }
    let refused = View::new(&normal(50, 3)).unwrap().of_inputs(7);
    assert!(
        matches!(
            refused,
            Err(Error::NotOfInputs {
                samples: 50,
                inputs: 7
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn neighbouring_places_that_are_alike_count_as_fewer_samples_by_chance() {
    // Sixteen places in a row, each the mean of four draws that it shares with its neighbours.
    let draw = |neurons: usize| {
        let own = normal(80 * 19, neurons).reshape([80, 19, neurons as i32]);
        let smooth = (0..4).map(|shift| own.clone().slice_dim(1, shift..shift + 16));
        let smooth = smooth.reduce(|a, b| a + b).unwrap();
        View::new(&smooth.reshape([80 * 16, neurons as i32]))
            .unwrap()
            .of_inputs(80)
            .unwrap()
    };
    let (mut values, mut levels) = (0.0, 0.0);
    for _ in 0..30 {
        let found = Pair::of(&draw(5), &draw(5))
            .unwrap()
            .similarity(Measure::CCA)
            .unwrap();
        assert!(found.samples < 700, "{}", found.samples);
        values += found.value;
        levels += found.chance;
    }
    assert!((values / levels - 1.0).abs() < 0.1, "{values} {levels}");
}

#[test]
fn a_layer_norm_computed_in_f32_far_from_zero_spans_one_direction_fewer() {
    for mean in [3.0, 10.0, 30.0] {
        let x = normal(700, 12).add_scalar(mean);
        let y = x.clone() + normal(700, 12).mul_scalar(0.4);
        let [x, y] = [x, y].map(|view| layer_norm(view.cast(DType::F32)));
        assert_eq!(cca(&x, &y).unwrap().kept, [11, 11], "{mean}");
        let named = Measure::CCA.prepare_all([&x, &y]);
        let kept = named[0]
            .as_ref()
            .unwrap()
            .similarity(named[1].as_ref().unwrap())
            .unwrap()
            .kept;
        assert_eq!(kept, [11, 11], "{mean}");
    }
}
