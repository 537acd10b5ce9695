//! The hash chain: every record holds its number and the hash of the record before it.
//!
//! A record as stored is a version byte, its seq (8 bytes, little endian), the hash of the record before it (32 bytes),
//! and the payload. Its hash is SHA-256 over all of that.
//!
//! **Invariant:** numbers count from 1 without gaps; stored bytes are hashed as they are and never encoded again.
//! **Why:** a changed record can be told from the hash in the next one; the last one only from the tip, which is what
//! members sign and agents keep. So verifying asks for the tip, and there is no way to do without.

use std::fmt;

use sha2::{Digest, Sha256};

/// The version that is written.
const VERSION: u8 = 1;
const SEQ: usize = 1;
const PREVIOUS: usize = SEQ + 8;
const PAYLOAD: usize = PREVIOUS + 32;

/// A record's place in the chain, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Seq(pub u64);

/// SHA-256 of a record as stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

/// Where a chain ends: the seq and the hash of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// 0 where there is no record yet.
    pub seq: Seq,
    /// Of the last record.
    pub hash: Hash,
}

/// One record, read from its stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place.
    pub seq: Seq,
    /// The hash of the record before it.
    pub previous: Hash,
    /// What it holds.
    pub payload: &'a [u8],
}

/// The first place where a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {}: {why}", seq.0)]
pub struct Broken {
    /// The record.
    pub seq: Seq,
    /// What is wrong with it.
    pub why: Why,
}

/// Why a record does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is too short, or of a version that this release does not know.
    #[error("it cannot be read")]
    Unreadable,
    /// Records are missing, doubled or out of order.
    #[error("record {} stands in its place", .0.0)]
    Misplaced(Seq),
    /// It is not the one that the next record, or the tip, was made after.
    #[error("its hash is not the one that was promised")]
    Changed,
    /// The chain ends before it.
    #[error("it is missing")]
    Missing,
    /// The chain goes on behind its tip.
    #[error("it stands behind the end of the chain")]
    Surplus,
}

impl Hash {
    /// Of a record as stored.
    pub fn of(stored: &[u8]) -> Self {
        Self(Sha256::digest(stored).into())
    }

    /// From 32 bytes that were kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// All 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Tip {
    /// Of a chain without a record.
    pub const EMPTY: Self = Self { seq: Seq(0), hash: Hash([0; 32]) };

    /// The next record as it is stored, and the tip behind it.
    pub fn append(self, payload: &[u8]) -> (Vec<u8>, Self) {
        let seq = self.next();
        let mut stored = Vec::with_capacity(PAYLOAD + payload.len());
        stored.push(VERSION);
        stored.extend_from_slice(&seq.0.to_le_bytes());
        stored.extend_from_slice(&self.hash.0);
        stored.extend_from_slice(payload);
        let hash = Hash::of(&stored);
        (stored, Self { seq, hash })
    }

    /// The tip behind a record that is stored already, if it is the next one.
    pub(crate) fn follow(self, stored: &[u8]) -> Result<Self, Broken> {
        let seq = self.next();
        let record = Record::read(stored).ok_or(Broken { seq, why: Why::Unreadable })?;
        if record.seq != seq {
            return Err(Broken { seq, why: Why::Misplaced(record.seq) });
        }
        if record.previous != self.hash {
            return Err(Broken { seq: self.seq, why: Why::Changed });
        }
        Ok(Self { seq, hash: Hash::of(stored) })
    }

    /// At a record a nanosecond the numbers last for five centuries.
    fn next(self) -> Seq {
        Seq(self.seq.0.saturating_add(1))
    }
}

impl<'a> Record<'a> {
    /// From its stored bytes.
    pub fn read(stored: &'a [u8]) -> Option<Self> {
        let (head, payload) = stored.split_at_checked(PAYLOAD)?;
        let seq = head.get(SEQ..PREVIOUS)?.try_into().ok()?;
        let previous = head.get(PREVIOUS..)?.try_into().ok()?;
        (head[0] == VERSION).then_some(Self { seq: Seq(u64::from_le_bytes(seq)), previous: Hash(previous), payload })
    }
}

/// Reads the records between two tips, both of which somebody vouches for, and names the first that does not hold.
pub fn verify<R: AsRef<[u8]>>(from: Tip, records: impl IntoIterator<Item = R>, to: Tip) -> Result<(), Broken> {
    let mut tip = from;
    for stored in records {
        if tip.seq >= to.seq {
            return Err(Broken { seq: tip.next(), why: Why::Surplus });
        }
        tip = tip.follow(stored.as_ref())?;
    }
    match tip {
        tip if tip.seq < to.seq => Err(Broken { seq: tip.next(), why: Why::Missing }),
        tip if tip != to => Err(Broken { seq: tip.seq, why: Why::Changed }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
