//! pact-agent: sessions, sandbox and spool of one node.
//!
//! The way in is `run`. Rooms: `config` and `source` (what root wrote), `launcher`, `host` and `sandbox` (what starts
//! programs), `link` (the way to them), `spool` (what is on record), `session` (who types what), `serve` (the door).

pub mod config;
mod failpoint;
pub mod host;
pub mod launcher;
pub mod link;
mod node;
mod peer;
pub mod sandbox;
mod serve;
mod session;
mod source;
pub mod spool;
mod start;

pub use start::{AgentError, run};
