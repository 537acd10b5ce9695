//! Keys of the trees `index` and `sources`.
//!
//! **Invariant:** keys of one value stand together, in the order of their seqs; no value is the beginning of another's
//! key, because its length stands before it.

use jiff::Timestamp;
use pact_proto::model::{NodeName, SpoolEpoch, SpoolPosition};

use crate::chain::Seq;
use crate::entry::{Index, Item, nanos};

/// The value of a key that is its own message.
pub(crate) const PRESENT: &[u8] = &[1];

/// Everything under which an entry is found.
pub(crate) fn of(item: &Item, commit_time: Timestamp, seq: Seq) -> Vec<Vec<u8>> {
    let own = (Index::TIME, ordered(commit_time).to_vec());
    let given = item.keys.iter().map(|key| (key.index, key.value.clone()));
    given.chain([own]).map(|(index, value)| [prefix(index, &value).as_slice(), &seq.0.to_be_bytes()].concat()).collect()
}

/// What all entries of one value have in common.
pub(crate) fn prefix(index: Index, value: &[u8]) -> Vec<u8> {
    // Values are checked before they come into the log.
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    [&[index.0, length], value].concat()
}

/// Bytes that sort as the times do.
pub(crate) fn ordered(at: Timestamp) -> [u8; 8] {
    (nanos(at).cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The seq at the end of a key.
pub(crate) fn seq(key: &[u8]) -> Option<Seq> {
    key.last_chunk().map(|seq| Seq(u64::from_be_bytes(*seq)))
}

/// All of one spool; the numbers follow.
pub(crate) fn spool(node: &NodeName, epoch: SpoolEpoch) -> Vec<u8> {
    // No node has a zero byte in its name.
    [node.as_str().as_bytes(), &[0], &epoch.0.to_be_bytes()].concat()
}

/// One record of a spool.
pub(crate) fn source(position: &SpoolPosition) -> Vec<u8> {
    [spool(&position.node, position.epoch).as_slice(), &position.number.0.to_be_bytes()].concat()
}

/// The value under a source: where its entry is.
pub(crate) fn store_seq(seq: Seq) -> Vec<u8> {
    [&[1], &seq.0.to_be_bytes()[..]].concat()
}

/// The seq under a source.
pub(crate) fn read_seq(stored: &[u8]) -> Option<Seq> {
    let (&1, seq) = stored.split_first()? else { return None };
    Some(Seq(u64::from_be_bytes(seq.try_into().ok()?)))
}
