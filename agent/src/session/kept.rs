//! What a line's programs wrote, kept on record beside its outcome.
//!
//! **Invariant:** the first bytes of both streams, in the order in which they came, up to the policy's limit; one piece
//! a stream is held here. Kept output never takes the room of records: where the disk is full it is left out, and the
//! outcome still says how much there was. What is seen on a terminal is recorded as well (`crate::recording`), or the line
//! is ended.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use pact_proto::model::entry::{Body, OutputKept, OutputStream};

use super::output::Stream;
use crate::recording::Drawing;
use crate::spool::{Draft, Spool};

/// One entry's bytes.
const PIECE: usize = 32 * 1024;

/// Keeps what one line writes. Clones are the same.
#[derive(Clone)]
pub(super) struct Keeper {
    spool: Spool,
    /// Everything of an entry but its body.
    draft: Draft,
    kept: Arc<Mutex<Kept>>,
    /// Who is told what is drawn.
    drawing: Option<Drawing>,
}

struct Kept {
    left: u64,
    stdout: Piece,
    stderr: Piece,
}

/// What waits to be an entry.
#[derive(Default)]
struct Piece {
    offset: u64,
    data: Vec<u8>,
}

impl Keeper {
    /// At most so many bytes; `draft` is any entry of the line.
    pub(super) fn new(spool: &Spool, draft: Draft, most: u64, drawing: Option<Drawing>) -> Self {
        let kept = Kept { left: most, stdout: Piece::default(), stderr: Piece::default() };
        Self { spool: spool.clone(), draft, kept: Arc::new(Mutex::new(kept)), drawing }
    }

    /// What was passed on. Returns when what is over a piece is on disk.
    pub(super) async fn keep(&self, stream: Stream, mut bytes: &[u8]) {
        if let (Some(drawing), Stream::Out) = (&self.drawing, stream) {
            drawing.drawn(bytes).await;
        }
        while !bytes.is_empty() {
            let full = self.with(|kept| kept.take(stream, &mut bytes));
            match full {
                None => return,
                Some(body) => {
                    if self.spool.append(self.entry(body)).await.is_err() {
                        self.with(|kept| kept.left = 0);
                        return;
                    }
                }
            }
        }
    }

    /// The rest goes on record with what comes next: the outcome.
    pub(super) fn finish(&self) {
        for stream in [Stream::Out, Stream::Err] {
            let rest = self.with(|kept| kept.piece(stream).cut(stream));
            if let Some(body) = rest {
                // A spool that has stopped ends the agent.
                let _stopped = self.spool.offer(self.entry(body));
            }
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn entry(&self, body: Body) -> Draft {
        Draft { event_time: Timestamp::now(), body, ..self.draft.clone() }
    }
}

impl Kept {
    fn piece(&mut self, stream: Stream) -> &mut Piece {
        match stream {
            Stream::Out => &mut self.stdout,
            Stream::Err => &mut self.stderr,
        }
    }

    /// Takes from `bytes` what still may be kept; a piece where one is full.
    fn take(&mut self, stream: Stream, bytes: &mut &[u8]) -> Option<Body> {
        let room = PIECE - self.piece(stream).data.len();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(room).min(bytes.len());
        let (now, later) = bytes.split_at(most);
        self.left -= now.len() as u64;
        // What is over the limit is nobody's.
        *bytes = if self.left == 0 { &[] } else { later };
        let piece = self.piece(stream);
        piece.data.extend_from_slice(now);
        if piece.data.len() == PIECE { piece.cut(stream) } else { None }
    }
}

impl Piece {
    fn cut(&mut self, stream: Stream) -> Option<Body> {
        let data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return None;
        }
        let offset = self.offset;
        self.offset += data.len() as u64;
        let stream = match stream {
            Stream::Out => OutputStream::Stdout,
            Stream::Err => OutputStream::Stderr,
        };
        Some(Body::Output(OutputKept { stream, offset, data }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(left: u64) -> Kept {
        Kept { left, stdout: Piece::default(), stderr: Piece::default() }
    }

    fn piece(body: Option<Body>) -> Option<(u64, usize)> {
        match body {
            Some(Body::Output(OutputKept { offset, data, .. })) => Some((offset, data.len())),
            _ => None,
        }
    }

    #[test]
    fn the_first_bytes_of_both_streams_are_kept() {
        let mut kept = kept(10);
        for (stream, bytes) in [(Stream::Out, "abcd"), (Stream::Err, "12"), (Stream::Out, "efghij"), (Stream::Err, "3")]
        {
            let mut bytes = bytes.as_bytes();
            assert!(kept.take(stream, &mut bytes).is_none() && bytes.is_empty());
        }
        assert_eq!((kept.stdout.data.as_slice(), kept.stderr.data.as_slice()), (&b"abcdefgh"[..], &b"12"[..]));
    }

    #[test]
    fn a_piece_is_not_larger_than_a_piece() {
        let (mut kept, all) = (kept(u64::MAX), vec![b'x'; 2 * PIECE + 1]);
        let mut bytes = all.as_slice();
        assert_eq!(piece(kept.take(Stream::Out, &mut bytes)), Some((0, PIECE)));
        assert_eq!(piece(kept.take(Stream::Out, &mut bytes)), Some((PIECE as u64, PIECE)));
        assert_eq!(piece(kept.take(Stream::Out, &mut bytes)), None);
        assert_eq!(piece(kept.stdout.cut(Stream::Out)), Some((2 * PIECE as u64, 1)));
        assert_eq!(piece(kept.stdout.cut(Stream::Out)), None);
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be() {
        let (mut kept, mut bytes) = (kept(0), &b"secret"[..]);
        assert!(kept.take(Stream::Out, &mut bytes).is_none() && bytes.is_empty());
        assert_eq!(piece(kept.stdout.cut(Stream::Out)), None);
    }
}
