//! The leader's end of the guard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_raft::async_trait::async_trait;
use async_raft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, ConflictOpt, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use async_raft::{NodeId, RaftNetwork};

use super::Batch;
use crate::consensus::MemberId;
use crate::consensus::network::{Install, Transport};
use crate::storage::Storage;

/// What async-raft takes for the network.
pub(in crate::consensus) struct Sending<T> {
    storage: Storage,
    transport: Arc<T>,
    /// async-raft tries again at once what failed; this is how long it has to wait.
    pause: Duration,
    /// What was read of a snapshot, for each member that gets one.
    snapshots: Mutex<BTreeMap<NodeId, Vec<u8>>>,
}

impl<T: Transport> Sending<T> {
    pub(in crate::consensus) fn new(storage: Storage, transport: Arc<T>, pause: Duration) -> Self {
        Self { storage, transport, pause, snapshots: Mutex::default() }
    }

    async fn or_pause<R>(&self, result: Result<R>) -> Result<R> {
        if result.is_err() {
            tokio::time::sleep(self.pause).await;
        }
        result
    }

    async fn append(&self, target: NodeId, mut request: AppendEntriesRequest<Batch>) -> Result<AppendEntriesResponse> {
        request.leader_commit = self.storage.certain(request.term, request.leader_commit).await?;
        let answer = self.transport.append(MemberId(target), request).await?;
        let conflict_opt = match answer.held {
            Some(held) => {
                Some(self.storage.common(held).await?).map(|at| ConflictOpt { term: at.term, index: at.index })
            }
            None => None,
        };
        Ok(AppendEntriesResponse { term: answer.term, success: answer.agrees, conflict_opt })
    }

    /// async-raft sends a snapshot in chunks and an empty one last, and that one again when its answer was lost: a
    /// follower that took it for a snapshot of its own would be emptied. Nothing is sent before the end is there.
    async fn install(&self, target: NodeId, request: InstallSnapshotRequest) -> Result<u64> {
        let InstallSnapshotRequest { term, leader_id, offset, data, done, .. } = request;
        let snapshot = {
            let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
            let snapshot = snapshots.entry(target).or_default();
            snapshot.truncate(usize::try_from(offset)?);
            snapshot.extend(data);
            snapshot.clone()
        };
        if !done {
            return Ok(term);
        }
        self.transport.install(MemberId(target), Install { term, leader: MemberId(leader_id), snapshot }).await
    }
}

#[async_trait]
impl<T: Transport> RaftNetwork<Batch> for Sending<T> {
    async fn append_entries(
        &self,
        target: NodeId,
        request: AppendEntriesRequest<Batch>,
    ) -> Result<AppendEntriesResponse> {
        let result = self.append(target, request).await;
        self.or_pause(result).await
    }

    async fn install_snapshot(
        &self,
        target: NodeId,
        request: InstallSnapshotRequest,
    ) -> Result<InstallSnapshotResponse> {
        let result = self.install(target, request).await;
        self.or_pause(result).await.map(|term| InstallSnapshotResponse { term })
    }

    async fn vote(&self, target: NodeId, request: VoteRequest) -> Result<VoteResponse> {
        self.transport.vote(MemberId(target), request).await
    }
}
