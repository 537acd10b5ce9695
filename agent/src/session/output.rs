//! The way of a program's output to the client: read, counted, hashed, sent, in bounded pieces.
//!
//! **Invariant:** at most one piece a stream is held here, and as many as the channel has places: a client that
//! stops reading stops the program that writes, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pact_proto::model::entry::Written;
use pact_proto::wire::v1::server_message::Kind;
use pact_proto::wire::v1::{Stderr, Stdout};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use super::kept::Keeper;
use pact_session::{ClientGone, Outbound};

/// One read of a pipe, one message: half of a pipe's usual buffer.
const PIECE: usize = 32 * 1024;

// As errno(3) numbers it.
const EIO: i32 = 5;

/// What became of one stream.
pub(super) type Passed = std::io::Result<(Written, Drained)>;

/// Which of the two a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output of the last stage.
    Out,
    /// Standard error of all stages.
    Err,
}

impl Stream {
    /// The message that carries `data`.
    pub(super) fn message(self, data: Vec<u8>) -> Kind {
        match self {
            Self::Out => Kind::Stdout(Stdout { data, reached: 0 }),
            Self::Err => Kind::Stderr(Stderr { data }),
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// Everything was passed on.
    Whole,
    /// The line's output is over its limit; the rest was not read.
    OverLimit,
    /// Nobody is there any more.
    ClientGone,
}

/// How many bytes a line may still write, both streams together.
#[derive(Clone)]
pub(super) struct Allowance {
    left: Option<Arc<AtomicU64>>,
    exceeded: Arc<Notify>,
}

impl Allowance {
    pub(super) fn new(bytes: Option<u64>) -> Self {
        Self { left: bytes.map(|bytes| Arc::new(AtomicU64::new(bytes))), exceeded: Arc::default() }
    }

    /// Returns when more was written than is allowed.
    pub(super) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// How many of `wanted` may pass.
    fn take(&self, wanted: usize) -> usize {
        let Some(left) = &self.left else { return wanted };
        let asked = wanted as u64;
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(asked)));
        let allowed = usize::try_from(before.unwrap_or(0).min(asked)).unwrap_or(0);
        if allowed < wanted {
            self.exceeded.notify_one();
        }
        allowed
    }
}

/// Passes on what comes out of `pipe` until its end.
pub(super) async fn drain(
    mut pipe: pipe::Receiver,
    stream: Stream,
    out: &Outbound,
    allowance: &Allowance,
    keeper: &Keeper,
) -> Passed {
    let mut seen = Seen::default();
    let mut piece = vec![0; PIECE];
    loop {
        let read = read(&mut pipe, &mut piece).await?;
        if read == 0 {
            return Ok((seen.written(true), Drained::Whole));
        }
        let allowed = allowance.take(read);
        seen.add(&piece[..allowed]);
        if allowed > 0 && out.send(stream.message(piece[..allowed].to_vec())).await == Err(ClientGone) {
            return Ok((seen.written(false), Drained::ClientGone));
        }
        // Behind the client: it does not wait for the disk.
        keeper.keep(stream, &piece[..allowed]).await;
        if allowed < read {
            return Ok((seen.written(false), Drained::OverLimit));
        }
    }
}

/// As much as there is; nothing at the end.
async fn read(pipe: &mut pipe::Receiver, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut length = match pipe.read(piece).await {
        // How Linux says that nobody has the other end of a terminal.
        Err(error) if error.raw_os_error() == Some(EIO) => 0,
        read => read?,
    };
    // A terminal gives a line or a few at a time; what has come meanwhile is one message with it.
    while length > 0 && length < piece.len() {
        match pipe.try_read(&mut piece[length..]) {
            // What it says of its end it says again.
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    Ok(length)
}

/// Counts and hashes.
#[derive(Default)]
pub(super) struct Seen {
    bytes: u64,
    hash: Sha256,
}

impl Seen {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }

    pub(super) fn written(self, whole: bool) -> Written {
        Written { bytes: self.bytes, sha256: whole.then(|| self.hash.finalize().into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_shared_and_never_goes_below_nothing() {
        let allowance = Allowance::new(Some(10));
        let other = allowance.clone();
        assert_eq!(allowance.take(4), 4);
        assert_eq!(other.take(10), 6);
        assert_eq!(allowance.take(1), 0);
        assert_eq!(Allowance::new(None).take(1 << 30), 1 << 30);
    }
}
