//! One stream a node: a new one ends the one before, and begins when that has ended.
//!
//! **Invariant:** of the streams of a node at most one has the turn; whoever waits for it is ended by a newer one too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pact_proto::model::NodeName;
use tokio::sync::{OwnedMutexGuard, watch};

/// Whose turn it is, of every node that ever had one. There are as many as the authority made certificates for.
#[derive(Default)]
pub(crate) struct Turns {
    nodes: Mutex<BTreeMap<NodeName, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    newest: watch::Sender<u64>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Being the newest stream of a node, or having been.
pub(crate) struct Claim {
    number: u64,
    newest: watch::Receiver<u64>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    /// Ends all earlier streams of the node.
    pub(crate) fn claim(&self, node: &NodeName) -> Claim {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = nodes.entry(node.clone()).or_default();
        let mut number = 0;
        slot.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Claim { number, newest: slot.newest.subscribe(), turn: Arc::clone(&slot.turn) }
    }
}

impl Claim {
    /// When all earlier ones are over.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// When there is a newer one.
    pub(crate) async fn replaced(&self) {
        let number = self.number;
        if self.newest.clone().wait_for(|newest| *newest > number).await.is_err() {
            // The slots are gone, and with them everybody who could come.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_has_the_turn_when_the_others_are_gone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (turns, node) = (Turns::default(), "n1".parse().unwrap());
            let first = turns.claim(&node);
            let held = first.turn().await;
            let (second, third) = (turns.claim(&node), turns.claim(&node));
            first.replaced().await;
            second.replaced().await;
            let other = turns.claim(&"n2".parse().unwrap());
            drop(other.turn().await);
            assert!(third.turn.try_lock().is_err(), "it has the turn while the first holds it");
            drop(held);
            drop(third.turn().await);
        });
    }
}
