//! The accounts of a node: they exist nowhere else.

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
    /// The superuser.
    Root,
}

impl Account {
    pub(super) const PERSONS: [Self; 3] = [Self::Alice, Self::Bob, Self::Mallory];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Mallory => "mallory",
            Self::Root => "root",
        }
    }

    /// A person's, by its name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::PERSONS.into_iter().find(|account| account.name() == name)
    }

    /// User and group.
    pub(super) fn ids(self) -> (u32, u32) {
        match self {
            Self::Alice => (61_001, GROUP),
            Self::Bob => (61_002, GROUP),
            Self::Mallory => (61_003, GROUP),
            Self::Root => (0, 0),
        }
    }
}
