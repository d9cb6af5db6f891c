//! The main job's training, on a few generated images.

use std::path::Path;

use burn::tensor::Device;
use cifar10::data::Augmentation;
use cifar10::devices::{DeviceError, compiled_in, open};
use cifar10::nets::{ConvNet, Net, PaperNet};
use cifar10::synthetic::{Split, images};
use cifar10::train::{Moment, Settings, train};
use frostline::activations::Outcome;
use frostline::freeze::PolicyConfig;
use frostline::prelude::*;

const SETTINGS: Settings = Settings {
    epochs: 2,
    batch: 32,
    learning_rate: 0.02,
    seed: 1,
    augment: Augmentation::Shift,
    cache: Some(1 << 24),
    probe: 40,
    panes: Some(50),
    tested: 20,
    checks: Some(6),
};

fn run<N: Net + 'static>(net: N, folder: &Path, watch: impl FnMut(Moment) -> bool) -> Outcome {
    let (seen, unseen) = (images(1, Split::Train, 96), images(1, Split::Test, 50));
    let policy = PolicyConfig::Linear(Default::default());
    let data = [&seen, &unseen];
    train(net, data, &SETTINGS, &policy, folder.into(), |_| (), watch).unwrap()
}

#[test]
fn a_training_is_recorded_frozen_and_tested_to_its_end() {
    let temp = tempfile::tempdir().unwrap();
    let device = Device::flex().autodiff();
    let mut moments = Vec::new();
    let outcome = run(ConvNet::init(10, &device), temp.path(), |moment| {
        moments.push(moment);
        true
    });

    assert_eq!((outcome.status, outcome.step), (Status::Finished, 6));
    assert_eq!(outcome.test_samples, Some(50));
    assert_eq!(moments.len(), 6);
    assert!(moments[2].epoch_ended && moments[2].accuracy.is_some());
    let run = Run::open(temp.path()).unwrap();
    let frozen: Vec<usize> = run.history.iter().map(|check| check.frozen).collect();
    assert_eq!(frozen, [0, 1, 2, 3, 4, 5, 6]);
    // 40 images are too few for means of 128 channels: 32 places of each are looked at.
    let probe = run.info.probe;
    assert_eq!((probe.inputs, probe.samples), (Some(40), 1280));
    assert!(
        matches!(probe.layout, Layout::Pooled(_)),
        "{}",
        probe.layout
    );
    // 35 and 75 % of six steps.
    assert_eq!(run.pane_steps(), [0, 2, 5, 6]);
    let panes = outcome.ledger.unwrap().panes;
    assert_eq!((panes.evaluations, panes.samples), (4, 200));
    assert_eq!(run.history[3].loss.map(f64::is_finite), Some(true));
}

#[test]
fn the_cache_changes_no_loss_of_a_convolutional_net_bit_by_bit() {
    let (seen, unseen) = (images(1, Split::Train, 96), images(1, Split::Test, 50));
    let policy = PolicyConfig::Linear(Default::default());
    let losses = |augment, cache| {
        let temp = tempfile::tempdir().unwrap();
        let device = Device::flex().autodiff();
        device.seed(3);
        let net = ConvNet::init(10, &device);
        let settings = Settings {
            epochs: 6,
            augment,
            cache,
            ..SETTINGS
        };
        let (mut losses, data) = (Vec::new(), [&seen, &unseen]);
        let watch = |moment: Moment| {
            losses.push(moment.loss);
            true
        };
        let folder = temp.path().into();
        let outcome = train(net, data, &settings, &policy, folder, |_| (), watch).unwrap();
        (losses, outcome.accuracy, outcome.ledger.unwrap().cache_hits)
    };
    for augment in [Augmentation::None, Augmentation::Mirror] {
        let (computed, accuracy, none) = losses(augment, None);
        let (cached, same, hits) = losses(augment, Some(1 << 30));
        assert_eq!((computed, accuracy), (cached, same));
        assert!(none == 0 && hits > 0);
    }
}

#[test]
fn a_stopped_training_leaves_a_run_that_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let device = Device::flex().autodiff();
    let outcome = run(PaperNet::init(10, &device), temp.path(), |moment| {
        moment.step < 2
    });

    assert_eq!((outcome.status, outcome.step), (Status::Interrupted, 2));
    let run = Run::open(temp.path()).unwrap();
    assert_eq!(run.history.len(), 3);
    assert_eq!(run.info.outcome, Some(outcome));
    assert_eq!(run.info.layers.last().map(String::as_str), Some("logits"));
}

#[test]
fn a_device_that_was_not_compiled_in_is_refused_with_those_that_were() {
    assert_eq!(compiled_in(), ["flex", "wgpu", "ndarray"]);
    assert_eq!(open("flex").unwrap().adapter.to_string(), "flex");
    let refused = open("abacus").unwrap_err().to_string();
    assert!(
        refused.contains("`abacus`") && refused.contains("flex, wgpu, ndarray"),
        "{refused}"
    );
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_and_no_panic() {
    if let Err(refused) = open("wgpu") {
        assert!(
            !matches!(refused, DeviceError::NotInBuild { .. }),
            "{refused}"
        );
        let refused = refused.to_string();
        assert!(
            refused.starts_with("the device `wgpu` can't be used here"),
            "{refused}"
        );
    }
}
