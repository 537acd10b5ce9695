//! The way to other members: there is none where a journal has one member.

use anyhow::{Result, bail};
use async_raft::async_trait::async_trait;
use async_raft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use async_raft::{NodeId, RaftNetwork};

use super::Batch;

/// A member that has nobody to talk to.
pub struct Alone;

#[async_trait]
impl RaftNetwork<Batch> for Alone {
    async fn append_entries(&self, target: NodeId, _: AppendEntriesRequest<Batch>) -> Result<AppendEntriesResponse> {
        bail!("there is no member {target}")
    }

    async fn install_snapshot(&self, target: NodeId, _: InstallSnapshotRequest) -> Result<InstallSnapshotResponse> {
        bail!("there is no member {target}")
    }

    async fn vote(&self, target: NodeId, _: VoteRequest) -> Result<VoteResponse> {
        bail!("there is no member {target}")
    }
}
