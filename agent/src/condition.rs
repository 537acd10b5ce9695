//! How the node is: what `status` shows, and what the journal is told.

use std::convert::Infallible;
use std::time::Duration;

use pact_proto::view::NodeStatus;
use pact_proto::wire::v1::Report;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::node::Node;
use crate::spool::Durability;

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

/// Tells it for ever; where nobody is told, it costs a look at the node.
pub(crate) async fn tell(node: &Node, to: &watch::Sender<Report>) -> Infallible {
    loop {
        let NodeStatus { state, sessions, degraded, failures, journal, .. } = status(node);
        let unsent = journal.map_or(0, |journal| journal.waiting);
        let degraded = failures.into_iter().chain(degraded).collect();
        to.send_replace(Report { state: state.to_owned(), sessions, degraded, unsent });
        sleep(EVERY).await;
    }
}
