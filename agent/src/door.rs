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

use pact_policy::certificate::{KeyThumbprint, Visitor, visitor};
use pact_proto::resume;
use pact_resume::Desk;
use pact_session::OpenSessions;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::node::Node;
use crate::peer::{Caller, Who};
use crate::serve;

/// So many wait until they are accepted.
const QUEUE: i32 = 1024;
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
    desk: Arc<Streams>,
}

/// Whose connections may break and come again.
type Streams = Desk<KeyThumbprint, TlsStream<TcpStream>>;

/// Listens, as root: some ports are for root only.
pub(crate) fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, QUEUE)?;
    Ok(listener)
}

impl Door {
    /// From what `listen` answered; within a runtime.
    pub(crate) fn open(listener: std::net::TcpListener, tls: TlsAcceptor) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, tls, desk: Arc::default() })
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
                    let (node, desk) = (Arc::clone(&node), Arc::clone(&self.desk));
                    drop(tokio::spawn(connection(node, desk, self.tls.clone(), (stream, from), place)));
                }
                // Out of descriptors, most likely: those that are open end some day.
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

async fn connection(
    node: Arc<Node>,
    desk: Arc<Streams>,
    tls: TlsAcceptor,
    (stream, from): (TcpStream, SocketAddr),
    place: OwnedSemaphorePermit,
) {
    let late = Instant::now() + HANDSHAKE;
    // Without it, a short line waits for the acknowledgement of the one before.
    let Ok(()) = stream.set_nodelay(true) else { return };
    let Ok(Ok(stream)) = timeout_at(late, tls.accept(stream)).await else { return };
    let (_, handshake) = stream.get_ref();
    let leaf = handshake.peer_certificates().and_then(<[_]>::first);
    // Machines have no sessions with a node.
    let Some(Ok(Visitor::Person(key))) = leaf.map(|leaf| visitor(leaf)) else { return };
    let outlives = handshake.alpn_protocol() == Some(resume::ALPN);
    let admitted = Arc::new(Notify::new());
    let caller = Caller::Remote { key, from, admitted: Arc::clone(&admitted) };
    let open = OpenSessions::default();
    if outlives {
        let Ok(Ok(Some(carrier))) = timeout_at(late, desk.meet(key, stream)).await else { return };
        drop(place);
        let sessions = open.clone();
        let (stream, carrying) = carrier.begin(move || sessions.any());
        let talking = serve::talk(&node, stream, caller, open, None);
        serve_admitted(&node, key, &admitted, join(Box::pin(carrying), Box::pin(talking))).await;
    } else {
        drop(place);
        let talking = serve::talk(&node, stream, caller, open, Some(serve::PING));
        serve_admitted(&node, key, &admitted, talking).await;
    }
}

/// A connection, as long as there is a place for it.
async fn serve_admitted(node: &Node, key: KeyThumbprint, admitted: &Notify, talking: impl Future<Output = ()>) {
    let limits = node.policy.limits();
    let (of_key, on_node) = (2 * limits.sessions_per_user, 2 * limits.sessions_per_node);
    let Ok(_seat) = node.visitors.enter(&Who::Key(key), of_key, on_node) else { return };
    let mut talking = pin!(talking);
    let first = tokio::select! {
        () = talking.as_mut() => return,
        first = timeout(FIRST, admitted.notified()) => first,
    };
    if first.is_ok() {
        talking.await;
    }
}

async fn join(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::join!(one, other);
}
