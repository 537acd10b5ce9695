//! What is appended, and what is in the log of it.
//!
//! An envelope is a version byte and a message: the commit time, where the entry comes from, its index keys, and the
//! payload. It is encoded once, by the leader that proposes it; members put those bytes into their chains.
//!
//! **Invariant:** equal log, equal chains: nobody encodes an envelope again, so a newer member cannot differ in a byte.
//! **Not here:** what a payload or an index key means; both are bytes.

use jiff::Timestamp;
use pact_proto::model::{SpoolEpoch, SpoolNumber, SpoolPosition};
use prost::Message;

use crate::chain::{Hash, Record, Seq};

const VERSION: u8 = 1;
/// The most that one payload may have.
pub const MOST_PAYLOAD: usize = 4 << 20;
/// The most that an index key may have.
pub const MOST_KEY: usize = 255;

/// Which index. Numbers are given by whoever appends and are kept for ever; 0 is the journal's own, by commit time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u8);

impl Index {
    pub(crate) const TIME: Self = Self(0);
    /// What an entry is about.
    pub const SCOPE: Self = Self(1);
    /// Who did it.
    pub const AUTHOR: Self = Self(2);
    /// What kind of entry it is.
    pub const KIND: Self = Self(3);
    /// Which line of which session it is about.
    pub const LINE: Self = Self(4);
}

/// Under what an entry is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// In which index.
    pub index: Index,
    /// Under which value: at most `MOST_KEY` bytes.
    pub value: Vec<u8>,
}

/// One entry that should go into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it was written down first; with it, it is in the log once however often it is appended.
    pub source: Option<SpoolPosition>,
    /// Under what it can be found.
    pub keys: Vec<Key>,
    /// What it is: at most `MOST_PAYLOAD` bytes.
    pub payload: Vec<u8>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Answer {
    /// It is in the log, here, since now.
    Appended(Seq),
    /// It is in the log, here, since it was appended the first time.
    Known(Seq),
    /// It is not in the log: of its spool, this number must come first.
    Gap(u64),
    /// It is not in the log: numbers count from 1.
    Zero,
}

/// An item that is too large, or says what only the journal may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidItem {
    /// The payload.
    #[error("an entry has {0} bytes, {MOST_PAYLOAD} are the most")]
    Payload(usize),
    /// A key.
    #[error("an index key has {0} bytes, {MOST_KEY} are the most")]
    Key(usize),
    /// Index 0.
    #[error("index 0 is the journal's own")]
    Index,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the chain.
    pub seq: Seq,
    /// The hash of the entry before it.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
    /// The leader's clock when it was proposed.
    pub commit_time: Timestamp,
    /// Item as it was appended.
    pub item: Item,
}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(sint64, tag = "1")]
    commit_nanos: i64,
    #[prost(message, optional, tag = "2")]
    source: Option<WireSource>,
    #[prost(message, repeated, tag = "3")]
    keys: Vec<WireKey>,
    #[prost(bytes = "vec", tag = "4")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireSource {
    #[prost(string, tag = "1")]
    node: String,
    #[prost(fixed64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    number: u64,
}

#[derive(Clone, PartialEq, Message)]
struct WireKey {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Item {
    /// Whether it may be appended.
    pub fn check(&self) -> Result<(), InvalidItem> {
        if self.payload.len() > MOST_PAYLOAD {
            return Err(InvalidItem::Payload(self.payload.len()));
        }
        for key in &self.keys {
            if key.value.len() > MOST_KEY {
                return Err(InvalidItem::Key(key.value.len()));
            }
            if key.index == Index::TIME {
                return Err(InvalidItem::Index);
            }
        }
        Ok(())
    }

    /// As the leader puts it into the log.
    pub(crate) fn seal(self, commit_time: Timestamp) -> Vec<u8> {
        let envelope = Envelope {
            commit_nanos: nanos(commit_time),
            source: self.source.map(|s| WireSource {
                node: s.node.as_str().to_owned(),
                epoch: s.epoch.0,
                number: s.number.0,
            }),
            keys: self.keys.into_iter().map(|k| WireKey { index: k.index.0.into(), value: k.value }).collect(),
            payload: self.payload,
        };
        let mut sealed = vec![VERSION];
        sealed.extend(envelope.encode_to_vec());
        sealed
    }

    /// From the bytes that a leader sealed, with the commit time.
    pub(crate) fn unseal(sealed: &[u8]) -> Option<(Self, Timestamp)> {
        let (&VERSION, message) = sealed.split_first()? else { return None };
        let envelope = Envelope::decode(message).ok()?;
        let keys =
            envelope.keys.into_iter().map(|k| Some(Key { index: Index(k.index.try_into().ok()?), value: k.value }));
        let item = Self {
            source: envelope.source.map_or(Some(None), |s| position(&s).map(Some))?,
            keys: keys.collect::<Option<_>>()?,
            payload: envelope.payload,
        };
        Some((item, Timestamp::from_nanosecond(envelope.commit_nanos.into()).ok()?))
    }
}

impl Committed {
    /// From its stored bytes.
    pub(crate) fn read(stored: &[u8]) -> Option<Self> {
        let Record { seq, previous, payload } = Record::read(stored)?;
        let (item, commit_time) = Item::unseal(payload)?;
        Some(Self { seq, previous, hash: Hash::of(stored), commit_time, item })
    }
}

fn position(wire: &WireSource) -> Option<SpoolPosition> {
    let node = wire.node.parse().ok()?;
    Some(SpoolPosition { node, epoch: SpoolEpoch(wire.epoch), number: SpoolNumber(wire.number) })
}

/// Times before 1677 and after 2262 are these years.
pub(crate) fn nanos(at: Timestamp) -> i64 {
    let edge = if at < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX };
    i64::try_from(at.as_nanosecond()).unwrap_or(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that version 1 wrote. They are in chains, and members of other releases hash them.
    #[test]
    fn version_1_is_readable_for_ever() {
        let item = Item {
            source: Some(SpoolPosition { node: "n1".parse().unwrap(), epoch: SpoolEpoch(7), number: SpoolNumber(3) }),
            keys: vec![Key { index: Index::AUTHOR, value: b"alice@example.org".to_vec() }],
            payload: b"hello".to_vec(),
        };
        let time = Timestamp::from_nanosecond(1_000).unwrap();
        let expected = [
            &[1, 0x08, 0xd0, 0x0f][..],
            &[0x12, 15, 0x0a, 2],
            b"n1",
            &[0x11, 7, 0, 0, 0, 0, 0, 0, 0, 0x18, 3],
            &[0x1a, 21, 0x08, 2, 0x12, 17],
            b"alice@example.org",
            &[0x22, 5],
            b"hello",
        ]
        .concat();
        assert_eq!(Item::unseal(&expected), Some((item.clone(), time)));
        assert_eq!(item.seal(time), expected);
    }

    #[test]
    fn what_was_never_sealed_is_not_unsealed() {
        for bytes in [&b""[..], &[2], &[1, 0xff], &[1, 0x12, 0], &[1, 0x1a, 3, 0x08, 0x80, 2]] {
            assert_eq!(Item::unseal(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn times_keep_their_order_and_their_edges() {
        let times = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::from_nanosecond(1).unwrap(), Timestamp::MAX];
        assert!(times.map(nanos).is_sorted_by(|a, b| a < b));
    }
}
