//! Any bytes as a stored entry.

#![no_main]

#[path = "../../proto/tests/it/fuzzed.rs"]
#[allow(dead_code, reason = "every target uses one of its functions")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::entry(bytes));
