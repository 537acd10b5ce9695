//! Tests of the agent from outside of its crate.
#![cfg(test)]

mod control;
mod hostile;
