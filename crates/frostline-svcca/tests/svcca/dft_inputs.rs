//! What comes in broken goes out as an error with its numbers; what comes in degenerate is measured.

use burn::tensor::{DType, Device, Tensor};
use frostline_svcca::{DftCca, Error, Fourier, Side, Warning, dft_cca};

use crate::{
    dft::same,
    maps::{Maps, normal, pair, related},
};

#[test]
fn maps_that_are_constant_in_space_say_something_at_frequency_0_only() {
    let (x, y) = pair(8);
    let flat = Maps::of(x.shape, |n, c, _, _| x.at(n, c, 0, 0) * 1e3);
    let found = dft_cca(&flat.tensor(), &y.tensor()).unwrap();
    let dc = found.coefficients_at(0, 0).unwrap().clone();
    assert_eq!((dc.len(), found.rank), (3, [3, 3]));
    assert!((found.mean - dc.mean() / 30.0).abs() < 1e-12);
    assert_eq!(
        found
            .mean_per_frequency
            .iter()
            .filter(|mean| **mean == 0.0)
            .count(),
        29
    );
    let warned = Warning::FlatFrequencies {
        side: Side::X,
        count: 29,
        of: 30,
    };
    assert!(found.warnings.contains(&warned), "{:?}", found.warnings);
}

#[test]
fn dead_channels_are_left_out_and_counted() {
    let (x, y) = pair(4);
    let [samples, channels, height, width] = x.shape;
    let dead = Maps::of([samples, channels + 1, height, width], |n, c, i, j| {
        // Different at every pixel, the same for every sample.
        if c < channels {
            x.at(n, c, i, j)
        } else {
            0.1 + (i * width + j) as f64
        }
    });
    let (plain, found) = (
        dft_cca(&x.tensor(), &y.tensor()).unwrap(),
        dft_cca(&dead.tensor(), &y.tensor()).unwrap(),
    );
    assert!((plain.mean - found.mean).abs() < 1e-12);
    assert_eq!((found.rank, found.channels), ([3, 3], [4, 3]));
    assert_eq!(
        found.warnings,
        [Warning::DeadNeurons {
            side: Side::X,
            count: 1
        }]
    );
}

#[test]
fn a_layer_that_never_varies_correlates_with_nothing() {
    let (_, y) = pair(4);
    let flat = Maps::of(y.shape, |_, c, i, j| 0.1 * (c + i + j) as f64);
    for (x, y) in [(&flat, &y), (&y, &flat), (&flat, &flat)] {
        let found = dft_cca(&x.tensor(), &y.tensor()).unwrap();
        assert_eq!((found.mean, found.mean_per_frequency.amax()), (0.0, 0.0));
        assert!(
            found
                .warnings
                .iter()
                .any(|w| matches!(w, Warning::NoVariance { .. }))
        );
        assert!(found.chance.corrected.is_finite());
    }
}

#[test]
fn a_repeated_channel_adds_no_rank() {
    let (x, y) = pair(6);
    let [samples, channels, height, width] = x.shape;
    let more = [samples, channels + 2, height, width];
    let doubled = Maps::of(more, |n, c, i, j| match c {
        3 => x.at(n, 0, i, j),
        4 => x.at(n, 1, i, j) - 2.0 * x.at(n, 2, i, j),
        c => x.at(n, c, i, j),
    });
    let (plain, found) = (
        dft_cca(&x.tensor(), &y.tensor()).unwrap(),
        dft_cca(&doubled.tensor(), &y.tensor()).unwrap(),
    );
    // The same spans, found by singular vectors instead of the scatter.
    for (plain, found) in plain.coefficients.iter().zip(&found.coefficients) {
        assert!((plain - found).amax() < 1e-10);
    }
    let warned = Warning::RankDeficient {
        side: Side::X,
        rank: 3,
        neurons: 5,
    };
    assert!(found.warnings.contains(&warned), "{:?}", found.warnings);
    let (own, y) = (
        Fourier::of(&doubled.tensor()).unwrap(),
        Fourier::of(&y.tensor()).unwrap(),
    );
    assert_eq!(own.dft_cca(&y).unwrap(), found);
    assert!((own.dft_cca(&own).unwrap().mean - 1.0).abs() < 1e-12);
}

