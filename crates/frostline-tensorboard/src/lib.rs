//! A training run as scalars in TensorBoard's event files: while it goes on ([`EventFile`]), and from its folder
//! ([`Scalars`], [`header`]).
//!
//! Scalars: `loss`, `train_accuracy`, `test_loss`, `accuracy` (on held-out samples), `learning_rate`, `frozen_layers`,
//! `seconds/training`, `operations`, `seconds/measuring`, `seconds/cpu`, and of each layer
//! `similarity_to_previous/<layer>` (1 for a frozen layer). What is not finite in f32 is left out.

mod event_file;
mod record;
mod scalars;

pub use event_file::{EventFile, file_name};
pub use record::header;
pub use scalars::Scalars;
