//! Tests of the agent from outside of its crate.
<<<<<<< HEAD
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
=======
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
>>>>>>> main

mod control;
mod hostile;
