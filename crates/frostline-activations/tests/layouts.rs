//! Every layout of every kind of activation beside a computation value by value.

use burn::tensor::{DType, Device, Distribution, Tensor};
use frostline_activations::{Activation, Axes, Error, LayerShape, Layout, Pooled, Tap, record};

/// A layer's values told apart: `[sample][channel][place]`, places row by row, and the lengths of their axes.
struct Naive {
    values: Vec<Vec<Vec<f64>>>,
    places: Vec<usize>,
}

/// Normal numbers of this shape, the same for every call.
fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let device = Device::flex();
    device.seed(shape.iter().sum::<usize>() as u64);
    Tensor::random(shape, Distribution::Normal(1.0, 1.0), &device)
}

fn naive<const D: usize>(tensor: &Tensor<D>, axes: Axes) -> Naive {
    let shape = tensor.dims();
    let flat: Vec<f64> = tensor.to_data().iter::<f64>().collect();
    let (channels, places) = match axes {
        Axes::ChannelsFirst => (shape[1], shape[2..].to_vec()),
        Axes::ChannelsLast | Axes::Tokens => (shape[D - 1], shape[1..D - 1].to_vec()),
    };
    let count: usize = places.iter().product();
    let at = |n: usize, c: usize, p: usize| match axes {
        Axes::ChannelsFirst => flat[(n * channels + c) * count + p],
        Axes::ChannelsLast | Axes::Tokens => flat[(n * count + p) * channels + c],
    };
    let values = (0..shape[0]).map(|n| {
        let channels = (0..channels).map(|c| (0..count).map(|p| at(n, c, p)).collect());
        channels.collect()
    });
    Naive {
        values: values.collect(),
        places,
    }
}

impl Naive {
    fn view(&self, layout: Layout) -> Vec<Vec<f64>> {
        let count: usize = self.places.iter().product();
        let mut rows = Vec::new();
        for (n, channels) in self.values.iter().enumerate() {
            match layout {
                Layout::Channels => rows.extend(
                    (0..count).map(|place| channels.iter().map(|map| map[place]).collect()),
                ),
                Layout::ChannelMeans => {
                    let mean = |map: &Vec<f64>| map.iter().sum::<f64>() / count as f64;
                    rows.push(channels.iter().map(mean).collect());
                }
                Layout::Positions => rows.push(channels.iter().flatten().copied().collect()),
                Layout::Pooled(pooled) => rows.extend(pooled.chosen(n).into_iter().map(|cell| {
                    let mean = |map: &Vec<f64>| self.cell_mean(map, &pooled, cell);
                    channels.iter().map(mean).collect()
                })),
            }
        }
        rows
    }

    /// The mean of a map over a cell, place by place.
    fn cell_mean(&self, map: &[f64], pooled: &Pooled, cell: usize) -> f64 {
        let [_, rows, columns] = pooled.grid;
        let of_cell = [
            cell / (rows * columns),
            cell / columns % rows,
            cell % columns,
        ];
        let (mut sum, mut count) = (0.0, 0.0);
        for (place, value) in map.iter().enumerate() {
            let mut rest = place;
            let mut inside = true;
            for (back, &length) in self.places.iter().rev().enumerate() {
                let (at, cells, i) = (rest % length, pooled.grid[2 - back], of_cell[2 - back]);
                rest /= length;
                inside &= i * length / cells <= at && at * cells < (i + 1) * length;
            }
            if inside {
                sum += value;
                count += 1.0;
            }
        }
        sum / count
    }
}

const LAYOUTS: [Layout; 6] = [
    Layout::Channels,
    Layout::ChannelMeans,
    Layout::Positions,
    Layout::Pooled(Pooled {
        grid: [1, 1, 4],
        places: 4,
        seed: 0,
    }),
    Layout::Pooled(Pooled {
        grid: [1, 3, 2],
        places: 4,
        seed: 3,
    }),
    Layout::Pooled(Pooled {
        grid: [2, 3, 5],
        places: 7,
        seed: 1,
    }),
];

fn rows(view: Tensor<2>) -> Vec<Vec<f64>> {
    let [_, width] = view.dims();
    let values: Vec<f64> = view.into_data().iter::<f64>().collect();
    values.chunks(width).map(<[f64]>::to_vec).collect()
}

