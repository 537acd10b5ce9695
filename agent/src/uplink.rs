//! The uplink: this node's records go on to the journal, in order, and what the journal has is known here.
//!
//! **Invariant:** what is sent is on this node's disk; what counts as acknowledged, the journal has said that its
//! majority has. The journal says where to begin, so nothing is lost and nothing is there twice, whoever was killed.
//! **Invariant:** nothing that the journal does or leaves undone stops the node: every wait for it has an end, and so has
//! the memory for it.
//! **Not here:** which lines wait for the journal (`session::recorded`).

mod backoff;
mod connect;
mod flight;
pub(crate) mod keys;
mod stream;

pub(crate) use stream::ORIGIN;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http2::SendRequest;
use jiff::Timestamp;
use pact_files::DiskError;
use pact_policy::Place;
use pact_proto::model::{Principal, SpoolNumber};
use pact_proto::view::JournalStatus;
use pact_proto::wire::v1::Report;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::body::Body;

use crate::config::Endpoint;
use crate::spool::{Acknowledged, Spool};
use backoff::Backoff;
use connect::Connected;
use keys::Keys;

/// A record that is younger is on its way; `status` itself is one.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// How often it is written down how far the journal has the spool.
const WRITE_DOWN: Duration = Duration::from_secs(1);
/// What was said before the connection ended is heard in this time. A call that was being made when it ended is sometimes
/// not told so by hyper, and would wait for its welcome.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What the journal says of itself is shown up to here.
const LONGEST_REASON: usize = 300;

/// What is known of the journal. Clones share it.
#[derive(Clone)]
pub(crate) struct Uplink {
    endpoint: Endpoint,
    state: watch::Receiver<State>,
    revoked: watch::Receiver<Revoked>,
    way: watch::Receiver<Way>,
}

/// What does the work; to be run beside the sessions.
pub(crate) struct Task {
    endpoint: Endpoint,
    keys: Keys,
    relay: Relay,
}

/// What goes over a stream, and where what comes back goes.
struct Relay {
    greeting: Greeting,
    spool: Spool,
    said: Said,
}

/// Where what the journal says goes.
struct Said {
    state: watch::Sender<State>,
    revoked: watch::Sender<Revoked>,
    way: watch::Sender<Way>,
}

/// What questions go into while the journal is there.
type Way = Option<SendRequest<Body>>;

/// What there is to know.
#[derive(Clone, Debug)]
struct State {
    /// The journal has everything up to this record.
    acknowledged: SpoolNumber,
    link: Link,
}

/// What the journal has told of revocations: of whom everything that was issued before when. Nothing before it has.
pub(crate) type Revoked = Option<Arc<BTreeMap<Principal, Timestamp>>>;

/// What a node tells the journal of itself.
#[derive(Clone)]
pub(crate) struct Greeting {
    pub(crate) place: Place,
    /// Where it takes sessions; empty where it takes none.
    pub(crate) address: String,
    /// How it is.
    pub(crate) report: watch::Receiver<Report>,
}

#[derive(Clone, Debug)]
enum Link {
    There,
    Away { since: Timestamp, from: Instant, reason: String },
}

/// Why there is no stream to the journal.
#[derive(Debug)]
enum Lost {
    /// It is not reached, or does not do what it should; to be tried again soon.
    Away(String),
    /// The connection ended; it knows better why.
    Broken(String),
    /// It does not take a record, and will not the next time.
    Refused(String),
    /// This node's own records cannot be read.
    Spool(DiskError),
}

/// The handle, and what does the work.
pub(crate) fn new(endpoint: Endpoint, keys: Keys, greeting: Greeting, spool: Spool) -> (Uplink, Task) {
    let acknowledged = spool.acknowledged().read(spool.last());
    let link = Link::Away { since: Timestamp::now(), from: Instant::now(), reason: "not reached yet".to_owned() };
    let (state, receiver) = watch::channel(State { acknowledged, link });
    let (revoked, told) = watch::channel(None);
    let (way, open) = watch::channel(None);
    let uplink = Uplink { endpoint: endpoint.clone(), state: receiver, revoked: told, way: open };
    (uplink, Task { endpoint, keys, relay: Relay { greeting, spool, said: Said { state, revoked, way } } })
}

impl Uplink {
    /// Where the journal is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What is revoked.
    pub(crate) fn revoked(&self) -> watch::Receiver<Revoked> {
        self.revoked.clone()
    }

    /// What a question to the journal goes into, or why there is nothing.
    pub(crate) fn way(&self) -> Result<SendRequest<Body>, String> {
        let way = self.way.borrow().clone();
        way.ok_or_else(|| self.away().map_or_else(|| "the connection is new".to_owned(), |(_, reason)| reason))
    }

    /// Waits until the journal can be asked.
    pub(crate) async fn returns(&self) {
        if self.way.clone().wait_for(|way| way.as_ref().is_some_and(|way| !way.is_closed())).await.is_err() {
            // The uplink ends with the agent.
            std::future::pending::<()>().await;
        }
    }

