//! The door to other machines: TLS, and the same service behind it as behind the socket.
//!
//! **Invariant:** whoever is not verified costs a bounded time and a bounded number of places, and the places of other
//! machines are not those of the node's own accounts: no crowd outside keeps an administrator from the node.
//! **Not here:** who somebody is: the first message of a session says it, with a ticket for the key of the connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pact_policy::certificate::{Visitor, visitor};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::node::Node;
use crate::peer::{Caller, Who};
use crate::serve;

/// How long accepting rests when it fails.
const AGAIN: Duration = Duration::from_millis(100);
/// Whoever does not say who it is for so long is nobody.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A place is for whoever has shown a good ticket by then: keys are made by anybody.
const FIRST: Duration = Duration::from_secs(20);
/// So many may be saying who they are at once; others wait in the socket's queue.
const MOST_HANDSHAKES: usize = 64;

/// Takes connections from other machines.
pub(crate) struct Door {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Door {
    pub(crate) async fn open(address: SocketAddr, tls: TlsAcceptor) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, tls })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever.
    pub(crate) async fn serve(self, node: Arc<Node>) -> Infallible {
        let handshakes = Arc::new(Semaphore::new(MOST_HANDSHAKES));
        loop {
            let Ok(place) = Arc::clone(&handshakes).acquire_owned().await else { continue };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    drop(tokio::spawn(connection(Arc::clone(&node), self.tls.clone(), stream, from, place)));
                }
                // Out of descriptors, most likely: those that are open end some day.
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

async fn connection(
    node: Arc<Node>,
    tls: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    // Without it, a short line waits for the acknowledgement of the one before.
    let Ok(()) = stream.set_nodelay(true) else { return };
    let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await else { return };
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    // Machines have no sessions with a node.
    let Some(Ok(Visitor::Person(key))) = leaf.map(|leaf| visitor(leaf)) else { return };
    drop(place);
    let limits = node.policy.limits();
    let (of_key, on_node) = (2 * limits.sessions_per_user, 2 * limits.sessions_per_node);
    let Ok(_seat) = node.visitors.enter(&Who::Key(key), of_key, on_node) else { return };
    let admitted = Arc::new(Notify::new());
    let mut talking = pin!(serve::talk(&node, stream, Caller::Remote { key, from, admitted: Arc::clone(&admitted) }));
    let first = tokio::select! {
        () = talking.as_mut() => return,
        first = timeout(FIRST, admitted.notified()) => first,
    };
    if first.is_ok() {
        talking.await;
    }
}
