use std::cmp::Ordering;
use std::ops::Range;

use burn::module::Module;

use crate::Layers;

/// Freezes the lowest `count` layers of a model: no gradients, batch norm on its running statistics,
/// dropout off.
pub fn freeze<M: Module>(model: M, layers: &Layers, count: usize) -> M {
    // Batch norm keeps the last update of its running statistics aside until someone asks; a frozen
    // batch norm doesn't ask, and would move once more. `valid()` asks.
    let _ = model.valid();
    model.freeze_group(layers.lowest(count))
}

/// Lets these layers train again. Their optimizer state is that of the day they froze: see
/// [`forget_state`](crate::forget_state).
pub fn thaw<M: Module>(model: M, layers: &Layers, thawed: Range<usize>) -> M {
    model.unfreeze_group(layers.group(thawed))
}

/// Freezes or thaws from `before` to `after` frozen layers.
pub(crate) fn change<M: Module>(model: M, layers: &Layers, before: usize, after: usize) -> M {
    match after.cmp(&before) {
        Ordering::Greater => freeze(model, layers, after),
        Ordering::Equal => model,
        Ordering::Less => thaw(model, layers, after..before),
    }
}
