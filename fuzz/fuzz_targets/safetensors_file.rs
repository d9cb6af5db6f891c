//! Any bytes as a safetensors file: an error or a tensor, never a panic. The layers of a file are
//! called `a` and `b` in the seeds.
//!
//! ```text
//! cargo +nightly fuzz run safetensors_file
//! ```

#![no_main]

mod rows;

use std::io::Cursor;

use frostline_activations::ArrayFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in [None, Some("a"), Some("b")] {
        let bytes = Cursor::new(bytes);
        if let Ok(file) = ArrayFile::from_safetensors(bytes, "bytes.safetensors", name) {
            rows::agree(file);
        }
    }
});
