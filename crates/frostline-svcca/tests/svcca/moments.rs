//! One pass, many passes, and many machines give the same.

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::{Comparison, Cut, Error, Interval, Moments, View, jackknife};
use nalgebra::DMatrix;
use proptest::prelude::*;

use crate::samples::{normal, related, tensor};

/// Rounding of f64 sums in another order.
const CLOSE: f64 = 1e-10;

fn rows(view: &Tensor<2>, range: std::ops::Range<usize>) -> Tensor<2> {
    view.clone().slice([range])
}

fn gathered(x: &Tensor<2>, y: &Tensor<2>, bounds: &[usize]) -> Moments {
    let mut moments = Moments::new();
    for pair in bounds.windows(2) {
        let part = pair[0]..pair[1];
        moments
            .add(&[&rows(x, part.clone()), &rows(y, part)])
            .unwrap();
    }
    moments
}

fn same(one: &Moments, other: &Moments) -> Result<(), TestCaseError> {
    let [a, b] = [one, other].map(|moments| moments.pair(0, 1).unwrap().compare().unwrap());
    let numbers = |found: &Comparison| {
        let cca = found.cca.as_ref().unwrap();
        let mut numbers = cca.coefficients.as_slice().to_vec();
        numbers.extend(found.participation_ratio);
        numbers.extend([
            found.cka.biased,
            found.cka.debiased.unwrap(),
            found.r2.y_from_x.unwrap(),
        ]);
        numbers.extend([
            found.pwcca.as_ref().unwrap().x,
            found.procrustes.unwrap().cosine,
        ]);
        numbers
    };
    prop_assert_eq!((a.samples, a.rank), (b.samples, b.rank));
    for (one, other) in numbers(&a).iter().zip(numbers(&b)) {
        prop_assert!(
            (one - other).abs() < CLOSE * one.abs().max(1.0),
            "{one} {other}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_size_in_any_order_give_the_same(seed: u64, first in 1usize..60, second in 60usize..119) {
        let (x, y) = related(seed);
        let (x, y) = (tensor(&x.add_scalar(40.0)), tensor(&y));
        let whole = gathered(&x, &y, &[0, 120]);
        same(&whole, &gathered(&x, &y, &[0, first, second, 120]))?;

        let parts = [second..120, 0..first, first..second];
        let mut merged = Moments::new();
        for part in parts {
            merged.merge(&gathered(&x, &y, &[part.start, part.end])).unwrap();
        }
        same(&whole, &merged)?;
    }

    #[test]
    fn moments_of_different_pivots_and_scales_add_up(seed: u64, shift in -50.0..50.0, power in -4..4) {
        let (x, y) = related(seed);
        // The second half lies elsewhere and is larger, so its own pivot and scale differ.
        let factor = 10f64.powi(power);
        let moved = |m: &DMatrix<f64>| DMatrix::from_fn(m.nrows(), m.ncols(), |i, j| {
            if i < 60 { m[(i, j)] } else { m[(i, j)] * factor + shift }
        });
        let (x, y) = (tensor(&moved(&x)), tensor(&moved(&y)));
        let mut halves = gathered(&x, &y, &[0, 60]);
        halves.merge(&gathered(&x, &y, &[60, 120])).unwrap();
        let [a, b] = [gathered(&x, &y, &[0, 120]), halves].map(|moments| {
            moments.pair(0, 1).unwrap().cka().unwrap()
        });
        prop_assert!((a.biased - b.biased).abs() < CLOSE);
        prop_assert!((a.debiased.unwrap() - b.debiased.unwrap()).abs() < CLOSE);
    }
}

#[test]
#[expect(deprecated, reason = "checked for as long as Burn has it")]
fn batches_from_different_devices_add_up() {
    let (x, y) = related(3);
    let (x, y) = (tensor(&x), tensor(&y));
    let whole = gathered(&x, &y, &[0, 120]);
    let moved =
        |view: &Tensor<2>| Tensor::<2>::from_data(view.to_data(), (&Device::ndarray(), DType::F64));
    let (there_x, there_y) = (moved(&x), moved(&y));
    let mut mixed = gathered(&x, &y, &[0, 50]);
    mixed
        .add(&[&rows(&there_x, 50..90), &rows(&there_y, 50..90)])
        .unwrap();
    mixed
        .add(&[&rows(&x, 90..120), &rows(&there_y, 90..120)])
        .unwrap();
    same(&whole, &mixed).unwrap();
}

#[test]
fn moments_survive_json_and_go_on() {
    let (x, y) = related(4);
    let (x, y) = (tensor(&x), tensor(&y));
    let text = serde_json::to_string(&gathered(&x, &y, &[0, 70])).unwrap();
    let mut read: Moments = serde_json::from_str(&text).unwrap();
    read.add(&[&rows(&x, 70..120), &rows(&y, 70..120)]).unwrap();
    assert_eq!(read.samples(), 120);
    same(&gathered(&x, &y, &[0, 70, 120]), &read).unwrap();
}

#[test]
fn many_views_give_every_pair() {
    let (x, y) = related(5);
    let z = normal(120, 5, 77);
    let views = [&x, &y, &z].map(tensor);
    let mut moments = Moments::new();
    moments.add(&[&views[0], &views[1], &views[2]]).unwrap();
    assert_eq!(moments.neurons(), [12, 9, 5]);
    for (a, b) in [(0, 1), (0, 2), (2, 1), (1, 1)] {
        let found = moments.pair(a, b).unwrap().svcca(Cut::default()).unwrap();
        let expected = frostline_svcca::svcca(&views[a], &views[b], &Default::default()).unwrap();
        assert_eq!(found.kept, expected.kept);
        // Scatters in f64 on both routes.
        assert!((found.coefficients - expected.coefficients).amax() < CLOSE);
    }
    assert!(matches!(moments.pair(0, 3), Err(Error::Empty { .. })));
}

#[test]
fn a_neuron_that_is_constant_in_every_batch_but_one_varies() {
    let mut x = normal(80, 4, 1);
    x.column_mut(2).fill(0.0);
    x[(77, 2)] = 1.0;
    let y = normal(80, 3, 2);
    let (x, y) = (tensor(&x), tensor(&y));
    let moments = gathered(&x, &y, &[0, 40, 70, 80]);
    let found = moments.pair(0, 1).unwrap().cca().unwrap();
    assert_eq!(found.rank, [4, 3]);
    let dead = gathered(&x, &y, &[0, 40])
        .pair(0, 1)
        .unwrap()
        .cca()
        .unwrap();
    assert_eq!(dead.rank, [3, 3]);
}

#[test]
fn a_bad_batch_is_refused_and_changes_nothing() {
    let (x, y) = related(6);
    let (x, y) = (tensor(&x), tensor(&y));
    let mut moments = gathered(&x, &y, &[0, 60]);
    let before = moments.clone();
    let mut bad = vec![1.0f64; 36];
    bad[14] = f64::NAN;
    let bad = Tensor::<2>::from_data(TensorData::new(bad, [3, 12]), (&Device::flex(), DType::F64));
    let refused = moments.add(&[&bad, &rows(&y, 60..63)]);
    assert!(
        matches!(
            refused,
            Err(Error::NotFinite {
                row: 61,
                column: 2,
                ..
            })
        ),
        "{refused:?}"
    );
    let refused = moments.add(&[&rows(&x, 60..70), &rows(&y, 60..69)]);
    assert!(
        matches!(refused, Err(Error::SampleMismatch { x: 10, y: 9 })),
        "{refused:?}"
    );
    let refused = moments.add(&[&rows(&y, 60..70), &rows(&x, 60..70)]);
    assert!(
        matches!(refused, Err(Error::ViewsMismatch { .. })),
        "{refused:?}"
    );
    let refused = moments.add(&[]);
    assert!(
        matches!(refused, Err(Error::ViewsMismatch { .. })),
        "{refused:?}"
    );
    let refused = Moments::new().pair(0, 1);
    assert!(matches!(refused, Err(Error::Empty { .. })), "{refused:?}");
    assert_eq!(moments, before);
}

#[test]
fn the_jackknife_covers_what_noise_gives() {
    // Independent views of 1000 samples: the mean ρ of 4 by 4 dimensions.
    let blocks: Vec<Moments> = (0..10)
        .map(|block| {
            let (x, y) = (normal(100, 4, block), normal(100, 4, block ^ 0xff00));
            let mut moments = Moments::new();
            moments.add(&[&tensor(&x), &tensor(&y)]).unwrap();
            moments
        })
        .collect();
    let mean = |moments: &Moments| Ok(moments.pair(0, 1)?.cca()?.mean);
    let found: Interval = jackknife(&blocks, mean).unwrap();
    let chance = frostline_svcca::Chance::of(1000, 4, 4, 0.0).mean_rho;
    assert!(
        found.low < chance && chance < found.high,
        "{found:?}, {chance}"
    );
    assert!(
        found.standard_error > 1e-3 && found.standard_error < 0.05,
        "{found:?}"
    );

    // The definition, from views of all rows but a block's.
    let whole = |skip: usize, salt: u64| {
        let rows: Vec<DMatrix<f64>> = (0..10)
            .filter(|block| *block != skip)
            .map(|block| normal(100, 4, block as u64 ^ salt))
            .collect();
        DMatrix::from_fn(rows.len() * 100, 4, |i, j| rows[i / 100][(i % 100, j)])
    };
    let without: Vec<f64> = (0..10)
        .map(|skip| {
            let (x, y) = (tensor(&whole(skip, 0)), tensor(&whole(skip, 0xff00)));
            let (x, y) = (View::new(&x).unwrap(), View::new(&y).unwrap());
            frostline_svcca::Pair::of(&x, &y)
                .unwrap()
                .cca()
                .unwrap()
                .mean
        })
        .collect();
    let mean = without.iter().sum::<f64>() / 10.0;
    let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
    assert!((found.standard_error - (0.9 * squares).sqrt()).abs() < CLOSE);
    // Student's 97.5 % point at 9 degrees of freedom.
    let reach = found.high - found.estimate;
    assert!((reach / found.standard_error - 2.262157).abs() < 1e-5);
}

#[test]
fn one_block_gives_no_error() {
    let refused = jackknife(&[Moments::new()], |_| Ok(0.0));
    assert!(
        matches!(refused, Err(Error::TooFewBlocks { blocks: 1 })),
        "{refused:?}"
    );
}

#[test]
fn moments_whose_singular_values_overflow_are_refused() {
    let x = normal(30, 3, 1);
    // Plus, minus: the means stay small, and so do the pivots.
    let large = DMatrix::from_fn(30, 3, |i, _| if i % 2 == 0 { 1.7e308 } else { -1.7e308 });
    let mut moments = Moments::new();
    let added = moments.add(&[&tensor(&large), &tensor(&x)]);
    // Where the sum over samples takes other steps the mean overflows, and the batch is refused.
    let refused = added.and_then(|()| moments.pair(0, 1));
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
}
