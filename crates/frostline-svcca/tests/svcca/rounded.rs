//! Activations that were rounded to few digits, or that vary little beside their mean.

use std::cell::Cell;

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::{
    Bias, Cut, Error, Grid, Measure, Moments, Pair, Side, Similarity, Svcca, View, Wanted, Warning,
    Weights, cca, dft_cca, rounding_errors, svcca,
};
use nalgebra::DMatrix;

use crate::samples;

thread_local!(static SEED: Cell<u64> = const { Cell::new(1000) });

/// Other numbers at each call, the same ones in each run.
fn normal(samples: usize, neurons: usize) -> Tensor<2> {
    SEED.set(SEED.get() + 1);
    samples::tensor(&samples::normal(samples, neurons, SEED.get()))
}

fn turned(neurons: usize) -> Tensor<2> {
    SEED.set(SEED.get() + 1);
    samples::tensor(&samples::normal(neurons, neurons, SEED.get()).qr().q())
}

/// A pair by a measure, as a grid finds it.
fn in_grid(x: &Tensor<2>, y: &Tensor<2>, measure: Measure) -> Result<Similarity, String> {
    let (rows, columns) = (measure.prepare_all([x]), measure.prepare_all([y]));
    let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ()).unwrap();
    let cell = grid.cells[0][0].clone();
    cell.similarity.ok_or_else(|| cell.error.unwrap())
}

/// Rows divided by their spread about their mean: the neurons sum up to 0.
fn layer_norm(x: Tensor<2>) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let spread = (centred.clone() * centred.clone()).mean_dim(1).sqrt();
    centred / spread
}

#[test]
fn neurons_that_never_vary_are_found_among_any_number_of_samples() {
    for samples in [1000, 90_000] {
        let x = normal(samples, 2).cast(DType::F32);
        for value in [0.1, -7.3] {
            let dead = Tensor::<2>::full([samples, 2], value, (&x.device(), DType::F32));
            let some_dead = Tensor::cat(vec![x.clone(), dead.clone()], 1);
            let found = in_grid(&some_dead, &x, Measure::CCA).unwrap();
            assert_eq!(found.kept, [2, 2], "{samples} {value}");
            assert!((found.value - 1.0).abs() < 1e-5, "{}", found.value);
            let dead_neurons = |w: &Warning| matches!(w, Warning::DeadNeurons { count: 2, .. });
            assert!(
                found.warnings.iter().any(dead_neurons),
                "{:?}",
                found.warnings
            );
            for measure in [
                Measure::CCA,
                Measure::Procrustes,
                Measure::Cka(Bias::Debiased),
            ] {
                let refused = in_grid(&dead, &dead, measure).unwrap_err();
                assert!(refused.contains("no neuron"), "{measure}: {refused}");
            }
        }
    }
}

#[test]
fn faint_directions_of_wide_layers_in_few_digits_are_real() {
    // Strengths fall as 1/i. Rounding of many neurons points in all directions, and adds little along each.
    let (samples, neurons) = (900, 96);
    let strengths: Vec<f64> = (1..=neurons).map(|i| 1.0 / i as f64).collect();
    let strengths = TensorData::new(strengths, [1, neurons]);
    let strengths = Tensor::<2>::from_data(strengths, (&Device::flex(), DType::F64));
    let z = normal(samples, neurons);
    let x = (z.clone() * strengths).matmul(turned(neurons));
    let y = z.slice([0..samples, 60..66]).matmul(normal(6, 6));
    for dtype in [DType::F16, DType::BF16] {
        let x = x.clone().cast(dtype);
        let found = Measure::R2.between(&x, &y).unwrap();
        assert_eq!(found.kept, [neurons, 6], "{dtype:?}");
        assert!(found.value > 0.995, "{dtype:?}: {}", found.value);
        let mut moments = Moments::new();
        moments.add(&[&x.cast(DType::F32), &y]).unwrap();
        let found = moments.pair(0, 1).unwrap().similarity(Measure::R2).unwrap();
        assert_eq!(found.kept, [neurons, 6], "{dtype:?} of moments");
    }
    // Six neurons at a hundred times their spread: bf16 knows half a spread.
    let x = normal(3000, 6);
    let far = x.clone().add_scalar(100.0).cast(DType::BF16);
    let found = Measure::R2.between(&far, &x).unwrap();
    assert_eq!(found.kept, [6, 6]);
    assert!(found.value > 0.95, "{}", found.value);
}

