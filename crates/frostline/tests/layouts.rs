//! What layouts and masks are for: the same said in another way is as similar as it is.

mod samples;

use burn::module::Module;
use burn::nn::attention::{SeqLengthOption, generate_padding_mask};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, Lstm, LstmConfig};
use burn::tensor::{Bool, DType, Device, Int, Tensor};
use frostline::activations::{Activation, Error, Pooled};
use frostline::prelude::*;

use samples::{assert_near, normal};

const POOLED: Layout = Layout::Pooled(Pooled {
    grid: [1, 2, 3],
    places: 3,
    seed: 1,
});

fn similarity(x: &Activation, y: &Activation, layout: Layout) -> f64 {
    let [x, y] = [x, y].map(|layer| layer.view(layout).unwrap());
    cca(&x, &y).unwrap().mean
}

/// `[sample, channel, ..]` with the channels mixed by an invertible matrix.
fn mixed<const D: usize>(maps: &Tensor<D>) -> Tensor<D> {
    let shape = maps.dims();
    let channels = shape[1];
    let mix = normal([channels, channels], 99);
    let flat = maps.clone().reshape([shape[0] as i64, channels as i64, -1]);
    mix.unsqueeze::<3>().matmul(flat).reshape(shape)
}

#[test]
fn channels_that_are_mixed_linearly_stay_the_same_layer_in_one_two_and_three_dimensions() {
    fn check<const D: usize>(shape: [usize; D]) {
        let maps = normal(shape, 1);
        let first = |tensor| Activation::new("conv", tensor).with_axes(Axes::ChannelsFirst);
        let (x, y) = (first(maps.clone()), first(mixed(&maps)));
        let mut order: [usize; D] = std::array::from_fn(|axis| axis);
        order[1..].rotate_left(1);
        let last = mixed(&maps).permute(order);
        let last = Activation::new("conv", last).with_axes(Axes::ChannelsLast);
        for layout in [Layout::Channels, Layout::ChannelMeans, POOLED] {
            for y in [&y, &last] {
                // f64 but for the condition of the mix, which is a few hundred.
                let found = similarity(&x, y, layout);
                assert!((found - 1.0).abs() < 1e-9, "{shape:?} in {layout}: {found}");
            }
        }
    }
    check([80, 6, 20]);
    check([80, 8, 5, 7]);
    check([80, 4, 3, 4, 5]);
}

#[derive(Module, Debug)]
struct ConvNet {
    conv: Conv1d,
}

#[test]
fn a_conv1d_is_named_as_channels_first_and_its_operations_are_counted_so() {
    let device = Device::flex();
    let net = ConvNet {
        conv: Conv1dConfig::new(2, 6, 3).init(&device),
    };
    let series = normal([90, 2, 22], 1).cast(DType::F32);
    let forward = |net: &ConvNet, x| net.conv.forward(x).tap("conv");
    let unnamed = Probe::new(vec![series.clone()], forward);
    let error = unnamed.activations(&net).unwrap_err();
    assert!(matches!(error, Error::AxesUnknown { .. }), "{error}");

    let probe = Probe::new(vec![series.clone()], forward).axes(Axes::ChannelsFirst);
    let means = probe.activations(&net).unwrap().view("conv").unwrap();
    let expected = net.conv.forward(series).mean_dim(2).reshape([90, 6]);
    assert_near(means, expected, 1e-6);
    // Two operations for each of 6 x 2 x 3 weights at each of 20 places.
    let layers = Layers::of(&net).unwrap();
    let shapes = probe.shapes(&net).unwrap();
    assert_eq!(layers.estimated_flops(&shapes), [2.0 * 36.0 * 20.0]);
}

#[test]
fn a_signal_in_half_precision_is_as_similar_as_its_values_are() {
    // A signal on an offset of 1 that the type can just hold: its steps there are 1/128 and 1/1024.
    for (dtype, step) in [(DType::BF16, 1.0 / 128.0), (DType::F16, 1.0 / 1024.0)] {
        let signal = normal([200, 3, 16, 16], 1).clamp(-3.0, 3.0).round() * step + 1.0;
        let half = Activation::new("half", signal.clone().cast(dtype));
        let whole = Activation::new("whole", signal);
        for layout in [Layout::ChannelMeans, POOLED] {
            // Means are of exact values, in f32: 6e-8 of a deviation of .03 steps at least.
            let found = similarity(&half, &whole, layout);
            assert!((found - 1.0).abs() < 1e-4, "{dtype:?} in {layout}: {found}");
        }
    }
}

