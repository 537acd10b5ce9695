//! The way of the client's standard input to the first stage.
//!
//! **Invariant:** what is held here is never more than the credit that the client was given, so a program that does
//! not read its input never keeps a signal waiting behind it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pact_proto::wire::v1::StdinCredit;
use pact_proto::wire::v1::server_message::Kind;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::outbound::Outbound;

/// What a client may send before the program has read anything.
pub(super) const FIRST_CREDIT: u32 = 256 * 1024;

/// The client sent more than it was allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverCredit;

/// The agent's side of a line's standard input.
pub(super) struct Input {
    queue: Option<mpsc::UnboundedSender<Vec<u8>>>,
    held: Arc<AtomicU32>,
}

impl Input {
    /// For a line that reads no input of the client's: whatever comes is dropped.
    pub(super) fn none() -> Self {
        Self { queue: None, held: Arc::default() }
    }

    /// Starts the task that writes to `pipe`, and gives the client behind `credit` credit for what it wrote.
    pub(super) fn start(pipe: OwnedFd, credit: Option<Outbound>) -> std::io::Result<Self> {
        let pipe = pipe::Sender::from_owned_fd(pipe)?;
        let (queue, pieces) = mpsc::unbounded_channel();
        let held = Arc::default();
        tokio::spawn(write(pipe, pieces, credit, Arc::clone(&held)));
        Ok(Self { queue: Some(queue), held })
    }

    /// Takes what the client sent.
    pub(super) fn push(&self, data: Vec<u8>) -> Result<(), OverCredit> {
        let Some(queue) = &self.queue else { return Ok(()) };
        let size = u32::try_from(data.len()).map_err(|_| OverCredit)?;
        let before = self.held.fetch_add(size, Ordering::AcqRel);
        if before.checked_add(size).is_none_or(|held| held > FIRST_CREDIT) {
            return Err(OverCredit);
        }
        // The program may have closed its input; what is sent to it then is lost, as in any pipe.
        let _closed = queue.send(data);
        Ok(())
    }

    /// Takes what pact itself wrote; that needs no credit.
    pub(super) fn feed(&self, data: Vec<u8>) {
        if let Some(queue) = &self.queue {
            let _closed = queue.send(data);
        }
    }

    /// No more will come.
    pub(super) fn end(&mut self) {
        self.queue = None;
    }
}

async fn write(
    mut pipe: pipe::Sender,
    mut pieces: mpsc::UnboundedReceiver<Vec<u8>>,
    credit: Option<Outbound>,
    held: Arc<AtomicU32>,
) {
    while let Some(piece) = pieces.recv().await {
        if pipe.write_all(&piece).await.is_err() {
            return;
        }
        let (Some(client), Ok(bytes)) = (&credit, u32::try_from(piece.len())) else { continue };
        held.fetch_sub(bytes, Ordering::AcqRel);
        if client.send(Kind::StdinCredit(StdinCredit { bytes })).await.is_err() {
            return;
        }
    }
}
