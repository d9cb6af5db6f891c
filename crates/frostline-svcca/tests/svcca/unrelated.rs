//! What unrelated layers give: places of inputs, samples that repeat, samples far larger than others.

use std::cell::Cell;

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::{Bias, Error, Grid, Measure, Moments, Pair, View, Wanted, Warning, cca};

use crate::samples;

thread_local!(static SEED: Cell<u64> = const { Cell::new(5000) });

/// Other numbers at each call, the same ones in each run.
fn normal(samples: usize, neurons: usize) -> Tensor<2> {
    SEED.set(SEED.get() + 1);
    samples::tensor(&samples::normal(samples, neurons, SEED.get()))
}

#[test]
fn inputs_of_more_places_than_are_compared_one_by_one_count_by_how_alike_they_are() {
    // Waves of few frequencies along a line of places: neighbours say nearly the same.
    let smooth = |inputs: usize, places: usize, neurons: usize| {
        const WAVES: usize = 5;
        let waves: Vec<f64> = (0..WAVES * places)
            .map(|i| {
                let (wave, place) = (i / places, i % places);
                let phase = std::f64::consts::TAU * place as f64 / places as f64;
                (phase * (wave / 2 + 1) as f64 + (wave % 2) as f64).cos()
            })
            .collect();
        let waves = TensorData::new(waves, [WAVES, places]);
        let waves = Tensor::<2>::from_data(waves, (&Device::flex(), DType::F64));
        let sizes = normal(inputs * neurons, WAVES).matmul(waves);
        let rows = sizes.reshape([inputs, neurons, places]).swap_dims(1, 2);
        View::new(&rows.reshape([inputs * places, neurons]))
            .unwrap()
            .of_inputs(inputs)
            .unwrap()
    };
    for places in [900, 1100, 2500] {
        let (mut values, mut levels) = (0.0, 0.0);
        for _ in 0..6 {
            let (x, y) = (smooth(30, places, 3), smooth(30, places, 4));
            let found = Pair::of(&x, &y).unwrap().similarity(Measure::CCA).unwrap();
            values += found.value;
            levels += found.chance;
        }
        assert!(
            (values / levels - 1.0).abs() < 0.25,
            "{places}: {values} {levels}"
        );
    }
}

#[test]
fn rows_of_other_inputs_are_no_samples_of_each_other() {
    let x = normal(400, 3);
    let view = |inputs| View::new(&x).unwrap().of_inputs(inputs).unwrap();
    let refused = Pair::of(&view(50), &view(100)).unwrap_err();
    assert!(
        matches!(
            refused,
            Error::InputMismatch {
                samples: 400,
                x: 50,
                y: 100
            }
        ),
        "{refused}"
    );
    assert!(Pair::of(&view(400), &view(100)).is_err());
    assert!(Pair::of(&View::new(&x).unwrap(), &view(100)).is_ok());
    for measure in [Measure::default(), Measure::Cka(Bias::Debiased)] {
        let rows = measure.prepare_all_of([&x], Some(50));
        let columns = measure.prepare_all_of([&x, &x], Some(100));
        let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ()).unwrap();
        let error = grid.cells[0][1].error.as_ref().unwrap();
        assert!(error.contains("50 inputs"), "{error}");
        assert!(grid.cells[0][1].similarity.is_none());
    }
}

#[test]
fn moments_count_as_many_independent_samples_as_they_are_said_to_be_good_for() {
    let (x, y) = (normal(600, 3), normal(600, 4));
    let mut moments = Moments::new();
    moments.add(&[&x, &y]).unwrap();
    for measure in Measure::ALL {
        let found = |independent: usize| {
            let pair = moments.pair(0, 1).unwrap().counting(independent);
            pair.similarity(measure).unwrap()
        };
        let (all, some) = (found(600), found(60));
        assert_eq!((all.samples, some.samples), (600, 60), "{measure}");
        assert_eq!(all.value, some.value, "{measure}");
        let reach = |one: &frostline_svcca::Similarity| one.chance_upper;
        assert!(reach(&some) > 1.5 * reach(&all), "{measure}");
        assert_eq!(found(100_000).samples, 600, "{measure}");
    }
}

