//! One connection, as long as it carries the stream.
//!
//! **Invariant:** what is of the connection alone goes with it: half a frame that came, half a frame that was written.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use pact_proto::resume::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use crate::stream::{Nonsense, Stream};
use crate::{BEAT, LINGER, SILENCE};

/// So much of the stream is written before the rest of it is looked at.
const PIECE: usize = 16 * 1024;
/// So much comes before the other side is told that it did.
const TELL: u64 = 16 * 1024;
const READ: usize = 8 * 1024;

/// Why a connection carries no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It carries: the other side has said from where on. Said once.
    Resumed,
    /// It is gone.
    Broken,
    /// The other side says that the stream has ended, or says what cannot be.
    Over,
    /// The near end is closed, and all that it said is sent.
    Done,
}

/// One connection.
pub(crate) struct Link<S> {
    io: S,
    /// Up to where the stream is sent on it; unknown until the other side says from where on.
    sent: Option<u64>,
    /// What the other side was told that was received.
    told: u64,
    /// A frame that has not come whole.
    input: BytesMut,
    /// So many bytes of the stream follow.
    coming: usize,
    output: BytesMut,
    must_flush: bool,
    said_over: bool,
    heard_over: bool,
    heard: Instant,
    said: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    fn new(io: S, sent: Option<u64>, told: u64) -> Self {
        let (heard, said) = (Instant::now(), Instant::now());
        let (input, output) = (BytesMut::new(), BytesMut::new());
        let (must_flush, said_over, heard_over) = (false, false, false);
        Self { io, sent, told, input, coming: 0, output, must_flush, said_over, heard_over, heard, said }
    }

    /// The first of a stream. Whoever connected says so.
    pub(crate) fn first(io: S, says: Option<u64>) -> Self {
        let mut link = Self::new(io, Some(0), 0);
        if let Some(number) = says {
            link.say(Frame::New { number });
        }
        link
    }

    /// A later one, by the side that connected.
    pub(crate) fn again(io: S, (number, attempt): (u64, u32), stream: &Stream) -> Self {
        let mut link = Self::new(io, None, stream.received());
        link.say(Frame::Resume { number, attempt, received: stream.received() });
        link
    }

    /// A later one, by the side that it came to.
    pub(crate) fn taken(io: S, received: u64, stream: &mut Stream) -> Result<Self, Nonsense> {
        stream.acknowledge(received)?;
        let mut link = Self::new(io, Some(received), stream.received());
        link.say(Frame::Received(stream.received()));
        Ok(link)
    }

    /// Carries the stream, until something else is to be done.
    pub(crate) async fn carry(&mut self, stream: &mut Stream) -> Ended {
        loop {
            let mut wake_at = (self.said + BEAT).min(self.heard + SILENCE);
            if let Some(over) = stream.over() {
                wake_at = wake_at.min(over + LINGER);
            }
            tokio::select! {
                biased;
                ended = poll_fn(|context| self.poll(stream, context)) => return ended,
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            if stream.over().is_some_and(|over| now >= over + LINGER) {
                return Ended::Done;
            }
            if now >= self.heard + SILENCE {
                return Ended::Broken;
            }
            if now >= self.said + BEAT {
                self.tell(stream);
            }
        }
    }

    /// Waits until the other side has all that was said to it: a connection that is closed before loses what is on its
    /// way.
    pub(crate) async fn close(mut self) {
        let heard = async {
            let _gone = self.io.shutdown().await;
            while matches!(self.io.read(&mut [0; 64]).await, Ok(1..)) {}
        };
        let _late = timeout(LINGER, heard).await;
    }

    fn poll(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let Ok(near_moved) = stream.poll_near(context) else { return Poll::Ready(Ended::Over) };
            match self.poll_io(stream, context) {
                Ok(moved) if moved || near_moved => {}
                Ok(_) => return Poll::Pending,
                Err(ended) => return Poll::Ready(ended),
            }
        }
    }

