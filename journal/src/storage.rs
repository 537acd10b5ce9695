//! The journal on disk: Raft's log and vote, the chain with its indexes, and how far one is applied to the other.
//!
//! **Invariant:** the log and the vote are promised (on the disk) before anybody is told. The chain is not: it follows
//! from the log, and the log is only cut behind a promise that covers what was applied. One lock covers all that
//! writes, so applying, compacting and installing never meet.
//! **Invariant:** after the first failure nothing is written any more, and the owner is told which it was.

mod agree;
mod apply;
pub(crate) mod keys;
mod numbered;
mod open;
mod places;
mod raft;
mod read;
mod records;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::chain::Tip;
use crate::consensus::MemberId;
use crate::error::JournalError;
use crate::replay::Replay;
pub(crate) use agree::{Compared, Lacking};
pub(crate) use numbered::Numbered;
pub(crate) use open::Found;
use pact_files::Disk;
use pact_files::disk::{Writes, guard};
pub use places::{Held, Place};
pub use read::{Follow, Reader};
pub(crate) use records::{Hard, Identity, Installation, LogPayload, LogRecord, Point, store};

/// Where, and whose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory; made if it is not there, mode 0700.
    pub directory: PathBuf,
    /// The cluster's name; a journal of another one is not opened.
    pub cluster: String,
    /// This member.
    pub member: MemberId,
    /// All members. They never change: a cluster grows by restoring a backup into a new one.
    pub members: BTreeSet<MemberId>,
}

/// A handle on the files. Clones share it.
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    failure: watch::Sender<Option<Arc<JournalError>>>,
    reader: Reader,
}

/// What the one lock covers.
pub(crate) struct State {
    disk: Disk,
    trees: Trees,
    settings: Settings,
    hard: Hard,
    log: places::Places,
    applied: Point,
    /// Everything up to here is out of the log.
    compacted: Point,
    replay: Replay,
    tip: watch::Sender<Tip>,
}

/// The trees of the database.
#[derive(Clone)]
pub(crate) struct Trees {
    /// The Raft log, by index.
    pub(crate) log: Numbered,
    /// The chain's stored bytes, by seq.
    pub(crate) entries: Numbered,
    /// Index and value and seq, to nothing.
    pub(crate) index: sled::Tree,
    /// Node, epoch and number, to seq.
    pub(crate) sources: sled::Tree,
    /// One value a name: the vote, what is applied and compacted, whose it all is.
    pub(crate) meta: sled::Tree,
}

/// Changes to the trees that go into one transaction.
#[derive(Default)]
struct Changes {
    log: sled::Batch,
    entries: sled::Batch,
    index: sled::Batch,
    sources: sled::Batch,
    meta: sled::Batch,
}

/// Names in the tree `meta`.
pub(crate) mod name {
    pub(crate) const IDENTITY: &str = "identity";
    pub(crate) const HARD: &str = "hard";
    pub(crate) const APPLIED: &str = "applied";
    pub(crate) const COMPACTED: &str = "compacted";
}

/// A failure, for all who ask: it is the same one.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct Failed(pub Arc<JournalError>);

impl Storage {
    /// Opens or makes a journal, and checks what can be checked without reading all of the chain.
    pub fn open(settings: &Settings) -> Result<Self, JournalError> {
        let state = State::open(settings)?;
        let path = state.disk.path().to_owned();
        let reader = Reader::new(&state.trees, &path, state.tip.subscribe());
        let failure = watch::Sender::new(None);
        Ok(Self { shared: Arc::new(Shared { path, state: Mutex::new(state), failure, reader }) })
    }

    /// What is applied here.
    pub fn reader(&self) -> Reader {
        self.shared.reader.clone()
    }

    /// Where the database is, for errors about it.
    pub(crate) fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The first failure, when there is one. The owner ends the process with it; nothing is written after it.
    pub async fn failed(&self) -> Failed {
        let mut failure = self.shared.failure.subscribe();
        let found = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        Failed(found.unwrap_or_else(|| Arc::new(JournalError::Stopped)))
    }

    /// Ends writing for good: what consensus is told when it has ended for a reason that is not on the disk.
    pub(crate) fn stop(&self, why: JournalError) -> Failed {
        self.shared.fail(why)
    }

    /// Works with the state, on a thread where waiting for the disk holds nobody up.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, JournalError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let shared = Arc::clone(&self.shared);
        match tokio::task::spawn_blocking(move || shared.with(work)).await {
            Ok(result) => Ok(result?),
            // The runtime is ending; the work was not begun.
            Err(_) => Err(Failed(Arc::new(JournalError::Stopped)).into()),
        }
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T, JournalError>) -> Result<T, Failed> {
        // A panic is caught inside, so the lock is never poisoned.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = self.failure.borrow().clone() {
            return Err(Failed(failure));
        }
        guard(&self.path, || work(&mut state)).map_err(|error| self.fail(error))
    }

    fn fail(&self, error: JournalError) -> Failed {
        let error = Arc::new(error);
        let mut first = Arc::clone(&error);
        self.failure.send_if_modified(|failure| match failure {
            Some(before) => {
                first = Arc::clone(before);
                false
            }
            None => {
                *failure = Some(error);
                true
            }
        });
        Failed(first)
    }
}

impl Trees {
    pub(crate) fn open(disk: &Disk) -> Result<Self, JournalError> {
        let numbered = |name| Ok::<_, JournalError>(Numbered::new(disk.tree(name)?, name, disk.path()));
        Ok(Self {
            log: numbered("log")?,
            entries: numbered("entries")?,
            index: disk.tree("index")?,
            sources: disk.tree("sources")?,
            meta: disk.tree("meta")?,
        })
    }

    /// What stands under a name; `None` where nothing was ever written.
    pub(crate) fn meta<M: prost::Message + Default>(&self, path: &Path, name: &str) -> Result<Option<M>, JournalError> {
        let stored = self.meta.get(name).map_err(|e| JournalError::refused(path, e))?;
        let unreadable = || JournalError::damaged(path, format!("tree meta: {name} cannot be read"));
        stored.map(|stored| records::read(&stored).ok_or_else(unreadable)).transpose()
    }
}

impl Changes {
    fn set(&mut self, name: &str, message: &impl prost::Message) {
        self.meta.insert(name, store(message));
    }

    fn into_writes(self, trees: &Trees) -> Writes {
        vec![
            (trees.log.tree(), self.log),
            (trees.entries.tree(), self.entries),
            (trees.index.clone(), self.index),
            (trees.sources.clone(), self.sources),
            (trees.meta.clone(), self.meta),
        ]
    }

    /// Everything is on the disk when this returns: what goes to others, or must not be forgotten.
    fn promise(self, state: &mut State) -> Result<(), JournalError> {
        Ok(state.disk.promise(self.into_writes(&state.trees))?)
    }

    /// What follows from the log, and is made again from it when it is lost.
    fn write(self, state: &State) -> Result<(), JournalError> {
        Ok(state.disk.write(self.into_writes(&state.trees))?)
    }
}

#[cfg(test)]
mod tests;
