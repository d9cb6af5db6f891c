use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Tensor;

use crate::{Activation, Activations, Error};

/// One word that names a layer's output: `x.tap("block1")`.
pub trait Tap {
    /// Returns the tensor unchanged. While a [`record`] runs on this thread, keeps a detached copy of
    /// it, on its device, under `name`.
    ///
    /// Nobody recording, a tap is one relaxed atomic load.
    fn tap(self, name: &str) -> Self;
}

impl<const D: usize> Tap for Tensor<D> {
    #[inline]
    fn tap(self, name: &str) -> Self {
        if anyone_records() {
            with_recorder(|recorder| recorder.keep(name, &self));
        }
        self
    }
}

/// Runs `forward` with `name.` before every tap in it: for modules that are used more than once.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use frostline_activations::{Tap, record, scope};
///
/// let block = |x: Tensor<2>| (x * 2.0).tap("double");
/// let x = Tensor::ones([4, 3], &Device::flex());
/// let (_, activations) = record(|| {
///     let x = scope("first", || block(x));
///     scope("second", || block(x))
/// })?;
/// assert_eq!(activations.names().collect::<Vec<_>>(), ["first.double", "second.double"]);
/// # Ok::<(), frostline_activations::Error>(())
/// ```
pub fn scope<T>(name: &str, forward: impl FnOnce() -> T) -> T {
    if !anyone_records() {
        return forward();
    }
    let outer = with_recorder(|recorder| recorder.enter(name));
    let output = forward();
    if let Some(outer) = outer {
        with_recorder(|recorder| recorder.scope.truncate(outer));
    }
    output
}

/// Runs `forward` and gives its output with what the taps in it saw.
///
/// Only taps on this thread are seen. Inside another `record`, the inner one listens alone.
/// Errors: `TappedTwice`.
pub fn record<T>(forward: impl FnOnce() -> T) -> Result<(T, Activations), Error> {
    let listening = Listening::start();
    let output = forward();
    let recorder = listening.stop();
    match recorder.tapped_twice {
        Some(name) => Err(Error::TappedTwice { name }),
        None => Ok((output, recorder.layers.into_iter().collect())),
    }
}

/// How many threads record now. A thread that records counts itself before its forward, so the
/// relaxed load always sees at least its own recorder.
static RECORDERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Recorder {
    scope: String,
    layers: Vec<Activation>,
    tapped_twice: Option<String>,
}

impl Recorder {
    fn keep<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        let name = format!("{}{name}", self.scope);
        if self.layers.iter().any(|layer| layer.name() == name) {
            self.tapped_twice.get_or_insert(name);
        } else {
            self.layers.push(Activation::new(name, tensor.clone()));
        }
    }

    /// Enters a scope and returns the length of the scope around it.
    fn enter(&mut self, name: &str) -> usize {
        let outer = self.scope.len();
        self.scope.push_str(name);
        self.scope.push('.');
        outer
    }
}

#[inline]
fn anyone_records() -> bool {
    RECORDERS.load(Ordering::Relaxed) != 0
}

#[cold]
fn with_recorder<T>(work: impl FnOnce(&mut Recorder) -> T) -> Option<T> {
    RECORDER.with_borrow_mut(|recorder| recorder.as_mut().map(work))
}

/// This thread's recorder while a forward runs. Dropped, it puts the outer recorder back, so that a
/// forward that panics leaves nobody recording.
struct Listening {
    outer: Option<Recorder>,
}

impl Listening {
    fn start() -> Self {
        RECORDERS.fetch_add(1, Ordering::Relaxed);
        let outer = RECORDER.replace(Some(Recorder::default()));
        Listening { outer }
    }

    fn stop(self) -> Recorder {
        let recorder = RECORDER.take();
        recorder.expect("start() put it there, and only stop() takes it")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        RECORDER.set(self.outer.take());
        RECORDERS.fetch_sub(1, Ordering::Relaxed);
    }
}