#[test]
fn values_of_a_sample_that_are_rounded_alike_break_no_linear_law() {
    // One over k for the first k neurons: they sum up to 1, and each is rounded as the others of its sample are.
    let (samples, neurons) = (1200, 24);
    let values = (0..samples).flat_map(|i| {
        let count = 1 + (i * 7919 + i / 5) % neurons;
        (0..neurons).map(move |j| if j < count { 1.0 / count as f64 } else { 0.0 })
    });
    let values: Vec<f64> = values.collect();
    let data = TensorData::new(values, [samples, neurons]);
    let exact = Tensor::<2>::from_data(data, (&Device::flex(), DType::F64));
    let y = normal(samples, 4);
    assert_eq!(cca(&exact, &y).unwrap().kept, [neurons - 1, 4]);
    for dtype in [DType::F16, DType::BF16] {
        let found = cca(&exact.clone().cast(dtype), &y).unwrap();
        assert_eq!(found.kept, [neurons - 1, 4], "{dtype:?}");
    }
}

#[test]
fn short_floats_in_longer_ones_are_judged_as_what_they_are() {
    let x = normal(1500, 9);
    let y = x.clone() + normal(1500, 9).mul_scalar(0.5);
    let (x, y) = (layer_norm(x), layer_norm(y));
    let exact = cca(&x, &y).unwrap().mean;
    for (short, long) in [
        (DType::BF16, DType::F32),
        (DType::F16, DType::F32),
        (DType::BF16, DType::F64),
        (DType::F32, DType::F64),
    ] {
        let [x, y] = [&x, &y].map(|view| view.clone().cast(short).cast(long));
        let found = cca(&x, &y).unwrap();
        assert_eq!(found.kept, [8, 8], "{short:?} in {long:?}");
        assert!(
            (found.mean - exact).abs() < 0.02,
            "{short:?} in {long:?}: {}",
            found.mean
        );
        let widened = |w: &Warning| matches!(w, Warning::Widened { .. });
        assert!(found.warnings.iter().any(widened), "{:?}", found.warnings);
        assert_eq!(in_grid(&x, &y, Measure::CCA).unwrap().kept, [8, 8]);
        let mut moments = Moments::new();
        for start in [0, 500, 1000] {
            let [x, y] = [&x, &y].map(|view| view.clone().slice_dim(0, start..start + 500));
            moments.add(&[&x, &y]).unwrap();
        }
        let found = moments.pair(0, 1).unwrap().cca().unwrap();
        assert_eq!(found.kept, [8, 8], "{short:?} in {long:?}, of moments");
    }
    // Whole numbers fit any floats, and are as they are: a neuron that counts little beside another is real.
    let faint = Tensor::<2>::from_data([[1000.0, 1.0]], (&x.device(), DType::F64));
    let counts = (normal(700, 2).mul_scalar(2.0).round() * faint).cast(DType::F32);
    let found = cca(&counts, &counts).unwrap();
    assert_eq!(found.kept, [2, 2]);
}

#[test]
fn numbers_smaller_than_their_floats_rounding_are_judged_by_their_smallest_step() {
    let x = normal(1500, 9);
    let y = x.clone() + normal(1500, 9).mul_scalar(0.5);
    for (dtype, factor) in [(DType::F16, 1e-6), (DType::F32, 1e-42)] {
        let small = layer_norm(x.clone()).mul_scalar(factor).cast(dtype);
        for found in [
            Measure::CCA.between(&small, &y).unwrap(),
            in_grid(&small, &y, Measure::CCA).unwrap(),
        ] {
            assert_eq!(found.kept, [8, 9], "{dtype:?}");
        }
    }
}

