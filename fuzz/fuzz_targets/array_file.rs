//! Any bytes as a `.npy` file: an error or an array, never a panic.
//!
//! ```text
//! cargo +nightly fuzz run array_file
//! ```

#![no_main]

mod rows;

use std::io::Cursor;

use frostline_activations::ArrayFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = ArrayFile::from_npy(Cursor::new(bytes), "bytes.npy") {
        rows::agree(file);
    }
});
