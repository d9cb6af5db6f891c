//! When a cache must not be believed: it finds out, computes, and says why.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use frostline_activations::Tap;
use frostline_freeze::{
    CheckpointSchedule, Error, Features, FreezeAt, FreezeTraining, InputKey, Layered, Layers,
    Length, PrefixCache, Probe, freeze,
};

use crate::nets::{INPUTS, Net, rows};

/// Different values for each first value.
fn data(samples: usize, first: usize) -> Tensor<2> {
    let value = |i: usize| ((i + first) as f32 * 0.7).sin() + ((i + first) as f32 * 0.13).cos();
    let values: Vec<f32> = (0..samples * INPUTS).map(value).collect();
    Tensor::from_data(TensorData::new(values, [samples, INPUTS]), &Device::flex())
}

fn keys(samples: impl IntoIterator<Item = usize>) -> Vec<InputKey> {
    samples.into_iter().map(InputKey::from).collect()
}

/// What a network does between its layers: `run` and `forward` may be made to differ.
#[derive(Module, Debug)]
struct Stack {
    first: Linear,
    second: Linear,
    dropout: Dropout,
    shift: Param<Tensor<1>>,
    head: Linear,
    #[module(skip)]
    noise: bool,
    #[module(skip)]
    drops: bool,
    #[module(skip)]
    run_forgets: Option<usize>,
}

impl Stack {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
        let stack = Stack {
            first: linear(INPUTS, 5),
            second: linear(5, 5),
            dropout: DropoutConfig::new(0.3).init(),
            shift: Param::from_tensor(Tensor::zeros([5], &device)),
            head: linear(5, 3),
            noise: false,
            drops: false,
            run_forgets: None,
        };
        let _drawn = stack.valid();
        stack
    }

    /// The layers without the dropout, and without the shift, which are exempt and outside.
    fn layers(&self) -> Layers {
        Layers::builder().exempt(["shift"]).build(self).unwrap()
    }

    fn layer(&self, layer: usize, x: Tensor<2>, forgets: bool) -> Tensor<2> {
        let activated = |x: Tensor<2>| if forgets { x } else { x.tanh() };
        match layer {
            0 => activated(self.first.forward(x)).tap("first"),
            1 => {
                let mut x = self.second.forward(x);
                if self.drops {
                    x = self.dropout.forward(x);
                }
                if self.noise && x.device().is_autodiff() {
                    let noise = Distribution::Normal(0.0, 0.1);
                    x = x.clone() + Tensor::random(x.dims(), noise, &x.device());
                }
                activated(x).tap("second")
            }
            _ => {
                let x = self.head.forward(self.dropout.forward(x));
                if forgets { x * 2.0 } else { x }.tap("head")
            }
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        (0..3).fold(x, |x, layer| self.layer(layer, x, false))
    }
}

impl Layered for Stack {
    fn depth(&self) -> usize {
        3
    }

    fn run(&self, layers: std::ops::Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| {
            Features::new(self.layer(layer, x.tensor(), self.run_forgets == Some(layer)))
        })
    }
}

#[test]
fn dropout_and_batch_norm_of_a_frozen_layer_are_off_so_that_it_may_be_kept() {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 2);
    let mut cache = PrefixCache::in_memory(1 << 20);
    let data = data(20, 0);
    let mut fetch = || {
        let prefix = cache.forward(&Below { net: net.clone() }, 2, &keys(0..20), 20, |r| {
            rows(&data, r)
        });
        let prefix: Tensor<2> = prefix.tensor();
        prefix.inner().into_data()
    };
    let (computed, fetched) = (fetch(), fetch());
    assert_eq!(computed, fetched);
    let evaluated = net
        .valid()
        .run(0..2, Features::new(data.clone()))
        .tensor::<2>();
    assert_eq!(
        computed,
        evaluated.into_data(),
        "as in evaluation, without dropout"
    );
    assert_eq!((cache.counted().hits, cache.counted().rechecked), (20, 20));
    assert_eq!(cache.switched_off(), None);
}

/// The two lower blocks of a net alone.
#[derive(Module, Debug)]
struct Below {
    net: Net,
}

impl Layered for Below {
    fn depth(&self) -> usize {
        2
    }

    fn run(&self, layers: std::ops::Range<usize>, x: Features) -> Features {
        self.net.run(layers, x)
    }
}

