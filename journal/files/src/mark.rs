//! A number of some database, in 32 bytes with a checksum.
//!
//! **Invariant:** bytes of which one was changed are no mark.

use sha2::{Digest, Sha256};

/// How many bytes it has.
pub const SIZE: usize = 32;

/// How far something is with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which database.
    pub database: u64,
    /// How far.
    pub number: u64,
}

impl Mark {
    /// As it is stored; `magic` says what it is the mark of.
    pub fn encode(self, magic: [u8; 8]) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&magic);
        bytes[8..16].copy_from_slice(&self.database.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_be_bytes());
        let sum = Sha256::digest(&bytes[..24]);
        bytes[24..].copy_from_slice(&sum[..8]);
        bytes
    }

    /// What `encode` made; `None` where anything of it was changed.
    pub fn decode(magic: [u8; 8], bytes: &[u8; SIZE]) -> Option<Self> {
        let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
        let mark = Self { database: word(8)?, number: word(16)? };
        (mark.encode(magic) == *bytes).then_some(mark)
    }
}
