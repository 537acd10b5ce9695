//! Tests of the agent from outside of its crate.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod control;
mod hostile;
mod layers;
mod node;
mod raw;
mod running;
mod throwaway;
