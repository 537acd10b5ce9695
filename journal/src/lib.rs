//! The replicated log of pact: consensus, storage, the hash chain, indexes, and reading it as it grows.
//!
//! **Invariant:** every member that applies the same log comes to the same chain, byte for byte.
//! **Not here:** what an entry means. A payload is bytes, and so is the key under which it is found; only the edge
//! (`uplink`, `listing`) reads one.

mod access;
pub mod chain;
pub mod config;
pub mod consensus;
pub mod entry;
mod error;
pub mod group;
mod journal;
pub mod listing;
mod own;
mod pace;
mod registry;
pub mod replay;
mod revoked;
mod seats;
mod serve;
mod session;
mod signer;
mod start;
pub mod storage;
mod tls;
mod uplink;
pub mod verify;
mod voice;

pub use error::JournalError;
pub use journal::Journal;
pub use start::{ServiceError, run};
pub use tls::TlsError;
