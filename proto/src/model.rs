//! Names for what has a meaning: ids, principals, roles, entries, findings.
//!
//! **Invariant:** a value of one of these types has been checked; nobody checks it again.

pub mod entry;
mod finding;
mod id;
mod role;

pub use entry::{Entry, Kind, Scope, SpoolPosition};
pub use finding::{Check, Finding, InvalidFinding, Severity};
pub use id::{InvalidName, LineId, NodeName, Principal, ProgramName, SessionId, SpoolEpoch, SpoolNumber, VCluster};
pub use role::{InvalidRole, Role};
