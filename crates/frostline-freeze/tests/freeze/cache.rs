//! The outputs of frozen layers are kept: nothing else changes, and nothing is computed twice.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use frostline_freeze::{Features, InputKey, Layered, Layers, PrefixCache, freeze};

use crate::nets::{INPUTS, Net, rows};

const SAMPLES: usize = 60;
const BATCH: usize = 15;
const ROW: u64 = 4 * 8; // block1 puts out eight f32

/// The same whatever other tests draw meanwhile.
fn data() -> Tensor<2> {
    let value = |i: usize| (i as f32 * 0.7).sin() + (i as f32 * 0.13).cos();
    let values: Vec<f32> = (0..SAMPLES * INPUTS).map(value).collect();
    let shape = [SAMPLES, INPUTS];
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// A different order of the samples in every epoch.
fn order(epoch: usize) -> Vec<usize> {
    let coprime = [7, 11, 13, 17, 19, 23, 29, 31, 37][epoch];
    (0..SAMPLES)
        .map(|i| (i * coprime + epoch) % SAMPLES)
        .collect()
}

/// A net with two frozen blocks and a cache of its outputs.
fn frozen_net() -> Net {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    freeze(net, &layers, 2)
}

fn ask(cache: &mut PrefixCache, net: &Net, frozen: usize, wanted: &[usize]) -> Vec<f32> {
    ask_of(SAMPLES, cache, net, frozen, wanted)
}

/// Asks for these of `epoch` samples.
fn ask_of(
    epoch: usize,
    cache: &mut PrefixCache,
    net: &Net,
    frozen: usize,
    wanted: &[usize],
) -> Vec<f32> {
    let data = data();
    let keys: Vec<InputKey> = wanted.iter().map(|sample| (*sample).into()).collect();
    let inputs = |asked: &[usize]| {
        let asked: Vec<usize> = asked.iter().map(|row| wanted[*row]).collect();
        rows(&data, &asked)
    };
    let net = Prefix {
        net: net.clone(),
        layers: frozen,
    };
    let prefix = cache.forward(&net, frozen, &keys, epoch, inputs);
    let prefix: Tensor<2> = prefix.tensor();
    prefix.into_data().try_to_vec().unwrap()
}

/// The frozen layers alone: what comes out is what is kept.
#[derive(Module, Debug)]
struct Prefix {
    net: Net,
    #[module(skip)]
    layers: usize,
}

impl Layered for Prefix {
    fn depth(&self) -> usize {
        self.layers
    }

    fn run(&self, layers: std::ops::Range<usize>, x: Features) -> Features {
        self.net.run(layers, x)
    }
}

#[test]
fn half_precision_is_within_its_rounding_and_the_same_whether_kept_or_computed() {
    let net = frozen_net();
    let wanted = [4, 8, 15, 16, 23, 42];
    let exact = ask(&mut PrefixCache::in_memory(1 << 20), &net, 2, &wanted);
    let folder = tempfile::tempdir().unwrap();
    for mut cache in [
        PrefixCache::in_memory(1 << 20).half(),
        PrefixCache::in_file(folder.path(), 1 << 20).half(),
    ] {
        let computed = ask(&mut cache, &net, 2, &wanted);
        assert_eq!(computed, ask(&mut cache, &net, 2, &wanted), "{cache:?}");
        assert_eq!((cache.counted().hits, cache.counted().misses), (6, 6));
        for (rounded, exact) in computed.iter().zip(&exact) {
            // Half a unit in the last of ten places; below 2⁻¹⁴ f16 has fewer.
            let tolerance = exact.abs().max(6.2e-5) * 2f32.powi(-11);
            assert!((rounded - exact).abs() <= tolerance, "{rounded} {exact}");
        }
    }
}

#[test]
fn what_is_kept_goes_through_newly_frozen_layers_once() {
    let net = frozen_net();
    let mut cache = PrefixCache::in_memory(1 << 20);
    let all: Vec<usize> = (0..SAMPLES).collect();
    ask(&mut cache, &net, 1, &all);
    let moved = ask(&mut cache, &net, 2, &all);
    assert_eq!(
        moved,
        ask(&mut PrefixCache::in_memory(1 << 20), &net, 2, &all)
    );
    assert_eq!(cache.counted().computed, [SAMPLES as u64; 2]);
    assert_eq!(
        cache.counted().misses,
        SAMPLES as u64,
        "no input was asked for again"
    );
}

#[test]
fn over_its_budget_a_cache_keeps_what_it_has_and_computes_the_rest() {
    let net = frozen_net();
    let mut cache = PrefixCache::in_memory(20 * ROW + 5);
    let mut hits = Vec::new();
    for epoch in 0..3 {
        let before = cache.counted().hits;
        for batch in order(epoch).chunks(BATCH) {
            ask(&mut cache, &net, 1, batch);
        }
        assert_eq!(cache.len(), 20);
        hits.push(cache.counted().hits - before);
    }
    assert_eq!(hits, [0, 20, 20]);
    // No room at all is no error either.
    let mut none = PrefixCache::in_memory(1);
    assert_eq!(
        ask(&mut none, &net, 1, &[3]),
        ask(&mut cache, &net, 1, &[3])
    );
    assert!(none.is_empty());
}

#[test]
fn inputs_that_stay_away_for_two_epochs_make_room() {
    let net = frozen_net();
    let mut cache = PrefixCache::in_memory(4 * ROW);
    ask_of(4, &mut cache, &net, 1, &[0, 1, 2, 3]);
    let mut hits = Vec::new();
    for _ in 0..4 {
        let before = cache.counted().hits;
        ask_of(4, &mut cache, &net, 1, &[0, 1, 10, 11]);
        hits.push(cache.counted().hits - before);
    }
    // 2 and 3 were in the first batch of four, and make room more than eight others later.
    assert_eq!(hits, [2, 2, 2, 4]);
    assert_eq!(cache.len(), 4);
}

#[test]
fn inputs_that_never_repeat_switch_the_cache_off() {
    let net = frozen_net();
    let data = data();
    let mut cache = PrefixCache::in_memory(1 << 20);
    let view = |sample: usize, view: u32| InputKey {
        sample: sample as u64,
        view,
    };
    for epoch in 0..2 {
        assert_eq!(cache.switched_off(), None);
        let keys: Vec<InputKey> = (0..SAMPLES).map(|sample| view(sample, epoch)).collect();
        cache.forward(&net, 2, &keys, SAMPLES, |asked| rows(&data, asked));
    }
    let why = cache.switched_off().unwrap();
    assert_eq!(why, "of the last 120 inputs only 0 had been seen before");
    assert!(cache.is_empty(), "its memory is free again");

    // Mirrored half of the time, an input of the second epoch has been seen half of the time.
    let mut cache = PrefixCache::in_memory(1 << 20);
    for epoch in 0..4 {
        let keys: Vec<InputKey> = (0..SAMPLES)
            .map(|sample| view(sample, ((sample * 7 + epoch * epoch * 5) % 4 / 2) as u32))
            .collect();
        cache.forward(&net, 2, &keys, SAMPLES, |asked| rows(&data, asked));
    }
    assert_eq!(cache.switched_off(), None);
}

#[test]
fn a_small_last_batch_does_not_make_an_epoch_shorter() {
    let net = frozen_net();
    let mut cache = PrefixCache::in_memory(1 << 20);
    for _ in 0..3 {
        for batch in (0..SAMPLES).collect::<Vec<_>>().chunks(50) {
            // As who knows the steps of an epoch but not its inputs.
            ask_of(batch.len() * 2, &mut cache, &net, 2, batch);
        }
        assert_eq!(cache.switched_off(), None);
    }
    assert_eq!(cache.counted().hits, 2 * SAMPLES as u64);
}

#[test]
fn a_cache_that_cannot_write_computes_and_says_why() {
    let net = frozen_net();
    let mut cache = PrefixCache::in_file("/nowhere/at/all", 1 << 20);
    let mut good = PrefixCache::in_memory(1 << 20);
    assert_eq!(
        ask(&mut cache, &net, 2, &[1, 2]),
        ask(&mut good, &net, 2, &[1, 2])
    );
    assert!(cache.switched_off().unwrap().contains("/nowhere/at/all"));
}
