//! pact-agent: sessions, sandbox and spool of one node.

pub mod config;
pub mod spool;
