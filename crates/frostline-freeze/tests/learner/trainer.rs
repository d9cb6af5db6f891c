//! The stock trainer with a wrapped model.

use std::path::Path;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::metric::{LossMetric, Metric, MetricMetadata, Numeric};
use burn::train::{
    ExecutionStrategy, InferenceStep, MetricEarlyStoppingStrategy, MultiDeviceOptim,
    StoppingCondition, TrainStep,
};
use frostline_activations::{Length, Run, Status};
use frostline_freeze::{
    Error, FreezePolicy, Handle, History, InputKey, Linear, Never, Numbered, PrefixCache, Wrapped,
    freeze,
};

use crate::net::{
    BATCH, Net, SAMPLES, STEPS_AN_EPOCH, batch, freezing, freezing_over, learner, loader, training,
    values,
};

const EPOCHS: usize = 3;

/// Trains wrapped, in the folder `name`; gives the model and the handle.
fn train_wrapped(
    folder: &Path,
    policy: impl FreezePolicy + 'static,
    strategy: Option<ExecutionStrategy>,
) -> (Net, Handle<Net>) {
    let net = Net::new();
    // Two devices take two batches a step.
    let devices = 1 + usize::from(matches!(strategy, Some(ExecutionStrategy::MultiDevice(..))));
    let length = Length::epochs(EPOCHS, STEPS_AN_EPOCH / devices);
    let wrapped = freezing_over(&net, policy, length)
        .caching(PrefixCache::in_memory(1 << 20))
        .in_folder(folder.join("run"))
        .unwrap()
        .wrap(net)
        .reading_loss(|output| output.loss.clone().into_scalar::<f32>().into());
    let handle = wrapped.handle();
    let mut training = training(folder, EPOCHS).metrics(handle.metrics());
    if let Some(strategy) = strategy {
        training = training.with_training_strategy(strategy.into());
    }
    handle.interrupt_with(training.interrupter());
    let result = training.launch(learner(wrapped, EPOCHS));
    assert!(result.error.is_none(), "{:?}", result.error);
    (result.model.into_inner(), handle)
}

#[test]
fn a_wrapped_model_that_never_freezes_trains_bit_by_bit_as_the_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let plain = training(folder.path(), EPOCHS)
        .launch(learner(Net::new(), EPOCHS))
        .model;
    let other = tempfile::tempdir().unwrap();
    let (wrapped, handle) = train_wrapped(other.path(), Never, None);
    assert_eq!(values(&plain), values(&wrapped));
    let outcome = handle.finish(None).unwrap();
    assert_eq!(outcome.status, Status::Finished);
    assert_eq!(outcome.step, EPOCHS * STEPS_AN_EPOCH);
    let run = Run::open(other.path().join("run")).unwrap();
    assert_eq!(run.history.len(), 1 + EPOCHS * STEPS_AN_EPOCH / 3);
    assert_eq!(run.history[0].step, 0, "the untrained net was looked at");
    assert_eq!(run.info.name, "run", "it has its folder's name");
    let check = run.history.last().unwrap();
    assert!(check.loss.is_some_and(|loss| loss > 0.0));
    assert!(check.learning_rate.is_some_and(|rate| rate > 0.0));
    let ledger = outcome.ledger.unwrap();
    let forward: f64 = ledger.layers.iter().map(|layer| layer.forward).sum();
    let once = 2.0 * (6.0 * 8.0 + 8.0 * 7.0 + 7.0 * 3.0);
    assert_eq!(forward, once * (EPOCHS * SAMPLES) as f64);
}

