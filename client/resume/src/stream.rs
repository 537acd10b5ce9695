//! The stream itself, whatever carries it: what has come, what the other side has not yet, and the near end.
//!
//! **Invariant:** bytes are counted when they are taken from a connection or from the near end, and are kept until they
//! are where they belong.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream};
use tokio::time::Instant;

/// What speaks by a stream bounds what is on its way, as HTTP/2 does with windows of a quarter of a mebibyte. Where more is
/// kept, the other side does not say what it receives.
const MOST_KEPT: usize = 1024 * 1024;
/// So much waits for the near end before more is read.
const MOST_ARRIVED: usize = 64 * 1024;
/// What the pipe to the near end holds, each way.
const NEAR: usize = 64 * 1024;
/// One step.
const PIECE: usize = 16 * 1024;
/// A buffer that was larger is given back.
const MODEST: usize = 64 * 1024;

/// Reads what is there behind what is in a buffer already; nothing is read where it is pending.
pub(crate) fn poll_read<S: AsyncRead + Unpin>(
    from: &mut S,
    to: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    pin!(from.read_buf(to)).poll(context)
}

/// The other side says what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense;

/// One side of a stream.
pub(crate) struct Stream {
    near: DuplexStream,
    /// Since when the near end says no more.
    over: Option<Instant>,
    /// From `acknowledged` on.
    kept: BytesMut,
    acknowledged: u64,
    /// The last of what was received.
    arrived: BytesMut,
    received: u64,
}

impl Stream {
    /// And its near end.
    pub(crate) fn new() -> (Self, DuplexStream) {
        let (near, end) = tokio::io::duplex(NEAR);
        let (kept, arrived) = (BytesMut::new(), BytesMut::new());
        (Self { near, over: None, kept, acknowledged: 0, arrived, received: 0 }, end)
    }

    /// Since when nothing more is to be sent than what is kept.
    pub(crate) fn over(&self) -> Option<Instant> {
        self.over
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// All that came is with the near end.
    pub(crate) fn is_delivered(&self) -> bool {
        self.arrived.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.arrived.len() < MOST_ARRIVED
    }

    /// Takes what a connection brings, at most so much; how much that was.
    pub(crate) fn poll_arrive<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.arrived.reserve(most.min(PIECE));
        let read = ready!(poll_read(&mut io.take(most as u64), &mut self.arrived, context))?;
        self.received += read as u64;
        Poll::Ready(Ok(read))
    }

    /// The other side has all up to there.
    pub(crate) fn acknowledge(&mut self, received: u64) -> Result<(), Nonsense> {
        let more = received.checked_sub(self.acknowledged).and_then(|more| usize::try_from(more).ok());
        let more = more.filter(|more| *more <= self.kept.len()).ok_or(Nonsense)?;
        self.kept.advance(more);
        self.acknowledged = received;
        if self.kept.is_empty() && self.kept.capacity() > MODEST {
            self.kept = BytesMut::new();
        }
        Ok(())
    }

    /// What is kept behind this place; empty where it is not one that is kept.
    pub(crate) fn from(&self, sent: u64) -> &[u8] {
        let at = sent.checked_sub(self.acknowledged).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.kept.get(at..)).unwrap_or_default()
    }

    /// Moves what can be moved to and from the near end; whether that was anything.
    pub(crate) fn poll_near(&mut self, context: &mut Context<'_>) -> Result<bool, Nonsense> {
        let taken = self.over.is_none() && self.poll_take(context);
        let given = !self.arrived.is_empty() && self.poll_give(context);
        if self.kept.len() > MOST_KEPT { Err(Nonsense) } else { Ok(taken || given) }
    }

    /// How much both sides have received: grows where a connection carries anything.
    pub(crate) fn carried(&self) -> u64 {
        self.acknowledged + self.received
    }

    fn poll_take(&mut self, context: &mut Context<'_>) -> bool {
        self.kept.reserve(PIECE);
        match poll_read(&mut self.near, &mut self.kept, context) {
            Poll::Pending => return false,
            Poll::Ready(Ok(1..)) => {}
            Poll::Ready(Ok(0) | Err(_)) => self.over = Some(Instant::now()),
        }
        true
    }

    fn poll_give(&mut self, context: &mut Context<'_>) -> bool {
        match Pin::new(&mut self.near).poll_write(context, &self.arrived) {
            Poll::Pending => return false,
            Poll::Ready(Ok(given)) => self.arrived.advance(given),
            // Nobody wants it any more.
            Poll::Ready(Err(_)) => self.arrived.clear(),
        }
        true
    }

    /// Waits, without a connection, until the near end is given up.
    pub(crate) async fn given_up(&mut self) {
        std::future::poll_fn(|context| {
            loop {
                match self.poll_near(context) {
                    Ok(true) => {}
                    Ok(false) if self.over.is_none() => return Poll::Pending,
                    Ok(false) | Err(Nonsense) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}
