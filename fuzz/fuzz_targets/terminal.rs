//! Any bytes as what a node sends to be shown on a terminal. The filters are those of a binary, which nothing can depend
//! on: they are read by their paths.

#![no_main]

#[path = "../../shell/src/fuzzed.rs"]
mod fuzzed;
#[path = "../../shell/src/output.rs"]
mod output;
#[path = "../../shell/src/screen.rs"]
mod screen;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::terminal(bytes));
