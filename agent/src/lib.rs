//! pact-agent: sessions, sandbox and spool of one node.
//!
//! The way in is `run`. Rooms: `config` and `source` (what root wrote), `own` (the account that the agent is, and its
//! directories), `launcher`, `host` and `sandbox` (what starts programs), `table` (what may be started), `link` and
//! `packet` (the way to them), `spool` (what is on record), `uplink` (the way of the records to the journal), `serve` and
//! `peer` (the door, and who stands there), `session` (who types what), `node` (what sessions share), `doctor` (what is
//! wrong with how the node is set up).

mod condition;
pub mod config;
pub mod doctor;
mod door;
mod hardware;
mod host;
mod injected;
mod launcher;
mod link;
pub mod lint;
mod node;
mod own;
mod packet;
mod peer;
mod recording;
pub mod sandbox;
mod serve;
mod session;
mod source;
mod spool;
mod start;
mod table;
mod uplink;

pub use start::{AgentError, run};