    /// For how long it has been away, and why.
    pub(crate) fn away(&self) -> Option<(Duration, String)> {
        match &self.state.borrow().link {
            Link::There => None,
            Link::Away { from, reason, .. } => Some((from.elapsed(), reason.clone())),
        }
    }

    /// Waits until the journal has this record.
    pub(crate) async fn acknowledged(&self, number: SpoolNumber) {
        self.until(|state| state.acknowledged >= number).await;
    }

    /// Waits until the journal has this record, or is away.
    pub(crate) async fn acknowledged_or_away(&self, number: SpoolNumber) {
        self.until(|state| state.acknowledged >= number || matches!(state.link, Link::Away { .. })).await;
    }

    async fn until(&self, reached: impl FnMut(&State) -> bool) {
        if self.state.clone().wait_for(reached).await.is_err() {
            // The uplink ends with the agent: nobody will ever say more.
            std::future::pending::<()>().await;
        }
    }

    /// For `status`.
    pub(crate) fn status(&self, spool: &Spool) -> JournalStatus {
        let State { acknowledged, link } = self.state.borrow().clone();
        let oldest = spool.entry(SpoolNumber(acknowledged.0 + 1)).ok().flatten().map(|entry| entry.event_time);
        let waiting = spool.last().0.saturating_sub(acknowledged.0);
        let endpoint = self.endpoint.to_string();
        match link {
            Link::Away { since, reason, .. } => {
                JournalStatus { endpoint, waiting, oldest, away: Some((since, reason)) }
            }
            Link::There => {
                let age = oldest.map(|oldest| Timestamp::now().duration_since(oldest));
                let waits = age.is_some_and(|age| Duration::try_from(age).is_ok_and(|age| age > ON_ITS_WAY));
                JournalStatus { endpoint, waiting: if waits { waiting } else { 0 }, oldest, away: None }
            }
        }
    }
}

impl Task {
    /// Sends on whatever there is, for ever. Ends only where this node's own records cannot be read.
    pub(crate) async fn run(self) -> DiskError {
        tokio::select! {
            error = self.send() => error,
            never = write_down(self.relay.spool.acknowledged(), self.relay.said.state.subscribe()) => match never {},
        }
    }

    async fn send(&self) -> DiskError {
        let mut backoff = Backoff::default();
        loop {
            let begun = Instant::now();
            let pause = match self.once().await {
                Lost::Away(reason) | Lost::Broken(reason) => {
                    self.is_away(reason);
                    backoff.pause(begun.elapsed())
                }
                Lost::Refused(reason) => {
                    self.is_away(reason);
                    backoff::AFTER_REFUSAL
                }
                Lost::Spool(error) => return error,
            };
            sleep(pause).await;
        }
    }

    /// One stream, from the connection to its loss.
    async fn once(&self) -> Lost {
        if let Some(reason) = self.keys.are_not_of(&self.relay.greeting.place.node) {
            return Lost::Refused(reason);
        }
        match connect::connect(&self.endpoint, &self.keys).await {
            Ok(connected) => over(connected, &self.relay).await,
            Err(reason) => Lost::Away(reason),
        }
    }

    /// Since when stays what it was, until it was there again; why is what was seen last.
    fn is_away(&self, why: String) {
        let why = shortened(why);
        self.relay.said.way.send_replace(None);
        self.relay.said.state.send_modify(|state| match &mut state.link {
            Link::Away { reason, .. } => *reason = why,
            Link::There => state.link = Link::Away { since: Timestamp::now(), from: Instant::now(), reason: why },
        });
    }
}

/// A stream over a connection. What the journal said last may come before the end of the connection is noticed, or after.
async fn over(connected: Connected<impl Future<Output = Result<(), hyper::Error>>>, relay: &Relay) -> Lost {
    let Connected { requests, connection } = connected;
    // While one of these is held, the end of `connection` is that of the connection, and not that of the calls.
    let held = requests.clone();
    let streaming = stream::run(requests, relay);
    tokio::pin!(connection, streaming);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        lost = &mut streaming => return lost,
    };
    drop(held);
    match (timeout(LAST_WORDS, streaming).await, ended) {
        (Ok(Lost::Broken(_)) | Err(_), Err(why)) => Lost::Away(connect::chain(&why)),
        (Err(_), Ok(())) => Lost::Away("the connection ended".to_owned()),
        (Ok(lost), Ok(()) | Err(_)) => lost,
    }
}

/// What another machine said may be long.
fn shortened(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

/// Writes down how far the journal has the spool, after a while and not each time.
async fn write_down(file: Acknowledged, mut state: watch::Receiver<State>) -> Infallible {
    let mut written = state.borrow_and_update().acknowledged;
    loop {
        if state.changed().await.is_err() {
            // The agent ends.
            std::future::pending::<()>().await;
        }
        let acknowledged = state.borrow_and_update().acknowledged;
        if acknowledged != written {
            let file = file.clone();
            // A hint that could not be written is told again by the journal.
            let _hint = tokio::task::spawn_blocking(move || file.write(acknowledged)).await;
            written = acknowledged;
            sleep(WRITE_DOWN).await;
        }
    }
}

#[cfg(test)]
mod tests;
