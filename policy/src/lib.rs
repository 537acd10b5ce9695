//! Who may do what: pure functions from facts to a verdict.
//!
//! **Invariant:** anything missing or unknown is a refusal; a verdict has one constructor, `judge`.
//! **Not here:** I/O, clocks, async; where policy and whitelist come from.

pub mod authority;
pub mod certificate;
mod explain;
mod identity;
mod judgement;
mod matrix;
mod policy;
mod sight;
pub mod ticket;
pub mod token;
mod visible;
mod whitelist;

pub use explain::explain;
pub use identity::{Identity, Peer, Unbound};
pub use judgement::{
    Judged, NOT_WHITELISTED, Permitted, Place, PlannedStage, Refused, judge, judge_at_journal, judge_for_node,
    may_see_others,
};
pub use matrix::matrix;
pub use policy::{Audit, Limits, Policy, PolicyError, Recording};
pub use sight::Sight;
pub use visible::Visible;
pub use whitelist::{Whitelist, WhitelistError};
