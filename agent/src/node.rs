//! What all sessions of a node share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use pact_policy::{Place, Policy, Whitelist};

use crate::link::{Launcher, Report};
use crate::pace::Pace;
use crate::spool::Spool;
use crate::uplink::Uplink;

/// The node, as its agent knows it.
pub(crate) struct Node {
    /// Which node in which vCluster.
    pub(crate) place: Place,
    /// Who may do what.
    pub(crate) policy: Policy,
    /// What may be started at all.
    pub(crate) whitelist: Whitelist,
    /// The schemas of all programs as they go to clients, by name: made once, because every session gets them.
    pub(crate) schemas: BTreeMap<String, String>,
    /// Where everything is on record.
    pub(crate) spool: Spool,
    /// What is known of the journal, where one is configured.
    pub(crate) uplink: Option<Uplink>,
    /// What makes hosts.
    pub(crate) launcher: Launcher,
    /// Where the control groups of its sessions are.
    pub(crate) groups: Option<PathBuf>,
    /// What the sandbox's self-test found when the agent started.
    pub(crate) sandbox: Report,
    /// When the agent began to serve.
    pub(crate) since: Instant,
    /// Open sessions.
    pub(crate) sessions: Seats,
    /// How fast accounts may be refused.
    pub(crate) pace: Pace,
    /// Open connections, with a session or without one yet.
    pub(crate) connections: Seats,
}

/// What is open, counted by uid.
#[derive(Default)]
pub(crate) struct Seats(Mutex<BTreeMap<u32, u32>>);

/// One more than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// Of this account.
    OfUser,
    /// On this node.
    OnNode,
}

/// A place among what is open; given back when dropped.
pub(crate) struct Seat<'a> {
    seats: &'a Seats,
    uid: u32,
}

impl Seats {
    /// Takes a place for `uid`.
    pub(crate) fn enter(&self, uid: u32, of_user: u32, on_node: u32) -> Result<Seat<'_>, TooMany> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<u32>() >= on_node {
            return Err(TooMany::OnNode);
        }
        let mine = open.entry(uid).or_default();
        if *mine >= of_user {
            return Err(TooMany::OfUser);
        }
        *mine += 1;
        Ok(Seat { seats: self, uid })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut open = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.uid) {
            *mine = mine.saturating_sub(1);
        }
        open.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let sessions = Seats::default();
        let first = sessions.enter(1000, 1, 2);
        assert!(first.is_ok());
        assert_eq!(sessions.enter(1000, 1, 2).err(), Some(TooMany::OfUser));
        let _other = sessions.enter(1001, 1, 2);
        assert_eq!(sessions.enter(1002, 1, 2).err(), Some(TooMany::OnNode));
        drop(first);
        assert_eq!(sessions.count(), 1);
        assert!(sessions.enter(1000, 1, 2).is_ok());
    }
}
