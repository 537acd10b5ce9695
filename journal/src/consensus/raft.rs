//! Consensus by async-raft, with static membership.
//!
//! **Invariant:** after every election the new leader writes an entry that changes nothing: with it, all that was
//! committed before is applied, which async-raft by itself forgets. A read that must not be stale is such an entry too;
//! async-raft's own `client_read` asks no majority and is never called.
//! **Not here:** what makes several members safe; with one there is nobody to disagree with.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_raft::raft::ClientWriteRequest;
use async_raft::{ClientWriteError, Config, InitializeError, RaftMetrics, RaftNetwork, SnapshotPolicy, State};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Answers, Batch, Consensus, MemberId, Members, Unavailable};
use crate::entry::Answer;
use crate::error::JournalError;
use crate::storage::{Failed, Settings, Storage};

type Core<N> = async_raft::Raft<Batch, Answers, N, Storage>;

/// What may differ from one journal to another.
#[derive(Clone, Copy, Debug)]
pub struct RaftSettings {
    /// After so many entries the log is compacted.
    pub compact_every: u64,
    /// How often a leader says that it is there.
    pub heartbeat_ms: u64,
    /// A member that heard nothing for so long stands for election, or up to twice as long.
    pub election_ms: u64,
}

impl Default for RaftSettings {
    /// For management hosts on one network.
    fn default() -> Self {
        Self { compact_every: 5000, heartbeat_ms: 150, election_ms: 1000 }
    }
}

/// A running member.
pub struct Raft<N: RaftNetwork<Batch>> {
    core: Core<N>,
    me: MemberId,
    all: BTreeSet<MemberId>,
    watching: JoinHandle<()>,
}

impl<N: RaftNetwork<Batch>> Raft<N> {
    /// Starts the member. It goes on where its storage says that it was.
    pub async fn start(storage: &Storage, settings: &Settings, raft: RaftSettings, network: N) -> Result<Self, Failed> {
        let config = Config::build(settings.cluster.clone())
            .heartbeat_interval(raft.heartbeat_ms)
            .election_timeout_min(raft.election_ms)
            .election_timeout_max(raft.election_ms.saturating_mul(2))
            .snapshot_policy(SnapshotPolicy::LogsSinceLast(raft.compact_every))
            .validate();
        let config = config.map_err(|error| {
            let what = format!("the settings of its consensus do not hold: {error}");
            Failed(Arc::new(JournalError::Foreign { path: settings.directory.clone(), what }))
        })?;
        let core = Core::new(settings.member.0, Arc::new(config), Arc::new(network), Arc::new(storage.clone()));
        let watching = tokio::spawn(watch(core.clone(), core.metrics(), storage.clone()));
        let members: HashSet<u64> = settings.members.iter().map(|member| member.0).collect();
        match core.initialize(members).await {
            // Only a member that is alone and has no log yet is not running already.
            Ok(()) | Err(InitializeError::NotAllowed) => {}
            Err(_) => return Err(storage.stop(JournalError::Stopped)),
        }
        Ok(Self { core, me: settings.member, all: settings.members.clone(), watching })
    }

    /// Stops the member; what it was asked before is answered or not.
    pub async fn stop(&self) {
        self.watching.abort();
        // The core's own error was told to the owner when it happened.
        let _told = self.core.shutdown().await;
    }
}

impl<N: RaftNetwork<Batch>> Consensus for Raft<N> {
    async fn propose(&self, batch: Batch) -> Result<Vec<Answer>, Unavailable> {
        write(&self.core, batch).await?.0.ok_or(Unavailable::Unknown)
    }

    async fn barrier(&self) -> Result<(), Unavailable> {
        write(&self.core, Batch::default()).await.map(drop)
    }

    fn members(&self) -> Members {
        let leader = self.core.metrics().borrow().current_leader.map(MemberId);
        Members { me: self.me, all: self.all.clone(), leader }
    }
}

async fn write<N: RaftNetwork<Batch>>(core: &Core<N>, batch: Batch) -> Result<Answers, Unavailable> {
    match core.client_write(ClientWriteRequest::new(batch)).await {
        Ok(response) => Ok(response.data),
        Err(ClientWriteError::ForwardToLeader(_, leader)) => Err(Unavailable::NotLeader(leader.map(MemberId))),
        // It may mean that the member lost its lead, and only the next leader knows what became of the entry.
        Err(ClientWriteError::RaftError(_)) => Err(Unavailable::Unknown),
    }
}

/// Writes the entry after every election, and tells storage's owner when the core has ended.
async fn watch<N: RaftNetwork<Batch>>(core: Core<N>, mut metrics: watch::Receiver<RaftMetrics>, storage: Storage) {
    let mut written = 0;
    while metrics.changed().await.is_ok() {
        let (state, term) = {
            let now = metrics.borrow();
            (now.state, now.current_term)
        };
        if state == State::Leader && term > written && write(&core, Batch::default()).await.is_ok() {
            written = term;
        }
    }
    storage.stop(JournalError::Stopped);
}
