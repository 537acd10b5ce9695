//! Any text as a set of nodes.

#![no_main]

#[path = "../../proto/tests/it/fuzzed.rs"]
#[allow(dead_code, reason = "every target uses one of its functions")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::nodes(bytes));
