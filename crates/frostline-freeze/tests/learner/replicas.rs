//! Distributed data parallel training needs collective operations of a GPU; threads stand in for its replicas here.
//! Each has a clone of the model and does every step, and none takes the step before all have their gradients.

use std::sync::Barrier;

use burn::module::Module;
use burn::tensor::Device;
use burn::train::TrainStep;
use frostline_freeze::{Linear, PrefixCache, Wrapped};

use crate::net::{BATCH, Net, STEPS_AN_EPOCH, batch, freezing, optimizer, rates, values};

const EPOCHS: usize = 3;
const REPLICAS: usize = 3;

#[test]
fn one_replica_decides_and_all_freeze_the_same_at_the_same_step() {
    let net = Net::new();
    let wrapped = freezing(&net, Linear::default(), EPOCHS)
        .caching(PrefixCache::in_memory(1 << 20))
        .wrap(net);
    let handle = wrapped.handle();
    let reduced = Barrier::new(REPLICAS);
    let replicas: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..REPLICAS)
            .map(|_| {
                let (model, reduced) = (wrapped.clone(), &reduced);
                scope.spawn(move || replica(model, reduced))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let (first, statistics, net) = &replicas[0];
    assert_eq!(first.len(), EPOCHS * STEPS_AN_EPOCH);
    // Freezes at half of the steps, and once more at the end.
    let mut expected = vec![false; 11];
    expected.resize(24, true);
    assert_eq!(first, &expected);
    for (frozen, others, other) in &replicas {
        assert_eq!(frozen, first);
        assert_eq!(
            others[12..],
            statistics[12..],
            "running statistics of all stand still"
        );
        assert!(others[12..].iter().all(|now| *now == others[12]));
        assert_eq!(values(other), values(net));
    }
    assert_ne!(statistics[10], statistics[12]);
    assert_eq!(
        handle.history().checks().len(),
        9,
        "one replica looks, for all"
    );
}

/// After each step whether block1 is frozen and its running mean; the net at the end.
fn replica(model: Wrapped<Net>, reduced: &Barrier) -> (Vec<bool>, Vec<Vec<f32>>, Net) {
    let device = Device::flex().autodiff();
    let mut model = model.fork(&device);
    let (mut optimizer, mut rates) = (optimizer(), rates(EPOCHS));
    let (mut frozen, mut statistics) = (Vec::new(), Vec::new());
    for step in 0..EPOCHS * STEPS_AN_EPOCH {
        let from = step % STEPS_AN_EPOCH * BATCH;
        // All take the same samples, so that all have the same gradients without a collective operation.
        let output = TrainStep::step(&model, batch(from..from + BATCH, &device));
        reduced.wait();
        model = model.optimize(&mut optimizer, rates.step(), output.grads);
        let norm = &model.inner().block1.norm;
        frozen.push(!norm.training.is_enabled());
        statistics.push(norm.running_mean.value().into_data().try_to_vec().unwrap());
    }
    (frozen, statistics, model.into_inner())
}
