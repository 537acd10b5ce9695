//! Which entries of the journal somebody may see.
//!
//! **Invariant:** what no role shows stays hidden: a node whose vCluster is not known is shown to nobody but platform
//! administrators, and a node sees what is about itself.

use std::collections::BTreeSet;

use pact_proto::model::entry::Scope;
use pact_proto::model::{Entry, NodeName, Principal, Role, VCluster};

use crate::identity::Identity;

/// A view of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight(Of);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    /// A platform administrator's.
    All,
    /// A person's: vClusters and their nodes, and what they did themselves.
    Person { principal: Principal, vclusters: Vclusters },
    /// A node's.
    Node(NodeName),
    /// Of uid 0 of a node, which has no ticket.
    Nobody,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Vclusters {
    Every,
    These(BTreeSet<VCluster>),
}

impl Sight {
    /// What platform administrators may see.
    pub fn all() -> Self {
        Self(Of::All)
    }

    /// What a node may see.
    pub fn of_node(node: NodeName) -> Self {
        Self(Of::Node(node))
    }

    /// Whether this entry is shown. `belongs` knows the vCluster of a node, where anybody does.
    pub fn shows(&self, entry: &Entry, belongs: impl Fn(&NodeName) -> Option<VCluster>) -> bool {
        match &self.0 {
            Of::All => true,
            Of::Nobody => false,
            Of::Node(own) => matches!(&entry.scope, Scope::Node(node) if node == own),
            Of::Person { principal, vclusters } => {
                entry.author == *principal
                    || match &entry.scope {
                        Scope::Node(node) => belongs(node).is_some_and(|vcluster| vclusters.have(&vcluster)),
                        Scope::VCluster(vcluster) => vclusters.have(vcluster),
                        Scope::Global => false,
                    }
            }
        }
    }

    /// Whether this vCluster's nodes are shown.
    pub fn shows_vcluster(&self, vcluster: &VCluster) -> bool {
        match &self.0 {
            Of::All => true,
            Of::Node(_) | Of::Nobody => false,
            Of::Person { vclusters, .. } => vclusters.have(vcluster),
        }
    }
}

impl Vclusters {
    fn have(&self, vcluster: &VCluster) -> bool {
        match self {
            Self::Every => true,
            Self::These(these) => these.contains(vcluster),
        }
    }
}

impl Identity {
    /// What they may see in the journal: the sum of their roles.
    pub fn sight(&self) -> Sight {
        let Some((principal, roles)) = self.person() else { return Sight(Of::Nobody) };
        let mut these = BTreeSet::new();
        let mut every = false;
        for role in roles {
            match role {
                Role::PlatformAdmin => return Sight(Of::All),
                Role::Ops(vcluster) | Role::Regulated(vcluster) | Role::Viewer(vcluster) => {
                    these.insert(vcluster.clone());
                }
                Role::ServiceAi => every = true,
                Role::ServiceAgent => {}
            }
        }
        let vclusters = if every { Vclusters::Every } else { Vclusters::These(these) };
        Sight(Of::Person { principal: principal.clone(), vclusters })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use pact_proto::model::LineId;
    use pact_proto::model::entry::{Body, Via};

    use super::*;

    fn entry(scope: &str, author: &str) -> Entry {
        Entry {
            event_time: Timestamp::UNIX_EPOCH,
            scope: scope.parse().unwrap(),
            author: author.parse().unwrap(),
            via: Via::Member("1".to_owned()),
            session: None,
            line: LineId::NONE,
            message: String::new(),
            policy_version: String::new(),
            position: None,
            request_hash: None,
            credential: None,
            body: Body::SessionClosed { reason: "left".to_owned() },
        }
    }

    fn person(roles: &[&str]) -> Sight {
        let roles = roles.iter().map(|role| role.parse().unwrap()).collect();
        Identity::of_person("me@example.org".parse().unwrap(), roles).sight()
    }

    #[test]
    fn everybody_sees_what_their_roles_show() {
        let belongs = |node: &NodeName| match node.as_str() {
            "ml1" => Some("ml".parse().unwrap()),
            "web1" => Some("web".parse().unwrap()),
            _ => None,
        };
        let all: &[(&str, &str)] = &[
            ("node:ml1", "x@example.org"),
            ("node:web1", "x@example.org"),
            ("node:lost", "x@example.org"),
            ("vc:ml", "x@example.org"),
            ("vc:web", "x@example.org"),
            ("global", "x@example.org"),
            ("global", "me@example.org"),
            ("node:lost", "me@example.org"),
        ];
        for (who, sight, seen) in [
            ("platform-admin", person(&["pact-platform-admin"]), "11111111"),
            ("ops", person(&["pact-ops-ml"]), "10010011"),
            ("viewer", person(&["pact-viewer-web"]), "01001011"),
            ("both", person(&["pact-viewer-web", "pact-regulated-ml"]), "11011011"),
            ("service-ai", person(&["pact-service-ai"]), "11011011"),
            ("no role", person(&[]), "00000011"),
            ("node", Sight::of_node("ml1".parse().unwrap()), "10000000"),
        ] {
            let shown = all.iter().map(|(scope, author)| sight.shows(&entry(scope, author), belongs));
            let shown: String = shown.map(|shown| if shown { '1' } else { '0' }).collect();
            assert_eq!(shown, seen, "{who}");
        }
    }
}
