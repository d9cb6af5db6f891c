//! What every step and every test reports is kept, whatever is checked.

use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use frostline_activations::{Metrics, MetricsPoint, Run, Status};
use frostline_freeze::{FreezeTraining, Layers, Length, Linear, Never, Probe, Resumed, Step};

use crate::nets::{Net, STEPS, freezing, optimizer, run, samples, train_step};
use burn::tensor::Device;

#[test]
fn every_loss_rate_and_test_is_kept_between_checks_too() {
    let temp = tempfile::tempdir().unwrap();
    let net = Net::new(3);
    let mut freezing = freezing(&net, Linear::default())
        .in_folder(temp.path().join("a run"))
        .unwrap();
    run(net, &mut freezing);
    let kept = freezing.metrics().unwrap().clone();
    let run = Run::open(temp.path().join("a run")).unwrap();
    assert_eq!(run.metrics, kept);
    assert_eq!(
        run.info.name, "a run",
        "a run without a name has its folder's"
    );

    let steps: Vec<&MetricsPoint> = kept.trained().collect();
    assert_eq!(steps.len(), STEPS);
    for (index, point) in steps.iter().enumerate() {
        let step = index + 1;
        assert_eq!((point.step, point.steps), (step, 1));
        assert_eq!(point.loss.map(|loss| loss.mean), Some(step as f64));
        assert_eq!(point.learning_rate.map(|rate| rate.mean), Some(0.05));
        assert_eq!(point.epoch, step as f64 / 10.0);
        // A layer more at each third of 40 steps, from the step after the check on.
        assert_eq!(
            point.frozen,
            [14, 27].iter().filter(|at| step > **at).count()
        );
    }
    let tests: Vec<usize> = kept.tested().map(|test| test.step).collect();
    assert_eq!(tests, [10, 20, 30, 40]);
    assert!(
        kept.tested()
            .all(|test| test.test_accuracy.unwrap().mean == 0.5)
    );
    let seconds = |of: fn(&MetricsPoint) -> f64| kept.points().iter().map(of).collect::<Vec<_>>();
    assert!(seconds(|point| point.training_seconds).is_sorted());
    assert!(seconds(|point| point.wall_seconds).is_sorted());
    assert!(run.info.began.unwrap() <= kept.points()[0].wall_seconds);
}

#[test]
fn metrics_are_kept_without_a_folder_and_without_anything_told_but_the_step() {
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, Never);
    assert!(freezing.metrics().is_none(), "nothing has begun");
    freezing.start(&net).unwrap();
    freezing.after_step(&mut net, 1).unwrap();
    let told = Step {
        samples: Some(16),
        train_accuracy: Some(0.25),
        loss: Some(2.0),
        ..Step::from(2)
    };
    freezing.after_step(&mut net, told).unwrap();
    let [first, second] = freezing.metrics().unwrap().points() else {
        panic!("two steps");
    };
    assert_eq!(
        (first.loss, first.train_accuracy, first.frozen),
        (None, None, 0)
    );
    assert_eq!(second.train_accuracy.unwrap().mean, 0.25);
    // A forward is 308 operations, and the lowest layer's gradient of its input is not needed; the check of step 0
    // evaluated the probe's 120 samples, and prepared layers of 8, 7, 5 and 3 neurons for being compared. Before it the first batch of 60
    // was evaluated as it is and four times changed.
    let step = 16.0 * (3.0 * 308.0 - 96.0);
    let squares = 64.0 + 49.0 + 25.0 + 9.0;
    let cubes = 512.0 + 343.0 + 125.0 + 27.0;
    let look = 5.0 * 60.0 * 308.0;
    let comparing = 6.0 * 120.0 * squares + 40.0 * cubes + 3e3 * squares + 4.0 * 5e6;
    let check = 120.0 * 308.0 + comparing;
    assert_eq!(second.flops, Some(step + look + check));
}

/// All but the seconds.
fn without_time(metrics: &Metrics) -> Vec<MetricsPoint> {
    let timeless = metrics.points().iter().map(|point| MetricsPoint {
        training_seconds: 0.0,
        wall_seconds: 0.0,
        ..point.clone()
    });
    timeless.collect()
}

#[test]
fn the_same_run_reports_the_same_but_for_the_seconds() {
    let reported = || {
        let net = Net::new(8);
        let mut freezing = freezing(&net, Linear::default());
        run(net, &mut freezing);
        without_time(freezing.metrics().unwrap())
    };
    assert_eq!(reported(), reported());
}

