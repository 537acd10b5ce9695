//! Consensus by async-raft, with static membership.
//!
//! **Invariant:** after every election the new leader writes an entry that changes nothing: with it, all that was
//! committed before is applied, which async-raft by itself forgets. A read that must not be stale is such an entry too;
//! async-raft's own `client_read` asks no majority and is never called.
//! **Not here:** what makes several members safe: that is the guard's.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_raft::raft::ClientWriteRequest;
use async_raft::{ClientWriteError, Config, InitializeError, RaftMetrics, SnapshotPolicy, State};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::guard::{Core, Receiving, Sending};
use super::network::Transport;
use super::{Answers, Batch, Consensus, MemberId, Members, Unavailable};
use crate::entry::Answer;
use crate::error::JournalError;
use crate::storage::{Failed, Settings, Storage};

/// What a leader has written and nobody answers for so long is asked after: async-raft forgets what it wanted to send.
const STALLED: Duration = Duration::from_millis(300);

/// So many entries of the log go to a follower that is behind in one message: each may be a large one.
const MOST_AT_ONCE: u64 = 16;

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

impl RaftSettings {
    fn config(self, settings: &Settings) -> Result<Config, Failed> {
        let config = Config::build(settings.cluster.clone())
            .heartbeat_interval(self.heartbeat_ms)
            .election_timeout_min(self.election_ms)
            .election_timeout_max(self.election_ms.saturating_mul(2))
            .max_payload_entries(MOST_AT_ONCE)
            .snapshot_policy(SnapshotPolicy::LogsSinceLast(self.compact_every))
            .validate();
        config.map_err(|error| {
            let what = format!("the settings of its consensus do not hold: {error}");
            Failed(Arc::new(JournalError::foreign(settings.directory.clone(), what)))
        })
    }
}

/// A running member.
pub struct Raft<T: Transport> {
    core: Core<T>,
    me: MemberId,
    all: BTreeSet<MemberId>,
    receiving: Receiving<T>,
    tasks: Vec<JoinHandle<()>>,
}

impl<T: Transport> Raft<T> {
    /// Starts the member. It goes on where its storage says that it was.
    pub async fn start(
        storage: &Storage,
        settings: &Settings,
        raft: RaftSettings,
        transport: Arc<T>,
    ) -> Result<Self, Failed> {
        let config = raft.config(settings)?;
        let (me, all) = (settings.member, settings.members.clone());
        let sending =
            Sending::new(storage.clone(), Arc::clone(&transport), Duration::from_millis(raft.heartbeat_ms / 2));
        let core = Core::new(me.0, Arc::new(config), Arc::new(sending), Arc::new(storage.clone()));
        let receiving = Receiving::new(core.clone(), storage.clone(), transport, me);
        let is_alone = all.len() == 1;
        // Where nobody has to answer, nothing waits for an answer.
        let patience = if is_alone { Duration::MAX } else { STALLED };
        let mut tasks = vec![tokio::spawn(watch(core.clone(), core.metrics(), storage.clone(), patience))];
        if is_alone {
            lead(&core, me, storage).await?;
        } else {
            let patience = Duration::from_millis(raft.election_ms.saturating_mul(3));
            tasks.push(tokio::spawn(wake(receiving.clone(), patience)));
        }
        Ok(Self { core, me, all, receiving, tasks })
    }

    /// What takes requests of other members.
    pub fn receiving(&self) -> Receiving<T> {
        self.receiving.clone()
    }

    /// Stops the member; what it was asked before is answered or not.
    pub async fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        // The core's own error was told to the owner when it happened.
        let _told = self.core.shutdown().await;
    }
}

impl<T: Transport> Consensus for Raft<T> {
    async fn propose(&self, batch: Batch) -> Result<Vec<Answer>, Unavailable> {
        write(&self.core, batch).await?.0.ok_or(Unavailable::Unknown)
    }

    fn members(&self) -> Members {
        let leader = self.core.metrics().borrow().current_leader.map(MemberId);
        Members { me: self.me, all: self.all.clone(), leader }
    }
}

async fn write<T: Transport>(core: &Core<T>, batch: Batch) -> Result<Answers, Unavailable> {
    match core.client_write(ClientWriteRequest::new(batch)).await {
        Ok(response) => Ok(response.data),
        Err(ClientWriteError::ForwardToLeader(_, leader)) => Err(Unavailable::NotLeader(leader.map(MemberId))),
        // It may mean that the member lost its lead, and only the next leader knows what became of the entry.
        Err(ClientWriteError::RaftError(_)) => Err(Unavailable::Unknown),
    }
}

/// A member that is alone needs no election.
async fn lead<T: Transport>(core: &Core<T>, me: MemberId, storage: &Storage) -> Result<(), Failed> {
    match core.initialize(HashSet::from([me.0])).await {
        // It leads already, where it has led before.
        Ok(()) | Err(InitializeError::NotAllowed) => Ok(()),
        Err(_) => Err(storage.stop(JournalError::Stopped)),
    }
}

async fn wake<T: Transport>(receiving: Receiving<T>, patience: Duration) {
    tokio::time::sleep(patience).await;
    // A core that is gone has told why.
    let _told = receiving.wake().await;
}

/// Writes the entry after every election, another one where nothing moves, and tells storage's owner when the core has
/// ended.
async fn watch<T: Transport>(
    core: Core<T>,
    mut metrics: watch::Receiver<RaftMetrics>,
    storage: Storage,
    usual: Duration,
) {
    let mut led = 0;
    let mut patience = usual;
    loop {
        let changed = tokio::time::timeout(patience, metrics.changed()).await;
        let (leads, term) = {
            let now = metrics.borrow();
            (now.state == State::Leader, now.current_term)
        };
        let writes = match changed {
            Ok(Ok(())) => {
                patience = usual;
                leads && std::mem::replace(&mut led, term) < term
            }
            Ok(Err(_)) => break,
            Err(_) => leads && is_stalled(&storage).await,
        };
        if writes {
            // A leader that is cut off writes to itself: ever more rarely.
            patience = patience.saturating_mul(2);
            let core = core.clone();
            // Whether it is answered shows in what is applied.
            tokio::spawn(async move { write(&core, Batch::default()).await });
        }
    }
    storage.stop(JournalError::Stopped);
}

async fn is_stalled(storage: &Storage) -> bool {
    match (storage.last().await, storage.applied().await) {
        (Ok(last), Ok(applied)) => last.index > applied,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

#[cfg(test)]
mod tests;
