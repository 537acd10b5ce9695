//! Tests of the journal from outside of its crate.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod append;
mod cluster;
mod damage;
mod read;
mod restart;
mod schedule;
mod support;