#[test]
fn frozen_layers_that_draw_random_numbers_switch_the_cache_off_before_it_keeps_anything() {
    let mut net = Stack::new();
    net.noise = true;
    let layers = net.layers();
    let net = freeze(net, &layers, 2);
    let data = data(20, 0);
    let mut cache = PrefixCache::in_memory(1 << 20);
    // The layer below the noise may be kept.
    for (frozen, off) in [(1, false), (1, false), (2, true)] {
        let output = cache.forward(&net, frozen, &keys(0..20), 20, |asked| rows(&data, asked));
        assert_eq!(output.shape(), [20, 3]);
        assert_eq!(cache.switched_off().is_some(), off, "{frozen}");
    }
    let why = cache.switched_off().unwrap();
    assert!(
        why.contains("two outputs") && why.contains("random"),
        "{why}"
    );
    assert!(cache.is_empty());
}

#[test]
fn a_dropout_that_is_on_in_a_frozen_layer_is_never_kept() {
    let mut net = Stack::new();
    net.drops = true;
    let assigned = Layers::builder()
        .exempt(["shift"])
        .assign("dropout", "second");
    let assigned = assigned.build(&net).unwrap();
    let data = data(20, 0);
    // One layer more, so that a flag outside all of them stays on.
    let outside = Layers::of(&net).unwrap();
    for (layers, kept) in [(outside, false), (assigned, true)] {
        let frozen = freeze(net.clone(), &layers, 2);
        assert_eq!(frozen.dropout.training.val().is_enabled(), !kept);
        let mut cache = PrefixCache::in_memory(1 << 20);
        for _ in 0..2 {
            cache.forward(&frozen, 2, &keys(0..20), 20, |asked| rows(&data, asked));
        }
        assert_eq!(cache.switched_off().is_none(), kept);
        assert_eq!(cache.len(), if kept { 20 } else { 0 });
    }
}

#[test]
fn keys_that_name_other_inputs_in_the_next_batch_switch_the_cache_off_and_the_answer_is_right() {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 3);
    let mut cache = PrefixCache::in_memory(1 << 20);
    for batch in 0..3 {
        // The rows of the batch in place of the items of the dataset.
        let data = data(20, 1000 * batch);
        let output = cache.forward(&net, 3, &keys(0..20), 60, |asked| rows(&data, asked));
        let expected = net.forward(rows(&data, &(0..20).collect::<Vec<_>>()));
        assert_eq!(
            output.tensor::<2>().into_data(),
            expected.into_data(),
            "{batch}"
        );
        assert_eq!(cache.switched_off().is_some(), batch > 0, "{batch}");
    }
    let why = cache.switched_off().unwrap();
    assert!(
        why.contains("item of the dataset") && why.contains("sample 0"),
        "{why}"
    );
}

#[test]
fn one_view_for_many_augmentations_switches_the_cache_off() {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 3);
    let mut cache = PrefixCache::in_memory(1 << 20);
    let plain = data(20, 0);
    let augmented = plain
        .clone()
        .slice_assign([7..8, 0..1], Tensor::zeros([1, 1], &Device::flex()));
    cache.forward(&net, 3, &keys(0..20), 20, |asked| rows(&plain, asked));
    cache.forward(&net, 3, &keys(0..20), 20, |asked| rows(&augmented, asked));
    assert!(
        cache.switched_off().is_some(),
        "one row of twenty is another"
    );
}

#[test]
fn weights_that_change_under_a_cache_are_found_within_64_batches() {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    let other = freeze(Net::new(4), &layers, 3);
    let net = freeze(net, &layers, 3);
    let mut cache = PrefixCache::in_memory(1 << 20);
    let data = data(20, 0);
    let mut ask = |net: &Net| {
        cache.forward(net, 3, &keys(0..20), 20, |asked| rows(&data, asked));
        cache.switched_off().is_some()
    };
    assert!((0..5).all(|_| !ask(&net)));
    let found = (0..100).position(|_| ask(&other)).expect("it is found");
    assert!(found <= 64, "{found}");
    // And where it is not, nothing is compared in vain: all five found what was kept.
    assert_eq!(cache.counted().rechecked, 2 * 20);
}

/// Trains with a cache until an error or the last of ten steps; gives the error, and the warnings of all checks.
fn trained(net: Stack, layers: Layers) -> (Option<Error>, Vec<String>) {
    let probe = Probe::new(vec![data(60, 3)], Stack::forward);
    let policy = FreezeAt { at: vec![0.1, 0.2] };
    let mut freezing = FreezeTraining::new(layers, probe, policy, Length::epochs(5, 2))
        .checking(CheckpointSchedule::EverySteps(1))
        .caching(PrefixCache::in_memory(1 << 20));
    freezing.start(&net).unwrap();
    let data = data(20, 0);
    let mut net = net;
    for step in 1..=10 {
        let output: Tensor<2> = freezing
            .forward(&net, &keys(0..20), |asked| rows(&data, asked))
            .tensor();
        assert_eq!(output.dims(), [20, 3]);
        if let Err(error) = freezing.after_step(&mut net, step) {
            return (Some(error), Vec::new());
        }
    }
    let checks = freezing.history().checks().iter();
    (
        None,
        checks.flat_map(|check| check.warnings.clone()).collect(),
    )
}

