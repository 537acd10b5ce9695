//! Any bytes as the file of a program, or as the schema that a client is sent.

#![no_main]

#[path = "../../proto/tests/it/fuzzed.rs"]
#[allow(dead_code, reason = "every target uses one of its functions")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::schema(bytes));
