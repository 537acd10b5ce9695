//! What comes in on a stream: first hello, then entries.
//!
//! **Invariant:** what stands before an entry that is not taken is taken; behind it nothing is read any more.

use std::sync::Arc;

use pact_proto::wire::v1::uplink_request::Kind;
use pact_proto::wire::v1::{Hello, UplinkRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Status, Streaming};

use super::Over;
use super::admission::{Expected, Origin, Rejection, Vouched};
use crate::entry::{Item, MOST_PAYLOAD};
use crate::registry::Presence;

/// Several entries of one message have at most so many bytes together; one alone may have more.
const MOST_TOGETHER: usize = 1 << 20;

/// Entries of one message, with their numbers.
pub(super) struct Batch {
    pub(super) items: Vec<(u64, Item)>,
    /// Their place in memory, until they are on disk.
    _room: OwnedSemaphorePermit,
}

/// The first message.
pub(super) async fn hello(requests: &mut Streaming<UplinkRequest>) -> Result<Hello, Over> {
    match next(requests, 0).await? {
        None => Err(Over::Gone),
        Some(Kind::Hello(hello)) => Ok(hello),
        Some(Kind::Entries(_)) => Err(rejected(0, "entries came before hello")),
        Some(Kind::Report(_)) => Err(rejected(0, "a report came before hello")),
    }
}

/// Reads entries until the stream ends, one is not taken, or nobody takes batches any more.
pub(super) async fn read(
    origin: &Origin,
    presence: &Presence,
    next_number: u64,
    requests: &mut Streaming<UplinkRequest>,
    batches: mpsc::Sender<Batch>,
    room: &Arc<Semaphore>,
) -> Over {
    let (mut expected, mut vouched) = (Expected::UpTo(next_number), Vouched::default());
    loop {
        let entries = tokio::select! {
            message = entries(requests, presence, expected) => message,
            () = batches.closed() => return Over::Gone,
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(over) => return over,
        };
        let Ok(room) = Arc::clone(room).acquire_many_owned(bytes(&entries)).await else { return Over::Gone };
        let (items, rejection) = admit(origin, (&mut expected, &mut vouched), entries);
        if !items.is_empty() && batches.send(Batch { items, _room: room }).await.is_err() {
            return Over::Gone;
        }
        if let Some(rejection) = rejection {
            return Over::Rejected(rejection);
        }
    }
}

async fn entries(
    requests: &mut Streaming<UplinkRequest>,
    presence: &Presence,
    expected: Expected,
) -> Result<Vec<Vec<u8>>, Over> {
    let number = expected.number();
    let entries = loop {
        match next(requests, number).await? {
            None => return Err(Over::Gone),
            Some(Kind::Hello(_)) => return Err(rejected(number, "hello came again")),
            Some(Kind::Report(report)) => presence.report(report).map_err(|long| Over::Ended(long.to_string()))?,
            Some(Kind::Entries(spooled)) => break spooled.entries,
        }
    };
    match entries.as_slice() {
        [] => Err(rejected(number, "a message has no entries")),
        [one] if one.len() > MOST_PAYLOAD => {
            let what = format!("it has {} bytes, {MOST_PAYLOAD} are the most", one.len());
            Err(rejected(number, what))
        }
        [_] => Ok(entries),
        several => match several.iter().map(Vec::len).sum::<usize>() {
            together if together > MOST_TOGETHER => {
                let what = format!("entries of one message have {together} bytes, {MOST_TOGETHER} are the most");
                Err(rejected(number, what))
            }
            _ => Ok(entries),
        },
    }
}

/// The next message; `None` where the node has ended the stream.
async fn next(requests: &mut Streaming<UplinkRequest>, number: u64) -> Result<Option<Kind>, Over> {
    match requests.message().await {
        Ok(None) => Ok(None),
        Ok(Some(message)) => match message.kind {
            Some(kind) => Ok(Some(kind)),
            None => Err(rejected(number, "a message is of no kind that this journal knows")),
        },
        Err(status) if is_broken(&status) => Err(Over::Gone),
        Err(status) => Err(rejected(number, format!("a message cannot be read: {}", status.message()))),
    }
}

/// Whether it was the connection that ended, and not a message that is wrong.
fn is_broken(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

fn rejected(number: u64, reason: impl Into<String>) -> Over {
    Over::Rejected(Rejection { number, reason: reason.into() })
}

fn bytes(entries: &[Vec<u8>]) -> u32 {
    // Messages are bounded far below.
    entries.iter().map(Vec::len).sum::<usize>().try_into().unwrap_or(u32::MAX)
}

/// What is taken, and the first that is not.
fn admit(
    origin: &Origin,
    (expected, vouched): (&mut Expected, &mut Vouched),
    entries: Vec<Vec<u8>>,
) -> (Vec<(u64, Item)>, Option<Rejection>) {
    let mut items = Vec::with_capacity(entries.len());
    for stored in entries {
        match origin.admit(vouched, *expected, stored) {
            Ok((number, item)) => {
                *expected = Expected::Exactly(number.saturating_add(1));
                items.push((number, item));
            }
            Err(rejection) => return (items, Some(rejection)),
        }
    }
    (items, None)
}
