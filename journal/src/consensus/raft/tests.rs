//! What a member does of its own accord: stand for election, and write where nothing moves.

use std::time::Instant;

use anyhow::{Result, bail};
use async_raft::async_trait::async_trait;
use async_raft::raft::{AppendEntriesRequest, VoteRequest, VoteResponse};

use super::*;
use crate::chain::Seq;
use crate::consensus::network::{Appended, Install};

/// Others who vote for everybody, hear heartbeats, and never have an answer to entries.
struct Deaf;

#[async_trait]
impl Transport for Deaf {
    async fn append(&self, to: MemberId, request: AppendEntriesRequest<Batch>) -> Result<Appended> {
        if request.entries.is_empty() {
            return Ok(Appended { term: request.term, agrees: true, held: None });
        }
        bail!("{to} does not answer")
    }

    async fn vote(&self, _: MemberId, request: VoteRequest) -> Result<VoteResponse> {
        Ok(VoteResponse { term: request.term, vote_granted: true })
    }

    async fn install(&self, to: MemberId, _: Install) -> Result<u64> {
        bail!("{to} does not answer")
    }

    async fn records(&self, to: MemberId, _: Seq) -> Result<Vec<Vec<u8>>> {
        bail!("{to} does not answer")
    }
}

/// A13, A15: async-raft would wait for half a minute, and then for a client. Nothing of it is ever committed.
#[test]
fn a_member_stands_for_election_and_a_leader_asks_after_its_entries() {
    let place = tempfile::tempdir().unwrap();
    let settings = Settings {
        directory: place.path().join("journal"),
        cluster: "test".into(),
        member: MemberId(1),
        members: [1, 2, 3].map(MemberId).into(),
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let storage = Storage::open(&settings).unwrap();
        let hasty = RaftSettings { compact_every: 100, heartbeat_ms: 20, election_ms: 60 };
        let raft = Raft::start(&storage, &settings, hasty, Arc::new(Deaf)).await.unwrap();
        let begun = Instant::now();
        // The members, what every leader begins with, and two times that nothing moved.
        while storage.last().await.unwrap().index < 4 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", raft.members());
            tokio::task::yield_now().await;
        }
        assert!(begun.elapsed() >= STALLED * 3, "nothing waited before it asked again");
        assert_eq!(raft.members().leader, Some(MemberId(1)));
        assert_eq!(storage.applied().await.unwrap(), 0);
        raft.stop().await;
    });
}