    /// Moves what can be moved between the stream and the connection; whether that was anything.
    fn poll_io(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Result<bool, Ended> {
        if self.heard_over && stream.is_delivered() {
            return Err(Ended::Over);
        }
        self.fill(stream);
        let written = self.poll_write(context)?;
        if self.said_over && !written && self.output.is_empty() && !self.must_flush {
            return Err(Ended::Done);
        }
        let read = self.poll_read(stream, context)?;
        Ok(written || read)
    }

    /// Puts into frames what is to be said.
    fn fill(&mut self, stream: &Stream) {
        let Some(sent) = self.sent.filter(|_| self.output.is_empty() && !self.said_over) else { return };
        if stream.received() - self.told >= TELL {
            self.tell(stream);
        }
        let rest = stream.from(sent);
        let piece = &rest[..rest.len().min(PIECE)];
        if let (false, Ok(length)) = (piece.is_empty(), u32::try_from(piece.len())) {
            self.say(Frame::Bytes(length));
            self.output.extend_from_slice(piece);
            self.sent = Some(sent + u64::from(length));
        } else if stream.over().is_some() {
            self.say(Frame::Over);
            self.said_over = true;
        }
    }

    fn tell(&mut self, stream: &Stream) {
        self.told = stream.received();
        self.say(Frame::Received(self.told));
    }

    fn say(&mut self, frame: Frame) {
        let mut bytes = Vec::with_capacity(frame.size());
        frame.put(&mut bytes);
        self.output.extend_from_slice(&bytes);
        self.said = Instant::now();
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = false;
        while !self.output.is_empty() {
            match Pin::new(&mut self.io).poll_write(context, &self.output) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Ok(0) | Err(_)) => return Err(Ended::Broken),
                Poll::Ready(Ok(written)) => self.output.advance(written),
            }
            (moved, self.must_flush) = (true, true);
        }
        if self.must_flush {
            match Pin::new(&mut self.io).poll_flush(context) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Err(_)) => return Err(Ended::Broken),
                Poll::Ready(Ok(())) => self.must_flush = false,
            }
        }
        Ok(moved)
    }

    fn poll_read(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Result<bool, Ended> {
        if self.heard_over || !stream.has_room() {
            // Who does not listen cannot say that it is quiet.
            self.heard = Instant::now();
            return Ok(false);
        }
        let mut room = [0; READ];
        let mut piece = ReadBuf::new(&mut room);
        match Pin::new(&mut self.io).poll_read(context, &mut piece) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(Ended::Broken),
            Poll::Ready(Ok(())) if piece.filled().is_empty() => return Err(Ended::Broken),
            Poll::Ready(Ok(())) => {}
        }
        self.heard = Instant::now();
        self.hear(stream, piece.filled())?;
        Ok(true)
    }

    /// Takes frames apart.
    fn hear(&mut self, stream: &mut Stream, mut bytes: &[u8]) -> Result<(), Ended> {
        let mut resumed = false;
        while !bytes.is_empty() && !self.heard_over {
            if self.coming > 0 {
                let (here, rest) = bytes.split_at(self.coming.min(bytes.len()));
                stream.take(here);
                self.coming -= here.len();
                bytes = rest;
                continue;
            }
            let (first, rest) = bytes.split_at(1);
            self.input.extend_from_slice(first);
            bytes = rest;
            let Some(frame) = Frame::read(&self.input).map_err(|_| Ended::Over)? else { continue };
            self.input.clear();
            match frame {
                Frame::Bytes(length) => self.coming = usize::try_from(length).map_err(|_| Ended::Over)?,
                Frame::Received(received) => {
                    stream.acknowledge(received).map_err(|Nonsense| Ended::Over)?;
                    if self.sent.is_none() {
                        self.sent = Some(received);
                        resumed = true;
                    }
                }
                Frame::Over => self.heard_over = true,
                // Only the first word of a connection.
                Frame::New { .. } | Frame::Resume { .. } => return Err(Ended::Over),
            }
        }
        if resumed { Err(Ended::Resumed) } else { Ok(()) }
    }
}
