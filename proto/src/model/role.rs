//! Roles, as the identity provider or a binding names them.
//!
//! **Invariant:** a name that is none of these is an error; there is no fall-back role.

use std::fmt;
use std::str::FromStr;

use super::id::VCluster;

/// What somebody is, and for which vCluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `pact-platform-admin`: everything, all vClusters.
    PlatformAdmin,
    /// `pact-ops-<vc>`: changes on its vCluster.
    Ops(VCluster),
    /// `pact-viewer-<vc>`: reads.
    Viewer(VCluster),
    /// `pact-regulated-<vc>`: as ops, with a second person; may approve.
    Regulated(VCluster),
    /// `pact-service-agent`: a node's own records and state.
    ServiceAgent,
    /// `pact-service-ai`: reads; programs only where the policy says.
    ServiceAi,
}

/// A role that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role of pact")]
pub struct InvalidRole(pub String);

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(value: &str) -> Result<Self, InvalidRole> {
        let of = |vcluster: &str, role: fn(VCluster) -> Self| vcluster.parse().ok().map(role);
        let role = match value {
            "pact-platform-admin" => Some(Self::PlatformAdmin),
            "pact-service-agent" => Some(Self::ServiceAgent),
            "pact-service-ai" => Some(Self::ServiceAi),
            _ => None
                .or_else(|| value.strip_prefix("pact-ops-").and_then(|vc| of(vc, Self::Ops)))
                .or_else(|| value.strip_prefix("pact-viewer-").and_then(|vc| of(vc, Self::Viewer)))
                .or_else(|| value.strip_prefix("pact-regulated-").and_then(|vc| of(vc, Self::Regulated))),
        };
        role.ok_or_else(|| InvalidRole(value.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlatformAdmin => f.write_str("pact-platform-admin"),
            Self::Ops(vc) => write!(f, "pact-ops-{vc}"),
            Self::Viewer(vc) => write!(f, "pact-viewer-{vc}"),
            Self::Regulated(vc) => write!(f, "pact-regulated-{vc}"),
            Self::ServiceAgent => f.write_str("pact-service-agent"),
            Self::ServiceAi => f.write_str("pact-service-ai"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_back_as_it_was_written() -> Result<(), InvalidRole> {
        for name in [
            "pact-platform-admin",
            "pact-ops-ml-training",
            "pact-viewer-a",
            "pact-regulated-a",
            "pact-service-agent",
            "pact-service-ai",
        ] {
            assert_eq!(name.parse::<Role>()?.to_string(), name);
        }
        Ok(())
    }

    #[test]
    fn an_unknown_role_is_an_error() {
        for name in ["", "pact-ops-", "pact-root", "admin", "pact-ops-A"] {
            assert!(name.parse::<Role>().is_err(), "{name}");
        }
    }
}