#[test]
fn layers_freeze_in_the_stock_trainer_on_one_device_and_on_many() {
    let two = || vec![Device::flex(), Device::flex()];
    for (strategy, steps) in [
        (None, EPOCHS * STEPS_AN_EPOCH),
        (
            Some(ExecutionStrategy::multi(
                two(),
                MultiDeviceOptim::OptimMainDevice,
            )),
            EPOCHS * STEPS_AN_EPOCH / 2,
        ),
        (
            Some(ExecutionStrategy::multi(
                two(),
                MultiDeviceOptim::OptimSharded,
            )),
            EPOCHS * STEPS_AN_EPOCH / 2,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (net, handle) = train_wrapped(folder.path(), Linear::default(), strategy);
        assert_froze(&net, &handle, folder.path(), steps);
    }
}

#[cfg(feature = "cuda")]
#[test]
fn layers_freeze_under_distributed_data_parallel() {
    use burn::tensor::distributed::{DistributedConfig, ReduceOperation};
    // One replica: more need more GPUs.
    let device = Device::cuda(0).autodiff();
    let ddp = ExecutionStrategy::ddp(
        vec![device],
        DistributedConfig {
            all_reduce_op: ReduceOperation::Mean,
        },
    );
    let folder = tempfile::tempdir().unwrap();
    let (net, handle) = train_wrapped(folder.path(), Linear::default(), Some(ddp));
    assert_froze(&net, &handle, folder.path(), EPOCHS * STEPS_AN_EPOCH);
}

/// Asserts that the first of two blocks froze at half of the steps, and the second at the end.
fn assert_froze(net: &Net, handle: &Handle<Net>, folder: &Path, steps: usize) {
    let checks = handle.history().checks().to_vec();
    let last = checks.last().unwrap();
    assert_eq!(last.step, steps - steps % 3);
    assert_eq!(last.frozen, 2);
    let norm = &net.block1.norm;
    assert!(!norm.training.is_enabled());
    assert!(
        !net.clone()
            .train()
            .block1
            .linear
            .weight
            .val()
            .is_require_grad()
    );
    let ledger = last.ledger.clone().unwrap();
    assert!(ledger.layers[0].saved_backward > 0.0);

    // What was frozen at a check is what it is at the end, running statistics included: the probe's answers
    // are the same bit by bit.
    let run = Run::open(folder.join("run")).unwrap();
    let frozen_at = run
        .history
        .iter()
        .find(|check| check.frozen == 1)
        .unwrap()
        .step;
    let block1 = |step| {
        let activations = run.activations(step, &Device::flex()).unwrap();
        activations.view("block1").unwrap().into_data()
    };
    assert_eq!(block1(frozen_at), block1(last.step));
    assert_ne!(block1(frozen_at - 3), block1(frozen_at));
}

#[test]
fn a_record_saved_wrapped_loads_into_the_plain_model_and_back() {
    let net = Net::new();
    let layers = frostline_freeze::Layers::of(&net).unwrap();
    let wrapped = freezing(&net, Never, EPOCHS).wrap(net.clone());
    assert_eq!(wrapped.num_params(), net.num_params());
    assert_eq!(format!("{wrapped}"), format!("{net}"));
    assert_eq!(values(&wrapped), values(&net), "with the same paths");

    let saved = wrapped.clone().into_record().into_bytes().unwrap();
    let from = |bytes| burn::store::ModuleRecord::from_bytes(bytes).unwrap();
    // Other weights, so that loading changes something.
    let other = || {
        let mut other = Net::new();
        other.head.weight = other.head.weight.map(|weight| weight * 2.0);
        other
    };
    let plain = other().load_record(from(saved));
    assert_eq!(values(&plain), values(&net));
    let saved = net.clone().into_record().into_bytes().unwrap();
    let back = freezing(&net, Never, EPOCHS)
        .wrap(other())
        .load_record(from(saved));
    assert_eq!(values(&back), values(&net));

    // A frozen model keeps its weights in a record too; what is frozen is not in it.
    let frozen = freeze(net.clone(), &layers, 2)
        .into_record()
        .into_bytes()
        .unwrap();
    assert_eq!(values(&other().load_record(from(frozen))), values(&net));
}

#[test]
fn gradient_accumulation_and_early_stopping_work() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::new();
    let length = 6 * STEPS_AN_EPOCH / 4; // a step for every four batches
    let wrapped = freezing(&net, Linear::default(), 6)
        .measured_by("cka".parse().unwrap())
        .wrap(net)
        .samples_a_batch(BATCH);
    let handle = wrapped.handle();
    let stopping = MetricEarlyStoppingStrategy::new(
        &LossMetric::new(),
        Aggregate::Mean,
        Direction::Highest, // the first epoch's loss is the highest: stops two epochs later
        Split::Valid,
        StoppingCondition::NoImprovementSince { n_epochs: 2 },
    );
    let training = training(folder.path(), 6)
        .grads_accumulation(4)
        .early_stopping(stopping)
        .metrics(handle.metrics());
    training.launch(learner(wrapped, 6));
    let outcome = handle.finish(None).unwrap();
    assert_eq!(outcome.status, Status::Interrupted);
    assert!(
        outcome.step < length && outcome.step % 2 == 0,
        "{}",
        outcome.step
    );
    let ledger = outcome.ledger.unwrap();
    let head = ledger.layers[2];
    assert_eq!(head.forward, 2.0 * 21.0 * (outcome.step * 4 * BATCH) as f64);
}

