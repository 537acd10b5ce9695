//! A node's records come in: who is first, what is next, what is taken, what is said about it.
//!
//! **Invariant:** nothing is acknowledged that is not in the log of a majority; whatever is not taken is recorded before
//! the node is told, and the stream is over then.
//! **Not here:** who the node is: its certificate said that before its first byte was read.

mod admission;
mod appending;
mod reading;
mod rejections;
mod turns;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pact_policy::authority::Authority;
use pact_proto::model::{NodeName, SpoolEpoch};
use pact_proto::wire::v1::uplink_reply::Kind;
use pact_proto::wire::v1::{Acknowledged, Hello, Revocations, UplinkRefused, UplinkReply, UplinkRequest, Welcome};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::error::JournalError;
use crate::journal::Journal;
use crate::own::{ANSWER, Own};
use crate::registry::Registry;
use crate::revoked::Revoked;
use crate::storage::Reader;
use crate::voice::Voice;
use admission::{Origin, Rejection};
pub(crate) use admission::{item, line_key};
use rejections::Rejections;
use turns::Turns;

/// So many messages of one stream are read before the first of them is on disk.
const AHEAD: usize = 4;
/// Of all streams together, so many bytes are read and not on disk.
const ROOM: usize = 64 << 20;
/// A node that was let in says from which spool it sends.
const HELLO: Duration = Duration::from_secs(10);
/// A node that does not read what it is told for so long is gone.
const READ: Duration = Duration::from_secs(30);

/// What goes out on a stream.
pub(crate) type Replies = mpsc::Sender<Result<UplinkReply, Status>>;

/// What is told of revocations when there is nothing to tell: that the journal is there.
const BEAT: Duration = Duration::from_secs(5);

/// A node that has connected.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// From where.
    pub(crate) from: SocketAddr,
    /// Which, as its certificate says.
    pub(crate) node: NodeName,
}

/// What all streams have in common.
pub(crate) struct Uplinks {
    journal: Arc<Journal>,
    turns: Turns,
    room: Arc<Semaphore>,
    rejections: Rejections,
    registry: Registry,
    revoked: Revoked,
    authority: Authority,
    voice: Arc<Voice>,
    closing: watch::Receiver<bool>,
}

/// Why a stream is over.
#[derive(Debug)]
enum Over {
    /// The node ended it, or is gone.
    Gone,
    /// It cannot go on; the node may try again.
    Ended(String),
    /// What the node sent is not taken, now or later.
    Rejected(Rejection),
    /// The journal's files are not what they were.
    Damaged(JournalError),
}

impl Uplinks {
    pub(crate) fn new(
        journal: Arc<Journal>,
        (registry, revoked): (Registry, Revoked),
        authority: Authority,
        voice: Arc<Voice>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let rejections = Rejections::new(Own::new(Arc::clone(&journal)));
        let room = Arc::new(Semaphore::new(ROOM));
        Self { journal, turns: Turns::default(), room, rejections, registry, revoked, authority, voice, closing }
    }

    /// One stream, to its end.
    pub(crate) async fn run(self: Arc<Self>, caller: Caller, requests: Streaming<UplinkRequest>, out: Replies) {
        let mut closing = self.closing.clone();
        let over = tokio::select! {
            over = self.serve(&caller, requests, &out) => over,
            _ = closing.wait_for(|closing| *closing) => Over::Ended("the journal is stopping".to_owned()),
            () = out.closed() => Over::Gone,
        };
        self.end(&caller, over, &out).await;
    }

