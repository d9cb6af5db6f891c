use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::tensor::Tensor;

use super::outputs::Sums;
use crate::freezing::{ProbeForward, Test, lock};
use crate::{Error, Features, FreezeTraining, InputKey, Layered, PrefixCache};

/// The forward of a training step that enters above the frozen layers, their outputs taken from the cache, when a
/// [`Wrapped`](crate::Wrapped) model runs the step; the plain forward anywhere else.
///
/// `keys` say which input each row of the batch is; `inputs` gives the rows with these indices and is asked
/// only for those that are needed.
///
/// The first step compares the network's `run` with the probe's forward, as [`FreezeTraining::forward`] does; where they differ
/// above the first layer, the trainer is stopped with [`Error::RunDiffers`](crate::Error::RunDiffers).
///
/// ```no_run
/// # use burn::{module::Module, nn::loss::CrossEntropyLoss, tensor::{Int, Tensor}};
/// # use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
/// # use frostline_freeze::{InputKey, Layered, forward_above_frozen};
/// # #[derive(Clone)] struct Batch { images: Tensor<4>, labels: Tensor<1, Int>, keys: Vec<InputKey> }
/// # fn rows(images: &Tensor<4>, rows: &[usize]) -> Tensor<4> { images.clone() }
/// # fn example<Net: Module + Layered>(net: &Net, loss: CrossEntropyLoss, batch: Batch) -> Tensor<1> {
/// // In the model's TrainStep:
/// let logits = forward_above_frozen(net, &batch.keys, |asked| rows(&batch.images, asked));
/// let loss = loss.forward(logits.tensor::<2>(), batch.labels);
/// # loss }
/// ```
pub fn forward_above_frozen<M: Module + Layered, const D: usize>(
    model: &M,
    keys: &[InputKey],
    inputs: impl Fn(&[usize]) -> Tensor<D>,
) -> Features {
    if !keys.is_empty() {
        compare_first(model, || inputs(&[0]).dims()[1..].to_vec());
    }
    let serving = SERVING.with_borrow(Clone::clone);
    let prefix = serving.as_ref().and_then(|serving| {
        let epoch = keys.len() * serving.steps_an_epoch;
        let mut cache = lock(serving.cache.as_ref()?);
        cache.prefix(model, serving.frozen, keys, epoch, &inputs)
    });
    SERVING.with_borrow_mut(|serving| {
        if let Some(serving) = serving {
            serving.inputs += keys.len();
            serving.cached = prefix.is_some();
        }
    });
    match (prefix, serving) {
        (Some(prefix), Some(serving)) => model.run(serving.frozen..model.depth(), prefix),
        _ => {
            let all: Vec<usize> = (0..keys.len()).collect();
            model.run(0..model.depth(), Features::new(inputs(&all)))
        }
    }
}

/// Compares the network's `run` with the probe's forward in the first step of a training.
fn compare_first<M: Module + Layered>(model: &M, shape: impl FnOnce() -> Vec<usize>) {
    let forward = SERVING.with_borrow_mut(|serving| serving.as_mut()?.forward.take());
    let forward = forward.filter(|forward| forward.begins_with(&shape()));
    let Some(Err(error)) = forward.map(|forward| forward.compare_part(model)) else {
        return;
    };
    SERVING.with_borrow_mut(|serving| {
        if let Some(serving) = serving {
            serving.problem = Some(Arc::new(error));
        }
    });
}

thread_local! {
    static SERVING: RefCell<Option<Serving>> = const { RefCell::new(None) };
}

/// What a step that runs on this thread may take from.
#[derive(Clone)]
struct Serving {
    cache: Option<Arc<Mutex<PrefixCache>>>,
    frozen: usize,
    steps_an_epoch: usize,
    /// Inputs of this step so far, and whether they came from the cache.
    inputs: usize,
    cached: bool,
    /// In the first step, what the network's `run` is compared with, and what came of it.
    forward: Option<Arc<ProbeForward>>,
    problem: Option<Arc<Error>>,
}

