//! The way of a program's output to the client: read, counted, hashed, sent, in bounded pieces.
//!
//! **Invariant:** at most one piece a stream is held here, and as many as the channel has places: a client that
//! stops reading stops the program that writes, and nothing else.

use std::os::fd::AsFd as _;
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

/// Passes on what comes out of both pipes until their ends.
pub(super) async fn drain(
    stdout: pipe::Receiver,
    stderr: Option<pipe::Receiver>,
    (out, allowance, keeper): (&Outbound, &Allowance, &Keeper),
) -> (Passed, Passed) {
    let (mut stdout, mut stderr) = (Draining::of(Stream::Out, Some(stdout)), Draining::of(Stream::Err, stderr));
    while !(stdout.is_over() && stderr.is_over()) {
        // A complaint comes before what is written after it: a program that writes both in turn is read in turn.
        let piece = tokio::select! {
            biased;
            piece = stderr.read(), if !stderr.is_over() => (Stream::Err, piece),
            piece = stdout.read(), if !stdout.is_over() => (Stream::Out, piece),
        };
        let pieces = match piece {
            (Stream::Err, piece) => [piece, None],
            (Stream::Out, piece) => [stderr.read_now(), piece],
        };
        for (from, piece) in [&mut stderr, &mut stdout].into_iter().zip(pieces) {
            if let Some(piece) = piece {
                from.pass(piece, out, allowance, keeper).await;
            }
        }
    }
    (stdout.passed, stderr.passed)
}

/// One stream on its way.
struct Draining {
    stream: Stream,
    /// None at its end.
    pipe: Option<pipe::Receiver>,
    seen: Seen,
    /// What became of it, as far as it is over.
    passed: Passed,
}

impl Draining {
    fn of(stream: Stream, pipe: Option<pipe::Receiver>) -> Self {
        let mut draining =
            Self { stream, pipe, seen: Seen::default(), passed: Ok((Written::default(), Drained::Whole)) };
        if draining.pipe.is_none() {
            draining.end(Ok(Drained::Whole));
        }
        draining
    }

    fn is_over(&self) -> bool {
        self.pipe.is_none()
    }

    fn end(&mut self, how: std::io::Result<Drained>) {
        self.pipe = None;
        let seen = std::mem::take(&mut self.seen);
        self.passed = how.map(|how| (seen.written(how == Drained::Whole), how));
    }

    /// The next piece; none at the end. Nothing is lost when this is dropped before it is ready.
    async fn read(&mut self) -> Option<Vec<u8>> {
        let Some(pipe) = &mut self.pipe else { return None };
        let mut piece = vec![0; PIECE];
        match read(pipe, &mut piece).await {
            Ok(0) => self.end(Ok(Drained::Whole)),
            Ok(length) => {
                piece.truncate(length);
                return Some(piece);
            }
            Err(error) => self.end(Err(error)),
        }
        None
    }

    /// What has come already.
    fn read_now(&mut self) -> Option<Vec<u8>> {
        let mut piece = vec![0; PIECE];
        // Its end, and what is wrong with it, whoever waits for it is told.
        let length = rustix::io::read(self.pipe.as_ref()?.as_fd(), &mut piece).ok().filter(|length| *length > 0)?;
        piece.truncate(length);
        Some(piece)
    }

    async fn pass(&mut self, mut piece: Vec<u8>, out: &Outbound, allowance: &Allowance, keeper: &Keeper) {
        let read = piece.len();
        let allowed = allowance.take(read);
        piece.truncate(allowed);
        self.seen.add(&piece);
        if allowed > 0 && out.send(self.stream.message(piece.clone())).await == Err(ClientGone) {
            return self.end(Ok(Drained::ClientGone));
        }
        // Behind the client: it does not wait for the disk.
        keeper.keep(self.stream, &piece).await;
        if allowed < read {
            self.end(Ok(Drained::OverLimit));
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
        // Asked of the kernel itself: the runtime thinks after a short read that there is no more.
        match rustix::io::read(pipe.as_fd(), &mut piece[length..]) {
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