#[test]
fn before_anything_is_compared_the_metrics_show_nothing_of_it() {
    let net = Net::new();
    let (layers, share, similarity, measuring) =
        freezing(&net, Never, EPOCHS).wrap(net).handle().metrics();
    assert_eq!(layers.value().map(|value| value.current()), Some(0.0));
    assert!(
        share.value().is_none(),
        "operations are not known before the first step"
    );
    assert!(similarity.value().is_none() && measuring.value().is_none());
}

#[test]
fn the_metrics_show_the_last_check() {
    let folder = tempfile::tempdir().unwrap();
    let (_, handle) = train_wrapped(folder.path(), Linear::default(), None);
    let (mut layers, mut share, mut similarity, mut measuring) = handle.metrics();
    let metadata = MetricMetadata {
        progress: burn::data::dataloader::Progress::new(1, 1, None),
        iteration: Some(1),
        lr: None,
    };
    let shown = |metric: &mut frostline_freeze::FreezeMetric| {
        let entry = metric.update(&(), &metadata).unwrap();
        (entry.formatted, metric.value().unwrap().current())
    };
    assert_eq!(shown(&mut layers), ("2".to_string(), 2.0));
    let expected = 100.0 * (48.0 + 56.0) / (48.0 + 56.0 + 21.0);
    assert_eq!(shown(&mut share), ("83.2 %".to_string(), expected));
    let check = handle.history().latest().unwrap().clone();
    assert_eq!(shown(&mut similarity).1, check.similarity[2].unwrap());
    let all = check.training_seconds + check.measuring_seconds;
    let expected = 100.0 * check.measuring_seconds / all;
    assert!((shown(&mut measuring).1 - expected).abs() < 1e-9); // the order of two roundings
}

#[test]
fn an_error_stops_the_trainer_and_is_told_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::new();
    let wrapped = freezing(&net, Never, EPOCHS)
        .wrap(net)
        .reading_loss(|_| f64::NAN);
    let handle = wrapped.handle();
    let training = training(folder.path(), EPOCHS);
    handle.interrupt_with(training.interrupter());
    let result = training.launch(learner(wrapped, EPOCHS));
    let reason = result.interrupted.unwrap().reason.unwrap();
    assert!(reason.contains("diverged at step 1"), "{reason}");
    let error = handle.finish(None).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 1, .. }), "{error}");
}

#[test]
fn a_thaw_takes_the_stale_momentum_away_or_keeps_it() {
    /// Everything but the head at steps 3 to 5, nothing at any other.
    struct Once;
    impl FreezePolicy for Once {
        fn frozen_layers(&self, history: &History) -> usize {
            if history.latest().is_some_and(|check| check.step == 3) {
                2
            } else {
                0
            }
        }
        fn thaws(&self) -> bool {
            true
        }
    }
    let device = Device::flex().autodiff();
    let state_of = |wrapped: Wrapped<Net>| {
        let mut wrapped = wrapped;
        let (mut optimizer, mut rates) = (crate::net::optimizer(), crate::net::rates(EPOCHS));
        let mut sizes = Vec::new();
        for _ in 0..7 {
            let output = TrainStep::step(&wrapped, batch(0..BATCH, &device));
            wrapped = wrapped.optimize(&mut optimizer, rates.step(), output.grads);
            sizes.push(optimizer.to_record().len());
        }
        sizes
    };
    let net = Net::new();
    let wrapped = || freezing(&net, Once, EPOCHS).wrap(net.clone());
    // Ten parameters train: weight, bias, gamma and beta of two blocks, weight and bias of the head. Thawed after
    // step 6, the blocks' momentum is gone until the next step.
    assert_eq!(state_of(wrapped()), [10, 10, 10, 10, 10, 2, 10]);
    assert_eq!(state_of(wrapped().keep_optimizer_state()), [10; 7]);
    assert_eq!(loader(true).num_items(), SAMPLES);
}