/// What the steps of all replicas were served.
pub(super) struct Served {
    cache: Option<Arc<Mutex<PrefixCache>>>,
    steps_an_epoch: usize,
    /// What the first step compares the network's `run` with.
    forward: Mutex<Option<ProbeForward>>,
    since: Mutex<Since>,
}

/// Since the last optimizer step.
#[derive(Default)]
struct Since {
    inputs: usize,
    cached: bool,
    losses: (f64, usize),
    accuracies: (f64, usize),
    /// What a test has found so far.
    test: Option<Sums>,
    problem: Option<Error>,
}

impl Served {
    pub(super) fn of<M: Module>(training: &FreezeTraining<M>) -> Self {
        Served {
            cache: training.cache(),
            steps_an_epoch: training.history().length().steps_per_epoch,
            forward: Mutex::default(),
            since: Mutex::default(),
        }
    }

    /// Lets the first step compare the network's `run` with the probe's forward.
    pub(super) fn expect(&self, forward: Option<ProbeForward>) {
        *lock(&self.forward) = forward;
    }

    /// What was wrong in a step since the last call.
    pub(super) fn take_problem(&self) -> Option<Error> {
        lock(&self.since).problem.take()
    }

    /// Runs a step that may take its frozen prefix from the cache.
    pub(super) fn serve<T>(&self, frozen: usize, step: impl FnOnce() -> T) -> T {
        SERVING.set(Some(Serving {
            cache: self.cache.clone(),
            frozen,
            steps_an_epoch: self.steps_an_epoch,
            inputs: 0,
            cached: false,
            forward: lock(&self.forward).take().map(Arc::new),
            problem: None,
        }));
        // A step that panics leaves nothing behind that the next one wouldn't set anew.
        step()
    }

    /// A step has ended on this thread; `samples` were in its batch if it didn't say itself.
    pub(super) fn stepped(&self, samples: Option<usize>) {
        let serving = SERVING.take();
        let mut since = lock(&self.since);
        let (inputs, cached) = match serving {
            Some(serving) => {
                let problem = serving.problem.and_then(Arc::into_inner);
                since.problem = since.problem.take().or(problem);
                (serving.inputs, serving.cached)
            }
            None => (0, false),
        };
        since.inputs += match inputs {
            0 => samples.unwrap_or(0),
            inputs => inputs,
        };
        since.cached = cached;
    }

    /// Notes what a step's output said.
    pub(super) fn note(&self, loss: Option<f64>, accuracy: Option<f64>) {
        let mut since = lock(&self.since);
        let since = &mut *since;
        for (value, (sum, count)) in [(loss, &mut since.losses), (accuracy, &mut since.accuracies)]
        {
            if let Some(value) = value {
                *sum += value;
                *count += 1;
            }
        }
    }

    /// Adds up the outputs of a test; tells whether this one is the first.
    pub(super) fn tests(&self, add: impl FnOnce(&mut Sums)) -> bool {
        let mut since = lock(&self.since);
        let first = since.test.is_none();
        add(since.test.get_or_insert_default());
        first
    }

    /// What was tested since the last call: none without a test, else what it found, if that is known.
    pub(super) fn take_test(&self) -> Option<Option<Test>> {
        let test = lock(&self.since).test.take();
        test.map(Sums::test)
    }

    /// Tells the inputs of the steps since the last call.
    pub(super) fn tell<M: Module>(&self, training: &mut FreezeTraining<M>) {
        let mut since = lock(&self.since);
        if since.inputs > 0 {
            training.forwarded(since.inputs, since.cached);
        }
        since.inputs = 0;
    }

    /// The mean loss and the mean accuracy of the steps since the last call.
    pub(super) fn take_means(&self) -> (Option<f64>, Option<f64>) {
        let mut since = lock(&self.since);
        let mean = |(sum, count): (f64, usize)| (count > 0).then(|| sum / count as f64);
        let losses = std::mem::take(&mut since.losses);
        (mean(losses), mean(std::mem::take(&mut since.accuracies)))
    }
}
