use std::ops::Range;

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn_pack::{Reader, Writer};

use crate::{Error, Layers};

/// Takes away what an optimizer remembers of these layers, such as their momentum: after a thaw it is that of the
/// day they froze. The other layers keep theirs.
///
/// Errors: `Optimizer` when the state can't be taken apart.
pub fn forget_state(
    optimizer: ModuleOptimizer,
    layers: &Layers,
    forgotten: Range<usize>,
) -> Result<ModuleOptimizer, Error> {
    let ids: Vec<u64> = layers.ids(forgotten).map(|id| id.val()).collect();
    let bytes = optimizer.into_bytes();
    let reader = Reader::from_bytes(bytes.map_err(problem)?).map_err(problem)?;
    // Everything about a parameter carries its id, the tensors in a field and the rest in front of its name.
    let is_kept = |name: &str| {
        let id = name.split('.').next().and_then(|id| id.parse().ok());
        id.is_none_or(|id: u64| !ids.contains(&id))
    };
    let (scalars, metadata) = (reader.scalars().clone(), reader.metadata().clone());
    let tensors = reader.into_tensors().map_err(problem)?;
    let tensors = tensors.into_iter().filter(|tensor| is_kept(&tensor.name));
    let mut writer = Writer::new(tensors.collect());
    for (name, value) in scalars.iter().filter(|(name, _)| is_kept(name)) {
        writer = writer.with_scalar(name, *value);
    }
    for (name, value) in metadata.iter().filter(|(name, _)| is_kept(name)) {
        writer = writer.with_metadata(name, value);
    }
    let bytes = writer.into_bytes().map_err(problem)?;
    let record = OptimizerRecord::from_bytes(bytes).map_err(problem)?;
    Ok(optimizer.load_record(record))
}

fn problem(error: impl std::fmt::Display) -> Error {
    Error::Optimizer(error.to_string())
}
