//! One connection, as long as it carries the stream.
//!
//! **Invariant:** what is of the connection alone goes with it: half a frame that came, half a frame that was written.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use pact_proto::resume::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::stream::{Nonsense, Stream, poll_read};
use crate::{BEAT, LINGER, SILENCE};

/// So much of the stream is written before the rest of it is looked at.
const PIECE: usize = 16 * 1024;
/// So much comes before the other side is told that it did.
const TELL: u64 = 16 * 1024;

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
    /// Frames that are not written yet, and so many bytes of the stream behind them.
    output: BytesMut,
    going: usize,
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
        Self { io, sent, told, input, coming: 0, output, going: 0, must_flush, said_over, heard_over, heard, said }
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
                // Never between the bytes of a frame; those say as much.
                if self.going == 0 {
                    self.tell(stream);
                }
                self.said = now;
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
        let written = self.poll_write(stream, context)?;
        if self.said_over && !written && self.output.is_empty() && !self.must_flush {
            return Err(Ended::Done);
        }
        let read = self.poll_read(stream, context)?;
        Ok(written || read)
    }

    /// Puts into frames what is to be said.
    fn fill(&mut self, stream: &Stream) {
        let is_idle = self.output.is_empty() && self.going == 0;
        let Some(sent) = self.sent.filter(|_| is_idle && !self.said_over) else { return };
        if stream.received() - self.told >= TELL {
            self.tell(stream);
        }
        let rest = stream.from(sent);
        let piece = rest.len().min(PIECE);
        if let (1.., Ok(length)) = (piece, u32::try_from(piece)) {
            self.say(Frame::Bytes(length));
            self.going = piece;
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
        let mut bytes = Vec::new();
        frame.put(&mut bytes);
        self.output.extend_from_slice(&bytes);
        self.said = Instant::now();
    }

    fn poll_write(&mut self, stream: &Stream, context: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = false;
        while !self.output.is_empty() || self.going > 0 {
            let (sent, is_frame) = (self.sent.unwrap_or(0), !self.output.is_empty());
            let rest = stream.from(sent);
            let bytes = if is_frame { &self.output[..] } else { &rest[..self.going.min(rest.len())] };
            match Pin::new(&mut self.io).poll_write(context, bytes) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Ok(0) | Err(_)) => return Err(Ended::Broken),
                Poll::Ready(Ok(written)) if is_frame => self.output.advance(written),
                Poll::Ready(Ok(written)) => {
                    self.going -= written;
                    self.sent = Some(sent + written as u64);
                }
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
        let read = if self.coming > 0 {
            stream.poll_arrive(&mut self.io, self.coming, context)
        } else {
            // A frame at a time: what is behind it is read to where it belongs.
            let missing = self.missing()?;
            poll_read(&mut (&mut self.io).take(missing), &mut self.input, context)
        };
        let length = match read {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0) | Err(_)) => return Err(Ended::Broken),
            Poll::Ready(Ok(length)) => length,
        };
        self.heard = Instant::now();
        if self.coming > 0 {
            self.coming -= length;
        } else {
            self.hear(stream)?;
        }
        Ok(true)
    }

    /// How many bytes the frame that is coming has more; its tag says it.
    fn missing(&self) -> Result<u64, Ended> {
        let size = self.input.first().map_or(Ok(1), |tag| Frame::size_of(*tag)).map_err(|_| Ended::Over)?;
        Ok(size.saturating_sub(self.input.len()) as u64)
    }

    /// Takes a frame, where it is whole.
    fn hear(&mut self, stream: &mut Stream) -> Result<(), Ended> {
        let Some(frame) = Frame::read(&self.input).map_err(|_| Ended::Over)? else { return Ok(()) };
        self.input.clear();
        match frame {
            Frame::Bytes(length) => self.coming = usize::try_from(length).map_err(|_| Ended::Over)?,
            Frame::Received(received) => {
                stream.acknowledge(received).map_err(|Nonsense| Ended::Over)?;
                if self.sent.is_none() {
                    self.sent = Some(received);
                    return Err(Ended::Resumed);
                }
            }
            Frame::Over => self.heard_over = true,
            // Only the first word of a connection.
            Frame::New { .. } | Frame::Resume { .. } => return Err(Ended::Over),
        }
        Ok(())
    }
}
