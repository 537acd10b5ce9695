//! Opening: whose journal it is, and whether log, vote, chain and pointers fit together.
//!
//! **Invariant:** the log is contiguous behind what was compacted and every entry of it can be read; what is applied is
//! in the chain, and the chain ends there.
//! **Not here:** reading all of the chain, which takes as long as it is old: `verify` does, and reading checks what it
//! reads.

use std::path::Path;

use tokio::sync::watch;

use super::places::{Place, Places};
use super::{Hard, Identity, LogRecord, Point, Settings, State, Trees, name, records};
use crate::chain::{Hash, Tip};
use crate::error::JournalError;
use crate::replay::Replay;
use pact_files::Disk;
use pact_files::disk::guard;

impl State {
    pub(super) fn open(settings: &Settings) -> Result<Self, JournalError> {
        let mut disk = Disk::open(&settings.directory)?;
        let path = disk.path().to_owned();
        let trees = Trees::open(&disk)?;
        guard(&path, || claim(&mut disk, &trees, settings))?;
        let found = guard(&path, || Found::read(&trees, &path))?;
        let tip = watch::Sender::new(found.tip);
        let Found { hard, log, applied, compacted, .. } = found;
        let settings = settings.clone();
        Ok(Self { disk, trees, settings, hard, log, applied, compacted, replay: Replay::default(), tip })
    }
}

/// Writes down whose journal it is, or compares.
fn claim(disk: &mut Disk, trees: &Trees, settings: &Settings) -> Result<(), JournalError> {
    if !settings.members.contains(&settings.member) {
        let what = format!("{} is none of the members of cluster {}", settings.member, settings.cluster);
        return Err(JournalError::foreign(settings.directory.clone(), what));
    }
    let wanted = Identity::new(&settings.cluster, settings.member, &settings.members);
    match trees.meta::<Identity>(disk.path(), name::IDENTITY)? {
        Some(found) if found == wanted => Ok(()),
        Some(Identity { cluster, member, members }) => {
            let what = format!("it is the journal of cluster {cluster}, member {member} of {members:?}");
            Err(JournalError::foreign(settings.directory.clone(), what))
        }
        None => {
            let mut batch = sled::Batch::default();
            batch.insert(name::IDENTITY, records::store(&wanted));
            Ok(disk.promise(vec![(trees.meta.clone(), batch)])?)
        }
    }
}

/// What a database holds, as far as it fits together.
pub(crate) struct Found {
    pub(crate) hard: Hard,
    log: Places,
    pub(crate) applied: Point,
    pub(crate) compacted: Point,
    pub(crate) tip: Tip,
}

impl Found {
    pub(crate) fn read(trees: &Trees, path: &Path) -> Result<Self, JournalError> {
        let hard = trees.meta::<Hard>(path, name::HARD)?.unwrap_or_default();
        let applied = trees.meta::<Point>(path, name::APPLIED)?.unwrap_or_default();
        let compacted = trees.meta::<Point>(path, name::COMPACTED)?.unwrap_or_default();
        let log = read_log(trees, &compacted)?;
        let last = log.last();
        let wrong = |what: String| JournalError::damaged(path, what);
        if last.term > hard.term {
            return Err(wrong(format!("tree log: record {} is of term {}, after the vote", last.index, last.term)));
        }
        if !(compacted.index..=last.index).contains(&applied.index) {
            return Err(wrong(format!("tree meta: {} is applied, and the log has no such record", applied.index)));
        }
        let tip = applied.tip().ok_or_else(|| wrong("tree meta: applied cannot be read".to_owned()))?;
        check_end(trees, path, tip)?;
        Ok(Self { hard, log, applied, compacted, tip })
    }
}

fn read_log(trees: &Trees, compacted: &Point) -> Result<Places, JournalError> {
    let mut log = Places::new(Place { index: compacted.index, term: compacted.term });
    let (first, end) = (trees.log.first()?, trees.log.last()?);
    if let Some(first) = first.filter(|first| *first != compacted.index + 1) {
        return Err(trees.log.damaged(first, "not the first that should be there"));
    }
    for index in first.unwrap_or(1)..=end.unwrap_or(0) {
        let stored = trees.log.get(index)?.ok_or_else(|| trees.log.damaged(index, "missing"))?;
        let record = records::read::<LogRecord>(&stored).and_then(|record| record.payload.is_some().then_some(record));
        let term = record.ok_or_else(|| trees.log.damaged(index, "unreadable"))?.term;
        if term < log.last().term {
            return Err(trees.log.damaged(index, "of a term before the one before it"));
        }
        log.push(term);
    }
    Ok(log)
}

/// Whether the chain ends where it is said to.
fn check_end(trees: &Trees, path: &Path, tip: Tip) -> Result<(), JournalError> {
    let end = trees.entries.last()?.unwrap_or(0);
    if end != tip.seq.0 {
        return Err(JournalError::damaged(
            path,
            format!("tree entries: it ends with {end}, and {} is applied", tip.seq.0),
        ));
    }
    match trees.entries.get(end)? {
        Some(stored) if Hash::of(&stored) != tip.hash => {
            Err(trees.entries.damaged(end, "not the one that was applied"))
        }
        Some(_) | None => Ok(()),
    }
}