#[test]
fn a_run_unlike_the_forward_is_an_error_that_names_the_layer() {
    for (layer, name) in ["first", "second", "head"].iter().enumerate() {
        let mut net = Stack::new();
        net.run_forgets = Some(layer);
        let layers = net.layers();
        let (error, _) = trained(net, layers);
        let error = error.expect("they differ");
        assert!(
            matches!(&error, Error::RunDiffers { layer, .. } if layer == name),
            "{error}"
        );
    }
    let net = Stack::new();
    let layers = Layers::builder()
        .assign("dropout", "head")
        .exempt(["shift"]);
    let layers = layers.build(&net).unwrap();
    let (error, warnings) = trained(net, layers);
    assert!(error.is_none(), "{error:?}");
    assert!(
        warnings
            .iter()
            .all(|warning| !warning.contains("no longer kept")),
        "{warnings:?}"
    );
}

#[test]
fn a_probe_whose_inputs_are_not_those_of_run_is_not_compared_with_it() {
    let net = Stack::new();
    // The forward takes pictures, and `run` rows.
    let pictures = data(60, 3).reshape([60, 2, INPUTS / 2]);
    let forward = |net: &Stack, x: Tensor<3>| net.forward(x.reshape([60, INPUTS]));
    let probe = Probe::new(vec![pictures], forward);
    let policy = FreezeAt { at: vec![0.1] };
    let mut freezing = FreezeTraining::new(net.layers(), probe, policy, Length::epochs(5, 2))
        .caching(PrefixCache::in_memory(1 << 20));
    freezing.start(&net).unwrap();
    let (mut net, data) = (net, data(20, 0));
    let output = freezing.forward(&net, &keys(0..20), |asked| rows(&data, asked));
    assert_eq!(output.shape(), [20, 3]);
    freezing.after_step(&mut net, 1).unwrap();
    // Nor is an empty batch asked for a row.
    freezing.forward(&net, &[], |asked| rows(&data, asked));
}

/// The exempt shift below all layers.
#[derive(Module, Debug)]
struct Shifted {
    shift: Param<Tensor<1>>,
    first: Linear,
    second: Linear,
    head: Linear,
}

impl Layered for Shifted {
    fn depth(&self) -> usize {
        3
    }

    fn run(&self, layers: std::ops::Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| {
            let x: Tensor<2> = x.tensor();
            Features::new(match layer {
                0 => (self.first.forward(x + self.shift.val().unsqueeze()))
                    .tanh()
                    .tap("first"),
                1 => self.second.forward(x).tanh().tap("second"),
                _ => self.head.forward(x).tap("head"),
            })
        })
    }
}

#[test]
fn exempt_parameters_below_the_frost_line_switch_the_cache_off_at_the_start() {
    let device = Device::flex().autodiff();
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    let net = Shifted {
        shift: Param::from_tensor(Tensor::ones([INPUTS], &device)),
        first: linear(INPUTS, 5),
        second: linear(5, 5),
        head: linear(5, 3),
    };
    let begin = |layers: Layers| {
        let forward = |net: &Shifted, x| net.run(0..3, Features::new(x)).tensor::<2>();
        let probe = Probe::new(vec![data(60, 3)], forward);
        let policy = FreezeAt { at: vec![0.5] };
        let mut freezing = FreezeTraining::new(layers, probe, policy, Length::steps(10))
            .checking(CheckpointSchedule::EverySteps(1))
            .caching(PrefixCache::in_memory(1 << 20));
        freezing.start(&net).unwrap();
        freezing.history().checks()[0].warnings.join("\n")
    };
    let exempt = begin(Layers::builder().exempt(["shift"]).build(&net).unwrap());
    assert!(
        exempt.contains("no longer kept")
            && exempt.contains("exempt")
            && exempt.contains("`first`"),
        "{exempt}"
    );
    let frozen_too = Layers::builder()
        .layer("first", ["shift", "first"])
        .layer("second", ["second"])
        .layer("head", ["head"]);
    let frozen_too = begin(frozen_too.build(&net).unwrap());
    assert!(!frozen_too.contains("no longer kept"), "{frozen_too}");
}
