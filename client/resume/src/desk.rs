//! The side that is connected to: which streams there are, and which connection is for which.
//!
//! **Invariant:** a stream is resumed under the key that began it; one that nobody waits for is said to be over.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pact_proto::resume::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, timeout_at};

use crate::HELD;
use crate::link::{Ended, Link};
use crate::stream::{Nonsense, Stream};

/// A connection that goes on with a stream: which of those that do, and how much of it had come on the other side.
type Next<S> = (S, u32, u64);

/// Streams by key and number, each with the way of its next connection to it.
type Streams<K, S> = BTreeMap<(K, u64), mpsc::Sender<Next<S>>>;

/// All streams of one door.
pub struct Desk<K: Ord, S> {
    streams: Mutex<Streams<K, S>>,
}

/// A stream that begins.
pub struct Carrier<K: Ord, S> {
    io: S,
    next: mpsc::Receiver<Next<S>>,
    place: Place<K, S>,
}

/// Where a stream is found, as long as it is there.
struct Place<K: Ord, S> {
    desk: Arc<Desk<K, S>>,
    at: (K, u64),
}

impl<K: Ord, S> Default for Desk<K, S> {
    fn default() -> Self {
        Self { streams: Mutex::default() }
    }
}

impl<K: Ord, S> Desk<K, S> {
    fn streams(&self) -> MutexGuard<'_, Streams<K, S>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone, S: AsyncRead + AsyncWrite + Unpin> Desk<K, S> {
    /// Hears what a connection is for. A stream that begins is the caller's; one that goes on is told so here. Whoever
    /// calls bounds how long it takes, and what comes of a connection that says something else.
    pub async fn meet(self: &Arc<Self>, key: K, mut io: S) -> io::Result<Option<Carrier<K, S>>> {
        match first(&mut io).await? {
            Frame::New { number } => {
                let (next, comes) = mpsc::channel(1);
                let at = (key, number);
                match self.streams().entry(at.clone()) {
                    Entry::Occupied(_) => return Err(unexpected()),
                    Entry::Vacant(vacant) => drop(vacant.insert(next)),
                }
                Ok(Some(Carrier { io, next: comes, place: Place { desk: Arc::clone(self), at } }))
            }
            Frame::Resume { number, attempt, received } => {
                let stream = self.streams().get(&(key, number)).cloned();
                let Some(stream) = stream else { return turn_away(io).await };
                match stream.try_send((io, attempt, received)) {
                    // Where another one is just being taken, this one is closed, and whoever sent it comes again.
                    Ok(()) | Err(TrySendError::Full(_)) => Ok(None),
                    Err(TrySendError::Closed((io, _, _))) => turn_away(io).await,
                }
            }
            Frame::Bytes(_) | Frame::Received(_) | Frame::Over => Err(unexpected()),
        }
    }
}

/// There is no such stream.
async fn turn_away<T, S: AsyncWrite + Unpin>(mut io: S) -> io::Result<Option<T>> {
    let mut over = Vec::new();
    Frame::Over.put(&mut over);
    io.write_all(&over).await?;
    io.shutdown().await?;
    Ok(None)
}

/// The first word of a connection, and not a byte more.
async fn first<S: AsyncRead + Unpin>(io: &mut S) -> io::Result<Frame> {
    let mut bytes = Vec::new();
    loop {
        match Frame::read(&bytes) {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) => bytes.push(io.read_u8().await?),
            Err(unknown) => return Err(io::Error::new(io::ErrorKind::InvalidData, unknown)),
        }
    }
}

fn unexpected() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl<K: Ord, S: AsyncRead + AsyncWrite + Unpin> Carrier<K, S> {
    /// The near end, and what carries it for as long as it is awaited. Where a connection breaks, another one is waited
    /// for if the stream is wanted then.
    pub fn begin(self, is_wanted: impl Fn() -> bool) -> (DuplexStream, impl Future<Output = ()>) {
        let (stream, near) = Stream::new();
        (near, self.carry(stream, is_wanted))
    }

    async fn carry(self, mut stream: Stream, is_wanted: impl Fn() -> bool) {
        let Self { io, mut next, place: _place } = self;
        let (mut link, mut last, mut ends_at) = (Some(Link::first(io, None)), 0, Instant::now());
        loop {
            let taken = match &mut link {
                Some(carries) => tokio::select! {
                    ended = carries.carry(&mut stream) => match ended {
                        Ended::Resumed => continue,
                        Ended::Over => return,
                        Ended::Broken if !is_wanted() => return,
                        Ended::Broken => {
                            (link, ends_at) = (None, Instant::now() + HELD);
                            continue;
                        }
                        Ended::Done => break,
                    },
                    // Whoever comes again knows sooner that the connection is gone.
                    taken = next.recv() => taken,
                },
                None => tokio::select! {
                    taken = timeout_at(ends_at, next.recv()) => taken.ok().flatten(),
                    () = stream.given_up() => return,
                },
            };
            let Some((io, attempt, received)) = taken else { return };
            // One that was given up, and came late.
            if attempt <= last {
                continue;
            }
            last = attempt;
            link = match Link::taken(io, received, &mut stream) {
                Ok(next) => Some(next),
                Err(Nonsense) => return,
            };
        }
        if let Some(link) = link {
            link.close().await;
        }
    }
}

impl<K: Ord, S> Drop for Place<K, S> {
    fn drop(&mut self) {
        self.desk.streams().remove(&self.at);
    }
}