/// A run of a convolution of 64 channels over 40 series in this folder, its model saved.
fn conv_run(
    folder: &std::path::Path,
    layout: Option<Layout>,
) -> (FreezeTraining<WideNet>, WideNet) {
    let device = Device::flex().autodiff();
    device.seed(3);
    let net = WideNet {
        conv: Conv1dConfig::new(2, 64, 3).init(&device),
        head: LinearConfig::new(64, 3).init(&device),
    };
    let series = normal([40, 2, 34], 1).cast(DType::F32);
    let forward = |net: &WideNet, x| {
        let maps = net.conv.forward(x).tap_as("conv", Axes::ChannelsFirst);
        let means = maps.mean_dim(2).squeeze_dim::<2>(2);
        net.head.forward(means).tap("head")
    };
    let probe = Probe::new(vec![series], forward);
    let probe = layout.into_iter().fold(probe, Probe::layout);
    let layers = Layers::of(&net).unwrap();
    let freezing = FreezeTraining::new(layers, probe, Never, Length::steps(4))
        .measured_by(Measure::Cka(frostline::svcca::Bias::Biased))
        .checking(CheckpointSchedule::EverySteps(2))
        .going_on_in(folder);
    (freezing, net)
}

#[derive(Module, Debug)]
struct WideNet {
    conv: Conv1d,
    head: Linear,
}

#[test]
fn a_run_keeps_the_layout_with_which_it_began() {
    let pooled = Layout::Pooled(Pooled {
        grid: [1, 1, 16],
        places: 16,
        seed: 0,
    });
    for (began, keeps, rows) in [
        (None, pooled, 640),
        (Some(Layout::ChannelMeans), Layout::ChannelMeans, 40),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let (mut first, mut net) = conv_run(temp.path(), began);
        first.start(&net).unwrap();
        first.note_saved(&net, 0).unwrap();
        drop(first);
        let run = Run::open(temp.path()).unwrap();
        assert_eq!(run.info.probe.layout, keeps);
        assert_eq!(
            (run.info.probe.samples, run.info.probe.inputs),
            (rows, Some(40))
        );
        let views = run.activations(0, &Device::flex()).unwrap();
        assert_eq!(views.inputs(), Some(40));
        assert_eq!(views.view("head").unwrap().dims(), [rows, 3]);

        // A folder of before inputs were written down.
        let file = temp.path().join("run.json");
        let text = std::fs::read_to_string(&file).unwrap();
        let old = text.replace(",\n    \"inputs\": 40", "");
        assert_ne!(old, text);
        std::fs::write(&file, old).unwrap();

        let (mut second, _) = conv_run(temp.path(), None);
        assert_eq!(second.resume(&mut net).unwrap(), Resumed::At { step: 0 });
        for step in 1..=4 {
            second.after_step(&mut net, step).unwrap();
        }
        let run = Run::open(temp.path()).unwrap();
        assert_eq!((run.info.probe.layout, run.history.len()), (keeps, 3));
        for check in &run.history[1..] {
            assert!(
                check
                    .similarity
                    .iter()
                    .all(|s| s.is_some_and(|s| s > 0.999_999))
            );
        }
        drop(second);
        let (mut other, _) = conv_run(temp.path(), Some(Layout::Positions));
        let error = other.resume(&mut net).unwrap_err().to_string();
        assert!(error.contains("its probe is"), "{error}");
    }
}

/// A classifier of sentences: its head reads each token, its answer the first.
#[derive(Module, Debug)]
struct Classifier {
    embedding: Embedding,
    encoder: TransformerEncoder,
    head: Linear,
}

type Batch = (Tensor<2, Int>, Tensor<2, Bool>);

impl Classifier {
    fn forward(&self, (tokens, padding): Batch) -> Tensor<2> {
        let embedded = self.embedding.forward(tokens).tap("embedding");
        let input = TransformerEncoderInput::new(embedded).mask_pad(padding);
        let encoded = self.encoder.forward(input).tap("encoder");
        let [n, _, d] = encoded.dims();
        self.head.forward(encoded.clone()).tap("head");
        encoded.slice_dim(1, 0..1).reshape([n, d]).tap("answer")
    }
}

