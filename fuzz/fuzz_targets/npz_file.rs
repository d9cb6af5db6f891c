//! Any bytes as an `.npz` file: an error or arrays, never a panic.
//!
//! ```text
//! cargo +nightly fuzz run npz_file
//! ```

#![no_main]

mod archive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| archive::agree(bytes, "bytes.npz"));
