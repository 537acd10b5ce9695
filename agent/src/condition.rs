//! How the node is: what `status` shows, and what the journal is told.

use std::convert::Infallible;
use std::time::Duration;

use pact_proto::view::NodeStatus;
use pact_proto::wire::v1::Report;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::node::Node;
use crate::spool::Durability;

/// The journal takes 8 KiB of a report and no more; `status` on the node says all.
const MOST_SENTENCES: usize = 16;
const LONGEST_SENTENCE: usize = 240;
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
        let unsent = journal.map_or(0, |journal| journal.waiting);
        let degraded = failures.into_iter().chain(degraded).take(MOST_SENTENCES).map(shortened).collect();
        to.send_replace(Report { state: state.to_owned(), sessions, degraded, unsent });
        sleep(EVERY).await;
    }
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
    fn a_report_is_never_too_long() {
        assert_eq!(shortened("short".to_owned()), "short");
        let long = shortened("é".repeat(500));
        assert!(long.len() <= LONGEST_SENTENCE && long.ends_with('…'), "{}", long.len());
        const { assert!(MOST_SENTENCES * (LONGEST_SENTENCE + 8) < 8 * 1024) };
    }
}
