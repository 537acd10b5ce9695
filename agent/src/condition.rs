//! How the node is: what `status` shows, and what the journal is told.

use std::convert::Infallible;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pact_proto::view::{JournalStatus, NodeStatus};
use pact_proto::wire::v1::Report;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::node::Node;
use crate::spool::Durability;

/// The journal takes 8 KiB of a report and no more; `status` on the node says all.
const MOST_SENTENCES: usize = 16;
const LONGEST_SENTENCE: usize = 240;
/// A record that waits no longer is on its way.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(5);
/// How often the journal is told.
const EVERY: Duration = Duration::from_secs(5);

/// For `status`.
pub(crate) fn status(node: &Node) -> NodeStatus {
    let mut degraded = Vec::new();
    if node.uplink.is_none() {
        degraded.push("no journal: records are kept on this node only".to_owned());
    }
    degraded.extend(node.sandbox.degraded.iter().cloned());
    if let Durability::Volatile(kind) = node.spool.durability() {
        degraded.push(format!("records are on {kind} and do not outlive a restart of the node"));
    }
    if !node.spool.has_room() {
        degraded.push("the disk of the records is full: no program starts".to_owned());
    }
    NodeStatus {
        node: node.place.node.to_string(),
        vcluster: node.place.vcluster.to_string(),
        state: "OBSERVE_ONLY",
        services_running: 0,
        policy_version: node.policy.version().to_owned(),
        programs: node.whitelist.names().count(),
        sessions: node.sessions.count(),
        layers: node.sandbox.layers.clone(),
        failures: node.sandbox.failures.clone(),
        last_record: node.spool.last().0,
        unwritten: node.spool.unwritten(),
        journal: node.uplink.as_ref().map(|uplink| uplink.status(&node.spool)),
        degraded,
        up: Duration::from_secs(node.since.elapsed().as_secs()),
    }
}

/// Tells it for ever.
pub(crate) async fn tell(node: &Node, to: &watch::Sender<Report>) -> Infallible {
    loop {
        let NodeStatus { state, sessions, degraded, failures, journal, .. } = status(node);
        let unsent = journal.map_or(0, |journal| late(&journal, Timestamp::now()));
        let degraded = failures.into_iter().chain(degraded).take(MOST_SENTENCES).map(shortened).collect();
        to.send_replace(Report { state: state.to_owned(), sessions, degraded, unsent });
        sleep(EVERY).await;
    }
}

/// Records that wait for the journal longer than those that are on their way to it.
fn late(journal: &JournalStatus, now: Timestamp) -> u64 {
    let is_late = journal.oldest.is_some_and(|oldest| now.duration_since(oldest) > ON_ITS_WAY);
    if is_late { journal.waiting } else { 0 }
}

fn shortened(mut sentence: String) -> String {
    if sentence.len() > LONGEST_SENTENCE {
        sentence.truncate(sentence.floor_char_boundary(LONGEST_SENTENCE - '…'.len_utf8()));
        sentence.push('…');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_does_not_wait() {
        let now: Timestamp = "2026-03-01T12:00:10Z".parse().unwrap();
        let of = |oldest: Option<&str>| {
            let oldest = oldest.map(|time| time.parse().unwrap());
            late(&JournalStatus { endpoint: String::new(), waiting: 3, oldest, away: None }, now)
        };
        assert_eq!([of(None), of(Some("2026-03-01T12:00:05Z")), of(Some("2026-03-01T12:00:04Z"))], [0, 0, 3]);
    }

    #[test]
    fn a_report_is_never_too_long() {
        assert_eq!(shortened("short".to_owned()), "short");
        let long = shortened("é".repeat(500));
        assert!(long.len() <= LONGEST_SENTENCE && long.ends_with('…'), "{}", long.len());
        const { assert!(MOST_SENTENCES * (LONGEST_SENTENCE + 8) < 8 * 1024) };
    }
}
