//! A tree of values with numbers: any size in, small pieces on the disk.
//!
//! **Why:** sled writes a page of more than 128 KiB into a file of its own, rewrites it whole with every change, and
//! does not sync it. A page has at most some twenty values; pieces of 4 KiB keep every page well below.

use std::path::{Path, PathBuf};

use crate::error::JournalError;

const VERSION: u8 = 1;
const PIECE: usize = 4096;

/// The tree; a value's key is its number, and each piece's the number and its place.
#[derive(Clone)]
pub(crate) struct Numbered {
    tree: sled::Tree,
    name: &'static str,
    path: PathBuf,
}

impl Numbered {
    pub(super) fn new(tree: sled::Tree, name: &'static str, path: &Path) -> Self {
        Self { tree, name, path: path.to_owned() }
    }

    pub(super) fn tree(&self) -> sled::Tree {
        self.tree.clone()
    }

    pub(crate) fn get(&self, number: u64) -> Result<Option<Vec<u8>>, JournalError> {
        let mut value = Vec::new();
        let mut length = None;
        for (place, piece) in (0u32..).zip(self.tree.scan_prefix(number.to_be_bytes())) {
            let (key, piece) = piece.map_err(|e| JournalError::refused(&self.path, e))?;
            let bytes = piece.strip_prefix(&[VERSION]).ok_or_else(|| self.damaged(number, "of an unknown version"))?;
            let (head, bytes) = bytes.split_at_checked(4).ok_or_else(|| self.damaged(number, "too short"))?;
            if *key != key_of(number, place) || length.is_some_and(|length| length != head) {
                return Err(self.damaged(number, "not in one piece"));
            }
            length.get_or_insert(<[u8; 4]>::try_from(head).unwrap_or_default());
            value.extend_from_slice(bytes);
        }
        match length {
            None => Ok(None),
            Some(length) if u32::from_le_bytes(length) as usize == value.len() => Ok(Some(value)),
            Some(_) => Err(self.damaged(number, "not complete")),
        }
    }

    /// The smallest number that is there.
    pub(crate) fn first(&self) -> Result<Option<u64>, JournalError> {
        self.number(self.tree.first())
    }

    /// The largest number that is there.
    pub(crate) fn last(&self) -> Result<Option<u64>, JournalError> {
        self.number(self.tree.last())
    }

    pub(super) fn put(batch: &mut sled::Batch, number: u64, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes();
        let pieces = value.chunks(PIECE).chain(value.is_empty().then_some(&[][..]));
        for (place, piece) in (0u32..).zip(pieces) {
            batch.insert(&key_of(number, place), [&[VERSION], &length[..], piece].concat());
        }
    }

    pub(super) fn remove(&self, batch: &mut sled::Batch, number: u64) -> Result<(), JournalError> {
        for piece in self.tree.scan_prefix(number.to_be_bytes()).keys() {
            batch.remove(piece.map_err(|e| JournalError::refused(&self.path, e))?);
        }
        Ok(())
    }

    pub(crate) fn damaged(&self, number: u64, what: &str) -> JournalError {
        JournalError::damaged(&self.path, format!("tree {}: record {number} is {what}", self.name))
    }

    fn number(&self, found: sled::Result<Option<(sled::IVec, sled::IVec)>>) -> Result<Option<u64>, JournalError> {
        let Some((key, _)) = found.map_err(|e| JournalError::refused(&self.path, e))? else { return Ok(None) };
        let number = key.first_chunk().map(|number| u64::from_be_bytes(*number));
        let what = || JournalError::damaged(&self.path, format!("tree {}: a key cannot be read", self.name));
        number.map(Some).ok_or_else(what)
    }
}

fn key_of(number: u64, place: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&place.to_be_bytes());
    key
}
