//! A seed gives the same run. A device's random numbers belong to the whole process, so these tests have
//! a process of their own and take turns.

#[expect(dead_code, reason = "the other test program uses the rest")]
#[path = "freeze/nets.rs"]
mod nets;

use std::sync::Mutex;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use frostline_freeze::{
    CheckpointSchedule, DryRun, FreezeAt, FreezeTraining, InputKey, Layers, Length, Linear, Never,
    PrefixCache, Probe, Step, Watched, WeightDelta,
};
use nets::{Net, STEPS, freezing, optimizer, rows, run, samples, train_step, values};

static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn recording_and_dry_runs_change_nothing_in_the_training() {
    let _alone = ALONE.lock();
    let mut untouched = Net::new(5);
    let mut optimizer = optimizer();
    for step in 1..=STEPS {
        untouched = train_step(untouched, &mut optimizer, step as u64);
    }
    let expected = values(&untouched);

    let net = Net::new(5);
    let mut never = freezing(&net, Never);
    assert_eq!(values(&run(net, &mut never)), expected);

    let net = Net::new(5);
    let mut dry = freezing(&net, DryRun(Linear::default()));
    assert_eq!(values(&run(net, &mut dry)), expected);
    let decided: Vec<usize> = dry
        .history()
        .checks()
        .iter()
        .map(|check| check.decided)
        .collect();
    assert_eq!(decided, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3]);
    assert!(dry.history().checks().iter().all(|check| check.frozen == 0));
}

#[test]
fn the_same_seed_gives_the_same_similarities_and_decisions() {
    let _alone = ALONE.lock();
    let run_once = || {
        let net = Net::new(8);
        let mut freezing = freezing(
            &net,
            WeightDelta {
                threshold: 0.5,
                patience: 1,
            },
        );
        run(net, &mut freezing);
        let checks = freezing.history().checks().iter();
        checks
            .map(|check| (check.similarity.clone(), check.frozen, check.reason.clone()))
            .collect::<Vec<_>>()
    };
    let (first, second) = (run_once(), run_once());
    assert_eq!(first, second);
    assert!(
        first.last().unwrap().1 > 0,
        "the threshold is loose enough to freeze something"
    );
}

const SAMPLES: usize = 60;
const BATCH: usize = 15;
const EPOCHS: usize = 9;
const ROW: u64 = 4 * 8; // block1 puts out eight f32

/// A different order of the samples in every epoch.
fn order(epoch: usize) -> Vec<usize> {
    let coprime = [7, 11, 13, 17, 19, 23, 29, 31, 37][epoch];
    (0..SAMPLES)
        .map(|i| (i * coprime + epoch) % SAMPLES)
        .collect()
}

/// Trains with layers freezing one after another; gives all losses, the net and what was observed.
fn train(cache: Option<PrefixCache>) -> (Vec<f32>, Net, FreezeTraining<Net>) {
    let device = Device::flex().autodiff();
    let (mut net, data) = (Net::new(5), samples(SAMPLES, 7, &Device::flex()));
    let mut optimizer = optimizer();
    let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
    let length = Length::epochs(EPOCHS, SAMPLES / BATCH);
    let layers = Layers::of(&net).unwrap();
    let mut freezing = FreezeTraining::new(layers, probe, Linear::default(), length)
        .checking(CheckpointSchedule::EverySteps(4));
    if let Some(cache) = cache {
        freezing = freezing.caching(cache);
    }
    freezing.start(&net).unwrap();
    device.seed(11); // dropout
    let mut losses = Vec::new();
    for epoch in 0..EPOCHS {
        for batch in order(epoch).chunks(BATCH) {
            let keys: Vec<InputKey> = batch.iter().map(|sample| (*sample).into()).collect();
            let inputs = |asked: &[usize]| {
                let asked: Vec<usize> = asked.iter().map(|row| batch[*row]).collect();
                rows(&data, &asked)
            };
            let answers: Tensor<2> = freezing.forward(&net, &keys, inputs).tensor();
            let x = rows(&data, batch);
            let wanted = x.clone().slice([0..BATCH, 0..3]) + x.slice([0..BATCH, 3..6]);
            let loss = (answers - wanted).powf_scalar(2.0).mean();
            losses.push(loss.clone().into_scalar());
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimizer.step(0.05, net, gradients);
            freezing
                .after_step(&mut net, Step::from(losses.len()))
                .unwrap();
        }
    }
    (losses, net, freezing)
}

