//! Any bytes as the files of a run folder: reading it, its page, replays and going on with it are errors or work, and
//! never a panic.
//!
//! ```text
//! cargo +nightly fuzz run run_folder
//! ```

#![no_main]

mod folder;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| folder::read(bytes));