#[test]
fn means_of_short_floats_are_judged_by_the_errors_of_what_they_are_means_of() {
    // Normalised over 6 channels at each of 16 places.
    let maps = layer_norm(normal(400 * 16, 6)).reshape([400, 16, 6]);
    let y = maps
        .clone()
        .mean_dim(1)
        .reshape([400, 6])
        .matmul(normal(6, 6))
        + normal(400, 6).mul_scalar(0.01);
    let short = maps.cast(DType::F16).cast(DType::F32);
    let means = |maps: &Tensor<3>| maps.clone().mean_dim(1).reshape([400, 6]);
    let errors = means(&rounding_errors(&short).unwrap().unwrap());
    let view = View::new(&means(&short)).unwrap();
    assert_eq!(view.rank().unwrap(), 6);
    let view = view.with_errors(&errors).unwrap();
    assert_eq!(view.rank().unwrap(), 5);
    let y = View::new(&y).unwrap();
    let found = Pair::of(&view, &y).unwrap().cca().unwrap();
    assert_eq!(found.kept, [5, 6]);
    let refused = View::new(&means(&short))
        .unwrap()
        .with_errors(&normal(400, 5));
    assert!(
        matches!(refused, Err(Error::NeuronMismatch { .. })),
        "{refused:?}"
    );
    // A faint signal about a large mean survives, since errors of many places cancel.
    let signal = normal(400, 1);
    let noise = normal(400 * 64, 1).reshape([400, 64, 1]).mul_scalar(0.05);
    let maps =
        signal.clone().mul_scalar(0.003).reshape([400, 1, 1]) + noise.clone() - noise.mean_dim(1);
    let maps = maps.add_scalar(1.0).cast(DType::BF16).cast(DType::F32);
    let mean = |maps: &Tensor<3>| maps.clone().mean_dim(1).reshape([400, 1]);
    let errors = mean(&rounding_errors(&maps).unwrap().unwrap());
    let view = View::single(&mean(&maps))
        .unwrap()
        .with_errors(&errors)
        .unwrap();
    let signal = View::single(&signal).unwrap();
    let found = Pair::of(&view, &signal)
        .unwrap()
        .similarity(Measure::CCA)
        .unwrap();
    assert!(found.value > 0.95, "{}", found.value);
}

#[test]
fn maps_in_short_floats_lose_what_rounding_made_at_every_frequency() {
    let maps = || {
        layer_norm(normal(200 * 16, 5))
            .reshape([200, 4, 4, 5])
            .permute([0, 3, 1, 2])
    };
    let (x, y) = (maps(), maps());
    for (short, long) in [(DType::F16, DType::F32), (DType::BF16, DType::F64)] {
        let [x, y] = [&x, &y].map(|maps| maps.clone().cast(short).cast(long));
        let found = dft_cca(&x, &y).unwrap();
        assert_eq!(found.rank, [4, 4], "{short:?}");
    }
}

#[test]
fn what_rounding_takes_off_a_value_is_said() {
    let z = normal(2000, 6);
    for (dtype, offset, least) in [
        (DType::F32, 1e7, 0.02),
        (DType::BF16, 100.0, 0.005),
        (DType::F16, 600.0, 0.005),
    ] {
        let far = z.clone().add_scalar(offset).cast(dtype);
        for measure in [
            Measure::Cka(Bias::Debiased),
            Measure::Cka(Bias::Biased),
            Measure::Procrustes,
            Measure::Pls,
            Measure::CCA,
            Measure::R2,
            Measure::Pwcca(Weights::X),
        ] {
            let found = measure.between(&far, &z).unwrap();
            let doubt = found.warnings.iter().find_map(|warning| match warning {
                Warning::Rounded { doubt, .. } => Some(*doubt),
                _ => None,
            });
            let doubt = doubt.unwrap_or_else(|| panic!("{measure} {dtype:?}: {found:?}"));
            assert!(doubt > least, "{measure} {dtype:?}: {doubt}");
            if measure != Measure::Pls {
                let off = (found.value - 1.0).abs();
                assert!(
                    off < 3.0 * doubt,
                    "{measure} {dtype:?}: off by {off}, doubt {doubt}"
                );
            }
        }
        // Near zero the same floats hide nothing.
        let near = z.clone().cast(dtype);
        let found = Measure::Procrustes.between(&near, &z).unwrap();
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    }
    // Rounded by as much as it varies.
    let far = z.clone().mul_scalar(0.3).add_scalar(1e7).cast(DType::F32);
    for measure in Measure::ALL {
        let refused = measure.between(&far, &z).unwrap_err().to_string();
        assert!(refused.contains("rounding"), "{measure}: {refused}");
    }
}

