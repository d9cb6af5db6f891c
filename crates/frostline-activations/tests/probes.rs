//! What a probe knows of its samples, tokens and layers, and what it refuses.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Bool, DType, Device, Distribution, Int, Tensor, TensorData};
use frostline_activations::{Activation, Activations, Axes, Layout, Pooled, Probe, Tap, record};

/// A model without a say: what the closures of the probes tap is what counts.
#[derive(Module, Debug)]
struct Net {
    layer: Linear,
}

fn net() -> Net {
    Net {
        layer: LinearConfig::new(2, 2).init(&Device::flex()),
    }
}

fn normal<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let device = Device::flex();
    device.seed(seed);
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device)
}

fn rows(activations: &Activations, layer: &str) -> Vec<Vec<f64>> {
    let view = activations.view(layer).unwrap();
    let [_, width] = view.dims();
    let values: Vec<f64> = view.into_data().iter::<f64>().collect();
    values.chunks(width).map(<[f64]>::to_vec).collect()
}

/// What `forward` taps for one batch.
fn probe<I: Clone + Send + 'static, T: 'static>(
    batches: Vec<I>,
    forward: impl Fn(I) -> T + Send + 'static,
) -> Probe<Net> {
    Probe::new(batches, move |_: &Net, batch| forward(batch))
}

fn refused(probe: &Probe<Net>) -> String {
    probe.activations(&net()).unwrap_err().to_string()
}

/// A recurrent layer with its steps first, and a head.
fn steps_first(x: Tensor<3>) -> Tensor<2> {
    let steps = x.swap_dims(0, 1).tap_as("lstm", Axes::Tokens);
    steps.mean_dim(0).squeeze_dim::<2>(0).tap("head")
}

