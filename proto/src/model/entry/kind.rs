//! Kinds and scopes as people write them in `log --kind` and `log --scope`.

use std::fmt;
use std::str::FromStr;

use super::Scope;

/// What an entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A session began.
    Session,
    /// A session ended.
    End,
    /// A line that was permitted.
    Line,
    /// A line that was not.
    Refused,
    /// How a line ended.
    Outcome,
    /// The agent began to serve.
    Agent,
    /// A member of the journal began to serve.
    Member,
    /// Records that could not be kept.
    Lost,
    /// Records that a member of the journal did not take.
    Rejected,
    /// A piece of what a line wrote.
    Output,
    /// What was issued to somebody counts no more.
    Revoked,
    /// A token that was not accepted.
    Denied,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Session,
        Self::End,
        Self::Line,
        Self::Refused,
        Self::Outcome,
        Self::Agent,
        Self::Member,
        Self::Lost,
        Self::Rejected,
        Self::Output,
        Self::Revoked,
        Self::Denied,
    ];

    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "SESSION",
            Self::End => "END",
            Self::Line => "LINE",
            Self::Refused => "REFUSED",
            Self::Outcome => "OUTCOME",
            Self::Agent => "AGENT",
            Self::Member => "MEMBER",
            Self::Lost => "LOST",
            Self::Rejected => "REJECT",
            Self::Output => "OUTPUT",
            Self::Revoked => "REVOKE",
            Self::Denied => "DENIED",
        }
    }
}

/// A kind that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a kind of entry: one of SESSION, END, LINE, REFUSED, OUTCOME, AGENT, MEMBER, LOST, REJECT, OUTPUT, REVOKE, DENIED"
)]
pub struct InvalidKind(pub String);

impl FromStr for Kind {
    type Err = InvalidKind;
    fn from_str(value: &str) -> Result<Self, InvalidKind> {
        let same = |kind: &Self| kind.name().eq_ignore_ascii_case(value);
        Self::ALL.into_iter().find(same).ok_or_else(|| InvalidKind(value.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A scope that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope: node:<name>, vc:<name> or global")]
pub struct InvalidScope(pub String);

impl FromStr for Scope {
    type Err = InvalidScope;
    fn from_str(value: &str) -> Result<Self, InvalidScope> {
        let scope = match value.split_once(':') {
            None if value == "global" => Some(Self::Global),
            Some(("node", name)) => name.parse().ok().map(Self::Node),
            Some(("vc", name)) => name.parse().ok().map(Self::VCluster),
            None | Some(_) => None,
        };
        scope.ok_or_else(|| InvalidScope(value.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::VCluster(name) => write!(f, "vc:{name}"),
            Self::Node(name) => write!(f, "node:{name}"),
        }
    }
}