/// Class k of n samples as neurons.
fn one_hot(classes: &[usize], neurons: usize) -> Tensor<2> {
    let values = classes
        .iter()
        .flat_map(|class| (0..neurons).map(move |j| f64::from(u8::from(j == *class))));
    let data = TensorData::new(values.collect::<Vec<f64>>(), [classes.len(), neurons]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn repeated(found: &[Warning]) -> Option<usize> {
    found.iter().find_map(|warning| match warning {
        Warning::RepeatedSamples { distinct, .. } => Some(*distinct),
        _ => None,
    })
}

#[test]
fn samples_that_repeat_are_seen_beside_labels_too() {
    // Thirty samples twenty times, and the labels of the thirty.
    let few = normal(30, 6);
    let classes: Vec<usize> = (0..30).map(|i| (i * 7 + i / 4) % 4).collect();
    let labels = one_hot(&classes, 4);
    let [x, y] = [&few, &labels].map(|view| Tensor::cat(vec![view.clone(); 20], 0));
    for (one, other, alone) in [(&x, &y, [&few, &labels]), (&y, &x, [&labels, &few])] {
        let (many, few) = (cca(one, other).unwrap(), cca(alone[0], alone[1]).unwrap());
        assert_eq!(repeated(&many.warnings), Some(30));
        assert_eq!(many.chance.mean_rho, few.chance.mean_rho);
    }
    // A layer that repeats beside labels that don't is no sample twice.
    let other: Vec<usize> = (0..600).map(|i| (i * 31 + i / 30) % 4).collect();
    let found = cca(&x, &one_hot(&other, 4)).unwrap();
    assert_eq!(repeated(&found.warnings), None);
    // And labels beside labels say nothing of it.
    let found = cca(&y, &one_hot(&other, 4)).unwrap();
    assert_eq!(repeated(&found.warnings), None);
}

#[test]
fn values_of_few_levels_are_no_samples_that_repeat() {
    let z = normal(4000, 1);
    let levels = z.clone().mul_scalar(30.0).round();
    let doubled = levels.clone().mul_scalar(2.0).add_scalar(3.0);
    for (x, y) in [
        (levels.clone().cast(DType::F32), doubled),
        (
            levels.clone().mul_scalar(0.1),
            levels.clone().cast(DType::F32),
        ),
        (
            z.clone().cast(DType::BF16),
            z.clone().mul_scalar(2.0).cast(DType::BF16),
        ),
        (
            z.clone().cast(DType::F16).cast(DType::F32),
            z.clone().cast(DType::F16),
        ),
    ] {
        let found = cca(&x, &y).unwrap();
        assert_eq!(repeated(&found.warnings), None);
        assert_eq!(found.independent, 4000);
    }
    // The same layer in full digits, twice.
    let twice = Tensor::cat(vec![z.clone(), z], 0);
    assert_eq!(repeated(&cca(&twice, &twice).unwrap().warnings), Some(4000));
}

#[test]
fn a_few_samples_far_larger_than_the_others_widen_what_chance_gives() {
    const DRAWS: usize = 60;
    let draw = || {
        let sizes = normal(300, 1).mul_scalar(2.0).exp();
        normal(300, 4) * sizes
    };
    for measure in [
        Measure::Cka(Bias::Biased),
        Measure::R2,
        Measure::CCA,
        Measure::Procrustes,
    ] {
        let found: Vec<_> = (0..DRAWS)
            .map(|_| measure.between(&draw(), &draw()).unwrap())
            .collect();
        let beyond = found.iter().filter(|one| !one.is_chance()).count();
        assert!(beyond <= 6, "{measure}: {beyond} of {DRAWS}");
    }
}

#[test]
fn what_one_direction_gives_by_chance_is_known_without_a_draw() {
    // One neuron on one side: a correlation by chance.
    for samples in [100, 1000] {
        let found = Measure::Procrustes.between(&normal(samples, 1), &normal(samples, 1));
        let found = found.unwrap();
        let exact = frostline_svcca::Chance::multiple_correlation(samples, 1);
        assert!(
            (found.chance - exact).abs() < 1e-9,
            "{} {exact}",
            found.chance
        );
    }
}
