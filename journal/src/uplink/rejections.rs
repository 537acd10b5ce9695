//! What was not taken is on record too, by the member that did not take it.
//!
//! **Invariant:** of one node at most one such record in so long; the next one says how many there would have been.
//! **Why:** a node that sends nothing else must not fill the log.

use std::time::Instant;

use pact_proto::model::entry::Body;
use pact_proto::model::{NodeName, Principal, Scope, SpoolNumber};

use super::admission::Rejection;
use crate::own::{Draft, Own};
use crate::pace::Pace;

/// More nodes in a second than have connections.
const MOST_NODES: usize = 4096;

/// Records of what was not taken.
pub(super) struct Rejections {
    own: Own,
    pace: Pace<NodeName>,
}

impl Rejections {
    pub(super) fn new(own: Own) -> Self {
        Self { own, pace: Pace::new(MOST_NODES) }
    }

    /// Puts it on record, or counts it. The reason why it could not be is for whoever runs this member.
    pub(super) async fn record(&self, node: &NodeName, rejection: &Rejection) -> Result<(), String> {
        let Some(unrecorded) = self.pace.next(node, Instant::now()) else { return Ok(()) };
        let more = if unrecorded == 0 { String::new() } else { format!(" ({unrecorded} more were not taken before)") };
        let body = Body::UplinkRejected {
            node: node.clone(),
            number: SpoolNumber(rejection.number),
            reason: format!("{}{more}", rejection.reason),
        };
        let author = Principal::node(node).map_err(|error| error.to_string())?;
        let draft = Draft { scope: Scope::Node(node.clone()), ..Draft::new(author, body) };
        self.own.record(draft).await.map(drop).map_err(|error| error.to_string())
    }
}
