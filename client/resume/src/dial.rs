//! The side that connects, and connects again.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::link::{Ended, Link};
use crate::stream::Stream;
use crate::{BEAT, PATIENCE, SILENCE};

/// How long one try may take to connect, and then to be answered.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Between two tries.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(1);

/// How the other side is reached.
pub trait Dial: Send + Sync + 'static {
    /// What it is reached by.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Whether this process may connect at all.
    fn may(&self) -> bool;

    /// Connects, with the same key each time.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// How a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A connection carries it.
    Carried,
    /// Its connection is gone, and another one is tried.
    Broken,
}

/// Begins a stream on a connection that is there, and carries it by later ones; `state` is told how it is. `number` is
/// used once under a key. The stream's end comes when it cannot be carried any more; whoever drops the near end ends it.
pub fn open<D: Dial>(dial: D, number: u64, io: D::Io, state: watch::Sender<State>) -> DuplexStream {
    let (stream, near) = Stream::new();
    state.send_replace(State::Carried);
    tokio::spawn(carry(stream, dial, number, Link::first(io, Some(number)), state));
    near
}

async fn carry<D: Dial>(mut stream: Stream, dial: D, number: u64, mut link: Link<D::Io>, state: watch::Sender<State>) {
    let (mut attempt, mut gap) = (0, None);
    loop {
        let (began, carried) = (Instant::now(), stream.carried());
        match link.carry(&mut stream).await {
            Ended::Broken => {}
            Ended::Resumed => continue,
            Ended::Over => return,
            Ended::Done => return link.close().await,
        }
        // Closed now, so that whoever waits at its other end hears it.
        drop(link);
        if !dial.may() {
            return;
        }
        state.send_replace(State::Broken);
        // A connection that carried nothing, and not even a beat, belongs to the gap before it.
        let is_of_gap = stream.carried() == carried && began.elapsed() < SILENCE + BEAT;
        let since = gap.filter(|_| is_of_gap).unwrap_or_else(Instant::now);
        gap = Some(since);
        // A network that breaks whatever is made is not asked all the time.
        let rest = SOONEST.saturating_sub(began.elapsed());
        link = match timeout_at(since + PATIENCE, again(&mut stream, &dial, (number, &mut attempt), rest)).await {
            Ok(Some(link)) => link,
            Ok(None) | Err(_) => return,
        };
        state.send_replace(State::Carried);
    }
}

/// Until a connection carries; none where no other will.
async fn again<D: Dial>(
    stream: &mut Stream,
    dial: &D,
    (number, attempt): (u64, &mut u32),
    rest: Duration,
) -> Option<Link<D::Io>> {
    let (mut pause, mut next) = (rest, SOONEST);
    loop {
        tokio::select! {
            () = sleep(pause) => (pause, next) = (next, (next * 2).min(LATEST)),
            () = stream.given_up() => return None,
        }
        let began = Instant::now();
        let mut dialing = pin!(timeout(ATTEMPT, dial.dial()));
        let dialed = tokio::select! {
            dialed = dialing.as_mut() => dialed,
            () = stream.given_up() => return None,
        };
        // One that does not come in time, or not at all, is tried again.
        let Ok(Ok(io)) = dialed else { continue };
        *attempt += 1;
        let mut link = Link::again(io, (number, *attempt), stream);
        match timeout_at(began + 2 * ATTEMPT, link.carry(stream)).await {
            Ok(Ended::Resumed) => return Some(link),
            Ok(Ended::Over | Ended::Done) => return None,
            Ok(Ended::Broken) | Err(_) => {}
        }
    }
}
