//! What the guard between members asks of storage: is this in the log, is that committed for certain, what is shared.
//!
//! **Why:** async-raft keeps its own idea of these; here is what stands on the disk.

use anyhow::{Context, Result};

use super::{Held, Place, Point, Storage, records};
use crate::chain::Tip;

/// How entries that a leader sent compare with the log.
pub(crate) enum Compared {
    /// The place before them is in the log, and so are this many of them.
    Holds(usize),
    /// It is not; this is what is there.
    Differs(Held),
}

/// What a member has and what it should have.
pub(crate) struct Lacking {
    /// Where the snapshot is in the log.
    pub(crate) place: Place,
    pub(crate) have: Tip,
    pub(crate) want: Tip,
    pub(crate) snapshot: Vec<u8>,
}

impl Storage {
    pub(crate) async fn compare(&self, previous: Place, sent: Vec<Place>) -> Result<Compared> {
        self.with(move |state| {
            if previous.index > state.log.last().index || !state.log.holds(previous) {
                return Ok(Compared::Differs(Held { applied: state.applied.index, runs: state.log.runs() }));
            }
            Ok(Compared::Holds(sent.iter().take_while(|place| state.log.holds(**place)).count()))
        })
        .await
    }

    /// A commit index that a leader of this term may tell: entries of its own term are counted right, and what is
    /// applied is committed. Others it counts as if followers had them.
    pub(crate) async fn certain(&self, term: u64, commit: u64) -> Result<u64> {
        self.with(move |state| {
            let is_own = state.log.term(commit) == Some(term);
            Ok(if is_own { commit } else { commit.min(state.applied.index) })
        })
        .await
    }

    /// The last place that this log and another one share.
    pub(crate) async fn common(&self, held: Held) -> Result<Place> {
        self.with(move |state| Ok(state.log.common(&held))).await
    }

    /// Applies what is committed, as far as it is in the log.
    pub(crate) async fn commit(&self, index: u64) -> Result<()> {
        self.with(move |state| state.apply_through(index.min(state.log.last().index)).map(drop)).await
    }

    pub(crate) async fn last(&self) -> Result<Place> {
        self.with(|state| Ok(state.log.last())).await
    }

    pub(crate) async fn applied(&self) -> Result<u64> {
        self.with(|state| Ok(state.applied.index)).await
    }

    /// Applies the log up to a leader's snapshot. Where the log does not reach so far, or has another entry there, this
    /// is what is missing.
    pub(crate) async fn lacking(&self, snapshot: Vec<u8>) -> Result<Option<Lacking>> {
        let point = records::read::<Point>(&snapshot).context("a snapshot that cannot be read")?;
        let want = point.tip().context("a snapshot without a tip")?;
        let place = Place { index: point.index, term: point.term };
        self.with(move |state| {
            if place.index <= state.log.last().index && state.log.holds(place) {
                return state.apply_through(place.index).map(|_| None);
            }
            let have = *state.tip.borrow();
            Ok(Some(Lacking { place, have, want, snapshot }))
        })
        .await
    }
}
