//! What comes in broken goes out as an error with its numbers; what comes in degenerate is measured.

use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};
use frostline_svcca::{
    Basis, Correlations, Cut, Error, Measure, Side, Svcca, View, Warning, cca, correlations, svcca,
};

#[test]
fn the_first_value_that_is_not_finite_is_named_by_row_and_column() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = vec![1.0f32; 40 * 5];
        values[17 * 5 + 3] = bad;
        values[30 * 5] = f32::NAN;
        let x = Tensor::from_data(TensorData::new(values, [40, 5]), &Device::flex());
        let Err(Error::NotFinite { row, column, value }) = View::new(&x) else {
            panic!("{bad} was taken")
        };
        assert_eq!((row, column), (17, 3));
        assert!(value.is_nan() && bad.is_nan() || value == f64::from(bad));
    }
}

#[test]
fn nothing_and_a_single_sample_are_refused() {
    let device = Device::flex();
    let refused = View::new(&Tensor::zeros([10, 0], &device));
    assert!(
        matches!(
            refused,
            Err(Error::Empty {
                samples: 10,
                neurons: 0
            })
        ),
        "{refused:?}"
    );
    let refused = View::new(&Tensor::zeros([0, 4], &device));
    assert!(
        matches!(
            refused,
            Err(Error::Empty {
                samples: 0,
                neurons: 4
            })
        ),
        "{refused:?}"
    );
    let refused = View::new(&Tensor::ones([1, 4], &device));
    assert!(
        matches!(
            refused,
            Err(Error::TooFewSamples {
                samples: 1,
                dims: 4
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn views_of_different_samples_are_refused_with_both_counts() {
    let refused = cca(&noise(50, 3), &noise(60, 3));
    assert!(
        matches!(refused, Err(Error::SampleMismatch { x: 50, y: 60 })),
        "{refused:?}"
    );
    let refused = correlations(&basis(&noise(50, 3)), &basis(&noise(60, 3)));
    assert!(
        matches!(refused, Err(Error::SampleMismatch { x: 50, y: 60 })),
        "{refused:?}"
    );
}

#[test]
fn as_many_neurons_as_samples_are_refused_by_cca_and_taken_once_cut() {
    let (x, y) = (noise(20, 20), noise(20, 5));
    let refused = cca(&x, &y);
    assert!(
        matches!(
            refused,
            Err(Error::TooFewSamples {
                samples: 20,
                dims: 19
            })
        ),
        "{refused:?}"
    );
    let found = svcca(
        &x,
        &y,
        &Svcca {
            cut: Cut::Directions(4),
        },
    )
    .unwrap();
    assert_eq!((found.kept, found.rank), ([4, 4], [19, 5]));
    sound(&found);
}

#[test]
fn a_basis_that_spans_every_centred_sample_is_refused() {
    // 20 centred samples lie in 19 dimensions: any y is a mix of these neurons.
    let (x, y) = (noise(20, 19), noise(20, 3));
    for cut in [Cut::All, Cut::Variance(1.0), Cut::Directions(19)] {
        let refused = svcca(&x, &y, &Svcca { cut });
        assert!(
            matches!(
                refused,
                Err(Error::TooFewSamples {
                    samples: 20,
                    dims: 19
                })
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn below_two_samples_a_direction_nothing_is_said() {
    // Independent noise: of 20 samples, 10 directions correlate by .77 in the mean, 11 and more share some.
    let (x, y) = (noise(20, 15), noise(20, 15));
    for (count, refused) in [(10, false), (11, true), (15, true)] {
        let cut = Cut::Directions(count);
        let found = svcca(&x, &y, &Svcca { cut });
        let few = matches!(found, Err(Error::TooFewSamples { samples: 20, dims }) if dims == count);
        assert_eq!(few, refused, "{count}: {found:?}");
        // By name as well, and with a level that the value lies near.
        let found = Measure::Svcca(cut).between(&x, &y);
        assert_eq!(found.is_err(), refused, "{count}: {found:?}");
        if let Ok(found) = found {
            assert!(found.is_chance(), "{found:?}");
            assert!(found.corrected.unwrap().abs() < 0.3, "{found:?}");
            assert!(matches!(found.warnings[0], Warning::FewSamples { .. }));
        }
    }
}

#[test]
fn cuts_out_of_range_are_refused() {
    let x = noise(50, 3);
    for cut in [
        Cut::Variance(0.0),
        Cut::Variance(1.5),
        Cut::Variance(f64::NAN),
        Cut::SingularValues(-0.1),
        Cut::SingularValues(f64::INFINITY),
        Cut::Directions(0),
    ] {
        let refused = svcca(&x, &x, &Svcca { cut });
        assert!(matches!(refused, Err(Error::BadCut { .. })), "{refused:?}");
        assert!(matches!(
            View::new(&x).unwrap().basis(cut),
            Err(Error::BadCut { .. })
        ));
    }
}

#[test]
fn bases_cut_by_different_rules_are_refused() {
    let view = View::new(&noise(50, 3)).unwrap();
    let (all, some) = (
        view.basis(Cut::All).unwrap(),
        view.basis(Cut::default()).unwrap(),
    );
    let refused = correlations(&all, &some);
    assert!(
        matches!(refused, Err(Error::CutMismatch { x: Cut::All, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_layer_in_which_nothing_varies_correlates_with_nothing() {
    let flat = Tensor::full([50, 4], 0.1, &Device::flex());
    for (x, y) in [
        (&flat, &noise(50, 3)),
        (&noise(50, 3), &flat),
        (&flat, &flat),
    ] {
        let found = svcca(x, y, &Svcca::default()).unwrap();
        assert_eq!((found.mean, found.coefficients.len()), (0.0, 0));
        assert!(
            found
                .warnings
                .iter()
                .any(|w| matches!(w, Warning::NoVariance { .. }))
        );
        sound(&found);
    }
}

#[test]
fn dead_neurons_are_left_out_and_counted() {
    let x = noise(200, 5);
    let dead = Tensor::cat(
        vec![x.clone(), Tensor::full([200, 2], 1e4 + 0.1, &x.device())],
        1,
    );
    let found = cca(&dead, &x).unwrap();
    assert_eq!(
        (found.kept, found.rank, found.neurons),
        ([5, 5], [5, 5], [7, 5])
    );
    assert!((found.mean - 1.0).abs() < 1e-12, "{}", found.mean); // equal views in f64 products
    assert_eq!(
        found.warnings,
        [Warning::DeadNeurons {
            side: Side::X,
            count: 2
        }]
    );
}

#[test]
fn a_repeated_neuron_adds_no_rank() {
    let (x, y) = (noise(300, 6), noise(300, 4));
    let doubled = Tensor::cat(vec![x.clone(), x.clone().slice([0..300, 0..3])], 1);
    let (plain, found) = (cca(&x, &y).unwrap(), cca(&doubled, &y).unwrap());
    assert_eq!(
        (found.rank, found.kept, found.neurons),
        ([6, 4], [6, 4], [9, 4])
    );
    // The same span, found by a decomposition of the activations instead of their product.
    assert!((&plain.coefficients - &found.coefficients).amax() < 1e-12);
}

#[test]
fn a_rank_is_called_deficient_only_where_it_is_known() {
    let x = noise(300, 6).cast(DType::F64);
    let deficient = |found: &Correlations| {
        let known = |w: &Warning| matches!(w, Warning::RankDeficient { side: Side::X, .. });
        found.warnings.iter().any(known)
    };
    let doubled = Tensor::cat(vec![x.clone(), x.clone()], 1);
    assert!(deficient(&cca(&doubled, &x).unwrap()));
    // A direction so faint that a variance cut doesn't look for it, and plain CCA finds it.
    let faint = Tensor::from_data(
        [[1.0f64, 1.0, 1.0, 1.0, 1.0, 1e-9]],
        (&x.device(), DType::F64),
    );
    let faint = x.clone().mul(faint);
    let cut = svcca(&faint, &x, &Svcca::default()).unwrap();
    assert!(!deficient(&cut) && !deficient(&cca(&faint, &x).unwrap()));
}

#[test]
fn a_direction_a_hundred_million_times_fainter_than_the_first_is_kept_by_cca() {
    let x = noise(300, 4).cast(DType::F64);
    let faint = Tensor::from_data([[1.0f64, 1e-2, 1e-5, 1e-8]], (&x.device(), DType::F64));
    let (plain, found) = (
        cca(&x, &x).unwrap(),
        cca(&x.clone().mul(faint), &x).unwrap(),
    );
    assert_eq!(found.rank, [4, 4]);
    assert!((plain.mean - found.mean).abs() < 1e-7); // ε times the condition of 1e8
}

#[test]
fn activations_near_the_largest_and_the_smallest_f32_are_measured() {
    let (x, y) = (noise(100, 4), noise(100, 4));
    let plain = cca(&x, &y).unwrap();
    for factor in [1e37, 1e-35] {
        let found = cca(&x.clone().mul_scalar(factor), &y).unwrap();
        // The factor rounds each activation once more, in f32.
        assert!(
            (plain.mean - found.mean).abs() < 1e-6,
            "{factor:e}: {}",
            found.mean
        );
    }
}

#[test]
fn activations_whose_singular_values_overflow_are_refused() {
    let x = noise(100, 4)
        .cast(DType::F64)
        .clamp(-1.0, 1.0)
        .mul_scalar(1.7e308);
    let refused = View::new(&x);
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
}

#[test]
fn few_samples_are_said_and_the_chance_level_explains_the_mean() {
    let found = cca(&noise(64, 32), &noise(64, 32)).unwrap();
    assert_eq!(
        found.warnings,
        [Warning::FewSamples {
            samples: 64,
            dims: 32
        }]
    );
    // Unrelated views of this shape: single draws scatter by about 0.02 around the law's mean.
    assert!(
        (found.mean - found.chance.mean_rho).abs() < 0.08,
        "{}",
        found.mean
    );
    assert!(found.chance.corrected.abs() < 0.15, "{:?}", found.chance);
}

#[test]
fn a_view_that_is_being_trained_is_compared_without_its_graph() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::random([80, 5], Distribution::Default, &device).require_grad();
    let found = cca(&x.clone().mul_scalar(2.0), &x).unwrap();
    assert!((found.mean - 1.0).abs() < 1e-12, "{}", found.mean); // doubling is exact
}

#[test]
fn half_floats_are_taken() {
    for dtype in [DType::F16, DType::BF16] {
        let x = noise(80, 5).cast(dtype);
        let found = cca(&x, &x.clone().cast(DType::F32)).unwrap();
        assert!(
            (found.mean - 1.0).abs() < 1e-12,
            "{dtype:?}: {}",
            found.mean
        ); // the same numbers
    }
}

#[test]
#[expect(deprecated, reason = "checked for as long as Burn has it")]
fn views_on_two_devices_are_compared_on_the_host() {
    let (x, y) = (noise(80, 5), noise(80, 4));
    let moved = Tensor::from_data(y.to_data(), &Device::ndarray());
    let (here, there) = (cca(&x, &y).unwrap(), cca(&x, &moved).unwrap());
    assert!((here.mean - there.mean).abs() < 1e-12);
}

#[test]
fn a_result_survives_json() {
    let found = svcca(&noise(80, 5), &noise(80, 4), &Svcca::default()).unwrap();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Correlations>(&text).unwrap(), found);
}

fn sound(found: &Correlations) {
    assert!(
        found
            .coefficients
            .iter()
            .all(|rho| (0.0..=1.0).contains(rho)),
        "{found:?}"
    );
    let chance = found.chance;
    for number in [
        found.mean,
        chance.mean_rho,
        chance.mean_rho2,
        chance.edge,
        chance.corrected,
    ] {
        assert!(number.is_finite(), "{found:?}");
    }
}

fn basis(x: &Tensor<2>) -> Basis {
    View::new(x).unwrap().basis(Cut::default()).unwrap()
}

fn noise(samples: usize, neurons: usize) -> Tensor<2> {
    Tensor::random(
        [samples, neurons],
        Distribution::Normal(0.0, 1.0),
        &Device::flex(),
    )
}
