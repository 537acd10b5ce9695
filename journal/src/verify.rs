//! Verifying a journal that nobody has open: all of the chain, its indexes, the log, and how they fit together.
//!
//! **Invariant:** what is verified is not changed: sled repairs what it opens, so it opens a copy. Errors name the
//! original.
//! **Not here:** who vouches for a tip. Whoever changes the last entry can change what the database says of it too;
//! tips that others kept are what tells.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::chain::{Seq, Tip};
use crate::entry::Committed;
use crate::error::JournalError;
use crate::replay::{Admitted, Replay};
use crate::storage::{Found, Identity, Trees, keys, name};
use pact_files::disk::{guard, has_head};
use pact_files::{Disk, DiskError};

/// A journal that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The cluster that it says it is of.
    pub cluster: String,
    /// Where its chain ends.
    pub tip: Tip,
    /// So many entries of the log, each with records or none, are not in the chain: a member that was killed adds them
    /// when it starts.
    pub unapplied: u64,
}

/// Reads all of the journal in a directory and names the first thing in it that does not hold. `scratch` is a place for
/// a copy, which must not exist yet and will not exist any more. `known` are tips that somebody vouches for.
pub fn verify(directory: &Path, scratch: &Path, known: &[Tip]) -> Result<Verified, JournalError> {
    verify_each(directory, scratch, known, &|_| {})
}

/// The same, and shows each record that holds.
pub(crate) fn verify_each(
    directory: &Path,
    scratch: &Path,
    known: &[Tip],
    show: &dyn Fn(&Committed),
) -> Result<Verified, JournalError> {
    if !has_head(directory) {
        return Err(JournalError::damaged(directory, "there is no journal, or its head is gone"));
    }
    let _held = lock(directory)?;
    let copy = Copy::of(directory, scratch)?;
    check(&copy.place, known, show).map_err(|error| error.moved(&copy.place, directory))
}

/// Keeps others from opening it meanwhile, as sled itself would.
fn lock(directory: &Path) -> Result<Option<File>, JournalError> {
    let path = Disk::file(directory);
    // That it is gone is for the copy to find out.
    let Ok(file) = File::open(&path) else { return Ok(None) };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DiskError::InUse { path: directory.to_owned() }.into()),
        Err(error) => Err(JournalError::io(path, "cannot be locked", error)),
    }
}

/// Removed when it is dropped.
struct Copy {
    place: PathBuf,
}

impl Copy {
    fn of(directory: &Path, place: &Path) -> Result<Self, JournalError> {
        std::fs::create_dir(place).map_err(|e| JournalError::io(place, "cannot be made", e))?;
        let copy = Self { place: place.to_owned() };
        copy_into(directory, place)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What is left behind is a copy in a place that the caller chose, and the result stands without it.
        let _left = std::fs::remove_dir_all(&self.place);
    }
}

fn copy_into(from: &Path, to: &Path) -> Result<(), JournalError> {
    let io = |e| JournalError::io(from, "cannot be copied", e);
    for item in std::fs::read_dir(from).map_err(io)? {
        let item = item.map_err(io)?;
        let target = to.join(item.file_name());
        if item.file_type().map_err(io)?.is_dir() {
            std::fs::create_dir(&target).map_err(io)?;
            copy_into(&item.path(), &target)?;
        } else {
            std::fs::copy(item.path(), target).map_err(io)?;
        }
    }
    Ok(())
}

fn check(directory: &Path, known: &[Tip], show: &dyn Fn(&Committed)) -> Result<Verified, JournalError> {
    let disk = Disk::open(directory)?;
    let trees = Trees::open(&disk)?;
    guard(disk.path(), || {
        let nobody = || JournalError::damaged(disk.path(), "tree meta: whose it is stands nowhere");
        let identity = trees.meta::<Identity>(disk.path(), name::IDENTITY)?.ok_or_else(nobody)?;
        let Found { tip, applied, .. } = Found::read(&trees, disk.path())?;
        let unapplied = trees.log.last()?.map_or(0, |last| last.saturating_sub(applied.index));
        let mut walk =
            Walk { trees: &trees, path: disk.path(), tip: Tip::EMPTY, keys: 0, sources: 0, replay: Replay::default() };
        while walk.tip.seq < tip.seq {
            show(&walk.step(known)?);
        }
        walk.end(tip, known)?;
        Ok(Verified { cluster: identity.cluster, tip, unapplied })
    })
}

/// On the way along the chain.
struct Walk<'a> {
    trees: &'a Trees,
    path: &'a Path,
    tip: Tip,
    keys: usize,
    sources: usize,
    replay: Replay,
}

impl Walk<'_> {
    fn step(&mut self, known: &[Tip]) -> Result<Committed, JournalError> {
        let entries = &self.trees.entries;
        let seq = self.tip.seq.0 + 1;
        let stored = entries.get(seq)?.ok_or_else(|| entries.damaged(seq, "missing"))?;
        let next = self.tip.follow(&stored);
        self.tip = next.map_err(|broken| JournalError::damaged(self.path, format!("tree entries: {broken}")))?;
        if known.iter().any(|tip| tip.seq == self.tip.seq && *tip != self.tip) {
            return Err(entries.damaged(seq, "not the one that is vouched for"));
        }
        let committed = Committed::read(&stored).ok_or_else(|| entries.damaged(seq, "unreadable"))?;
        self.found(&committed)?;
        self.in_order(&committed)?;
        Ok(committed)
    }

    /// Whether the indexes know the entry.
    fn found(&mut self, committed: &Committed) -> Result<(), JournalError> {
        for key in keys::of(&committed.item, committed.commit_time, committed.seq) {
            let value = self.trees.index.get(key).map_err(|e| JournalError::refused(self.path, e))?;
            if value.is_none_or(|value| value != keys::PRESENT) {
                return Err(self.lacks("index", committed.seq));
            }
            self.keys += 1;
        }
        Ok(())
    }

    /// Whether the entry is the next of its spool, and known by that name.
    fn in_order(&mut self, committed: &Committed) -> Result<(), JournalError> {
        let Some(position) = &committed.item.source else { return Ok(()) };
        if self.replay.admit(position) != Ok(Admitted::New) {
            return Err(self.trees.entries.damaged(committed.seq.0, "not the next one of its spool"));
        }
        let stored = self.trees.sources.get(keys::source(position)).map_err(|e| JournalError::refused(self.path, e))?;
        if stored.and_then(|stored| keys::read_seq(&stored)) != Some(committed.seq) {
            return Err(self.lacks("sources", committed.seq));
        }
        self.sources += 1;
        Ok(())
    }

    fn end(&self, tip: Tip, known: &[Tip]) -> Result<(), JournalError> {
        if self.tip != tip {
            return Err(self.trees.entries.damaged(tip.seq.0, "not the one that was applied"));
        }
        if let Some(beyond) = known.iter().find(|known| known.seq > tip.seq) {
            return Err(self.trees.entries.damaged(beyond.seq.0, "missing, and it is vouched for"));
        }
        for (name, tree, expected) in
            [("index", &self.trees.index, self.keys), ("sources", &self.trees.sources, self.sources)]
        {
            let there = tree.len();
            if there != expected {
                let what = format!("tree {name}: it has {there} keys, and the chain makes {expected}");
                return Err(JournalError::damaged(self.path, what));
            }
        }
        Ok(())
    }

    fn lacks(&self, tree: &str, seq: Seq) -> JournalError {
        JournalError::damaged(self.path, format!("tree {tree}: it does not find record {}", seq.0))
    }
}