#[test]
fn what_the_transforms_rounding_leaves_is_no_direction() {
    // Whole numbers, so that the maps hold no rounding of their own: large ones that are constant in
    // space, and small ones, alike in the first and the last channel, on top.
    let (x, y) = pair(9);
    let large = |n: usize, c: usize| (x.at(n, c, 0, 0) * 8.0).round() * 2f64.powi(44);
    let small = |n: usize, c: usize, i: usize, j: usize| (x.at(n, c % 2, i, j) * 8.0).round();
    let maps = Maps::of(x.shape, |n, c, i, j| large(n, c) + small(n, c, i, j));
    let found = dft_cca(&maps.tensor(), &y.tensor()).unwrap();
    let ranks: Vec<usize> = found.coefficients.iter().map(|rho| rho.len()).collect();
    assert_eq!(ranks[0], 3);
    assert!(ranks[1..].iter().all(|rank| *rank == 2), "{ranks:?}");
}

#[test]
fn nearly_dependent_channels_are_told_apart() {
    // Condition 1e7: the scatter's inverse would carry two digits.
    let (x, y) = pair(11);
    let near = Maps::of(x.shape, |n, c, i, j| {
        x.at(n, 0, i, j) + if c == 0 { 0.0 } else { 1e-7 * x.at(n, c, i, j) }
    });
    let (plain, found) = (
        dft_cca(&x.tensor(), &y.tensor()).unwrap(),
        dft_cca(&near.tensor(), &y.tensor()).unwrap(),
    );
    assert_eq!(found.rank, [3, 3]);
    // The condition times ε, of the rounding of the sums.
    assert!(
        (plain.mean - found.mean).abs() < 1e-7,
        "{:e}",
        plain.mean - found.mean
    );
}

#[test]
fn a_channel_a_billion_times_fainter_counts_as_any() {
    let (x, y) = pair(12);
    let faint = Maps::of(x.shape, |n, c, i, j| {
        x.at(n, c, i, j) * [1.0, 1e-9, 1e-18][c]
    });
    same((&x, &y), (&faint, &y)).unwrap();
}

