//! What agent and journal do alike in a session: hear a client, answer it, refuse.
//!
//! **Invariant:** what the protocol does not know is named and never guessed.
//! **Not here:** who somebody is, what a line means, what goes on record: each of the two knows its own.

mod inbound;
mod open;
mod opening;
mod outbound;
mod pace;
mod rate;
mod refusal;
mod unfinished;

pub use inbound::{Broken, next, renew, ticket};
pub use open::{OpenSession, OpenSessions};
pub use opening::{Size, columns, new_id, style};
pub use outbound::{ClientGone, Outbound, PLACES};
pub use pace::Pace;
pub use rate::Rate;
pub use refusal::Refusal;
pub use unfinished::Unfinished;
