//! Who is calling: from what the kernel says to a principal with roles.
//!
//! **Invariant:** uid 0 is never a person, and an account that is not bound is nobody.

use std::collections::BTreeSet;

use pact_proto::model::{NodeName, Principal, Role, VCluster};

use crate::judgement::Place;
use crate::policy::Policy;
use crate::ticket::Ticket;

/// The account at the other end of a socket, as the kernel says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub uid: u32,
    /// Its name on this node, where it has one.
    pub user: Option<String>,
}

/// Somebody who may have a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(Who);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Bound { principal: Principal, roles: BTreeSet<Role> },
    Root,
}

/// What somebody may do on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nothing.
    Stranger,
    /// `status`, `log` and their like: uid 0 of the node, which is no person.
    Root,
    /// pact's Read commands.
    ServiceAi,
    /// Read, programs too.
    Viewer,
    /// Change too, each with a second person.
    Regulated,
    /// Change too.
    Ops,
    /// Everything.
    PlatformAdmin,
}

/// An account that is not bound to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbound {
    reason: String,
}

impl Unbound {
    /// The one sentence that the person gets, whatever the reason.
    pub fn message(&self) -> &'static str {
        "access: this account may not use pact on this node"
    }

    /// For the record.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Policy {
    /// Who an account of `node` is.
    pub fn identify(&self, peer: &Peer, node: &NodeName) -> Result<Identity, Unbound> {
        if peer.uid == 0 {
            return Ok(Identity(Who::Root));
        }
        let unbound = |reason: String| Unbound { reason };
        let user = peer.user.as_deref().ok_or_else(|| unbound(format!("uid {} has no account on {node}", peer.uid)))?;
        let binding =
            self.binding(user).ok_or_else(|| unbound(format!("account {user:?} of {node} is bound to nobody")))?;
        Ok(Identity(Who::Bound { principal: binding.principal.clone(), roles: binding.roles.clone() }))
    }
}

impl Identity {
    /// Who a ticket is for.
    pub fn of_ticket(ticket: &Ticket) -> Self {
        let grant = ticket.grant();
        Self::of_person(grant.principal.clone(), grant.roles.clone())
    }

    pub(crate) fn of_person(principal: Principal, roles: BTreeSet<Role>) -> Self {
        Self(Who::Bound { principal, roles })
    }

    /// Who it is, with which roles, where it is a person.
    pub(crate) fn person(&self) -> Option<(&Principal, &BTreeSet<Role>)> {
        match &self.0 {
            Who::Bound { principal, roles } => Some((principal, roles)),
            Who::Root => None,
        }
    }

    /// The author of what they do on `node`.
    pub fn author(&self, node: &NodeName) -> Principal {
        match &self.0 {
            Who::Bound { principal, .. } => principal.clone(),
            Who::Root => Principal::unbound(Some("root"), 0, node),
        }
    }

    /// The roles that they have, for whatever vCluster.
    pub fn roles(&self) -> Vec<Role> {
        match &self.0 {
            Who::Bound { roles, .. } => roles.iter().cloned().collect(),
            Who::Root => Vec::new(),
        }
    }

    /// The most that any role gives on this node.
    pub(crate) fn standing(&self, place: &Place) -> Standing {
        self.most(|vcluster| *vcluster == place.vcluster)
    }

    /// The most that any role gives anywhere: at the journal, which is of no vCluster. What is seen there is for `sight`.
    pub(crate) fn standing_anywhere(&self) -> Standing {
        self.most(|_| true)
    }

    fn most(&self, here: impl Fn(&VCluster) -> bool) -> Standing {
        let Who::Bound { roles, .. } = &self.0 else { return Standing::Root };
        let of = |role: &Role| match role {
            Role::PlatformAdmin => Standing::PlatformAdmin,
            Role::Ops(vcluster) if here(vcluster) => Standing::Ops,
            Role::Regulated(vcluster) if here(vcluster) => Standing::Regulated,
            Role::Viewer(vcluster) if here(vcluster) => Standing::Viewer,
            Role::ServiceAi => Standing::ServiceAi,
            // A node's agent writes its own records; it has no sessions.
            Role::ServiceAgent | Role::Ops(_) | Role::Regulated(_) | Role::Viewer(_) => Standing::Stranger,
        };
        roles.iter().map(of).max().unwrap_or(Standing::Stranger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "[[bind]]\nuser = \"alice\"\nprincipal = \"alice@example.org\"\nroles = [\"pact-ops-a\"]\n";

    fn peer(uid: u32, user: Option<&str>) -> Peer {
        Peer { uid, user: user.map(str::to_owned) }
    }

    #[test]
    fn an_account_is_who_it_is_bound_to() {
        let (policy, node) = (Policy::from_toml(POLICY).unwrap(), "n".parse().unwrap());
        let alice = policy.identify(&peer(1000, Some("alice")), &node).unwrap();
        assert_eq!(alice.author(&node).as_str(), "alice@example.org");
        let root = policy.identify(&peer(0, Some("alice")), &node).unwrap();
        assert_eq!(root.author(&node).as_str(), "unix:root@n");
        assert!(root.roles().is_empty());
    }

    #[test]
    fn nobody_is_told_the_same_whatever_the_reason() {
        let (policy, node) = (Policy::from_toml(POLICY).unwrap(), "n".parse().unwrap());
        let strangers = [peer(1001, Some("bob")), peer(1002, None)];
        let refused: Vec<_> = strangers.iter().map(|p| policy.identify(p, &node).unwrap_err()).collect();
        assert_eq!(refused[0].message(), refused[1].message());
        assert_ne!(refused[0].reason(), refused[1].reason());
    }

    #[test]
    fn a_role_counts_for_its_own_vcluster() {
        let policy = Policy::from_toml(POLICY).unwrap();
        let alice = policy.identify(&peer(1000, Some("alice")), &"n".parse().unwrap()).unwrap();
        let place = |vcluster: &str| Place { node: "n".parse().unwrap(), vcluster: vcluster.parse().unwrap() };
        assert_eq!(alice.standing(&place("a")), Standing::Ops);
        assert_eq!(alice.standing(&place("b")), Standing::Stranger);
    }
}