/// Sentences of 2 to 6 words, in two batches that are padded to these lengths, with and without their masks.
fn sentences(padded: [usize; 2]) -> [Probe<Classifier>; 2] {
    let sentence = |i: usize| {
        (0..2 + i % 5)
            .map(|t| 1 + (i * i * 7 + t * 11) % 29)
            .collect()
    };
    let batches = [(0..170, padded[0]), (170..300, padded[1])].map(|(range, length)| {
        let batch = generate_padding_mask(
            0,
            range.map(sentence).collect(),
            SeqLengthOption::Fixed(length),
            &Device::flex(),
        );
        (batch.tensor, batch.mask)
    });
    let padding = batches.clone().map(|(_, padding)| padding);
    let probe = || Probe::new(batches.to_vec(), Classifier::forward).axes(Axes::Tokens);
    [probe().padding(padding), probe()]
}

#[test]
fn sentences_say_the_same_to_a_transformer_whatever_they_are_padded_to() {
    let device = Device::flex();
    device.seed(5);
    let net = Classifier {
        embedding: EmbeddingConfig::new(30, 8).init(&device),
        encoder: TransformerEncoderConfig::new(8, 16, 2, 2).init(&device),
        head: LinearConfig::new(8, 4).init(&device),
    };
    for layout in [
        Some(Layout::ChannelMeans),
        Some(Layout::Channels),
        Some(POOLED),
        None,
    ] {
        let views = |padded| {
            let [masked, _] = sentences(padded);
            let probe = layout.into_iter().fold(masked, Probe::layout);
            probe.activations(&net).unwrap()
        };
        let short = views([6, 6]);
        for padded in [[24, 24], [6, 24], [13, 7]] {
            let long = views(padded);
            for layer in ["embedding", "encoder", "head", "answer"] {
                let [x, y] = [&short, &long].map(|views| views.view(layer).unwrap());
                let context = format!("{layer} in {layout:?}, padded to {padded:?}");
                assert_near(y.clone(), x.clone(), 1e-5); // f32, through two layers of attention
                let found = svcca(&x, &y, &Svcca::default()).unwrap().mean;
                assert!((found - 1.0).abs() < 1e-6, "{context}: {found}");
            }
        }
    }
    // Without masks they would not be.
    let [x, y] = [[6, 6], [24, 24]].map(|padded| {
        let [_, unmasked] = sentences(padded);
        let means = unmasked.layout(Layout::ChannelMeans).activations(&net);
        means.unwrap().view("encoder").unwrap()
    });
    let found = svcca(&x, &y, &Svcca::default()).unwrap().mean;
    assert!(found < 0.99, "{found}");
}

#[derive(Module, Debug)]
struct Recurrent {
    lstm: Lstm,
    head: Linear,
}

#[test]
fn an_lstm_with_its_steps_first_is_refused_and_one_with_its_samples_first_is_not() {
    let device = Device::flex();
    for steps_first in [true, false] {
        let lstm = LstmConfig::new(3, 6, true).with_batch_first(!steps_first);
        let net = Recurrent {
            lstm: lstm.init(&device),
            head: LinearConfig::new(6, 2).init(&device),
        };
        let forward = move |net: &Recurrent, x: Tensor<3>| {
            let x = if steps_first { x.swap_dims(0, 1) } else { x };
            let (says, state) = net.lstm.forward(x, None);
            says.tap("lstm");
            net.head.forward(state.hidden).tap("head")
        };
        let sequences = normal([80, 18, 3], 1).cast(DType::F32);
        let probe = Probe::new(vec![sequences], forward).axes(Axes::Tokens);
        match probe.activations(&net) {
            Ok(views) => assert!(!steps_first && views.inputs() == Some(80)),
            Err(error) => {
                let message = error.to_string();
                assert!(steps_first, "{message}");
                assert!(
                    message.contains("`lstm` has shape [18, 80, 6]"),
                    "{message}"
                );
                assert!(message.contains("they seem to be axis 1"), "{message}");
            }
        }
    }
}
