//! The accounts of a node and its site: they exist nowhere else.

use super::files::GROUP;

/// An account of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// ops of the vCluster.
    Alice,
    /// A viewer.
    Bob,
    /// In the group, but bound to nobody.
    Mallory,
    /// A platform admin, at a workstation only.
    Carol,
    /// The superuser.
    Root,
}

impl Account {
    /// Those who have an account on the node.
    pub(crate) const PERSONS: [Self; 3] = [Self::Alice, Self::Bob, Self::Mallory];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Mallory => "mallory",
            Self::Carol => "carol",
            Self::Root => "root",
        }
    }

    /// Those who have a workstation.
    pub(crate) const ADMINISTRATORS: [Self; 2] = [Self::Alice, Self::Carol];

    /// Who they are at an identity provider.
    pub(crate) fn principal(self) -> String {
        format!("{}@example.org", self.name())
    }

    /// What an identity provider says that they may do; the same as the node's policy of those whom both know.
    pub(crate) fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Alice => &["pact-ops-ml-training"],
            Self::Bob => &["pact-viewer-ml-training"],
            Self::Carol => &["pact-platform-admin"],
            Self::Mallory | Self::Root => &[],
        }
    }

    /// User and group.
    pub fn ids(self) -> (u32, u32) {
        match self {
            Self::Alice => (61_001, GROUP),
            Self::Bob => (61_002, GROUP),
            Self::Mallory => (61_003, GROUP),
            Self::Carol => (61_004, GROUP),
            Self::Root => (0, 0),
        }
    }
}
