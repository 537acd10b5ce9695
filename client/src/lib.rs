//! The way from a terminal to an agent: where it listens, whether it is the agent, and one session with it.
//!
//! **Invariant:** wire types stop here; what a caller sees is typed, and what no release knows is an error.
//! **Not here:** what a line means, and who may run it.

mod endpoint;
mod error;
mod event;
mod session;
#[cfg(test)]
mod tests;

pub use endpoint::{Connected, Endpoint};
pub use error::ClientError;
pub use event::{Context, Event, Exit, Refusal};
pub use session::{Incoming, Kind, LineForm, OpenOptions, Outgoing, PATIENCE, Session, Terminal};

/// One piece of standard input; a message holds at most 64 KiB.
pub const INPUT_PIECE: usize = 32 * 1024;
