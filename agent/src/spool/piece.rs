//! A record as the database holds it: in pieces of at most 4 KiB.
//!
//! **Invariant:** pieces of a record are numbered from 0 and only the last one says that it is; a record with a piece
//! missing or out of place is damaged, never shorter.
//! **Why:** what makes a leaf larger than 128 KiB (seventeen values) sled puts into files of its own, and never syncs
//! them. With pieces no leaf is that large.

use sled::IVec;

use pact_files::DiskError;

/// Seventeen of them, with their keys, are far below 128 KiB.
const LONGEST: usize = 4096;
const MORE: u8 = 1;
const LAST: u8 = 0;

/// The keys of record `number` begin at this one; those of no record end before it.
pub(super) fn first_key(number: u64) -> [u8; 10] {
    key(number, 0)
}

fn key(number: u64, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

fn place(key: &[u8]) -> Option<(u64, u16)> {
    let (number, part) = key.split_at_checked(8)?;
    Some((u64::from_be_bytes(number.try_into().ok()?), u16::from_be_bytes(part.try_into().ok()?)))
}

/// A record in pieces, with their keys. `None` for one of more than 256 MiB.
pub(super) fn cut(number: u64, record: &[u8]) -> Option<Vec<([u8; 10], Vec<u8>)>> {
    let last = record.chunks(LONGEST).count().max(1) - 1;
    let mut chunks: Vec<&[u8]> = record.chunks(LONGEST).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let piece = |(part, bytes): (usize, &[u8])| {
        let mut value = Vec::with_capacity(bytes.len() + 1);
        value.push(if part == last { LAST } else { MORE });
        value.extend_from_slice(bytes);
        Some((key(number, u16::try_from(part).ok()?), value))
    };
    chunks.into_iter().enumerate().map(piece).collect()
}

/// What the database answers for one key.
pub(super) type Found = Result<(IVec, IVec), DiskError>;

/// Puts records together again, oldest first or newest first.
pub(super) struct Records<I> {
    pieces: I,
    newest_first: bool,
    path: std::path::PathBuf,
}

impl<I: Iterator<Item = Found>> Records<I> {
    pub(super) fn new(pieces: I, newest_first: bool, path: std::path::PathBuf) -> Self {
        Self { pieces, newest_first, path }
    }

    fn assemble(&mut self, first: Found) -> Result<(u64, Vec<u8>), DiskError> {
        let (mut number, mut pieces, mut next) = (None, Vec::new(), first?);
        loop {
            let (key, value) = next;
            let (this, part) = place(&key).ok_or_else(|| DiskError::damaged(&self.path, "a key is no record's"))?;
            let damaged = || DiskError::damaged(&self.path, format!("record {this} is not whole"));
            let (mark, bytes) = value.split_first().ok_or_else(damaged)?;
            if *number.get_or_insert(this) != this {
                return Err(damaged());
            }
            pieces.push((part, *mark, bytes.to_vec()));
            let is_whole = if self.newest_first { part == 0 } else { *mark == LAST };
            if is_whole {
                return join(pieces, self.newest_first).map(|record| (this, record)).ok_or_else(damaged);
            }
            next = self.pieces.next().ok_or_else(damaged)??;
        }
    }
}

impl<I: Iterator<Item = Found>> Iterator for Records<I> {
    type Item = Result<(u64, Vec<u8>), DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.pieces.next()?;
        Some(self.assemble(first))
    }
}

/// Checks that the pieces follow each other, and joins them.
fn join(mut pieces: Vec<(u16, u8, Vec<u8>)>, newest_first: bool) -> Option<Vec<u8>> {
    if newest_first {
        pieces.reverse();
    }
    let last = pieces.len() - 1;
    let mut record = Vec::new();
    for (index, (part, mark, bytes)) in pieces.into_iter().enumerate() {
        let expected = if index == last { LAST } else { MORE };
        if usize::from(part) != index || mark != expected {
            return None;
        }
        record.extend_from_slice(&bytes);
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[([u8; 10], Vec<u8>)]) -> Vec<Found> {
        pieces.iter().map(|(key, value)| Ok((IVec::from(&key[..]), IVec::from(value.as_slice())))).collect()
    }

    fn records(pieces: Vec<Found>, newest_first: bool) -> Vec<Result<(u64, Vec<u8>), String>> {
        let records = Records::new(pieces.into_iter(), newest_first, "spool".into());
        records.map(|record| record.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn a_record_comes_back_from_its_pieces_in_both_directions() {
        for size in [0, 1, LONGEST, LONGEST + 1, 10 * LONGEST] {
            let record: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            let mut pieces = cut(7, &record).unwrap();
            pieces.extend(cut(8, b"next").unwrap());
            assert!(pieces.iter().all(|(_, value)| value.len() <= LONGEST + 1));
            let both = vec![Ok((7, record)), Ok((8, b"next".to_vec()))];
            assert_eq!(records(found(&pieces), false), both, "{size}");
            pieces.reverse();
            assert_eq!(records(found(&pieces), true), both.into_iter().rev().collect::<Vec<_>>(), "{size}");
        }
    }

    #[test]
    fn a_record_without_one_of_its_pieces_is_damaged() {
        let pieces = cut(7, &vec![1; 3 * LONGEST]).unwrap();
        for lost in 0..pieces.len() {
            let mut left = pieces.clone();
            left.remove(lost);
            assert!(records(found(&left), false).iter().any(Result::is_err), "oldest first, without {lost}");
            left.reverse();
            assert!(records(found(&left), true).iter().any(Result::is_err), "newest first, without {lost}");
        }
    }
}
