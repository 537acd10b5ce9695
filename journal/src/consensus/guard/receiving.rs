//! The follower's end of the guard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail, ensure};
use async_raft::raft::{AppendEntriesRequest, InstallSnapshotRequest, VoteRequest, VoteResponse};
use tokio::sync::Mutex;

use super::{Batch, Core, places, previous};
use crate::chain::Seq;
use crate::consensus::MemberId;
use crate::consensus::network::{Appended, Install, Transport};
use crate::error::JournalError;
use crate::storage::{Compared, Failed, Installation, Lacking, Storage, store};

/// A member that lacks more than so many bytes is restored from a backup.
const MOST_INSTALLED: usize = 256 << 20;

/// What a transport hands requests of other members to. Clones are the same.
pub struct Receiving<T: Transport> {
    shared: Arc<Shared<T>>,
}

struct Shared<T: Transport> {
    core: Core<T>,
    storage: Storage,
    transport: Arc<T>,
    me: MemberId,
    /// One request at a time: what was compared must still be so when the core sees it.
    turn: Mutex<()>,
    /// Records are being read.
    reads: AtomicBool,
}

impl<T: Transport> Clone for Receiving<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Transport> Receiving<T> {
    pub(in crate::consensus) fn new(core: Core<T>, storage: Storage, transport: Arc<T>, me: MemberId) -> Self {
        let (turn, reads) = (Mutex::default(), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { core, storage, transport, me, turn, reads }) }
    }

    /// Entries of a leader, or its heartbeat.
    pub async fn append(&self, request: AppendEntriesRequest<Batch>) -> Result<Appended> {
        let Shared { core, storage, turn, .. } = &*self.shared;
        let (previous, sent) = (previous(&request), places(&request));
        let is_contiguous =
            sent.iter().zip(previous.index.saturating_add(1)..).all(|(place, index)| place.index == index);
        ensure!(is_contiguous, "entries are missing between those that were sent");
        let _turn = turn.lock().await;
        match storage.compare(previous, sent.clone()).await? {
            Compared::Differs(held) => {
                let (term, applied) = (request.term, held.applied);
                let answer = core.append_entries(heartbeat(term, request.leader_id, applied)).await?;
                Ok(Appended { term: answer.term, agrees: false, held: (answer.term == term).then_some(held) })
            }
            Compared::Holds(present) => {
                let compared = sent.last().unwrap_or(&previous).index;
                let commit = request.leader_commit.min(compared);
                let answer = core.append_entries(without(request, present, commit)).await?;
                if answer.success {
                    // The core applies what it has in memory, and that may have been forgotten.
                    storage.commit(commit).await?;
                }
                Ok(Appended { term: answer.term, agrees: answer.success, held: None })
            }
        }
    }

    /// A candidate's request. async-raft wants its log to be longer and of a later term, where later is enough: then
    /// two members that are each better in one of the two would never elect anybody.
    pub async fn vote(&self, mut request: VoteRequest) -> Result<VoteResponse> {
        let _turn = self.shared.turn.lock().await;
        let last = self.shared.storage.last().await?;
        if request.last_log_term > last.term {
            request.last_log_index = request.last_log_index.max(last.index);
        }
        Ok(self.shared.core.vote(request).await?)
    }

    /// A leader whose log no longer holds what this member needs next. It asks until the member has it.
    pub async fn install(&self, request: Install) -> Result<u64> {
        let Install { term, leader, snapshot } = request;
        let lacking = self.shared.storage.lacking(snapshot).await?;
        let turn = self.shared.turn.lock().await;
        let applied = self.shared.storage.applied().await?;
        let answer = self.shared.core.append_entries(heartbeat(term, leader.0, applied)).await?;
        drop(turn);
        let Some(lacking) = lacking.filter(|_| answer.term == term) else { return Ok(answer.term) };
        if !self.shared.reads.swap(true, Ordering::AcqRel) {
            let this = self.clone();
            tokio::spawn(async move {
                // Whatever went wrong on the way, the leader asks again.
                let _asked_again = this.read(lacking, leader, term).await;
                this.shared.reads.store(false, Ordering::Release);
            });
        }
        bail!("the records are being read")
    }

    /// Stored records, for a member that lacks them.
    pub fn records(&self, from: Seq) -> Result<Vec<Vec<u8>>> {
        Ok(self.shared.storage.reader().stored(from)?)
    }

    /// A member that was started waits half a minute before it stands for election; a request for a vote of a later
    /// term, which it does not grant to anybody else, makes that one timeout.
    pub(in crate::consensus) async fn wake(&self) -> Result<()> {
        let (leader, term) = {
            let metrics = self.shared.core.metrics();
            let now = metrics.borrow();
            (now.current_leader, now.current_term)
        };
        if leader.is_none() {
            let _turn = self.shared.turn.lock().await;
            self.shared.core.vote(VoteRequest::new(term + 1, self.shared.me.0, 0, 0)).await?;
        }
        Ok(())
    }

    /// Gives all that is missing to the core, in one piece.
    async fn read(&self, lacking: Lacking, leader: MemberId, term: u64) -> Result<()> {
        let records = self.fetch(&lacking, leader).await?;
        let Shared { core, storage, turn, .. } = &*self.shared;
        let _turn = turn.lock().await;
        // Meanwhile the log may have brought it.
        if storage.lacking(lacking.snapshot.clone()).await?.is_none() {
            return Ok(());
        }
        let request = InstallSnapshotRequest {
            term,
            leader_id: leader.0,
            last_included_index: lacking.place.index,
            last_included_term: lacking.place.term,
            offset: 0,
            data: store(&Installation { snapshot: lacking.snapshot, records }),
            done: true,
        };
        core.install_snapshot(request).await?;
        Ok(())
    }

    /// Reads the records that lead from the own chain to the leader's.
    async fn fetch(&self, lacking: &Lacking, leader: MemberId) -> Result<Vec<Vec<u8>>> {
        let Shared { storage, transport, .. } = &*self.shared;
        let (mut tip, mut records, mut bytes) = (lacking.have, Vec::new(), 0);
        while tip.seq < lacking.want.seq {
            let some = transport.records(leader, Seq(tip.seq.0 + 1)).await?;
            ensure!(!some.is_empty(), "the leader does not have the records of its own snapshot");
            for record in some.into_iter().take(usize::try_from(lacking.want.seq.0 - tip.seq.0)?) {
                tip = tip.follow(&record).map_err(|broken| self.unlike(&broken.to_string()))?;
                bytes += record.len();
                records.push(record);
            }
            if bytes > MOST_INSTALLED {
                let what = "it lacks more than can be sent: restore it from a backup".to_owned();
                return Err(storage.stop(JournalError::foreign(storage.path().to_owned(), what)).into());
            }
        }
        if tip == lacking.want { Ok(records) } else { Err(self.unlike("its end").into()) }
    }

    /// Two members have different chains, and nothing must be built on either before a person has looked.
    fn unlike(&self, what: &str) -> Failed {
        let storage = &self.shared.storage;
        let what = format!("tree entries: the leader's chain is another one: {what}");
        storage.stop(JournalError::damaged(storage.path(), what))
    }
}

/// What tells the core who leads, and nothing else.
fn heartbeat(term: u64, leader_id: u64, leader_commit: u64) -> AppendEntriesRequest<Batch> {
    AppendEntriesRequest { term, leader_id, prev_log_index: 0, prev_log_term: 0, entries: Vec::new(), leader_commit }
}

/// Without the entries that are present: async-raft takes every overlap for a conflict.
fn without(mut request: AppendEntriesRequest<Batch>, present: usize, commit: u64) -> AppendEntriesRequest<Batch> {
    let rest = request.entries.split_off(present);
    if let Some(last) = request.entries.last() {
        (request.prev_log_index, request.prev_log_term) = (last.index, last.term);
    }
    AppendEntriesRequest { entries: rest, leader_commit: commit, ..request }
}