/// `[sample, neuron]`, centred, with these singular values and random directions.
fn with_spectrum(samples: usize, values: &[f64]) -> DMatrix<f64> {
    SEED.set(SEED.get() + 1);
    let mut left = samples::normal(samples, values.len(), SEED.get());
    for mut column in left.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let mut left = left.qr().q();
    for (mut column, value) in left.column_iter_mut().zip(values) {
        column *= *value;
    }
    left
}

#[test]
fn a_cut_among_directions_of_equal_strength_is_said_to_be_one_of_many() {
    let mut values = vec![300.0];
    values.extend([16.0; 10]);
    let x = with_spectrum(1000, &values);
    let turn = samples::normal(11, 11, 5).qr().q();
    let (x, y) = (samples::tensor(&x), samples::tensor(&(&x * turn)));
    let among = |warnings: &[Warning]| {
        let equal = warnings
            .iter()
            .filter(|w| matches!(w, Warning::CutAmongEqual { equal: 10, .. }));
        equal.count()
    };
    for cut in [
        Cut::Variance(0.99),
        Cut::Directions(5),
        Cut::SingularValues(0.9),
    ] {
        for dtype in [DType::F64, DType::F32] {
            let [x, y] = [&x, &y].map(|view| view.clone().cast(dtype));
            let found = svcca(&x, &y, &Svcca { cut }).unwrap();
            assert_eq!(
                among(&found.warnings),
                2,
                "{cut} {dtype:?}: {:?}",
                found.warnings
            );
            let found = in_grid(&x, &y, Measure::Svcca(cut)).unwrap();
            assert_eq!(among(&found.warnings), 2, "{cut} {dtype:?} in a grid");
            let mut moments = Moments::new();
            moments.add(&[&x, &y]).unwrap();
            let found = moments.pair(0, 1).unwrap().svcca(cut).unwrap();
            assert_eq!(among(&found.warnings), 2, "{cut} {dtype:?} of moments");
        }
    }
    // All of them, or none, are one choice; and so are those that differ.
    for cut in [
        Cut::All,
        Cut::Directions(1),
        Cut::Directions(11),
        Cut::Variance(1.0),
    ] {
        let found = svcca(&x, &y, &Svcca { cut }).unwrap();
        assert!(found.warnings.is_empty(), "{cut}: {:?}", found.warnings);
    }
    let falling: Vec<f64> = (0..11).map(|i| 300.0 * 0.7f64.powi(i)).collect();
    let x = samples::tensor(&with_spectrum(1000, &falling));
    let found = svcca(
        &x,
        &x,
        &Svcca {
            cut: Cut::Directions(5),
        },
    )
    .unwrap();
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

/// The warning that a cut falls among equal directions, of x; the same of every route by which SVCCA is computed.
fn among_equal(x: &Tensor<2>, y: &Tensor<2>, cut: Cut) -> Warning {
    let of_x = |warnings: Vec<Warning>| {
        let mut among = warnings
            .into_iter()
            .filter(|warning| matches!(warning, Warning::CutAmongEqual { side: Side::X, .. }));
        among.next().expect("the cut falls among equal directions")
    };
    let found = of_x(svcca(x, y, &Svcca { cut }).unwrap().warnings);
    let mut moments = Moments::new();
    moments.add(&[x, y]).unwrap();
    let of_moments = moments.pair(0, 1).unwrap().svcca(cut).unwrap();
    let in_grid = in_grid(x, y, Measure::Svcca(cut)).unwrap();
    for other in [of_moments.warnings, in_grid.warnings] {
        let values = |warning: &Warning| match *warning {
            Warning::CutAmongEqual {
                with_all,
                with_none,
                ..
            } => [with_all, with_none],
            _ => unreachable!("chosen above"),
        };
        for (a, b) in values(&of_x(other)).into_iter().zip(values(&found)) {
            assert_eq!(a.is_some(), b.is_some());
            // No choice is left, so that routes agree as far as their rounding; the grid's is in f32.
            assert!(
                (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-5,
                "{a:?} {b:?}"
            );
        }
    }
    found
}

#[test]
fn a_cut_among_equal_directions_says_what_all_and_none_of_them_give() {
    // White data, turned: the same layer, of which each side keeps other twelve of sixteen directions.
    let x = with_spectrum(1000, &[1.0; 16]);
    let turn = samples::normal(16, 16, 5).qr().q();
    let (white, turned) = (samples::tensor(&x), samples::tensor(&(&x * turn)));
    let warning = among_equal(&white, &turned, Cut::Directions(12));
    let Warning::CutAmongEqual {
        equal: 16,
        kept: 12,
        value,
        with_all: Some(all),
        with_none: None,
        ..
    } = warning
    else {
        panic!("{warning:?}");
    };
    assert!(value < 0.95, "{value}");
    assert!((all - 1.0).abs() < 1e-9, "{all}");
    let range = format!("a range from {value:.3} to 1.000");
    assert!(warning.to_string().contains(&range), "{warning}");

    // One strong direction that both share, ten equal ones of which y has none.
    let both = with_spectrum(1000, &[&[300.0][..], &[16.0; 20]].concat());
    let x = samples::tensor(&both.columns(0, 11).into_owned());
    let mut other = both.columns(10, 11).into_owned();
    other.set_column(0, &both.column(0));
    let y = samples::tensor(&other);
    let warning = among_equal(&x, &y, Cut::Directions(5));
    let Warning::CutAmongEqual {
        equal: 10,
        kept: 5,
        value,
        with_all: Some(all),
        with_none: Some(none),
        ..
    } = warning
    else {
        panic!("{warning:?}");
    };
    assert!((value - 1.0 / 5.0).abs() < 1e-6, "{value}");
    assert!((all - 1.0 / 11.0).abs() < 1e-6, "{all}");
    assert!((none - 1.0).abs() < 1e-6, "{none}");
    let says = "as cut it is 0.200, with all of them 0.091, with none of them 1.000, a range from 0.091 to 1.000";
    assert!(warning.to_string().contains(says), "{warning}");

    // Too few samples for all of them: only what is left without them is said.
    let few = with_spectrum(24, &[&[30.0][..], &[1.0; 14]].concat());
    let turn = samples::normal(15, 15, 7).qr().q();
    let found = svcca(
        &samples::tensor(&few),
        &samples::tensor(&(&few * turn)),
        &Svcca {
            cut: Cut::Directions(6),
        },
    );
    let warnings = found.unwrap().warnings;
    let unknown = |warning: &Warning| {
        matches!(
            warning,
            Warning::CutAmongEqual {
                with_all: None,
                with_none: Some(_),
                ..
            }
        )
    };
    assert_eq!(
        warnings.iter().filter(|w| unknown(w)).count(),
        2,
        "{warnings:?}"
    );
}

#[test]
fn the_range_of_projection_weighted_cca_follows_the_floats_of_the_layers() {
    // Six directions are shared exactly, six are not.
    let shared = normal(2000, 6);
    let strengths = Tensor::<2>::from_data(
        [[10.0, 10.0, 10.0, 1.0, 1.0, 1.0]],
        (&shared.device(), DType::F64),
    );
    let x = Tensor::cat(vec![shared.clone() * strengths, normal(2000, 6)], 1).matmul(turned(12));
    let y = Tensor::cat(vec![shared.matmul(normal(6, 6)), normal(2000, 6)], 1);
    let equal = |dtype: DType| {
        let [x, y] = [&x, &y].map(|view| View::new(&view.clone().cast(dtype)).unwrap());
        Pair::of(&x, &y).unwrap().pwcca().unwrap()
    };
    let exact = equal(DType::F64);
    assert_eq!(exact.equal, 6);
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let found = equal(dtype);
        assert!(found.equal >= 6, "{dtype:?}: {}", found.equal);
        let width = |range: [f64; 2]| range[1] - range[0];
        let (narrow, wide) = (width(found.range_x), width(exact.range_x));
        assert!(
            (narrow / wide - 1.0).abs() < 0.2,
            "{dtype:?}: {narrow} {wide}"
        );
    }
}
