//! Reading the spool: newest first for people, from a number on for the journal.
//!
//! **Invariant:** nothing is read that is not synced yet. What is read for the journal is the bytes that were written,
//! in order and without gaps, or an error that names the record.

use std::path::{Path, PathBuf};

use pact_proto::model::{Entry, SpoolNumber};
use tokio::sync::watch;

use super::piece::{self, Records};
use pact_files::DiskError;
use pact_files::disk::guard;

/// Reads; any thread has one.
#[derive(Clone)]
pub(super) struct Reader {
    entries: sled::Tree,
    path: PathBuf,
    last: watch::Receiver<SpoolNumber>,
}

/// Records in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The number of the first.
    pub(crate) first: SpoolNumber,
    /// As they were written, byte for byte.
    pub(crate) entries: Vec<Vec<u8>>,
}

/// How much is taken at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// So many bytes together; a longer record comes alone.
    pub(crate) bytes: usize,
    /// So many records.
    pub(crate) entries: usize,
}

impl Batch {
    /// The number of the last; the one before the first where there is none.
    pub(crate) fn last(&self) -> SpoolNumber {
        SpoolNumber((self.first.0 + self.entries.len() as u64).saturating_sub(1))
    }
}

impl Reader {
    pub(super) fn new(entries: sled::Tree, path: PathBuf, last: watch::Receiver<SpoolNumber>) -> Self {
        Self { entries, path, last }
    }

    pub(super) fn last(&self) -> SpoolNumber {
        *self.last.borrow()
    }

    /// Wakes whoever has it when more is on the disk.
    pub(super) fn written(&self) -> watch::Receiver<SpoolNumber> {
        self.last.clone()
    }

    /// Newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = Result<Entry, DiskError>> + use<> {
        let path = self.path.clone();
        let before = piece::first_key(self.last().0 + 1);
        let refusing = path.clone();
        let pieces =
            self.entries.range(..before).rev().map(move |found| found.map_err(|e| DiskError::refused(&refusing, e)));
        Records::new(pieces, true, path.clone()).map(move |record| {
            let (number, bytes) = record?;
            decode(&path, number, &bytes)
        })
    }

    /// Oldest first, from a number on. It may wait for the disk.
    pub(super) fn batch(&self, first: SpoolNumber, most: Most) -> Result<Batch, DiskError> {
        guard(&self.path, || {
            let missing = |number| DiskError::damaged(&self.path, format!("record {number} is missing"));
            let mut batch = Batch { first, entries: Vec::new() };
            let mut bytes = 0;
            let last = self.last();
            for record in self.range(first) {
                let (number, entry) = record?;
                let expected = first.0 + batch.entries.len() as u64;
                if number != expected {
                    return Err(missing(expected));
                }
                bytes += entry.len();
                if !batch.entries.is_empty() && bytes > most.bytes {
                    break;
                }
                batch.entries.push(entry);
                if batch.entries.len() >= most.entries {
                    break;
                }
            }
            if batch.entries.is_empty() && first <= last {
                return Err(missing(first.0));
            }
            Ok(batch)
        })
    }

    /// One record, where there is one of this number.
    pub(super) fn entry(&self, number: SpoolNumber) -> Result<Option<Entry>, DiskError> {
        guard(&self.path, || match self.range(number).next() {
            Some(Ok((found, bytes))) if found == number.0 => decode(&self.path, found, &bytes).map(Some),
            Some(Ok(_)) | None => Ok(None),
            Some(Err(error)) => Err(error),
        })
    }

    fn range(&self, first: SpoolNumber) -> impl Iterator<Item = Result<(u64, Vec<u8>), DiskError>> {
        let (from, before) = (piece::first_key(first.0), piece::first_key(self.last().0 + 1));
        // A range that ends before it begins is none, and sled does not say so.
        let range = self.entries.range(from.min(before)..before);
        Records::new(range.map(|found| found.map_err(|e| DiskError::refused(&self.path, e))), false, self.path.clone())
    }
}

fn decode(path: &Path, number: u64, bytes: &[u8]) -> Result<Entry, DiskError> {
    Entry::decode(bytes).map_err(|e| DiskError::damaged(path, format!("record {number}: {e}")))
}
