use std::any::Any;

use burn::tensor::Tensor;

use crate::{
    Error,
    listening::{Listening, Wants},
};

/// Runs one `forward` in which the layer `name` says what `replace` makes of its output: what would the
/// network answer if this layer kept only some of its directions, or some of its neurons?
///
/// The tap `name` on this thread hands its tensor to `replace` and returns what comes back, of the same
/// shape. Everything above the layer goes on from there, and so does a [`record`](crate::record), whether it
/// stands around this call or within it. Names are as a record in this place sees them, the
/// [scopes](crate::scope) within `forward` included. To replace two layers at once, put one call into the
/// other's forward; of two calls for one layer the inner comes first.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use frostline_activations::{Tap, replacing};
///
/// let net = |x: Tensor<2>| (x * 2.0).tap("double") + 1.0;
/// let x = Tensor::<2>::ones([4, 3], &Device::flex());
/// let silent = replacing("double", |says: Tensor<2>| says.zeros_like(), || net(x))?;
/// assert_eq!(silent.sum().into_scalar::<f32>(), 12.0); // nothing but the ones that are added
/// # Ok::<(), frostline_activations::Error>(())
/// ```
///
/// Errors: `NeverFired` with the names that did, `RankMismatch` where the layer's tensor has another rank than
/// `replace` takes, `ShapeChanged`, and `TappedTwice`. Until it returns, the layer's own output is used in place
/// of what can't be.
pub fn replacing<const D: usize, T>(
    name: &str,
    replace: impl FnOnce(Tensor<D>) -> Tensor<D> + 'static,
    forward: impl FnOnce() -> T,
) -> Result<T, Error> {
    let replace: Replace<D> = Box::new(replace);
    let listening = Listening::start(Wants::One(Replacement {
        name: name.to_string(),
        rank: D,
        replace: Some(Box::new(replace)),
        fired: Vec::new(),
        problem: None,
    }));
    let output = forward();
    let Wants::One(replacement) = listening.stop() else {
        unreachable!("a replacement was started above")
    };
    match replacement.problem() {
        Some(problem) => Err(problem),
        None => Ok(output),
    }
}

pub(crate) type Replace<const D: usize> = Box<dyn FnOnce(Tensor<D>) -> Tensor<D>>;

/// A layer to be replaced.
pub(crate) struct Replacement {
    name: String,
    rank: usize,
    /// The [`Replace`] of this rank, until the layer's tap fires.
    replace: Option<Box<dyn Any>>,
    /// The names that fired, each once.
    fired: Vec<String>,
    problem: Option<Error>,
}

impl Replacement {
    /// A tap of this name fired: by what to replace its tensor, if it is the one.
    pub(crate) fn hear<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
    ) -> Option<Replace<D>> {
        let again = self.fired.contains(&name);
        if name != self.name {
            if !again {
                self.fired.push(name);
            }
            return None;
        }
        if again {
            self.fails(Error::TappedTwice { name });
            return None;
        }
        self.fired.push(name.clone());
        let found = self.replace.take()?.downcast::<Replace<D>>();
        if found.is_err() {
            self.fails(Error::RankMismatch {
                name,
                shape: shape.to_vec(),
                asked: self.rank,
            });
        }
        found.ok().map(|replace| *replace)
    }

    pub(crate) fn shape_changed(&mut self, shape: &[usize], replaced: &[usize]) {
        self.fails(Error::ShapeChanged {
            name: self.name.clone(),
            shape: shape.to_vec(),
            replaced: replaced.to_vec(),
        });
    }

    fn fails(&mut self, problem: Error) {
        self.problem.get_or_insert(problem);
    }

    /// What was wrong, after the forward.
    fn problem(self) -> Option<Error> {
        let never = self.replace.is_some().then(|| Error::NeverFired {
            name: self.name,
            fired: match self.fired.as_slice() {
                [] => "none".to_string(),
                fired => fired.join(", "),
            },
        });
        self.problem.or(never)
    }
}
