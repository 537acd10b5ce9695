//! What the rest of the journal asks of consensus: put a batch into the log, prove that one still leads, who the members
//! are.
//!
//! **Why:** a seam. async-raft stands behind it with rules that make it safe; whatever replaces it stands there too, and
//! has to pass the same tests.
//! **Not here:** what an item is for, and who may append it.

mod guard;
pub mod network;
pub(crate) mod raft;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

pub use guard::Receiving;
pub use raft::{Raft, RaftSettings};

use crate::entry::Answer;

/// A member of the journal, for ever: one that is replaced keeps its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}", self.0)
    }
}

/// What one entry of the Raft log holds: sealed items. An empty one changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Batch(pub(crate) Vec<Vec<u8>>);

impl async_raft::AppData for Batch {}

/// What became of the items of a batch, in their order. `None` where it was applied and nobody remembers how.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answers(pub(crate) Option<Vec<Answer>>);

impl async_raft::AppDataResponse for Answers {}

/// Who the members are, as one of them sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The one that was asked.
    pub me: MemberId,
    /// All of them; never changes.
    pub all: BTreeSet<MemberId>,
    /// The one that leads, where one is known.
    pub leader: Option<MemberId>,
}

/// A batch has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It is not in the log. Another member leads, if one is known.
    #[error("the journal's leader is not here")]
    NotLeader(Option<MemberId>),
    /// It may be in the log, or may come into it. Items with a source can be appended again.
    #[error("the journal did not answer")]
    Unknown,
    /// The member is stopping.
    #[error("the journal has stopped")]
    Stopped,
}

/// Consensus, as the rest of the journal sees it.
pub trait Consensus: Send + Sync + 'static {
    /// Puts a batch into the log as one entry. Answers when a majority has it on disk and this member has applied it.
    fn propose(&self, batch: Batch) -> impl Future<Output = Result<Vec<Answer>, Unavailable>> + Send;

    /// Answers when this member has proved that it led after the call, and has applied all that was committed before.
    fn barrier(&self) -> impl Future<Output = Result<(), Unavailable>> + Send {
        async { self.propose(Batch::default()).await.map(drop) }
    }

    /// Who the members are.
    fn members(&self) -> Members;
}