#[test]
fn a_large_offset_costs_only_its_own_rounding() {
    let (x, y) = pair(13);
    let offset = Maps::of(x.shape, |n, c, i, j| x.at(n, c, i, j) + 1e6);
    let (plain, found) = (
        dft_cca(&x.tensor(), &y.tensor()).unwrap(),
        dft_cca(&offset.tensor(), &y.tensor()).unwrap(),
    );
    assert!((plain.mean - found.mean).abs() < 1e-8); // 1e6 times ε times the condition
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for sample in [0, 17, 200] {
            let mut x = related([300, 2, 3, 4], 1, 1);
            for late in [sample, 250] {
                x.values[late * 24 + 13] = bad;
            }
            let Err(Error::NotFinite { row, column, value }) = Fourier::of(&x.tensor()) else {
                panic!("{bad} was taken")
            };
            assert_eq!((row, column), (sample, 13));
            assert!(value.is_nan() && bad.is_nan() || value == bad);
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused_with_its_numbers() {
    let device = Device::flex();
    let refused = Fourier::of(&Tensor::<2>::ones([30, 4], &device));
    assert!(
        matches!(&refused, Err(Error::NotMaps { shape }) if *shape == [30, 4]),
        "{refused:?}"
    );
    let refused = Fourier::of(&Tensor::<5>::ones([30, 4, 1, 1, 1], &device));
    assert!(matches!(refused, Err(Error::NotMaps { .. })), "{refused:?}");
    let sequence = Fourier::of(&Tensor::<3>::ones([30, 4, 6], &device));
    let message = sequence.unwrap_err().to_string();
    for reading in ["[sample, channel, place]", "[sample, token, neuron]"] {
        assert!(message.contains(reading), "{message}");
    }
    for shape in [[0, 3, 4, 4], [30, 0, 4, 4], [30, 3, 0, 4], [30, 3, 4, 0]] {
        let refused = Fourier::of(&Tensor::<4>::zeros(shape, &device));
        assert!(matches!(refused, Err(Error::Empty { .. })), "{refused:?}");
    }
    let refused = Fourier::of(&related([1, 8, 3, 3], 1, 1).tensor());
    assert!(
        matches!(
            refused,
            Err(Error::TooFewSamples {
                samples: 1,
                dims: 8
            })
        ),
        "{refused:?}"
    );
    // Centring takes one dimension, and below two samples a direction nothing is said.
    for (samples, dims) in [(8, 7), (9, 8), (15, 8), (16, 0)] {
        let maps = related([samples, 8, 3, 3], 1, 1).tensor();
        let found = dft_cca(&maps, &maps);
        let refused = matches!(found, Err(Error::TooFewSamples { samples: n, dims: d }) if (n, d) == (samples, dims));
        assert_eq!(refused, samples < 16, "{samples}: {found:?}");
    }
    let refused = dft_cca(
        &related([30, 2, 3, 3], 1, 1).tensor(),
        &related([31, 2, 3, 3], 1, 1).tensor(),
    );
    assert!(
        matches!(refused, Err(Error::SampleMismatch { x: 30, y: 31 })),
        "{refused:?}"
    );
    let large = Maps::of([30, 2, 3, 3], |n, _, i, _| {
        if (n + i) % 2 == 0 { 1.7e308 } else { -1.7e308 }
    });
    let refused = Fourier::of(&large.tensor());
    assert!(
        matches!(refused, Err(Error::TooLarge { peak: 1.7e308 })),
        "{refused:?}"
    );
}

#[test]
fn few_samples_are_said_and_the_chance_level_explains_the_mean() {
    let noise = |seed| Maps {
        shape: [64, 16, 4, 4],
        values: normal(64 * 16 * 16, seed),
    };
    let found = dft_cca(&noise(1).tensor(), &noise(2).tensor()).unwrap();
    assert_eq!(
        found.warnings,
        [Warning::FewSamples {
            samples: 64,
            dims: 16
        }]
    );
    // The mean of 10 frequencies' draws, each scattering by about 0.02 around the law's.
    assert!(
        (found.mean - found.chance.mean_rho).abs() < 0.03,
        "{} {:?}",
        found.mean,
        found.chance
    );
    assert!(found.chance.corrected.abs() < 0.05, "{:?}", found.chance);
}

#[test]
fn half_floats_and_maps_with_the_channels_last_are_taken() {
    let (x, y) = pair(14);
    for dtype in [DType::F16, DType::BF16] {
        let half = x.tensor().cast(dtype);
        let found = dft_cca(&half, &half.clone().cast(DType::F32)).unwrap();
        assert!(
            (found.mean - 1.0).abs() < 1e-12,
            "{dtype:?}: {}",
            found.mean
        ); // the same numbers
    }
    let [samples, channels, height, width] = x.shape;
    let last = Maps::of([samples, height, width, channels], |n, i, j, c| {
        x.at(n, c, i, j)
    });
    let turned = last.tensor().permute([0, 3, 1, 2]);
    assert_eq!(
        dft_cca(&turned, &y.tensor()).unwrap(),
        dft_cca(&x.tensor(), &y.tensor()).unwrap()
    );
}

#[test]
fn a_result_survives_json() {
    let (x, y) = pair(2);
    let found = dft_cca(&x.tensor(), &y.tensor()).unwrap();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<DftCca>(&text).unwrap(), found);
}