#[test]
fn loss_and_accuracy_come_from_burn_s_outputs_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::new();
    let wrapped = freezing(&net, Never, EPOCHS)
        .in_folder(folder.path().join("ordinary"))
        .unwrap()
        .wrap(net.clone());
    let handle = wrapped.handle();
    let result = training(folder.path(), EPOCHS).launch(learner(wrapped, EPOCHS));
    let outcome = handle.finish(None).unwrap();

    // What the trained model answers, asked by hand.
    let device = Device::flex();
    let trained = result.model.into_inner().valid();
    let test = batch(1000..1000 + SAMPLES, &device);
    let output = InferenceStep::step(&trained, test);
    let answers = output.output.argmax(1).reshape([SAMPLES]);
    let right: i64 = answers.equal(output.targets).int().sum().into_scalar();
    assert_eq!(outcome.accuracy, Some(right as f64 / SAMPLES as f64));
    assert_eq!(outcome.test_samples, Some(SAMPLES));

    let run = Run::open(folder.path().join("ordinary")).unwrap();
    assert_eq!(run.info.name, "ordinary");
    assert_eq!(run.metrics.trained().count(), EPOCHS * STEPS_AN_EPOCH);
    let first = run.metrics.points()[0].clone();
    let untrained = TrainStep::step(&net, batch(0..BATCH, &device.autodiff())).item;
    let loss: f32 = untrained.loss.into_scalar();
    assert_eq!(first.loss.unwrap().mean, f64::from(loss));
    let shares = run
        .metrics
        .trained()
        .map(|point| point.train_accuracy.unwrap().mean);
    assert!(
        shares
            .into_iter()
            .all(|share| (share * BATCH as f64).fract() == 0.0)
    );
    // A test at the end of every epoch.
    let tests: Vec<_> = run.metrics.tested().collect();
    let steps: Vec<usize> = tests.iter().map(|test| test.step).collect();
    let ends: Vec<usize> = (1..=EPOCHS).map(|epoch| epoch * STEPS_AN_EPOCH).collect();
    assert_eq!(steps, ends);
    let last = tests[EPOCHS - 1];
    assert_eq!(last.test_accuracy.map(|a| a.mean), outcome.accuracy);
    let loss: f32 = output.loss.into_scalar();
    // Means of eight batches of eight in f32.
    assert!((last.test_loss.unwrap().mean - f64::from(loss)).abs() < 1e-6);
}

#[test]
fn outputs_are_left_alone_where_nobody_wants_them_read() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::new();
    let wrapped = freezing(&net, Never, EPOCHS).wrap(net).reading_nothing();
    let handle = wrapped.handle();
    training(folder.path(), EPOCHS).launch(learner(wrapped, EPOCHS));
    assert_eq!(handle.finish(None).unwrap().accuracy, None);
    let metrics = handle.reported().unwrap();
    assert_eq!(metrics.points().len(), EPOCHS * STEPS_AN_EPOCH);
    assert!(metrics.points().iter().all(|point| point.loss.is_none()));
}

#[test]
fn a_numbered_dataset_gives_each_item_the_same_key_however_it_is_shuffled() {
    struct Whole;
    impl Batcher<(InputKey, usize), Vec<(InputKey, usize)>> for Whole {
        fn batch(&self, items: Vec<(InputKey, usize)>, _: &Device) -> Vec<(InputKey, usize)> {
            items
        }
    }
    let items = InMemDataset::new((0..50).map(|item| 100 + item).collect());
    let loader = DataLoaderBuilder::new(Whole)
        .batch_size(8)
        .shuffle(3)
        .build(Numbered::new(items));
    for _ in 0..2 {
        let batches = loader.iter().map(Result::unwrap);
        let mut pairs: Vec<_> = batches.flatten().collect();
        assert!(
            pairs
                .iter()
                .all(|(key, item)| key.sample as usize + 100 == *item)
        );
        assert!(
            !pairs.is_sorted_by_key(|(_, item)| *item),
            "they are shuffled"
        );
        pairs.sort_by_key(|(_, item)| *item);
        let expected: Vec<_> = (0..50).map(|at| (InputKey::from(at), 100 + at)).collect();
        assert_eq!(pairs, expected);
    }
}
