//! pact-agent: sessions, sandbox and spool of one node.
//!
//! The way in is `run`. Rooms: `config` and `source` (what root wrote), `launcher`, `host` and `sandbox` (what starts
//! programs), `table` (what may be started), `link` and `packet` (the way to them), `spool` (what is on record), `uplink`
//! (the way of the records to the journal), `session` (who types what), `serve` (the door).

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
mod uplink;

pub use start::{AgentError, run};
