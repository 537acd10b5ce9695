//! Idempotent replay: what a node sends again is acknowledged again, and is in the log once.
//!
//! An entry is named by (node, spool epoch, number). A node sends the records of one spool in order and begins again
//! from any earlier one when it does not know what arrived; a spool that was made anew has another epoch.
//!
//! **Invariant:** of every (node, epoch) the log holds exactly 1 to n, in order.
//! **Why:** one number for an epoch is kept for ever. Epochs are drawn at random and have no order, so an old one cannot
//! be told from a new one by looking at it, and a late repetition from an old spool must not be appended again.

use std::collections::BTreeMap;

use pact_proto::model::{NodeName, SpoolEpoch, SpoolNumber, SpoolPosition};

/// What was appended, of every spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    last: BTreeMap<(NodeName, SpoolEpoch), SpoolNumber>,
}

/// What to do with an entry. Both are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admitted {
    /// It is the next one: append it.
    New,
    /// It is in the log already.
    Known,
}

/// An entry that cannot be taken now, or ever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfOrder {
    /// Others must come first; the node begins again from there.
    #[error("entry {} of {node}: entry {} must come first", .number.0, .expected.0)]
    Gap {
        /// Whose.
        node: NodeName,
        /// What came.
        number: SpoolNumber,
        /// What must come next.
        expected: SpoolNumber,
    },
    /// Numbers count from 1.
    #[error("entry 0 of {0}: numbers count from 1")]
    Zero(NodeName),
}

impl Replay {
    /// Whether an entry is the next of its spool. One that is `New` counts as appended from here on.
    pub fn admit(&mut self, position: &SpoolPosition) -> Result<Admitted, OutOfOrder> {
        let SpoolPosition { node, epoch, number } = position;
        if number.0 == 0 {
            return Err(OutOfOrder::Zero(node.clone()));
        }
        let last = self.acknowledged(node, *epoch);
        let expected = SpoolNumber(last.0.saturating_add(1));
        if *number <= last {
            return Ok(Admitted::Known);
        }
        if *number > expected {
            return Err(OutOfOrder::Gap { node: node.clone(), number: *number, expected });
        }
        self.last.insert((node.clone(), *epoch), *number);
        Ok(Admitted::New)
    }

    /// Whether anything of a spool was seen yet; what was not may still be in the log.
    pub(crate) fn has_seen(&self, node: &NodeName, epoch: SpoolEpoch) -> bool {
        self.last.contains_key(&(node.clone(), epoch))
    }

    /// Takes over what the log says of a spool.
    pub(crate) fn learn(&mut self, node: &NodeName, epoch: SpoolEpoch, last: SpoolNumber) {
        self.last.insert((node.clone(), epoch), last);
    }

    /// The last entry of a spool that is in the log; 0 where there is none.
    pub fn acknowledged(&self, node: &NodeName, epoch: SpoolEpoch) -> SpoolNumber {
        self.last.get(&(node.clone(), epoch)).copied().unwrap_or(SpoolNumber(0))
    }
}

#[cfg(test)]
mod tests;
