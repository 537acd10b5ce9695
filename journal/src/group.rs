//! Group commit: what callers append while an entry of the log is on its way goes into the next one, together.
//!
//! **Invariant:** items of one call are in the log in their order, with nothing between them; calls are in the order in
//! which they came. A call that nobody waits for any more before its turn came is not in the log.
//! **Why:** an entry costs a disk sync and a round trip, whatever is in it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::consensus::{Batch, Consensus, Unavailable};
use crate::entry::{Answer, InvalidItem, Item, MOST_PAYLOAD};

/// So many calls wait; more wait for a place in the queue.
const MOST_WAITING: usize = 1024;
/// An entry of the log takes no further call beyond so many items or bytes.
const MOST_ITEMS: usize = 1024;
const MOST_BYTES: usize = 1 << 20;
/// One call has at most so many items and bytes, and goes into one entry whatever the bounds above say.
const MOST_IN_CALL: usize = 4096;
const MOST_BYTES_IN_CALL: usize = 2 * MOST_PAYLOAD;

/// Why nothing was appended, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// An item cannot be in the log; none of the call is.
    #[error(transparent)]
    Invalid(#[from] InvalidItem),
    /// Together they are too many or too large; none of the call is in the log.
    #[error("a call has at most {MOST_IN_CALL} entries and {MOST_BYTES_IN_CALL} bytes")]
    TooMuch,
    /// Consensus has no answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Appends. Clones share one queue.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Call>,
}

struct Call {
    items: Vec<Item>,
    answer: oneshot::Sender<Result<Vec<Answer>, Unavailable>>,
}

impl Call {
    fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.payload.len()).sum()
    }
}

impl Appender {
    /// Starts the task; it ends when the last clone is dropped.
    pub fn start(consensus: Arc<impl Consensus>, clock: fn() -> Timestamp) -> Self {
        let (queue, calls) = mpsc::channel(MOST_WAITING);
        tokio::spawn(work(consensus, calls, clock));
        Self { queue }
    }

    /// Appends items and says what became of each; none at all for a proof that this member leads. Whoever cannot wait any longer drops the future; then they may be in
    /// the log or not, and those with a source can be appended again.
    pub async fn append(&self, items: Vec<Item>) -> Result<Vec<Answer>, AppendError> {
        items.iter().try_for_each(Item::check)?;
        let (answer, answered) = oneshot::channel();
        let call = Call { items, answer };
        if call.items.len() > MOST_IN_CALL || call.bytes() > MOST_BYTES_IN_CALL {
            return Err(AppendError::TooMuch);
        }
        self.queue.send(call).await.map_err(|_| Unavailable::Stopped)?;
        Ok(answered.await.map_err(|_| Unavailable::Stopped)??)
    }
}

async fn work(consensus: Arc<impl Consensus>, mut calls: mpsc::Receiver<Call>, clock: fn() -> Timestamp) {
    let mut first = None;
    loop {
        let Some(next) = (match first.take() {
            Some(call) => Some(call),
            None => calls.recv().await,
        }) else {
            return;
        };
        let (group, left) = gather(next, &mut calls);
        first = left;
        commit(&*consensus, group, clock()).await;
    }
}

/// What waits, up to the bounds, and the call that did not fit.
fn gather(first: Call, calls: &mut mpsc::Receiver<Call>) -> (Vec<Call>, Option<Call>) {
    let (mut items, mut bytes) = (first.items.len(), first.bytes());
    let mut group = vec![first];
    while let Ok(call) = calls.try_recv() {
        items += call.items.len();
        bytes += call.bytes();
        if items > MOST_ITEMS || bytes > MOST_BYTES {
            return (group, Some(call));
        }
        group.push(call);
    }
    (group, None)
}

async fn commit(consensus: &impl Consensus, mut group: Vec<Call>, now: Timestamp) {
    group.retain(|call| !call.answer.is_closed());
    let mut batch = Vec::new();
    let mut waiting = Vec::new();
    for Call { items, answer } in group {
        waiting.push((items.len(), answer));
        batch.extend(items.into_iter().map(|item| item.seal(now)));
    }
    if waiting.is_empty() {
        return;
    }
    let mut answers = consensus.propose(Batch(batch)).await.map(Vec::into_iter);
    for (count, answer) in waiting {
        let own = match &mut answers {
            Ok(answers) => Ok(answers.take(count).collect()),
            Err(error) => Err(*error),
        };
        // Who asked may be gone; what was appended is there all the same.
        let _gone = answer.send(own);
    }
}

#[cfg(test)]
mod tests;
