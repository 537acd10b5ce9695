//! Reading: by seq, newest first, by index, and onward as entries come.
//!
//! **Invariant:** nothing is shown that is not applied as a whole; a reader that goes on from the seq behind the last
//! one that it saw misses nothing and sees nothing twice, whatever was restarted in between.
//! **Not here:** whether this member is behind the others: that is for `Consensus::barrier`.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pact_proto::model::{NodeName, SpoolEpoch, SpoolNumber};
use tokio::sync::watch;

use super::{Trees, keys};
use crate::chain::{Seq, Tip};
use crate::entry::{Committed, Index};
use crate::error::JournalError;
use pact_files::disk::guard;

/// What one look at the disk brings while following: so many entries, or so many bytes and one entry more.
const MOST_ENTRIES: usize = 256;
const MOST_BYTES: usize = 1 << 20;

/// Reads what is applied; any thread has one. What it finds damaged should end the journal: others rely on it.
#[derive(Clone)]
pub struct Reader {
    trees: Trees,
    path: PathBuf,
    tip: watch::Receiver<Tip>,
}

impl Reader {
    pub(super) fn new(trees: &Trees, path: &Path, tip: watch::Receiver<Tip>) -> Self {
        Self { trees: trees.clone(), path: path.to_owned(), tip }
    }

    /// Where the chain ends now.
    pub fn tip(&self) -> Tip {
        *self.tip.borrow()
    }

    /// Waits until there is an entry beyond this one; false when the journal was closed.
    pub(crate) async fn grown(&self, beyond: Seq) -> bool {
        self.tip.clone().wait_for(|tip| tip.seq > beyond).await.is_ok()
    }

    /// One entry; `None` where the chain is not that long.
    pub fn get(&self, seq: Seq) -> Result<Option<Committed>, JournalError> {
        if seq.0 == 0 || seq > self.tip().seq { Ok(None) } else { self.read(seq).map(Some) }
    }

    /// From one seq up to before another, as far as they are there; `.rev()` for the newest first.
    pub fn range(
        &self,
        seqs: Range<Seq>,
    ) -> impl DoubleEndedIterator<Item = Result<Committed, JournalError>> + use<'_> {
        let end = seqs.end.0.min(self.tip().seq.0.saturating_add(1));
        (seqs.start.0.max(1)..end).map(|seq| self.read(Seq(seq)))
    }

    /// All of them, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = Result<Committed, JournalError>> + use<'_> {
        self.range(Seq(1)..Seq(u64::MAX)).rev()
    }

    /// Entries with this value in an index, in the order of their seqs; `.rev()` for the newest first.
    pub fn by(
        &self,
        index: Index,
        value: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Committed, JournalError>> + use<'_> {
        self.by_within(index, value, Seq(0)..Seq(u64::MAX))
    }

    /// The same, of those with these seqs.
    pub(crate) fn by_within(
        &self,
        index: Index,
        value: &[u8],
        seqs: Range<Seq>,
    ) -> impl DoubleEndedIterator<Item = Result<Committed, JournalError>> + use<'_> {
        let prefix = keys::prefix(index, value);
        let key = |seq: u64| [prefix.as_slice(), &seq.to_be_bytes()].concat();
        self.found(&key(seqs.start.0), &key(seqs.end.0))
    }

    /// The smallest seq of the entries that were committed since a time, and one beyond the last where there are none;
    /// the first of all where there are more than `most` to look at.
    pub(crate) fn first_since(&self, since: Timestamp, most: usize) -> Result<Seq, JournalError> {
        let (from, to) = (keys::prefix(Index::TIME, &keys::ordered(since)), keys::prefix(Index::TIME, &[0xff; 8]));
        let mut first = Seq(self.tip().seq.0 + 1);
        guard(&self.path, || {
            for (count, key) in self.trees.index.range(from..[to.as_slice(), &[0xff; 8]].concat()).enumerate() {
                if count == most {
                    return Ok(Seq(1));
                }
                let (key, _) = key.map_err(|e| JournalError::refused(&self.path, e))?;
                let unreadable = || JournalError::damaged(&self.path, "tree index: a key cannot be read");
                first = first.min(keys::seq(&key).ok_or_else(unreadable)?);
            }
            Ok(first)
        })
    }

    /// Entries that were committed from one time up to before another, in the order of these times.
    pub fn committed(
        &self,
        times: Range<Timestamp>,
    ) -> impl DoubleEndedIterator<Item = Result<Committed, JournalError>> + use<'_> {
        let key = |at| keys::prefix(Index::TIME, &keys::ordered(at));
        self.found(&key(times.start), &key(times.end))
    }

    /// Every entry from a seq on, and then those that come.
    pub fn follow(&self, from: Seq) -> Follow {
        Follow { reader: self.clone(), next: from.max(Seq(1)), waiting: VecDeque::new() }
    }

    /// Stored records as they are, from a seq on, as many as one look at the disk brings.
    pub(crate) fn stored(&self, from: Seq) -> Result<Vec<Vec<u8>>, JournalError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for seq in from.0.max(1)..=self.tip().seq.0 {
            if records.len() >= MOST_ENTRIES || bytes > MOST_BYTES {
                break;
            }
            let stored = guard(&self.path, || self.trees.entries.get(seq))?;
            let stored = stored.ok_or_else(|| self.trees.entries.damaged(seq, "missing"))?;
            bytes += stored.len();
            records.push(stored);
        }
        Ok(records)
    }

    /// The last record of a spool that is in the chain; 0 where there is none.
    pub fn acknowledged(&self, node: &NodeName, epoch: SpoolEpoch) -> Result<SpoolNumber, JournalError> {
        guard(&self.path, || super::apply::last_number(&self.trees.sources, node, epoch, &self.path))
    }

    fn read(&self, seq: Seq) -> Result<Committed, JournalError> {
        let entries = &self.trees.entries;
        let stored = guard(&self.path, || entries.get(seq.0))?.ok_or_else(|| entries.damaged(seq.0, "missing"))?;
        let committed = Committed::read(&stored).ok_or_else(|| entries.damaged(seq.0, "unreadable"))?;
        if committed.seq == seq { Ok(committed) } else { Err(entries.damaged(seq.0, "not the one that belongs there")) }
    }

    fn found(&self, from: &[u8], to: &[u8]) -> Found<'_> {
        // sled does not forgive an end before the beginning.
        let keys = (from < to).then(|| self.trees.index.range(from..to));
        Found { reader: self, keys, tip: self.tip().seq }
    }
}

