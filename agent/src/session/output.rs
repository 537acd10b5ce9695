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

/// Passes on what comes out of both pipes until their ends. A terminal is one, and has no other.
pub(super) async fn drain(
    stdout: pipe::Receiver,
    stderr: Option<pipe::Receiver>,
    (out, allowance, keeper): (&Outbound, &Allowance, &Keeper),
) -> (Passed, Passed) {
    let is_terminal = stderr.is_none();
    let mut stdout = Draining::of(Stream::Out, Some(stdout), is_terminal);
    let mut stderr = Draining::of(Stream::Err, stderr, false);
    while !(stdout.is_over() && stderr.is_over()) {
        // A complaint comes before what is written after it: a program that writes both in turn is read in turn.
        let from = tokio::select! {
            biased;
            () = stderr.read(), if !stderr.is_over() => Stream::Err,
            () = stdout.read(), if !stdout.is_over() => Stream::Out,
        };
        if from == Stream::Out {
            stderr.read_now();
        }
        stderr.pass(out, allowance, keeper).await;
        stdout.pass(out, allowance, keeper).await;
    }
    (stdout.passed, stderr.passed)
}

/// One stream on its way.
struct Draining {
    stream: Stream,
    /// None at its end.
    pipe: Option<pipe::Receiver>,
    /// A terminal gives a line or a few at a time; what has come meanwhile is one message with it.
    is_terminal: bool,
    piece: Vec<u8>,
    /// So much of the piece is to be passed on.
    length: usize,
    seen: Seen,
    /// What became of it, as far as it is over.
    passed: Passed,
}

impl Draining {
    fn of(stream: Stream, pipe: Option<pipe::Receiver>, is_terminal: bool) -> Self {
        let passed = Ok((Written::default(), Drained::Whole));
        let (piece, seen) = (vec![0; PIECE], Seen::default());
        let mut draining = Self { stream, pipe, is_terminal, piece, length: 0, seen, passed };
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

    /// Waits for the next piece, or the end. Nothing is lost when this is dropped before it is ready.
    async fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        match pipe.read(&mut self.piece).await {
            Ok(0) => self.end(Ok(Drained::Whole)),
            // How Linux says that nobody has the other end of a terminal.
            Err(error) if error.raw_os_error() == Some(EIO) => self.end(Ok(Drained::Whole)),
            Err(error) => self.end(Err(error)),
            Ok(length) => {
                self.length = length;
                while self.is_terminal && self.length < PIECE && self.read_more() {}
            }
        }
    }

    /// Takes what has come already.
    fn read_now(&mut self) {
        if self.length == 0 {
            self.read_more();
        }
    }

    /// Asked of the kernel itself: the runtime thinks after a short read that there is no more. What a stream says of its
    /// end, whoever waits for it is told.
    fn read_more(&mut self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let more = rustix::io::read(pipe.as_fd(), &mut self.piece[self.length..]).unwrap_or(0);
        self.length += more;
        more > 0
    }

    /// Passes on what was read.
    async fn pass(&mut self, out: &Outbound, allowance: &Allowance, keeper: &Keeper) {
        let read = std::mem::take(&mut self.length);
        if read == 0 {
            return;
        }
        let allowed = allowance.take(read);
        let piece = &self.piece[..allowed];
        self.seen.add(piece);
        if allowed > 0 && out.send(self.stream.message(piece.to_vec())).await == Err(ClientGone) {
            return self.end(Ok(Drained::ClientGone));
        }
        // Behind the client: it does not wait for the disk.
        keeper.keep(self.stream, piece).await;
        if allowed < read {
            self.end(Ok(Drained::OverLimit));
        }
    }
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
