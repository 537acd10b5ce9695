//! A stream of bytes that outlives the connections which carry it.
//!
//! Whoever speaks by it has one end of a pipe in memory, [`tokio::io::DuplexStream`], and notices nothing of a connection
//! that breaks and of the next one but the time between. Both sides count, and keep what the other has not received.
//! **Invariant:** no byte is lost and none comes twice as long as both ends are there; who closes theirs sends what it has
//! said, and does not ask whether it came. What is kept is bounded, and so is every wait; a stream is resumed by the key
//! that began it and by no other.
//! **Not here:** TLS, and who has which key. What the bytes mean.

mod desk;
mod dial;
mod link;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use desk::{Carrier, Desk};
pub use dial::{Dial, State, open};

/// How long whoever connects tries to reach the other side again.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long the other side waits for it; longer by what the last try may take.
pub const HELD: Duration = Duration::from_secs(35);
/// A side that has nothing to say says so as often.
const BEAT: Duration = Duration::from_secs(5);
/// A side that says nothing at all for so long is not there: three times nothing, and some.
const SILENCE: Duration = Duration::from_secs(16);
/// How long the last words may take.
const LINGER: Duration = Duration::from_secs(5);
