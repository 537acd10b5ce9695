//! The guard between members: what makes async-raft safe where there are several.
//!
//! async-raft believes too much: a heartbeat without looking at the log, that followers have what a new leader has, that
//! the place of a conflict is a place of agreement. So it is never told anything that was not checked against the log on
//! disk. `Sending` stands between its leader and the network, `Receiving` between the network and its follower.
//!
//! **Invariant:** a follower's core sees only entries that follow on the log it has, or take the place of entries of
//! another term; and no commit index beyond what was compared. A leader's core hears of agreement only where it is.
//! **Not here:** what an entry means, and how messages travel.

mod receiving;
mod sending;

pub use receiving::Receiving;
pub(super) use sending::Sending;

use async_raft::raft::AppendEntriesRequest;

use super::{Answers, Batch};
use crate::storage::{Place, Storage};

pub(super) type Core<T> = async_raft::Raft<Batch, Answers, Sending<T>, Storage>;

/// Where a request begins.
fn previous(request: &AppendEntriesRequest<Batch>) -> Place {
    Place { index: request.prev_log_index, term: request.prev_log_term }
}

/// Where its entries are.
fn places(request: &AppendEntriesRequest<Batch>) -> Vec<Place> {
    request.entries.iter().map(|entry| Place { index: entry.index, term: entry.term }).collect()
}

#[cfg(test)]
mod tests;
