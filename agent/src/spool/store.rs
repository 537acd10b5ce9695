//! The records of a spool in their database.
//!
//! **Invariant:** opening reads every record: numbers are contiguous, every value decodes, all belong to this node
//! and to this database.
//! **Not here:** how the database keeps what it promised (`pact_files::Disk`).

use std::path::Path;

use pact_files::{Disk, DiskError, disk::guard};
use pact_proto::model::{Entry, NodeName, SpoolEpoch, SpoolNumber};
use pact_session::Unfinished;
use tokio::sync::watch;

use super::piece::{self, Records};
use super::read::Reader;
use super::{Draft, Settings, room};

/// The open spool; the one writer has it.
pub(super) struct Store {
    settings: Settings,
    disk: Disk,
    entries: sled::Tree,
    /// On the disk; whoever reads on is woken by it.
    last: watch::Sender<SpoolNumber>,
}

impl Store {
    pub(super) fn open(settings: &Settings) -> Result<(Self, Unfinished), DiskError> {
        let disk = Disk::open(&settings.directory)?;
        let entries = disk.tree("entries")?;
        let (last, open) = guard(disk.path(), || check(&entries, &disk, &settings.node))?;
        Ok((Self { settings: settings.clone(), disk, entries, last: watch::Sender::new(last) }, open))
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(self.entries.clone(), self.disk.path().to_owned(), self.last.subscribe())
    }

    pub(super) fn epoch(&self) -> SpoolEpoch {
        epoch(&self.disk)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.settings.directory
    }

    pub(super) fn has_room(&self) -> bool {
        room::free_bytes(&self.settings.directory).is_ok_and(|free| free >= self.settings.reserve_bytes)
    }

    /// Writes entries in one transaction and syncs them; answers the number of the first.
    pub(super) fn write(&mut self, drafts: Vec<Draft>) -> Result<SpoolNumber, DiskError> {
        let first = self.last.borrow().0 + 1;
        let mut batch = sled::Batch::default();
        let mut number = first;
        for draft in drafts {
            let entry = draft.number(&self.settings.node, epoch(&self.disk), SpoolNumber(number));
            let pieces = piece::cut(number, &entry.encode());
            let pieces = pieces.ok_or_else(|| DiskError::damaged(self.disk.path(), "a record is too long"))?;
            for (key, value) in pieces {
                batch.insert(&key, value);
            }
            number += 1;
        }
        self.disk.promise(vec![(self.entries.clone(), batch)])?;
        self.last.send_replace(SpoolNumber(number - 1));
        Ok(SpoolNumber(first))
    }
}

/// A new database never repeats the numbers of an old one.
fn epoch(disk: &Disk) -> SpoolEpoch {
    SpoolEpoch(disk.id())
}

/// Reads every record once.
fn check(entries: &sled::Tree, disk: &Disk, node: &NodeName) -> Result<(SpoolNumber, Unfinished), DiskError> {
    let path = disk.path();
    let mut last = 0u64;
    let mut open = Unfinished::default();
    let pieces = entries.iter().map(|found| found.map_err(|e| DiskError::refused(path, e)));
    for record in Records::new(pieces, false, path.to_owned()) {
        let (number, value) = record?;
        if number != last + 1 {
            return Err(DiskError::damaged(path, format!("record {} is missing", last + 1)));
        }
        let entry = Entry::decode(&value).map_err(|e| DiskError::damaged(path, format!("record {number}: {e}")))?;
        check_position(&entry, path, node, epoch(disk), number)?;
        last = number;
        open.see(entry);
    }
    Ok((SpoolNumber(last), open))
}

fn check_position(
    entry: &Entry,
    path: &Path,
    node: &NodeName,
    epoch: SpoolEpoch,
    number: u64,
) -> Result<(), DiskError> {
    let Some(position) = &entry.position else {
        return Err(DiskError::damaged(path, format!("record {number} says that it was in no spool")));
    };
    if position.node != *node {
        let what = format!("it is the spool of {}, and this node is {node}", position.node);
        return Err(DiskError::Foreign { path: path.to_owned(), what });
    }
    if position.number.0 != number || position.epoch != epoch {
        return Err(DiskError::damaged(path, format!("record {number} says that it is another one")));
    }
    Ok(())
}
