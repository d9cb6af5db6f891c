//! Any bytes as a file of `torch.save`: an error or tensors, never a panic.
//!
//! ```text
//! cargo +nightly fuzz run pt_file
//! ```

#![no_main]

mod archive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| archive::agree(bytes, "bytes.pt"));