#[test]
fn samples_that_are_not_the_first_axis_are_an_error_that_names_layer_axis_and_count() {
    let message = refused(&probe(vec![normal([80, 18, 6], 1)], steps_first));
    for part in [
        "layer `lstm` has shape [18, 80, 6] in batch 0 of the probe",
        "number of samples is 80 (the first axis of its tensor)",
        "they seem to be axis 1: tap `x.clone().swap_dims(0, 1)`",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    // The same in a later batch, in every layout, and where the batch is no tensor.
    for layout in [Layout::Channels, Layout::ChannelMeans, Layout::Positions] {
        let batches = vec![normal([18, 18, 6], 1), normal([7, 18, 6], 2)];
        let message = refused(&probe(batches, steps_first).layout(layout));
        assert!(message.contains("[18, 7, 6] in batch 1"), "{message}");
        let named = vec![("a", normal([80, 18, 6], 1))];
        let message = refused(&probe(named, |(_, x)| steps_first(x)).layout(layout));
        assert!(
            message.contains("is 80 (as layer `head` has, [80, 6])"),
            "{message}"
        );
    }
}

#[test]
fn among_recorded_layers_one_with_its_steps_first_has_no_view() {
    let x = || normal([80, 18, 6], 1);
    let (_, recorded) = record(|| steps_first(x())).unwrap();
    for layout in [Layout::Channels, Layout::ChannelMeans, Layout::Positions] {
        let error = recorded.view_as("lstm", layout).unwrap_err().to_string();
        assert!(
            error.contains("`lstm` has shape [18, 80, 6], but"),
            "{error}"
        );
        assert!(
            error.contains("is 80 (as layer `head` has, [80, 6])"),
            "{error}"
        );
        assert!(error.contains("they seem to be axis 1"), "{error}");
        assert!(recorded.view_as("head", layout).is_ok());
    }
    // Layers that differ in another way can still be looked at.
    let regions = || {
        let x = normal([4, 6, 3], 1).tap_as("regions", Axes::Tokens);
        x.reshape([24, 3]).tap("of each region")
    };
    let (_, recorded) = record(regions).unwrap();
    assert!(recorded.view("regions").is_ok());
}

#[test]
fn a_batch_whose_own_first_axis_is_not_the_sample_says_how_many_there_are() {
    let batches = || vec![normal([18, 80, 6], 1)];
    let forward = |x: Tensor<3>| steps_first(x.swap_dims(0, 1));
    let message = refused(&probe(batches(), forward));
    assert!(message.contains("`head` has shape [80, 6]"), "{message}");
    assert!(message.contains("say it by `.samples([..])`"), "{message}");
    let message = refused(&probe(batches(), forward).samples([80]));
    assert!(
        message.contains("`lstm` has shape [18, 80, 6]"),
        "{message}"
    );
    assert!(message.contains("as the probe was given them"), "{message}");

    let samples_first = |x: Tensor<3>| x.swap_dims(0, 1).tap_as("lstm", Axes::Tokens);
    let probe = probe(batches(), samples_first).samples([80]);
    let found = probe.layout(Layout::ChannelMeans).activations(&net());
    assert_eq!(rows(&found.unwrap(), "lstm").len(), 80);
}

#[test]
fn the_samples_of_a_batch_are_known_for_tensors_of_all_kinds_and_ranks() {
    let short = |_: ()| normal([4, 2], 1).tap("head");
    let device = Device::flex();
    let expect = |probe: Probe<Net>| {
        let message = refused(&probe);
        assert!(
            message.contains("is 5 (the first axis of its tensor)"),
            "{message}"
        );
    };
    expect(probe(vec![normal([5], 1)], move |_| short(())));
    expect(probe(vec![normal([5, 3, 2, 2, 2], 1)], move |_| short(())));
    let tokens = Tensor::<2, Int>::zeros([5, 7], &device);
    expect(probe(vec![tokens], move |_| short(())));
    let bits = Tensor::<3, Bool>::empty([5, 7, 2], &device);
    expect(probe(vec![bits], move |_| short(())));
}

#[test]
fn where_nothing_but_sequences_says_how_many_samples_there_are_the_user_does() {
    let sequences = |()| normal([6, 5, 4], 1).tap_as("only", Axes::Tokens);
    let message = refused(&probe(vec![()], sequences));
    assert!(message.contains("how many samples batch 0"), "{message}");
    assert!(message.contains("the first axis of only"), "{message}");
    assert!(
        probe(vec![()], sequences)
            .samples([6])
            .activations(&net())
            .is_ok()
    );
    let message = refused(&probe(vec![()], sequences).samples([6, 6]));
    assert!(
        message.contains("batches is 1, but that of the numbers of samples is 2"),
        "{message}"
    );
}

#[test]
fn rows_that_were_laid_out_before_the_tap_are_fine_where_every_place_is_a_sample() {
    let forward = |x: Tensor<3>| {
        let x = x.tap_as("tokens", Axes::Tokens).reshape([15, 2]);
        x.tap("rows")
    };
    let batches = || vec![normal([3, 5, 2], 1)];
    let channels = probe(batches(), forward).layout(Layout::Channels);
    let found = channels.activations(&net()).unwrap();
    assert_eq!(rows(&found, "rows"), rows(&found, "tokens"));
    assert_eq!(found.inputs(), Some(3));
    let message = refused(&probe(batches(), forward).layout(Layout::ChannelMeans));
    assert!(message.contains("`rows` has shape [15, 2]"), "{message}");
    assert!(message.contains("reshaped to [3, ..]"), "{message}");
}

#[test]
fn axes_are_named_for_all_layers_or_for_some_and_a_slip_in_a_name_is_an_error() {
    let forward = |x: Tensor<3>| {
        let x = x.tap("conv.0").tap("conv.1").tap("attention");
        x.reshape([3, 4, 5, 1]).tap("image")
    };
    let new = || probe(vec![normal([3, 4, 5], 1)], forward).layout(Layout::ChannelMeans);
    let message = refused(&new());
    assert!(
        message.contains("layer `conv.0` has shape [3, 4, 5]"),
        "{message}"
    );
    assert!(message.contains(".axes_of(\"conv.0\", ..)"), "{message}");

    let named = new()
        .axes(Axes::Tokens)
        .axes_of("conv.*", Axes::ChannelsFirst);
    let found = named.activations(&net()).unwrap();
    let width = |layer: &str| rows(&found, layer)[0].len();
    assert_eq!(
        ["conv.0", "conv.1", "attention", "image"].map(width),
        [4, 4, 5, 4]
    );
    let shapes = named.shapes(&net()).unwrap();
    assert_eq!(shapes[2].axes, Some(Axes::Tokens));
    assert_eq!(shapes[3].places, [5, 1]);

    let message = refused(
        &new()
            .axes(Axes::Tokens)
            .axes_of("covn.*", Axes::ChannelsFirst),
    );
    assert!(
        message.contains("`covn.*`") && message.contains("conv.0, conv.1"),
        "{message}"
    );
    let message = refused(&new().axes(Axes::Tokens).axes_of("conv[", Axes::Tokens));
    assert!(
        message.contains("`conv[` is no pattern of layer names"),
        "{message}"
    );
}

#[test]
fn the_layout_is_chosen_once_and_stays() {
    let images = |n| vec![normal([n, 32, 6, 6], 1)];
    let forward = |x: Tensor<4>| {
        x.tap("image")
            .mean_dim(3)
            .mean_dim(2)
            .reshape([-1, 32])
            .tap("fc")
    };
    let few = probe(images(50), forward);
    assert_eq!(few.kept_layout(), None);
    let found = few.activations(&net()).unwrap();
    let pooled = Pooled {
        grid: [1, 3, 3],
        places: 7,
        seed: 0,
    };
    assert_eq!(few.kept_layout(), Some(Layout::Pooled(pooled)));
    assert_eq!(
        (rows(&found, "image").len(), found.inputs()),
        (350, Some(50))
    );
    let fc = rows(&found, "fc");
    assert!(
        (0..350).all(|row| fc[row] == fc[row / 7 * 7]),
        "rows belong together"
    );

    let many = probe(images(320), forward);
    many.activations(&net()).unwrap();
    assert_eq!(many.kept_layout(), Some(Layout::ChannelMeans));
    let begun = probe(images(50), forward);
    begun.keep_to(Layout::ChannelMeans);
    assert_eq!(rows(&begun.activations(&net()).unwrap(), "image").len(), 50);
    let chosen = probe(images(50), forward).layout(Layout::Positions);
    chosen.keep_to(Layout::ChannelMeans);
    assert_eq!(chosen.kept_layout(), Some(Layout::Positions));
}

#[test]
fn pooled_rows_are_the_same_however_the_inputs_are_batched() {
    let pooled = Layout::Pooled(Pooled {
        grid: [1, 3, 4],
        places: 5,
        seed: 9,
    });
    let all = normal([10, 3, 7, 5], 1);
    let whole = probe(vec![all.clone()], |x: Tensor<4>| x.tap("image")).layout(pooled);
    let parts = probe(all.clone().split(4, 0), |x: Tensor<4>| x.tap("image")).layout(pooled);
    let found = rows(&whole.activations(&net()).unwrap(), "image");
    assert_eq!(found, rows(&parts.activations(&net()).unwrap(), "image"));
    let alone = Activation::new("image", all).view(pooled).unwrap();
    let alone: Activations = [Activation::new("image", alone)].into_iter().collect();
    assert_eq!(found, rows(&alone, "image"));
}

/// Sentences of these lengths, padded to `longest`, with a mask that is true for padding. Padding holds NaN, which
/// nothing that is computed from it could hide.
fn padded(lengths: &[usize], longest: usize, first: usize) -> (Tensor<3>, Tensor<2, Bool>) {
    let value = |sentence: usize, token: usize, neuron: usize| {
        (((first + sentence) * 31 + token * 7 + neuron * 3) % 23) as f32 / 4.0
    };
    let (mut values, mut padding) = (Vec::new(), Vec::new());
    for (sentence, length) in lengths.iter().enumerate() {
        for token in 0..longest {
            padding.push(token >= *length);
            values.extend((0..3).map(|neuron| {
                if token < *length {
                    value(sentence, token, neuron)
                } else {
                    f32::NAN
                }
            }));
        }
    }
    let (device, n) = (Device::flex(), lengths.len());
    (
        Tensor::from_data(TensorData::new(values, [n, longest, 3]), &device),
        Tensor::from_data(TensorData::new(padding, [n, longest]), &device),
    )
}

const LENGTHS: [usize; 7] = [4, 1, 6, 3, 5, 2, 6];

/// A probe of these sentences, the first four and the last three, padded to these lengths; as tokens, and as
/// channels of a convolution.
fn sentences(longest: [usize; 2]) -> Probe<Net> {
    let batches = [
        padded(&LENGTHS[..4], longest[0], 0),
        padded(&LENGTHS[4..], longest[1], 4),
    ];
    let (inputs, masks): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
    let forward = |x: Tensor<3>| {
        let tokens = x.tap_as("tokens", Axes::Tokens);
        let conv = tokens.swap_dims(1, 2).tap_as("conv", Axes::ChannelsFirst);
        conv.slice_dim(2, 0..1).reshape([-1, 3]).tap("head")
    };
    probe(inputs, forward).padding(masks)
}

#[test]
fn padded_tokens_are_left_out_of_every_layout_whatever_the_padding() {
    let pooled = Pooled {
        grid: [1, 1, 3],
        places: 2,
        seed: 5,
    };
    for layout in [
        Layout::Channels,
        Layout::ChannelMeans,
        Layout::Pooled(pooled),
    ] {
        // Sentence by sentence: without padding there is nothing to leave out.
        let mut all: [Vec<Vec<f64>>; 2] = Default::default();
        for (sentence, length) in LENGTHS.iter().enumerate() {
            let (x, _) = padded(&[*length], *length, sentence);
            let tokens: Vec<Vec<f64>> = x
                .to_data()
                .iter::<f64>()
                .collect::<Vec<_>>()
                .chunks(3)
                .map(<[f64]>::to_vec)
                .collect();
            let mean = |range: std::ops::Range<usize>| -> Vec<f64> {
                let count = range.len() as f64;
                (0..3)
                    .map(|i| range.clone().map(|t| tokens[t][i]).sum::<f64>() / count)
                    .collect()
            };
            let rows = match layout {
                Layout::Channels => tokens.clone(),
                Layout::Pooled(pooled) => {
                    let cells = pooled.chosen(sentence).into_iter();
                    cells
                        .map(|i| mean(i * length / 3..((i + 1) * length).div_ceil(3)))
                        .collect()
                }
                _ => vec![mean(0..*length)],
            };
            all[1].extend(vec![
                tokens[0].clone();
                if layout == Layout::Pooled(pooled) {
                    2
                } else {
                    1
                }
            ]);
            all[0].extend(rows);
        }
        for longest in [[6, 6], [24, 9], [7, 30]] {
            let found = sentences(longest)
                .layout(layout)
                .activations(&net())
                .unwrap();
            for (layer, expected) in [("tokens", 0), ("conv", 0), ("head", 1)] {
                let (found, expected) = (rows(&found, layer), &all[expected]);
                assert_eq!(found.len(), expected.len(), "{layer} in {layout}");
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    // Sums of at most six values below 6, in f32.
                    assert!(
                        (found - expected).abs() < 1e-6,
                        "{layer} in {layout}, {longest:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn positions_of_padded_tokens_are_refused_and_masks_without_padding_change_nothing() {
    let message = refused(&sentences([6, 6]).layout(Layout::Positions));
    assert!(
        message.contains("layer `tokens` has padded tokens"),
        "{message}"
    );
    let (x, padding) = padded(&[4, 4], 4, 0);
    let forward = |x: Tensor<3>| x.tap_as("tokens", Axes::Tokens);
    let masked = probe(vec![x.clone()], forward).padding([padding]);
    let masked = masked
        .layout(Layout::Positions)
        .activations(&net())
        .unwrap();
    let plain = probe(vec![x], forward).layout(Layout::Positions);
    assert_eq!(
        rows(&masked, "tokens"),
        rows(&plain.activations(&net()).unwrap(), "tokens")
    );
}

#[test]
fn padding_may_stand_before_the_tokens_too() {
    let (x, padding) = padded(&LENGTHS, 9, 0);
    let forward = |x: Tensor<3>| x.tap_as("tokens", Axes::Tokens);
    let behind = probe(vec![x.clone()], forward).padding([padding.clone()]);
    let before = probe(vec![x.flip([1])], forward).padding([padding.flip([1])]);
    let [behind, before] = [behind, before].map(|probe| {
        let means = probe.layout(Layout::ChannelMeans).activations(&net());
        rows(&means.unwrap(), "tokens")
    });
    for (behind, before) in behind.iter().flatten().zip(before.iter().flatten()) {
        // Sums of at most six values below 6, in f32.
        assert!((behind - before).abs() < 1e-6, "{behind} {before}");
    }
}

#[test]
fn a_mask_the_other_way_round_is_given_as_real_tokens() {
    let (x, padding) = padded(&LENGTHS, 8, 0);
    let forward = |x: Tensor<3>| x.tap_as("tokens", Axes::Tokens);
    let new = || probe(vec![x.clone()], forward).layout(Layout::ChannelMeans);
    let by_padding = new()
        .padding([padding.clone()])
        .activations(&net())
        .unwrap();
    let real = new().real_tokens([padding.clone().bool_not()]);
    assert_eq!(
        rows(&by_padding, "tokens"),
        rows(&real.activations(&net()).unwrap(), "tokens")
    );

    // A sentence as long as the longest is padding alone to a mask that is read the wrong way round.
    let (x, padding) = padded(&[3, 5], 5, 0);
    let wrong = probe(vec![x], forward)
        .real_tokens([padding])
        .layout(Layout::ChannelMeans);
    let message = refused(&wrong);
    assert!(
        message.contains("row 1 of the mask of batch 0 has no real token"),
        "{message}"
    );
    assert!(message.contains("the wrong way round"), "{message}");
}

#[test]
fn a_mask_that_does_not_fit_a_layer_is_an_error_until_the_layer_is_left_out() {
    let (x, padding) = padded(&[3, 5], 5, 0);
    let forward = |x: Tensor<3>| {
        let nan = x.clone().is_nan();
        let x = x.mask_fill(nan, 0.0).tap_as("tokens", Axes::Tokens);
        let strided = x
            .slice([0..2, 0..3, 0..3])
            .tap_as("strided.conv", Axes::Tokens);
        strided.reshape([2, 3, 3, 1]).tap("image")
    };
    let new = || {
        let probe = probe(vec![x.clone()], forward).layout(Layout::ChannelMeans);
        probe.padding([padding.clone()])
    };
    let message = refused(&new());
    assert!(
        message.contains("`strided.conv` is [2, 3], [sample, place..], but the mask is [2, 5]"),
        "{message}"
    );
    let message = refused(&new().unmasked("strided*"));
    assert!(
        message.contains("`image`") && message.contains("is [2, 3, 1]"),
        "{message}"
    );
    let fine = new().unmasked("strided*").unmasked("image");
    assert_eq!(rows(&fine.activations(&net()).unwrap(), "image").len(), 2);
    let message = refused(&new().unmasked("nothing"));
    assert!(
        message.contains("no layer is called `nothing`"),
        "{message}"
    );

    let short = padding.clone().slice([0..1, 0..5]);
    let message = refused(&probe(vec![x.clone()], forward).padding([short]));
    assert!(message.contains("is 1 (its mask is [1, 5]"), "{message}");
    let message =
        refused(&probe(vec![x.clone()], forward).padding([padding.clone(), padding.clone()]));
    assert!(
        message.contains("batches is 1, but that of its masks is 2"),
        "{message}"
    );
}

/// Doubles, shifts, and answers with something that no tap shows.
fn three_stretches(x: Tensor<2>, by: f32) -> Tensor<2> {
    let x = (x * by).tap("doubled");
    let x = (x + 1.0).tap("shifted");
    x * 3.0
}

#[test]
fn the_first_batch_is_seen_as_it_is_tapped_with_what_comes_out() {
    let batches = vec![Tensor::ones([4, 3], &Device::flex()), normal([7, 3], 1)];
    let probe = probe(batches, |x| three_stretches(x, 2.0));
    assert_eq!(probe.first_input().unwrap().shape(), [4, 3]);
    let tapped = probe.taps(&net()).unwrap();
    assert_eq!(
        tapped.taps.names().collect::<Vec<_>>(),
        ["doubled", "shifted"]
    );
    let value = |layer: &Activation| layer.values().max().into_scalar::<f32>();
    let taps: Vec<f32> = tapped.taps.iter().map(value).collect();
    assert_eq!(
        (taps, value(&tapped.output.unwrap())),
        (vec![2.0, 3.0], 9.0)
    );

    // What is no tensor of floats is not seen.
    let probe = Probe::new(vec![(normal([4, 3], 1), 2.0)], |_: &Net, (x, by)| {
        three_stretches(x, by).into_data()
    });
    assert!(probe.first_input().is_none());
    assert!(probe.taps(&net()).unwrap().output.is_none());
    let empty = Probe::new(Vec::new(), |_: &Net, x| three_stretches(x, 2.0));
    assert!(empty.first_input().is_none() && empty.taps(&net()).is_err());
}

#[test]
fn layers_apart_work_on_what_those_below_them_said_before() {
    let ones = Tensor::<2>::ones([4, 3], &Device::flex());
    let before = record(|| three_stretches(ones.clone(), 2.0)).unwrap().1;
    let probe = probe(vec![ones], |x| three_stretches(x, 5.0));
    let apart = probe.taps_apart(&net(), &before).unwrap();
    let value = |layer: &Activation| layer.values().max().into_scalar::<f32>();
    let taps: Vec<f32> = apart.taps.iter().map(value).collect();
    assert_eq!(taps, [5.0, 3.0], "the second adds to the two of before");
    assert_eq!(value(&apart.output.unwrap()), 9.0);

    // Of one tap alone, and in another shape.
    let only = |name: &str| {
        before
            .iter()
            .filter(|layer| layer.name() == name)
            .cloned()
            .collect()
    };
    let output = |before: &Activations| {
        let apart = probe.taps_apart(&net(), before).unwrap();
        value(&apart.output.unwrap())
    };
    assert_eq!(output(&only("doubled")), 9.0);
    assert_eq!(output(&only("shifted")), 9.0);
    assert_eq!(output(&only("none")), 18.0);
    let other = Activation::new("shifted", Tensor::<2>::zeros([5, 3], &Device::flex()));
    assert_eq!(output(&Activations::from_iter([other])), 18.0);
}

/// A hundredth of each value of the sample, in f32.
fn hundredth(values: &Tensor<2>) -> Result<Option<Tensor<2>>, String> {
    Ok(Some(values.clone().cast(DType::F32).mul_scalar(0.01)))
}

#[test]
fn means_of_short_floats_come_with_the_same_means_of_their_errors() {
    let maps = |x: Tensor<4>| {
        x.clone().cast(DType::BF16).tap("bf16");
        x.clone().cast(DType::F16).tap("f16");
        x.clone().tap("f32");
        let flat: Tensor<2> = x.flatten(1, 3);
        flat.cast(DType::BF16).tap("flat");
    };
    let batches = || vec![normal([5, 3, 4, 4], 1), normal([2, 3, 4, 4], 2)];
    let pooled = Layout::Pooled(Pooled {
        grid: [1, 2, 2],
        places: 3,
        seed: 0,
    });
    for layout in [Layout::ChannelMeans, pooled] {
        let probe = probe(batches(), maps).layout(layout);
        let plain = probe.activations(&net()).unwrap();
        assert!(plain.iter().all(|layer| layer.errors().is_none()));
        let found = probe.drawing_errors(hundredth).activations(&net()).unwrap();
        for (layer, expected) in [
            ("bf16", true),
            ("f16", true),
            ("f32", false),
            ("flat", false),
        ] {
            // The views themselves are what they were.
            assert_eq!(rows(&found, layer), rows(&plain, layer));
            let errors = found.layer(layer).unwrap().errors();
            assert_eq!(errors.is_some(), expected, "{layer}");
            let Some(errors) = errors else { continue };
            let values = found.view(layer).unwrap();
            assert_eq!(errors.dims(), values.dims());
            let off = (values.mul_scalar(0.01) - errors.clone()).abs().max();
            // Means in f32, of numbers near 1.
            assert!(off.into_scalar::<f32>() < 1e-7, "{layer} {layout}");
        }
    }
    // Where each value stands for itself, its own floats say how it was rounded.
    for layout in [Layout::Channels, Layout::Positions] {
        let found = probe(batches(), |x: Tensor<4>| {
            x.cast(DType::BF16).tap("bf16");
        });
        let found = found.layout(layout).drawing_errors(hundredth);
        let found = found.activations(&net()).unwrap();
        assert!(found.layer("bf16").unwrap().errors().is_none());
    }
}

#[test]
fn padded_tokens_are_left_out_of_errors_too() {
    let tokens = normal([4, 3, 2], 3);
    let padding = TensorData::from([
        [false, false, true],
        [false, true, true],
        [false, false, false],
        [false, false, true],
    ]);
    let padding = Tensor::<2, Bool>::from_data(padding, &Device::flex());
    let found = probe(vec![tokens], |x: Tensor<3>| {
        x.cast(DType::F16).tap("layer");
    });
    let found = found.axes(Axes::Tokens).padding([padding]);
    let found = found.layout(Layout::ChannelMeans).drawing_errors(hundredth);
    let found = found.activations(&net()).unwrap();
    let (values, errors) = (found.view("layer").unwrap(), found.layer("layer").unwrap());
    let errors = errors.errors().unwrap().clone();
    let off = (values.mul_scalar(0.01) - errors).abs().max();
    assert!(off.into_scalar::<f32>() < 1e-7);
}
