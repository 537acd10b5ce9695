//! A journal that is open: what the services above it append to and read from.

use std::sync::Arc;

use jiff::Timestamp;

use crate::consensus::network::{Alone, Transport};
use crate::consensus::{Consensus, Members, Raft, RaftSettings, Receiving};
use crate::entry::{Answer, Item};
use crate::error::JournalError;
use crate::group::{AppendError, Appender};
use crate::storage::{Failed, Reader, Settings, Storage};

/// One member's journal. It works until it is closed, fails, or its runtime ends.
pub struct Journal<T: Transport = Alone> {
    storage: Storage,
    raft: Arc<Raft<T>>,
    appender: Appender,
}

impl Journal {
    /// Opens or makes the journal of a cluster that has one member. When this returns, all that it holds is applied.
    pub async fn open(settings: &Settings, raft: RaftSettings) -> Result<Self, Failed> {
        let storage = Storage::open(settings).map_err(|error| Failed(Arc::new(error)))?;
        let journal = Self::start(storage, settings, raft, Arc::new(Alone)).await?;
        // What went wrong, if something did, storage knows better than whoever waited for it.
        journal.barrier().await.map_err(|_| journal.storage.stop(JournalError::Stopped))?;
        Ok(journal)
    }
}

impl<T: Transport> Journal<T> {
    /// Starts a member on files that are open already.
    pub async fn start(
        storage: Storage,
        settings: &Settings,
        raft: RaftSettings,
        transport: Arc<T>,
    ) -> Result<Self, Failed> {
        let raft = Arc::new(Raft::start(&storage, settings, raft, transport).await?);
        let appender = Appender::start(Arc::clone(&raft), Timestamp::now);
        Ok(Self { storage, raft, appender })
    }

    /// See `Appender::append`.
    pub async fn append(&self, items: Vec<Item>) -> Result<Vec<Answer>, AppendError> {
        self.appender.append(items).await
    }

    /// After this, the reader shows all that was committed before. It shares its entry of the log with what is appended.
    pub async fn barrier(&self) -> Result<(), AppendError> {
        self.appender.append(Vec::new()).await.map(drop)
    }

    /// What is applied here.
    pub fn reader(&self) -> Reader {
        self.storage.reader()
    }

    /// Who the members are.
    pub fn members(&self) -> Members {
        self.raft.members()
    }

    /// What takes requests of other members.
    pub fn receiving(&self) -> Receiving<T> {
        self.raft.receiving()
    }

    /// The first failure, when there is one: nothing is written after it, and the process should end with it.
    pub async fn failed(&self) -> Failed {
        self.storage.failed().await
    }

    /// Ends writing for good, because something was read that is not what was written.
    pub fn stop(&self, why: JournalError) -> Failed {
        self.storage.stop(why)
    }

    /// Stops the member. Readers keep the files open until they are dropped.
    pub async fn close(self) {
        self.raft.stop().await;
    }
}