/// Whether the views are the naive ones; columns may be in another order where places are neurons.
fn assert_naive<const D: usize>(tensor: Tensor<D>, axes: Axes, tolerance: f64) {
    let naive = naive(&tensor, axes);
    for layout in LAYOUTS {
        let layer = Activation::new("layer", tensor.clone()).with_axes(axes);
        let mut found = rows(layer.view(layout).unwrap());
        let mut expected = naive.view(layout);
        if layout == Layout::Positions {
            let sort = |row: &mut Vec<f64>| row.sort_by(f64::total_cmp);
            found.iter_mut().for_each(sort);
            expected.iter_mut().for_each(sort);
        }
        let context = format!("{axes} {:?} in {layout}", tensor.dims());
        assert_eq!(found.len(), expected.len(), "{context}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.len(), expected.len(), "{context}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < tolerance,
                    "{context}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn every_layout_is_what_it_says_in_one_two_and_three_dimensions_with_channels_first_or_last() {
    // Sums of at most 7 x 5 x 3 values near 1, in f32.
    let near = 2e-6;
    for axes in [Axes::ChannelsFirst, Axes::ChannelsLast, Axes::Tokens] {
        assert_naive(normal([3, 4, 7]), axes, near);
        assert_naive(normal([2, 1, 3]), axes, near);
        assert_naive(normal([2, 5, 1]), axes, near);
    }
    for axes in [Axes::ChannelsFirst, Axes::ChannelsLast] {
        assert_naive(normal([3, 4, 6, 5]), axes, near);
        assert_naive(normal([2, 3, 1, 8]), axes, near);
        assert_naive(normal([2, 7, 5, 3, 4]), axes, near);
        assert_naive(normal([2, 3, 2, 2, 2]), axes, near);
    }
}

#[test]
fn half_precision_is_averaged_in_f32_and_f64_in_f64() {
    for (dtype, tolerance) in [(DType::F16, 2e-6), (DType::BF16, 2e-6), (DType::F64, 1e-14)] {
        assert_naive(
            normal([3, 2, 9, 7]).cast(dtype),
            Axes::ChannelsFirst,
            tolerance,
        );
        assert_naive(normal([3, 12, 5]).cast(dtype), Axes::Tokens, tolerance);
    }
}

#[test]
#[expect(deprecated, reason = "ndarray works as long as Burn has it")]
fn another_backend_gives_the_same_views() {
    let device = Device::ndarray();
    for axes in [Axes::ChannelsFirst, Axes::ChannelsLast] {
        let maps = normal([2, 7, 5, 3, 4]).to_data();
        assert_naive(Tensor::<5>::from_data(maps, &device), axes, 2e-6);
        let sequence = normal([3, 4, 7]).to_data();
        assert_naive(Tensor::<3>::from_data(sequence, &device), axes, 2e-6);
    }
}

#[test]
fn a_small_signal_on_a_large_offset_survives_the_mean_of_half_precision() {
    // The offset's neighbours in f16 are .001 apart, in bf16 .008: rounding a mean to them leaves nothing of .0001.
    for dtype in [DType::F16, DType::BF16] {
        let coin = normal([40, 2, 16, 16]).greater_elem(1.0).float();
        let maps = (coin * 0.0078125 + 1.0).cast(dtype);
        let layer = Activation::new("map", maps.clone());
        let means = layer.view(Layout::ChannelMeans).unwrap();
        let expected = naive(&maps, Axes::ChannelsFirst).view(Layout::ChannelMeans);
        for (found, expected) in rows(means).iter().flatten().zip(expected.iter().flatten()) {
            assert!(
                (found - expected).abs() < 2e-7,
                "{dtype:?}: {found} {expected}"
            );
        }
    }
}

#[test]
fn vectors_and_numbers_are_as_they_are_and_repeat_where_places_are_samples() {
    let vectors = Activation::new("vectors", normal([4, 3]));
    let scalars = Activation::new("scalars", normal([4]));
    for layout in [Layout::Channels, Layout::ChannelMeans, Layout::Positions] {
        let same = |view: Tensor<2>, expected: Tensor<2>| {
            assert_eq!(view.into_data(), expected.into_data(), "{layout}");
        };
        same(vectors.view(layout).unwrap(), normal([4, 3]));
        same(scalars.view(layout).unwrap(), normal([4]).reshape([4, 1]));
    }
    let pooled = Pooled {
        grid: [1, 3, 3],
        places: 5,
        seed: 0,
    };
    let repeated = rows(vectors.view(Layout::Pooled(pooled)).unwrap());
    let once = rows(normal([4, 3]));
    assert_eq!(repeated.len(), 20);
    for (row, repeated) in repeated.iter().enumerate() {
        assert_eq!(*repeated, once[row / 5]);
    }
}

#[test]
fn three_axes_without_a_name_are_an_error_that_shows_both_ways_to_name_them() {
    let (_, activations) = record(|| normal([8, 4, 6]).tap("conv1")).unwrap();
    let pooled = Layout::enough(&[LayerShape::of("map", &[4, 2, 5, 5], None).unwrap()], 4);
    assert!(matches!(pooled, Layout::Pooled(_)));
    for layout in [Layout::Channels, Layout::ChannelMeans, pooled] {
        let error = activations.view_as("conv1", layout).unwrap_err();
        assert!(matches!(error, Error::AxesUnknown { .. }), "{error}");
        let message = error.to_string();
        for part in [
            "`conv1` has shape [8, 4, 6]",
            "[sample, channel, place]",
            "[sample, token, neuron]",
            ".tap_as(\"conv1\", Axes::ChannelsFirst)",
            ".axes(Axes::Tokens)",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
    assert!(activations.layer("conv1").unwrap().maps().is_err());
    // Which neuron is which place means nothing to a measure.
    let whole = activations.view_as("conv1", Layout::Positions).unwrap();
    assert_eq!(whole.dims(), [8, 24]);
}

#[test]
fn axes_are_named_at_the_tap_for_all_layers_or_for_those_of_a_pattern() {
    let forward = || {
        let x = normal([8, 4, 6]).tap("conv.0").tap("conv.1");
        let x = x.tap_as("encoder", Axes::Tokens);
        x.reshape([8, 4, 3, 2]).tap("image")
    };
    let (_, activations) = record(forward).unwrap();
    let named = activations.with_axes(Axes::ChannelsFirst);
    let width = |activations: &frostline_activations::Activations, layer: &str| {
        activations.view(layer).unwrap().dims()[1]
    };
    assert_eq!(width(&named, "conv.0"), 4);
    assert_eq!(width(&named, "encoder"), 6, "the name at the tap stays");

    let mixed = named.with_axes_of("conv.1", Axes::Tokens).unwrap();
    let mixed = mixed.with_axes_of("im*", Axes::ChannelsLast).unwrap();
    assert_eq!(width(&mixed, "conv.0"), 4);
    assert_eq!(width(&mixed, "conv.1"), 6);
    assert_eq!(width(&mixed, "image"), 2);

    let (_, activations) = record(forward).unwrap();
    let tokens = activations.with_axes(Axes::Tokens);
    assert_eq!(width(&tokens, "image"), 4, "tokens are three axes");
    let refused = tokens.with_axes_of("image", Axes::Tokens).unwrap();
    let error = refused.view("image").unwrap_err();
    assert!(matches!(error, Error::NotTokens { .. }), "{error}");
    let error = refused.with_axes_of("covn*", Axes::Tokens).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no layer is called `covn*`, * being any characters; recorded are: conv.0, conv.1, encoder, image"
    );
}

#[test]
fn maps_have_their_channels_first_whatever_the_axes() {
    let maps = normal([3, 4, 5, 6]);
    let same = |layer: Activation, expected: Tensor<4>| {
        assert_eq!(layer.maps().unwrap().into_data(), expected.into_data());
    };
    let layer = |tensor: Tensor<4>| Activation::new("image", tensor);
    same(layer(maps.clone()), maps.clone());
    let last = layer(maps.clone().permute([0, 2, 3, 1]));
    same(last.with_axes(Axes::ChannelsLast), maps);
    let sequence = normal([3, 4, 5]);
    let tokens = Activation::new("tokens", sequence.clone()).with_axes(Axes::Tokens);
    same(
        tokens,
        sequence.clone().swap_dims(1, 2).reshape([3, 5, 1, 4]),
    );
    let conv = Activation::new("conv", sequence.clone()).with_axes(Axes::ChannelsFirst);
    same(conv, sequence.reshape([3, 4, 1, 5]));
    same(
        Activation::new("fc", normal([3, 4])),
        normal([3, 4]).reshape([3, 4, 1, 1]),
    );
    let volume = Activation::new("volume", normal([3, 4, 2, 2, 2]));
    assert!(matches!(volume.maps(), Err(Error::RankMismatch { .. })));
}

#[test]
fn the_cells_of_an_input_depend_on_the_seed_the_input_and_the_grid_alone() {
    let pooled = |seed| Pooled {
        grid: [1, 4, 4],
        places: 5,
        seed,
    };
    let chosen: Vec<Vec<usize>> = (0..200).map(|input| pooled(0).chosen(input)).collect();
    assert_eq!(
        chosen,
        (0..200).map(|i| pooled(0).chosen(i)).collect::<Vec<_>>()
    );
    assert_ne!(
        chosen,
        (0..200).map(|i| pooled(1).chosen(i)).collect::<Vec<_>>()
    );
    let mut often = [0; 16];
    for cells in &chosen {
        assert_eq!(cells.len(), 5);
        assert!(cells.is_sorted_by(|a, b| a < b), "each once: {cells:?}");
        for cell in cells {
            often[*cell] += 1;
        }
    }
    // Each is 200 draws at 5/16: 62.5 with a deviation of 6.6.
    assert!(often.iter().all(|n| (36..=89).contains(n)), "{often:?}");
    // Fewer places are some of the same ones.
    let fewer = Pooled {
        places: 2,
        ..pooled(0)
    };
    for (input, cells) in chosen.iter().enumerate() {
        assert!(fewer.chosen(input).iter().all(|cell| cells.contains(cell)));
    }
    let all = Pooled {
        places: 99,
        ..pooled(7)
    };
    assert_eq!(all.chosen(3), (0..16).collect::<Vec<_>>());
}

#[test]
fn a_grid_that_cannot_be_pooled_to_is_an_error() {
    let layer = Activation::new("image", normal([2, 3, 4, 4]));
    for (grid, places) in [
        ([1, 0, 4], 2),
        ([1, 2, 2], 0),
        ([usize::MAX, 2, 2], 1),
        ([1, 2000, 2000], 1),
    ] {
        let pooled = Pooled {
            grid,
            places,
            seed: 0,
        };
        let refused = layer.view(Layout::Pooled(pooled));
        assert!(matches!(refused, Err(Error::BadGrid { .. })), "{pooled:?}");
    }
}

#[test]
fn pooling_is_the_default_for_maps_of_which_channel_means_give_fewer_than_ten_samples_a_channel() {
    let layer = |name: &str, shape: &[usize]| LayerShape::of(name, shape, None).unwrap();
    let net = [
        layer("conv1", &[50, 16, 32, 32]),
        layer("conv2", &[50, 128, 8, 8]),
        layer("fc", &[50, 512]),
    ];
    assert_eq!(Layout::enough(&net, 1280), Layout::ChannelMeans);
    let Layout::Pooled(pooled) = Layout::enough(&net, 250) else {
        panic!("250 images are too few for 128 channels");
    };
    assert_eq!(pooled.grid, [1, 3, 3], "6 places of each, so a grid of 9");
    assert_eq!(pooled.places, 6);
    assert_eq!(Layout::enough(&net, 250), Layout::Pooled(pooled));
    // Rows are bounded, and a grid is no finer than the largest map.
    let wide = [layer("wide", &[4, 2048, 7, 7])];
    let Layout::Pooled(bounded) = Layout::enough(&wide, 500) else {
        panic!("500 images are too few for 2048 channels");
    };
    assert_eq!((bounded.grid, bounded.places), ([1, 3, 3], 9));
    let small = [layer("small", &[4, 256, 2, 2])];
    let Layout::Pooled(coarse) = Layout::enough(&small, 100) else {
        panic!("100 images are too few for 256 channels");
    };
    assert_eq!((coarse.grid, coarse.places), ([1, 2, 2], 4));
    // Nothing is won where there are no places.
    assert_eq!(Layout::enough(&net[2..], 100), Layout::ChannelMeans);
    let points = [layer("points", &[4, 256, 1, 1])];
    assert_eq!(Layout::enough(&points, 100), Layout::ChannelMeans);
    // One axis, three axes.
    let tokens = [LayerShape::of("tokens", &[4, 24, 32], Some(Axes::Tokens)).unwrap()];
    let Layout::Pooled(tokens) = Layout::enough(&tokens, 60) else {
        panic!("60 sentences are too few for 32 neurons");
    };
    assert_eq!((tokens.grid, tokens.places), ([1, 1, 6], 6));
    let volume = [layer("volume", &[4, 64, 8, 16, 16])];
    let Layout::Pooled(volume) = Layout::enough(&volume, 40) else {
        panic!("40 volumes are too few for 64 channels");
    };
    assert_eq!((volume.grid, volume.places), ([3, 3, 3], 16));
}

#[test]
fn layouts_are_written_as_they_were_and_read_back() {
    let json = |layout: &Layout| serde_json::to_string(layout).unwrap();
    assert_eq!(json(&Layout::ChannelMeans), "\"channel_means\"");
    assert_eq!(json(&Layout::Channels), "\"channels\"");
    assert_eq!(json(&Layout::Positions), "\"positions\"");
    for layout in LAYOUTS {
        assert_eq!(
            serde_json::from_str::<Layout>(&json(&layout)).unwrap(),
            layout
        );
    }
    assert_eq!(
        LAYOUTS[4].to_string(),
        "4 places of each input, of a grid of 3 x 2"
    );
}