#[test]
fn a_run_with_the_cache_gives_the_same_losses_and_weights_bit_by_bit() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    let (losses, net, _) = train(None);
    let plenty = 1 << 20;
    for cache in [
        PrefixCache::in_memory(plenty),
        PrefixCache::on_device(plenty),
        PrefixCache::in_file(folder.path(), plenty),
        PrefixCache::in_memory(20 * ROW), // a third of the samples
    ] {
        let place = format!("{cache:?}");
        let (cached, same, freezing) = train(Some(cache));
        assert_eq!(losses, cached, "{place}");
        assert_eq!(values(&net), values(&same), "{place}");
        let ledger = freezing.history().latest().unwrap().ledger.clone().unwrap();
        assert!(ledger.cache_hits > 0, "{place}");
    }
    // The file has no name, so that nothing is left behind, whatever happens.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn each_frozen_layer_computes_each_input_once() {
    let _alone = ALONE.lock();
    let (_, _, freezing) = train(Some(PrefixCache::in_memory(1 << 20)));
    let steps = EPOCHS * SAMPLES / BATCH;
    let check = freezing.history().latest().unwrap();
    let ledger = check.ledger.as_ref().unwrap();
    // Three layers below the head freeze after 12, 24 and 36 of 36 steps; the last step is the end.
    assert_eq!(ledger.cache_misses, SAMPLES as u64);
    assert_eq!(ledger.cache_hits, ((steps - 12) * BATCH - SAMPLES) as u64);
    let flops =
        [6.0 * 8.0, 8.0 * 7.0, 7.0 * 5.0, 5.0 * 3.0].map(|multiplications| 2.0 * multiplications);
    let inputs = (steps * BATCH) as f64;
    for (layer, (of, flops)) in ledger.layers.iter().zip(flops).enumerate() {
        let trained = [12, 24, 36, 36][layer] * BATCH;
        let once = if layer < 2 { SAMPLES } else { 0 };
        assert_eq!(of.forward, flops * (trained + once) as f64, "layer {layer}");
        assert_eq!(
            of.forward + of.saved_forward,
            flops * inputs,
            "layer {layer}"
        );
        // The gradient of the input is what the lowest layer that trains doesn't compute.
        let lowest = [12, 12, 12, 0][layer] * BATCH;
        let backward = 2.0 * flops * trained as f64 - flops * lowest as f64;
        assert_eq!(of.backward, backward, "layer {layer}");
        let usual = if layer == 0 { 1.0 } else { 2.0 };
        assert_eq!(of.backward + of.saved_backward, usual * flops * inputs);
    }
    // Each check evaluates the probe and compares the layers.
    let probed = 60.0 * flops.iter().sum::<f64>();
    let checks = freezing.history().checks().len() as f64;
    assert!(ledger.measuring_flops > probed * checks);
    assert_eq!(
        ledger.at_frozen.iter().map(|at| at.steps).sum::<usize>(),
        steps
    );
}

/// The changes of a layer, own and in all, at the checks of a training that freezes the lowest layer after `frozen_from` steps.
fn changes_of(frozen_from: Option<usize>, layer: usize) -> Vec<[f64; 2]> {
    let mut net = Net::new(3);
    let probe = Probe::new(vec![samples(400, 99, &Device::flex())], Net::forward);
    let at = frozen_from.map(|step| step as f64 / 40.0);
    let policy = FreezeAt {
        at: at.into_iter().collect(),
    };
    let mut freezing =
        FreezeTraining::new(Layers::of(&net).unwrap(), probe, policy, Length::steps(40))
            .checking(CheckpointSchedule::EverySteps(5))
            .watching(Watched {
                parts: true,
                ..Watched::default()
            });
    let mut optimizer = optimizer();
    freezing.start(&net).unwrap();
    for step in 1..=40 {
        net = train_step(net, &mut optimizer, step as u64);
        freezing.after_step(&mut net, step).unwrap();
    }
    let history = freezing.history();
    let at = |check: usize| {
        [
            history.own_change(layer, check),
            history.change(layer, check),
        ]
    };
    let changes = (1..history.checks().len()).map(|check| at(check).map(Option::unwrap));
    changes.collect()
}

#[test]
fn what_a_layer_changes_itself_does_not_vanish_when_the_layer_below_it_freezes() {
    let _alone = ALONE.lock();
    let (usual, frozen) = (changes_of(None, 1), changes_of(Some(20), 1));
    // Five steps apart, the fifth check is the first after the freeze at step 20.
    assert_eq!(usual[..4], frozen[..4]);
    for check in 4..8 {
        let [own, all] = frozen[check];
        let [usual_own, usual_all] = usual[check];
        assert!((0.5..2.0).contains(&(own / usual_own)), "{own} {usual_own}");
        assert!(
            all < 0.9 * usual_all,
            "what it inherited is gone: {all} {usual_all}"
        );
        assert!(
            (own - all).abs() < 0.05 * all,
            "its own change is all there is"
        );
    }
}
