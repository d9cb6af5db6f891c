//! Who listens to the taps of a thread.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Tensor;

use crate::{Axes, handing::HandOn, noticing, record::Recorder, replacing::Replacement};

/// How many listen now, on all threads. A thread that listens counts itself before its forward, so the
/// relaxed load always sees at least its own.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HERE: RefCell<Here> = const {
        RefCell::new(Here { scope: String::new(), listeners: Vec::new() })
    };
}

/// What is listened for on one thread.
struct Here {
    /// The scopes that the forward is in, a dot behind each.
    scope: String,
    /// The innermost comes last.
    listeners: Vec<Listener>,
}

struct Listener {
    /// Length of the scope that was there before it: the names that it hears begin behind that.
    outside: usize,
    wants: Wants,
}

/// What is done with a tap.
pub(crate) enum Wants {
    /// Every one is kept.
    Everything(Recorder),
    /// One is replaced.
    One(Replacement),
    /// Every one is kept, and hands on what was recorded before.
    HandOn(HandOn),
}

#[inline]
pub(crate) fn anyone() -> bool {
    LISTENERS.load(Ordering::Relaxed) != 0
}

/// Someone listens besides those who record.
pub(crate) fn one_more() {
    LISTENERS.fetch_add(1, Ordering::Relaxed);
}

/// They no longer do.
pub(crate) fn one_less() {
    LISTENERS.fetch_sub(1, Ordering::Relaxed);
}

/// A tap fired while someone listens, here or on another thread: what it returns.
#[cold]
pub(crate) fn heard<const D: usize>(
    mut tensor: Tensor<D>,
    name: &str,
    axes: Option<Axes>,
) -> Tensor<D> {
    let listeners = HERE.with_borrow(|here| here.listeners.len());
    if listeners == 0 {
        // Scopes are not followed while nobody records.
        noticing::fired(name, tensor.dims()[0]);
        return tensor;
    }
    for place in (0..listeners).rev() {
        let instead = HERE.with_borrow_mut(|here| {
            let (hand_on, name) = here.hand_on(place, name)?;
            hand_on.hear(name, &tensor, axes)
        });
        if let Some(instead) = instead {
            tensor = instead;
            continue;
        }
        let found = HERE.with_borrow_mut(|here| {
            let (replacement, name) = here.replacement(place, name)?;
            replacement.hear(name, tensor.dims())
        });
        let Some(replace) = found else { continue };
        // Nothing is borrowed now: what replaces may tap too.
        let replaced = replace(tensor.clone());
        if replaced.dims() == tensor.dims() {
            tensor = replaced;
            continue;
        }
        HERE.with_borrow_mut(|here| {
            if let Some((replacement, _)) = here.replacement(place, name) {
                replacement.shape_changed(&tensor.dims(), &replaced.dims());
            }
        });
    }
    HERE.with_borrow_mut(|here| {
        if let Some((recorder, name)) = here.recorder(name) {
            recorder.keep(name, &tensor, axes);
        }
    });
    tensor
}

impl Here {
    /// The innermost recorder, with the name as it hears it.
    fn recorder(&mut self, name: &str) -> Option<(&mut Recorder, String)> {
        let scope = &self.scope;
        let mut inwards = self.listeners.iter_mut().rev();
        inwards.find_map(|listener| match &mut listener.wants {
            Wants::Everything(recorder) => {
                Some((recorder, format!("{}{name}", &scope[listener.outside..])))
            }
            Wants::One(_) | Wants::HandOn(_) => None,
        })
    }

    /// The replacement in this place, if it is one, with the name as it hears it.
    fn replacement(&mut self, place: usize, name: &str) -> Option<(&mut Replacement, String)> {
        let listener = &mut self.listeners[place];
        let name = format!("{}{name}", &self.scope[listener.outside..]);
        match &mut listener.wants {
            Wants::One(replacement) => Some((replacement, name)),
            Wants::Everything(_) | Wants::HandOn(_) => None,
        }
    }

    /// Who hands on in this place, if someone does, with the name as they hear it.
    fn hand_on(&mut self, place: usize, name: &str) -> Option<(&mut HandOn, String)> {
        let listener = &mut self.listeners[place];
        let name = format!("{}{name}", &self.scope[listener.outside..]);
        match &mut listener.wants {
            Wants::HandOn(hand_on) => Some((hand_on, name)),
            Wants::Everything(_) | Wants::One(_) => None,
        }
    }
}

/// Someone listens on this thread while a forward runs. Dropped, it takes everything back, so that a forward
/// that panics leaves nobody listening.
pub(crate) struct Listening {
    place: usize,
    outside: usize,
}

impl Listening {
    pub(crate) fn start(wants: Wants) -> Self {
        LISTENERS.fetch_add(1, Ordering::Relaxed);
        HERE.with_borrow_mut(|here| {
            let (place, outside) = (here.listeners.len(), here.scope.len());
            here.listeners.push(Listener { outside, wants });
            Listening { place, outside }
        })
    }

    pub(crate) fn stop(self) -> Wants {
        let innermost = HERE.with_borrow_mut(|here| here.listeners.pop());
        let innermost = innermost.expect("start() put it there, and those within it have stopped");
        innermost.wants
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Dropped outside of the borrow: what a closure has captured may do anything when it goes.
        let _left = HERE.with_borrow_mut(|here| {
            here.scope.truncate(self.outside);
            here.listeners
                .split_off(self.place.min(here.listeners.len()))
        });
        LISTENERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Names on this thread have this scope before them until what is returned is dropped.
pub(crate) fn enter(name: &str) -> Scope {
    HERE.with_borrow_mut(|here| {
        let outer = here.scope.len();
        if !here.listeners.is_empty() {
            here.scope.push_str(name);
            here.scope.push('.');
        }
        Scope { outer }
    })
}

/// A scope that the forward is in.
pub(crate) struct Scope {
    outer: usize,
}

impl Drop for Scope {
    fn drop(&mut self) {
        HERE.with_borrow_mut(|here| here.scope.truncate(self.outer));
    }
}
