//! Which nodes are connected, where they take sessions, and how they are.
//!
//! **Invariant:** a node is who its certificate says; what it says of itself is shown as its word. Nothing here outlives
//! the process: a member that starts knows a node when it connects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use pact_proto::model::{NodeName, VCluster};
use pact_proto::wire::v1::{Hello, Report};
use prost::Message;

/// `host:port`, with the longest name that DNS has.
const LONGEST_ADDRESS: usize = 256 + 6;
/// Some sentences; what is longer is no report.
const LONGEST_REPORT: usize = 8 * 1024;
/// More nodes than a member can serve have another problem.
const MOST: usize = 1 << 17;

/// What is known of a node.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Where it takes sessions; empty where it takes none.
    pub(crate) address: String,
    /// Where it belongs; absent where it says no name.
    pub(crate) vcluster: Option<VCluster>,
    /// What it said last of itself.
    pub(crate) report: Option<Report>,
    /// Connected since then, or gone since then.
    pub(crate) link: Link,
    /// Which of its connections this is about.
    generation: u64,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Since then.
    There(Timestamp),
    /// Since then.
    Gone(Timestamp),
}

/// More than a node can have to say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is too long")]
pub(crate) struct TooLong(&'static str);

/// All nodes that connected since this member started.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    nodes: Arc<Mutex<BTreeMap<NodeName, Known>>>,
}

/// A node is there as long as this is.
pub(crate) struct Presence {
    registry: Registry,
    node: NodeName,
    generation: u64,
}

impl Registry {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeName, Known>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node has connected. Whatever it was before is over. What it says of itself may be wrong, and not long.
    pub(crate) fn enter(&self, node: &NodeName, hello: &Hello) -> Result<Presence, TooLong> {
        if hello.address.len() > LONGEST_ADDRESS {
            return Err(TooLong("its address"));
        }
        let mut nodes = self.nodes();
        let generation = nodes.get(node).map_or(0, |known| known.generation + 1);
        let known = Known {
            address: hello.address.clone(),
            vcluster: hello.vcluster.parse().ok(),
            report: None,
            link: Link::There(Timestamp::now()),
            generation,
        };
        if nodes.len() < MOST || nodes.contains_key(node) {
            nodes.insert(node.clone(), known);
        }
        Ok(Presence { registry: self.clone(), node: node.clone(), generation })
    }

    /// What is known of one.
    pub(crate) fn get(&self, node: &NodeName) -> Option<Known> {
        self.nodes().get(node).cloned()
    }

    /// All, or all of a vCluster, in the order of their names.
    pub(crate) fn of(&self, vcluster: Option<&VCluster>) -> Vec<(NodeName, Known)> {
        let is_of = |known: &Known| vcluster.is_none_or(|name| known.vcluster.as_ref() == Some(name));
        self.nodes()
            .iter()
            .filter(|(_, known)| is_of(known))
            .map(|(name, known)| (name.clone(), known.clone()))
            .collect()
    }
}

impl Presence {
    fn with(&self, change: impl FnOnce(&mut Known)) {
        let mut nodes = self.registry.nodes();
        if let Some(known) = nodes.get_mut(&self.node).filter(|known| known.generation == self.generation) {
            change(known);
        }
    }

    /// What it says of itself now.
    pub(crate) fn report(&self, report: Report) -> Result<(), TooLong> {
        if report.encoded_len() > LONGEST_REPORT {
            return Err(TooLong("its report"));
        }
        self.with(|known| known.report = Some(report));
        Ok(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.with(|known| (known.link, known.report) = (Link::Gone(Timestamp::now()), None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(address: &str, vcluster: &str) -> Hello {
        Hello { version: "1".into(), address: address.into(), epoch: 1, vcluster: vcluster.into() }
    }

    #[test]
    fn the_last_connection_of_a_node_is_the_one_that_counts() {
        let (registry, node) = (Registry::default(), "n1".parse().unwrap());
        let first = registry.enter(&node, &hello("a:1", "ml")).unwrap();
        let second = registry.enter(&node, &hello("b:2", "ml")).unwrap();
        drop(first);
        let known = registry.get(&node).unwrap();
        assert!(known.address == "b:2" && matches!(known.link, Link::There(_)), "{known:?}");
        second.report(Report { state: "COMMITTED".into(), ..Report::default() }).unwrap();
        assert_eq!(registry.get(&node).unwrap().report.unwrap().state, "COMMITTED");
        drop(second);
        assert!(matches!(registry.get(&node).unwrap().link, Link::Gone(_)));
    }

    #[test]
    fn what_a_node_says_of_itself_is_not_long() {
        let (registry, node) = (Registry::default(), "n1".parse().unwrap());
        assert!(registry.enter(&node, &hello(&"a".repeat(LONGEST_ADDRESS + 1), "ml")).is_err());
        assert!(registry.get(&node).is_none());
        let presence = registry.enter(&node, &hello("a:1", "ml")).unwrap();
        let long = Report { degraded: vec!["x".repeat(100); 100], ..Report::default() };
        assert!(presence.report(long).is_err());
        assert!(registry.get(&node).unwrap().report.is_none());
    }

    #[test]
    fn nodes_are_found_by_their_vcluster() {
        let registry = Registry::default();
        let _kept: Vec<_> = [("n2", "ml"), ("n1", "ml"), ("n3", "web"), ("n4", "")]
            .map(|(name, vcluster)| registry.enter(&name.parse().unwrap(), &hello("", vcluster)).unwrap())
            .into();
        let names = |vcluster: Option<&str>| {
            let of = registry.of(vcluster.map(|name| name.parse().unwrap()).as_ref());
            of.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("ml")), ["n1", "n2"]);
        assert_eq!(names(None).len(), 4);
        assert_eq!(names(Some("other")), [""; 0]);
    }
}