#[test]
fn a_run_that_goes_on_reports_what_it_would_have_reported_in_one() {
    let step = |net: Net, freezing: &mut FreezeTraining<Net>, optimizer: &mut _, step: usize| {
        let mut net = train_step(net, optimizer, step as u64);
        let told = Step {
            loss: Some(1.0 / step as f64),
            accuracy: step.is_multiple_of(8).then_some(0.5),
            samples: Some(16),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
        net
    };
    let temp = tempfile::tempdir().unwrap();
    let trained = |path: &Path, cut: bool| {
        let mut net = Net::new(6);
        let mut freezing = freezing(&net, Linear::default()).going_on_in(path);
        let mut optimizer = optimizer();
        freezing.start(&net).unwrap();
        for at in 1..=17 {
            net = step(net, &mut freezing, &mut optimizer, at);
        }
        if cut {
            freezing.note_saved(&net, 17).unwrap();
            let saved = net.clone().into_record().into_bytes().unwrap();
            let state = optimizer.into_bytes().unwrap();
            let mut abandoned = crate::nets::optimizer().from_bytes(state.clone()).unwrap();
            for at in 18..=25 {
                net = step(net, &mut freezing, &mut abandoned, at);
            }
            net = Net::new(1).load_record(ModuleRecord::from_bytes(saved).unwrap());
            optimizer = crate::nets::optimizer().from_bytes(state).unwrap();
            freezing = crate::nets::freezing(&net, Linear::default()).going_on_in(path);
            assert_eq!(freezing.resume(&mut net).unwrap(), Resumed::At { step: 17 });
        }
        for at in 18..=STEPS {
            net = step(net, &mut freezing, &mut optimizer, at);
        }
        freezing.finish(Status::Finished, STEPS, None).unwrap();
        Run::open(path).unwrap()
    };
    let whole = trained(&temp.path().join("run"), false);
    let cut = trained(&temp.path().join("cut/run"), true);
    assert!(cut.problems.is_empty(), "{:?}", cut.problems);
    assert_eq!(without_time(&cut.metrics), without_time(&whole.metrics));
    assert!(
        whole
            .metrics
            .points()
            .iter()
            .all(|point| point.flops.is_some())
    );
    let seconds = cut
        .metrics
        .points()
        .iter()
        .map(|point| point.training_seconds);
    assert!(
        seconds.is_sorted(),
        "what was trained since the last check counts"
    );
    assert_eq!(cut.info.outcome.unwrap().accuracy, Some(0.5));
}

/// The records of an event file: their wall times, and their bytes.
fn records(path: &Path) -> Vec<(f64, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut records) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let event = rest[12..12 + length].to_vec();
        assert_eq!(event[0], 0x09, "the wall time is the first field");
        records.push((f64::from_le_bytes(event[1..9].try_into().unwrap()), event));
        rest = &rest[12 + length + 4..];
    }
    records
}

#[test]
fn tensorboard_can_read_a_run_while_it_goes_on_by_real_time() {
    let temp = tempfile::tempdir().unwrap();
    let before = std::time::SystemTime::now();
    let mut net = Net::new(2);
    let mut freezing = freezing(&net, Never).tensorboard_in(temp.path().join("logs/run"));
    freezing.start(&net).unwrap();
    let told = Step {
        loss: Some(1.5),
        accuracy: Some(0.25),
        ..Step::from(1)
    };
    freezing.after_step(&mut net, told).unwrap();

    let files: Vec<_> = std::fs::read_dir(temp.path().join("logs/run"))
        .unwrap()
        .collect();
    let [Ok(file)] = files.as_slice() else {
        panic!("one file: {files:?}");
    };
    let name = file.file_name().into_string().unwrap();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
    // Version, beginning, the check of step 0, step 1 and its test.
    let records = records(&file.path());
    assert_eq!(records.len(), 5);
    let began = before
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let times: Vec<f64> = records.iter().map(|(time, _)| *time).collect();
    assert!(times[0] >= began && times.is_sorted(), "{began}: {times:?}");
    let has = |record: usize, tag: &str| {
        let event = &records[record].1;
        event
            .windows(tag.len())
            .any(|bytes| bytes == tag.as_bytes())
    };
    assert!(has(2, "seconds/measuring") && has(3, "loss") && has(3, "frozen_layers"));
    assert!(has(4, "accuracy") && !has(4, "loss"));
}

#[test]
fn a_probe_of_two_inputs_is_a_batch_of_two_tensors() {
    let net = Net::new(1);
    let (x, mask) = (
        samples(60, 9, &Device::flex()),
        samples(60, 8, &Device::flex()),
    );
    let probe = Probe::new(vec![(x, mask)], |net: &Net, (x, mask)| {
        net.forward(x * mask)
    });
    let layers = Layers::of(&net).unwrap();
    let mut freezing = FreezeTraining::new(layers, probe, Never, Length::steps(10));
    freezing.start(&net).unwrap();
}
