//! What members say to each other, and how: the guards on both ends speak, never async-raft itself.
//!
//! **Invariant:** a transport may lose, delay, double and reorder. It may not change what it carries.

use anyhow::{Result, bail};
use async_raft::async_trait::async_trait;
use async_raft::raft::{AppendEntriesRequest, VoteRequest, VoteResponse};

use super::{Batch, MemberId};
use crate::chain::Seq;
use crate::storage::Held;

/// What a follower says of entries, or of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The follower's term.
    pub term: u64,
    /// Its log agrees with the leader's up to the last entry that was sent.
    pub agrees: bool,
    /// Where it does not, what the follower holds.
    pub held: Option<Held>,
}

/// That a follower needs what is no longer in the leader's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// The leader's term.
    pub term: u64,
    /// The leader, which has the records.
    pub leader: MemberId,
    /// How far, as the leader's storage says it.
    pub snapshot: Vec<u8>,
}

/// The way to the other members.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Entries, or a heartbeat.
    async fn append(&self, to: MemberId, request: AppendEntriesRequest<Batch>) -> Result<Appended>;

    /// A candidate asks for a vote.
    async fn vote(&self, to: MemberId, request: VoteRequest) -> Result<VoteResponse>;

    /// A leader sends a follower to its records; the answer is the follower's term, when it has them.
    async fn install(&self, to: MemberId, request: Install) -> Result<u64>;

    /// Stored records of the chain, from one seq on: at least that one, and not more than a message holds.
    async fn records(&self, to: MemberId, from: Seq) -> Result<Vec<Vec<u8>>>;
}

/// A member that has nobody to talk to.
pub struct Alone;

#[async_trait]
impl Transport for Alone {
    async fn append(&self, to: MemberId, _: AppendEntriesRequest<Batch>) -> Result<Appended> {
        bail!("there is no {to}")
    }

    async fn vote(&self, to: MemberId, _: VoteRequest) -> Result<VoteResponse> {
        bail!("there is no {to}")
    }

    async fn install(&self, to: MemberId, _: Install) -> Result<u64> {
        bail!("there is no {to}")
    }

    async fn records(&self, to: MemberId, _: Seq) -> Result<Vec<Vec<u8>>> {
        bail!("there is no {to}")
    }
}
