//! Tests of the agent from outside of its crate.

mod control;
mod hostile;
