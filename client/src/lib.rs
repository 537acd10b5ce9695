//! The way from a terminal to an agent, on this node or on another, or to the journal: where it listens, whether it is
//! who it should be, and one session with it.
//!
//! **Invariant:** wire types stop here; what a caller sees is typed, and what no release knows is an error.
//! **Not here:** what a line means, and who may run it.

mod endpoint;
mod error;
mod event;
mod journal;
mod place;
mod session;
pub mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod way;

pub use endpoint::{Connected, Endpoint};
pub use error::ClientError;
pub use event::{Context, Event, Exit, Refusal};
pub use journal::{Journal, NoWay, Ticket};
pub use place::Place;
pub use session::{Incoming, Kind, LineForm, OpenOptions, Outgoing, PATIENCE, Session, Terminal};
pub use tls::{Tls, TlsError};

/// How long a session with another machine outlives its connection.
pub const AWAY: std::time::Duration = pact_resume::PATIENCE;

/// One piece of standard input; a message holds at most 64 KiB.
pub const INPUT_PIECE: usize = 32 * 1024;
