//! pact-agent: sessions, sandbox and spool of one node.
//!
//! The way in is `run`. Rooms: `config` and `source` (what root wrote), `launcher`, `host` and `sandbox` (what starts
//! programs), `table` (what may be started), `link` and `packet` (the way to them), `spool` (what is on record), `serve`
//! and `peer` (the door, and who stands there), `session` (who types what), `node` and `pace` (what sessions share).

pub mod config;
mod failpoint;
mod host;
pub mod launcher;
pub mod link;
mod node;
mod pace;
mod packet;
mod peer;
pub mod sandbox;
mod serve;
mod session;
pub mod source;
pub mod spool;
mod start;
mod table;

pub use start::{AgentError, run};
