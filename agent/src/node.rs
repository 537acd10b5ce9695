//! What all sessions of a node share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pact_policy::authority::Authority;
use pact_policy::{Place, Policy, Whitelist};

use tokio::sync::Semaphore;

use crate::link::{Launcher, Report};
use crate::peer::Who;
use crate::recording::Recordings;
use crate::spool::Spool;
use crate::uplink::Uplink;
use pact_session::{Pace, Rate};

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
    /// Who is of the site, where a journal is configured: who may have signed a ticket.
    pub(crate) authority: Option<Authority>,
    /// What is known of the journal, where one is configured.
    pub(crate) uplink: Option<Uplink>,
    /// What makes hosts.
    pub(crate) launcher: Launcher,
    /// What the sandbox's self-test found when the agent started.
    pub(crate) sandbox: Report,
    /// When the agent began to serve.
    pub(crate) since: Instant,
    /// Open sessions.
    pub(crate) sessions: Seats,
    /// One at a time is looked for what is wrong with the node.
    pub(crate) examining: Arc<Semaphore>,
    /// How fast accounts may be refused.
    pub(crate) pace: Pace<Who>,
    /// How many lines people may send.
    pub(crate) rate: Rate<Who>,
    /// How often people may ask what a word could become.
    pub(crate) completions: Rate<Who>,
    /// What was seen on terminals.
    pub(crate) recordings: Recordings,
    /// Open connections of accounts of this node, with a session or without one yet.
    pub(crate) connections: Seats,
    /// Open connections from other machines.
    pub(crate) visitors: Seats,
}

/// What is open, counted by whose it is.
#[derive(Default)]
pub(crate) struct Seats(Mutex<BTreeMap<Who, u32>>);

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
    who: Who,
}

impl Seats {
    /// Takes a place.
    pub(crate) fn enter(&self, who: &Who, of_user: u32, on_node: u32) -> Result<Seat<'_>, TooMany> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<u32>() >= on_node {
            return Err(TooMany::OnNode);
        }
        let mine = open.entry(who.clone()).or_default();
        if *mine >= of_user {
            return Err(TooMany::OfUser);
        }
        *mine += 1;
        Ok(Seat { seats: self, who: who.clone() })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut open = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.who) {
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
        let first = sessions.enter(&Who::Account(1000), 1, 2);
        assert!(first.is_ok());
        assert_eq!(sessions.enter(&Who::Account(1000), 1, 2).err(), Some(TooMany::OfUser));
        let _other = sessions.enter(&Who::Account(1001), 1, 2);
        assert_eq!(sessions.enter(&Who::Account(1002), 1, 2).err(), Some(TooMany::OnNode));
        drop(first);
        assert_eq!(sessions.count(), 1);
        assert!(sessions.enter(&Who::Account(1000), 1, 2).is_ok());
    }
}
