//! The way of the client's standard input to the first stage.
//!
//! **Invariant:** what is held here is never more than the credit that the client was given, so a program that does
//! not read its input never keeps a signal waiting behind it.

use std::sync::{Arc, Mutex, PoisonError};

use pact_proto::wire::v1::StdinCredit;
use pact_proto::wire::v1::server_message::Kind;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use pact_session::Outbound;

/// What a client may send before the program has read anything.
pub(super) const FIRST_CREDIT: u32 = 256 * 1024;

/// The client sent more than it was allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverCredit;

/// The agent's side of a line's standard input.
pub(super) struct Input(Option<Arc<Held>>);

/// Bytes that wait for the program: one buffer, so that many small pieces take no more room than one large one.
#[derive(Default)]
struct Held {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// What the client may not send again yet: bytes that wait, and bytes that are being written.
    owed: u32,
    has_ended: bool,
    is_stopped: bool,
}

impl Input {
    /// For a line that reads no input of the client's: whatever comes is dropped.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Starts the task that writes to `pipe`, and gives the client credit for what it wrote.
    pub(super) fn start(pipe: pipe::Sender, client: Outbound) -> Self {
        let held = Arc::<Held>::default();
        tokio::spawn(write(pipe, Arc::clone(&held), client));
        Self(Some(held))
    }

    /// Takes what the client sent.
    pub(super) fn push(&self, data: &[u8]) -> Result<(), OverCredit> {
        let Some(held) = &self.0 else { return Ok(()) };
        let size = u32::try_from(data.len()).map_err(|_| OverCredit)?;
        let within = held.change(|waiting| {
            let owed = waiting.owed.checked_add(size).filter(|owed| *owed <= FIRST_CREDIT)?;
            waiting.owed = owed;
            waiting.bytes.extend_from_slice(data);
            Some(())
        });
        within.ok_or(OverCredit)
    }

    /// From now on nothing is written any more; how much was not.
    pub(super) fn stop(&mut self) -> u32 {
        let Some(held) = self.0.take() else { return 0 };
        held.change(|waiting| {
            (waiting.has_ended, waiting.is_stopped) = (true, true);
            waiting.bytes.clear();
            waiting.owed
        })
    }

    /// No more will come.
    pub(super) fn end(&mut self) {
        if let Some(held) = self.0.take() {
            held.change(|waiting| waiting.has_ended = true);
        }
    }
}

/// A line that is over has nothing to write any more.
impl Drop for Input {
    fn drop(&mut self) {
        self.end();
    }
}

impl Held {
    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let changed = change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
        changed
    }

    /// Everything that waits; `None` when all was taken and no more will come.
    async fn take(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if !waiting.bytes.is_empty() {
                    return Some(std::mem::take(&mut waiting.bytes));
                }
                if waiting.has_ended {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

async fn write(pipe: pipe::Sender, held: Arc<Held>, client: Outbound) {
    while let Some(bytes) = held.take().await {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            if pipe.writable().await.is_err() {
                return;
            }
            // Asked, written and counted in one turn: whoever stops it knows what was written.
            let written = held.change(|waiting| (!waiting.is_stopped).then(|| pipe.try_write(rest)));
            let length = match written {
                Some(Ok(length)) => length,
                Some(Err(error)) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Some(Err(_)) | None => return,
            };
            let counted = u32::try_from(length).unwrap_or(u32::MAX);
            held.change(|waiting| waiting.owed = waiting.owed.saturating_sub(counted));
            rest = rest.get(length..).unwrap_or_default();
            if client.send(Kind::StdinCredit(StdinCredit { bytes: counted })).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_whatever_the_pieces() {
        let input = Input(Some(Arc::default()));
        for _ in 0..FIRST_CREDIT {
            input.push(&[]).unwrap();
            input.push(b"x").unwrap();
        }
        assert_eq!(input.push(b"x"), Err(OverCredit));
        let room = input.0.as_ref().unwrap().waiting.lock().unwrap().bytes.capacity();
        assert!(room <= 2 * FIRST_CREDIT as usize, "{room}");
    }
}
