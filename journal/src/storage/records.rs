//! What stands in the trees beside the entries themselves: the Raft log, the vote, how far was applied and compacted.
//!
//! **Invariant:** every value begins with a version byte; one that is not known cannot be read.

use std::collections::BTreeSet;

use async_raft::raft::{Entry, EntryConfigChange, EntryNormal, EntryPayload, MembershipConfig};
use prost::{Message, Oneof};

use crate::chain::{Hash, Seq, Tip};
use crate::consensus::{Batch, MemberId};

const VERSION: u8 = 1;

pub(crate) fn store(message: &impl Message) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + message.encoded_len());
    stored.push(VERSION);
    stored.extend(message.encode_to_vec());
    stored
}

pub(crate) fn read<M: Message + Default>(stored: &[u8]) -> Option<M> {
    match stored.split_first()? {
        (&VERSION, message) => M::decode(message).ok(),
        _ => None,
    }
}

/// One entry of the Raft log; its index is its key.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    #[prost(oneof = "LogPayload", tags = "2, 3, 4")]
    pub(crate) payload: Option<LogPayload>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum LogPayload {
    /// What a new leader begins with.
    #[prost(bool, tag = "2")]
    Blank(bool),
    /// Sealed items.
    #[prost(message, tag = "3")]
    Items(Items),
    /// Who the members are.
    #[prost(message, tag = "4")]
    Members(Members),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Items {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) sealed: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Members {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) ids: Vec<u64>,
}

/// Term and vote.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Hard {
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) voted_for: Option<u64>,
}

/// A place in the Raft log, and where the chain ended behind it. Of what is applied, and of what is compacted.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Point {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) term: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) seq: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) hash: Vec<u8>,
}

/// What a member lacks, as its own core is given it: a leader's snapshot, and the records that lead to it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Installation {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) snapshot: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) records: Vec<Vec<u8>>,
}

/// Whose journal it is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Identity {
    #[prost(string, tag = "1")]
    pub(crate) cluster: String,
    #[prost(uint64, tag = "2")]
    pub(crate) member: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) members: Vec<u64>,
}

impl Point {
    pub(crate) fn new(index: u64, term: u64, tip: Tip) -> Self {
        Self { index, term, seq: tip.seq.0, hash: tip.hash.as_bytes().to_vec() }
    }

    pub(crate) fn tip(&self) -> Option<Tip> {
        let hash = match self.hash.as_slice() {
            [] => Tip::EMPTY.hash,
            hash => Hash::from_bytes(hash.try_into().ok()?),
        };
        Some(Tip { seq: Seq(self.seq), hash })
    }
}

impl Identity {
    pub(crate) fn new(cluster: &str, member: MemberId, members: &BTreeSet<MemberId>) -> Self {
        Self { cluster: cluster.to_owned(), member: member.0, members: members.iter().map(|m| m.0).collect() }
    }
}

impl LogRecord {
    /// `None` for what is never stored: a pointer to a snapshot, and members on their way to be others.
    pub(crate) fn of(entry: &Entry<Batch>) -> Option<Self> {
        let payload = match &entry.payload {
            EntryPayload::Blank => LogPayload::Blank(true),
            EntryPayload::Normal(normal) => LogPayload::Items(Items { sealed: normal.data.0.clone() }),
            EntryPayload::ConfigChange(change) => {
                if change.membership.is_in_joint_consensus() {
                    return None;
                }
                let mut ids: Vec<u64> = change.membership.members.iter().copied().collect();
                ids.sort_unstable();
                LogPayload::Members(Members { ids })
            }
            EntryPayload::SnapshotPointer(_) => return None,
        };
        Some(Self { term: entry.term, payload: Some(payload) })
    }

    pub(crate) fn entry(self, index: u64) -> Option<Entry<Batch>> {
        let payload = match self.payload? {
            LogPayload::Blank(_) => EntryPayload::Blank,
            LogPayload::Items(items) => EntryPayload::Normal(EntryNormal { data: Batch(items.sealed) }),
            LogPayload::Members(members) => EntryPayload::ConfigChange(EntryConfigChange {
                membership: MembershipConfig {
                    members: members.ids.into_iter().collect(),
                    members_after_consensus: None,
                },
            }),
        };
        Some(Entry { term: self.term, index, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that version 1 wrote, of everything that stands beside the chain.
    #[test]
    fn version_1_is_readable_for_ever() {
        let members = Members { ids: vec![1, 2, 300] };
        let log = |payload| LogRecord { term: 5, payload: Some(payload) };
        check(&log(LogPayload::Blank(true)), &[1, 8, 5, 0x10, 1]);
        check(
            &log(LogPayload::Items(Items { sealed: vec![b"ab".to_vec(), Vec::new()] })),
            &[1, 8, 5, 0x1a, 6, 0x0a, 2, b'a', b'b', 0x0a, 0],
        );
        check(&log(LogPayload::Members(members)), &[1, 8, 5, 0x22, 6, 0x0a, 4, 1, 2, 0xac, 2]);
        check(&Hard { term: 5, voted_for: Some(0) }, &[1, 8, 5, 0x10, 0]);
        check(&Hard { term: 5, voted_for: None }, &[1, 8, 5]);
        check(&Point { index: 1, term: 2, seq: 3, hash: vec![9; 2] }, &[1, 8, 1, 0x10, 2, 0x18, 3, 0x22, 2, 9, 9]);
        let identity = Identity { cluster: "x".into(), member: 1, members: vec![1] };
        check(&identity, &[1, 0x0a, 1, b'x', 0x10, 1, 0x1a, 1, 1]);
        assert_eq!(read::<Hard>(&[2, 8, 5]), None);
        assert_eq!(read::<Hard>(&[]), None);
    }

    fn check<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, bytes: &[u8]) {
        assert_eq!(store(message), bytes);
        assert_eq!(read::<M>(bytes).as_ref(), Some(message));
    }
}
