//! The replicated log of pact: consensus, storage, the hash chain, indexes, and reading it as it grows.
//!
//! **Invariant:** every member that applies the same log comes to the same chain, byte for byte.
//! **Not here:** what an entry means. A payload is bytes, and so is the key under which it is found.

pub mod chain;
pub mod consensus;
mod disk;
pub mod entry;
mod error;
mod failpoint;
pub mod group;
mod journal;
pub mod replay;
pub mod storage;
pub mod verify;

pub use error::JournalError;
pub use journal::Journal;