/// What an index says, read one by one.
struct Found<'a> {
    reader: &'a Reader,
    keys: Option<sled::Iter>,
    tip: Seq,
}

impl Found<'_> {
    /// Looks at one key after the other, until one is of an entry that was there when the search began.
    fn step(
        &mut self,
        next: impl Fn(&mut sled::Iter) -> Option<sled::Result<(sled::IVec, sled::IVec)>>,
    ) -> Option<Result<Committed, JournalError>> {
        let (keys, reader, tip) = (self.keys.as_mut()?, self.reader, self.tip);
        let seq = guard(&reader.path, || {
            while let Some(key) = next(keys) {
                let (key, _) = key.map_err(|e| JournalError::refused(&reader.path, e))?;
                let unreadable = || JournalError::damaged(&reader.path, "tree index: a key cannot be read");
                let seq = keys::seq(&key).ok_or_else(unreadable)?;
                if seq <= tip {
                    return Ok(Some(seq));
                }
            }
            Ok(None)
        });
        seq.transpose().map(|seq| seq.and_then(|seq| reader.read(seq)))
    }
}

impl Iterator for Found<'_> {
    type Item = Result<Committed, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Found<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

/// Entries as they come. Nothing waits for a reader that is slow, and nothing is kept for it: it reads from the disk.
pub struct Follow {
    reader: Reader,
    next: Seq,
    waiting: VecDeque<Committed>,
}

impl Follow {
    /// The next entry, when there is one; `None` when the journal was closed. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<Committed, JournalError>> {
        if self.waiting.is_empty() {
            let next = self.next;
            self.reader.tip.wait_for(|tip| tip.seq >= next).await.ok()?;
            let reader = self.reader.clone();
            match tokio::task::spawn_blocking(move || some(&reader, next)).await.ok()? {
                Ok(some) => self.waiting = some,
                Err(error) => return Some(Err(error)),
            }
        }
        let entry = self.waiting.pop_front()?;
        self.next = Seq(entry.seq.0 + 1);
        Some(Ok(entry))
    }
}

fn some(reader: &Reader, from: Seq) -> Result<VecDeque<Committed>, JournalError> {
    let mut some = VecDeque::new();
    let mut bytes = 0;
    for entry in reader.range(from..Seq(u64::MAX)).take(MOST_ENTRIES) {
        let entry = entry?;
        bytes += entry.item.payload.len();
        some.push_back(entry);
        if bytes > MOST_BYTES {
            break;
        }
    }
    Ok(some)
}
