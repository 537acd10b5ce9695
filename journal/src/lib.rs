//! What the replicated log of pact is built on: the hash chain and the rule of idempotent replay.
//!
//! **Invariant:** nothing here does I/O or knows a clock; equal input gives equal output, so every member that applies
//! the same log comes to the same chain.
//! **Not here:** consensus, storage, and what an entry means: a payload is bytes.

pub mod chain;
pub mod replay;