    async fn serve(&self, caller: &Caller, mut requests: Streaming<UplinkRequest>, out: &Replies) -> Over {
        let hello = match timeout(HELLO, reading::hello(&mut requests)).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(over)) => return over,
            Err(_) => return Over::Ended(format!("hello: none came within {} s", HELLO.as_secs())),
        };
        let claim = self.turns.claim(&caller.node);
        tokio::select! {
            over = async {
                let _turn = claim.turn().await;
                self.take(caller.node.clone(), &hello, &mut requests, out).await
            } => over,
            () = claim.replaced() => Over::Ended("another stream of this node has begun".to_owned()),
        }
    }

    /// Takes records while it is this stream's turn.
    async fn take(
        &self,
        node: NodeName,
        hello: &Hello,
        requests: &mut Streaming<UplinkRequest>,
        out: &Replies,
    ) -> Over {
        let presence = match self.registry.enter(&node, hello) {
            Ok(presence) => presence,
            Err(long) => return Over::Ended(format!("hello: {long}")),
        };
        let authority = self.authority.clone();
        let origin = Origin { node, epoch: SpoolEpoch(hello.epoch), authority };
        let next = match self.next_number(&origin).await {
            Ok(next) => next,
            Err(over) => return over,
        };
        if let Err(over) = tell(out, Kind::Welcome(Welcome { next_number: next })).await {
            return over;
        }
        let (batches, waiting) = mpsc::channel(AHEAD);
        let taking = async {
            let (read, appended) = tokio::join!(
                reading::read(&origin, &presence, next, requests, batches, &self.room),
                appending::append(&self.journal, next, waiting, out),
            );
            // What came before the end of reading is in the log, and acknowledged.
            appended.err().unwrap_or(read)
        };
        tokio::select! {
            over = taking => over,
            over = self.tell_revocations(out) => over,
        }
    }

    /// Everything that a ticket could still be about, again when there is more, and in between that this is there.
    async fn tell_revocations(&self, out: &Replies) -> Over {
        let mut changes = self.revoked.changes();
        let mut revocations = self.revoked.recent(Timestamp::now());
        loop {
            changes.mark_unchanged();
            if let Err(over) = tell(out, Kind::Revocations(revocations)).await {
                return over;
            }
            revocations = match timeout(BEAT, changes.changed()).await {
                Ok(Ok(())) => self.revoked.recent(Timestamp::now()),
                Ok(Err(_)) => return Over::Gone,
                Err(_) => Revocations::default(),
            };
        }
    }

    /// The first number of the spool that is not in the log. Nothing of an earlier stream can come any more: what it
    /// still had in the queue stands before the barrier.
    async fn next_number(&self, origin: &Origin) -> Result<u64, Over> {
        match timeout(ANSWER, self.journal.barrier()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Over::Ended(error.to_string())),
            Err(_) => return Err(no_answer()),
        }
        let (node, epoch) = (origin.node.clone(), origin.epoch);
        let last = look(&self.journal, move |reader| reader.acknowledged(&node, epoch)).await?;
        Ok(last.0.saturating_add(1))
    }

    /// Says why a stream is over: to the record, to whoever runs this member, to the node.
    async fn end(&self, caller: &Caller, over: Over, out: &Replies) {
        let (number, reason) = match over {
            Over::Gone => return,
            Over::Ended(reason) => (0, reason),
            Over::Rejected(rejection) => {
                self.reject(caller, &rejection).await;
                (rejection.number, rejection.reason)
            }
            Over::Damaged(error) => {
                let reason = error.to_string();
                self.journal.stop(error);
                (0, reason)
            }
        };
        // A node that does not want to know is gone.
        let _gone = tell(out, Kind::Refused(UplinkRefused { reason, number })).await;
    }

    async fn reject(&self, caller: &Caller, rejection: &Rejection) {
        let node = &caller.node;
        let Rejection { number, reason } = rejection;
        self.voice.say(&format!("{}: {node}: entry {number} is not taken: {reason}", caller.from));
        if let Err(error) = self.rejections.record(node, rejection).await {
            self.voice.say(&format!("that entry {number} of {node} was not taken is not on record: {error}"));
        }
    }
}

fn no_answer() -> Over {
    Over::Ended(format!("the journal did not answer within {} s", ANSWER.as_secs()))
}

/// Waits for a node that reads slowly, and not for one that does not read.
async fn tell(out: &Replies, kind: Kind) -> Result<(), Over> {
    let reply = UplinkReply { kind: Some(kind) };
    out.send_timeout(Ok(reply), READ).await.map_err(|_| Over::Gone)
}

async fn acknowledge(out: &Replies, number: u64) -> Result<(), Over> {
    tell(out, Kind::Acknowledged(Acknowledged { number })).await
}

/// Reads the disk where that holds nobody up.
async fn look<T: Send + 'static>(
    journal: &Journal,
    at: impl FnOnce(&Reader) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, Over> {
    let reader = journal.reader();
    match tokio::task::spawn_blocking(move || at(&reader)).await {
        Ok(found) => found.map_err(Over::Damaged),
        // The runtime is ending.
        Err(_) => Err(Over::Gone),
    }
}
