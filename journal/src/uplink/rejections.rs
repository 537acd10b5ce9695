//! What was not taken is on record too, by the member that did not take it.
//!
//! **Invariant:** of one node at most one such record in so long; the next one says how many there would have been.
//! **Why:** a node that sends nothing else must not fill the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pact_proto::model::entry::{Body, Entry, Via};
use pact_proto::model::{LineId, NodeName, Principal, Scope, SpoolNumber};
use tokio::time::timeout;

use super::ANSWER;
use super::admission::{self, MACHINE, Rejection};
use crate::journal::Journal;

/// At most one record of a node in so long.
const PACE: Duration = Duration::from_secs(1);

/// Records of what was not taken.
pub(super) struct Rejections {
    journal: Arc<Journal>,
    past: Mutex<BTreeMap<NodeName, Past>>,
}

struct Past {
    recorded: Instant,
    /// Since then.
    unrecorded: u64,
}

impl Rejections {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        Self { journal, past: Mutex::default() }
    }

    /// Puts it on record, or counts it. The reason why it could not be is for whoever runs this member.
    pub(super) async fn record(&self, node: &NodeName, rejection: &Rejection) -> Result<(), String> {
        let Some(unrecorded) = self.next(node, Instant::now()) else { return Ok(()) };
        let entry = self.entry(node, rejection, unrecorded)?;
        let stored = entry.encode();
        match timeout(ANSWER, self.journal.append(vec![admission::item(&entry, stored)])).await {
            Ok(answer) => answer.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err("the journal did not answer".to_owned()),
        }
    }

    /// How many were not recorded before this one, if this one may be recorded.
    fn next(&self, node: &NodeName, now: Instant) -> Option<u64> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        match past.get_mut(node) {
            Some(past) if now.duration_since(past.recorded) < PACE => {
                past.unrecorded += 1;
                None
            }
            Some(_) | None => {
                let before = past.insert(node.clone(), Past { recorded: now, unrecorded: 0 });
                Some(before.map_or(0, |before| before.unrecorded))
            }
        }
    }

    fn entry(&self, node: &NodeName, rejection: &Rejection, unrecorded: u64) -> Result<Entry, String> {
        let author: Principal = format!("{MACHINE}//node/{node}").parse().map_err(|e| format!("{e}"))?;
        let more = if unrecorded == 0 { String::new() } else { format!(" ({unrecorded} more were not taken before)") };
        Ok(Entry {
            event_time: Timestamp::now(),
            scope: Scope::Node(node.clone()),
            author,
            via: Via::Member(self.journal.members().me.0.to_string()),
            session: None,
            line: LineId::NONE,
            message: String::new(),
            policy_version: String::new(),
            position: None,
            request_hash: None,
            credential: None,
            body: Body::UplinkRejected {
                node: node.clone(),
                number: SpoolNumber(rejection.number),
                reason: format!("{}{more}", rejection.reason),
            },
        })
    }
}
