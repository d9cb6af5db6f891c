//! What the wrapper finds out about a model's layers: a `run` unlike the forward, records loaded in mid-training.

use std::ops::Range;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use frostline_freeze::{
    Error, Features, FreezeAt, FreezeTraining, Layered, Layers, Length, PrefixCache, Probe,
    Wrapped, forward_above_frozen,
};

use crate::net::{Batch, Net, batch, freezing, loader, optimizer, rates, values};

/// A model around the net whose `run` forgets a factor, and which may prepare its inputs.
#[derive(Module, Debug)]
struct Around {
    net: Forgetful,
    #[module(skip)]
    prepares: f64,
}

#[derive(Module, Debug)]
struct Forgetful {
    inner: Net,
    #[module(skip)]
    forgets: Option<usize>,
}

impl Layered for Forgetful {
    fn depth(&self) -> usize {
        3
    }

    fn run(&self, layers: Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| {
            let x = match self.forgets == Some(layer) {
                true => Features::new(x.tensor::<2>() * 0.5),
                false => x,
            };
            self.inner.run(layer..layer + 1, x)
        })
    }
}

impl TrainStep for Around {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let x = batch.x.clone() * self.prepares;
        let logits: Tensor<2> = forward_above_frozen(&self.net, &batch.keys, |rows| {
            let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
            x.clone()
                .select(0, Tensor::from_data(rows.as_slice(), &x.device()))
        })
        .tensor();
        let output = self.net.inner.classify(logits, batch.labels);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Around {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        let logits = self.net.inner.forward(batch.x * self.prepares);
        self.net.inner.classify(logits, batch.labels)
    }
}

/// Trains for an epoch whose frozen layers' outputs are kept.
fn trained(forgets: Option<usize>, prepares: f64) -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let net = Forgetful {
        inner: Net::new(),
        forgets,
    };
    let model = Around { net, prepares };
    let probe = batch(2000..2060, &Device::flex()).x;
    let probe = Probe::new(vec![probe], |model: &Around, x| {
        model.net.inner.forward(x * model.prepares)
    });
    let layers = Layers::below(&model, "net.inner").unwrap();
    let policy = FreezeAt { at: vec![0.2] };
    let model = FreezeTraining::new(layers, probe, policy, Length::epochs(1, 8))
        .caching(PrefixCache::in_memory(1 << 20))
        .wrap(model);
    let handle = model.handle();
    let training = crate::net::training(folder.path(), 1);
    handle.interrupt_with(training.interrupter());
    training.launch(crate::net::learner(model, 1));
    handle.finish(None).map(|_| ())
}

#[test]
fn a_run_unlike_the_forward_stops_the_trainer_and_names_the_layer() {
    for (layer, name) in [(1, "block2"), (2, "head")] {
        let error = trained(Some(layer), 1.0).unwrap_err();
        assert!(
            matches!(&error, Error::RunDiffers { layer, .. } if layer == name),
            "{error}"
        );
    }
    trained(None, 1.0).unwrap();
    // What a model does to its inputs before they come to the network is its own affair.
    trained(None, 3.0).unwrap();
}

/// One step of the trainer.
fn step(wrapped: Wrapped<Net>, rates: &mut ModuleLrScheduler, at: usize) -> Wrapped<Net> {
    let mut optimizer = optimizer();
    let samples = batch(8 * at..8 * at + 8, &Device::flex().autodiff());
    let output = TrainStep::step(&wrapped, samples);
    wrapped.optimize(&mut optimizer, rates.step(), output.grads)
}

#[test]
fn a_record_that_is_loaded_in_mid_training_changes_nothing_of_what_is_frozen() {
    let _loaders = loader(true);
    let net = Net::new();
    let best = net.clone().into_record().into_bytes().unwrap();
    let mut wrapped = freezing(&net, FreezeAt { at: vec![0.1, 0.3] }, 1)
        .caching(PrefixCache::in_memory(1 << 20))
        .wrap(net);
    let handle = wrapped.handle();
    let mut rates = rates(1);
    for at in 0..4 {
        wrapped = step(wrapped, &mut rates, at);
    }
    assert_eq!(handle.frozen(), 2);
    // Into the model, and into one that was made anew.
    for fresh in [false, true] {
        let record = ModuleRecord::from_bytes(best.clone()).unwrap();
        if fresh {
            wrapped = wrapped.map(&mut Unfreezing);
        }
        wrapped = wrapped.load_record(record);
        let before = values(&wrapped.inner().block2);
        for at in 4..6 {
            wrapped = step(wrapped, &mut rates, at);
            assert_eq!(values(&wrapped.inner().block2), before);
        }
        assert_eq!(handle.frozen(), 2);
    }
}

/// Lets everything train.
struct Unfreezing;

impl burn::module::ModuleMapper for Unfreezing {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        param.set_require_grad(true)
    }
}
