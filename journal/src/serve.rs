//! The member's door: TLS, HTTP/2, one service behind it.
//!
//! **Invariant:** what is not verified costs a bounded time and a bounded number of places; what is has few connections
//! each. A machine that vanished is noticed within half a minute.
//! **Not here:** persons: they will come in by keys of their own, through this same door.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pact_policy::certificate::{Machine, machine};
use pact_proto::model::NodeName;
use pact_proto::wire::v1::journal_server::{Journal, JournalServer};
use pact_proto::wire::v1::{UplinkReply, UplinkRequest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::entry::MOST_PAYLOAD;
use crate::uplink::{Caller, Uplinks};
use crate::voice::Voice;

/// The largest entry, and what stands around it.
const LARGEST_MESSAGE: usize = MOST_PAYLOAD + 64 * 1024;
/// How long accepting rests when it fails.
const AGAIN: Duration = Duration::from_millis(100);
/// Whoever does not say who it is for so long is nobody.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many may be saying who they are at once; others wait in the socket's queue.
const MOST_HANDSHAKES: usize = 256;
/// Of all nodes together.
const MOST_CONNECTIONS: usize = 4096;
/// Of one node: the one that it uses, and those that it does not know to be dead.
const MOST_OF_ONE: u32 = 4;
/// Of one connection. An agent opens one; more are refused by HTTP/2 itself.
const MOST_STREAMS: u32 = 4;
/// What a caller can make the member hold for it, beside the message that it sends.
const WINDOW: u32 = 256 * 1024;
/// A quiet connection is asked so often whether it is there, and has so long to answer.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(20);
/// Whoever is verified and asks for nothing for so long wants nothing.
const FIRST: Duration = Duration::from_secs(10);
/// Longer names fit into no index.
const LONGEST_NODE: usize = 240;
/// Replies that wait for a node to read them.
const PLACES: usize = 8;

/// What all connections have in common.
pub(crate) struct Door {
    acceptor: TlsAcceptor,
    uplinks: Arc<Uplinks>,
    voice: Arc<Voice>,
    closing: watch::Receiver<bool>,
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    seats: Seats,
}

impl Door {
    pub(crate) fn new(
        acceptor: TlsAcceptor,
        uplinks: Arc<Uplinks>,
        voice: Arc<Voice>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        let (handshakes, connections) = (places(MOST_HANDSHAKES), places(MOST_CONNECTIONS));
        Self { acceptor, uplinks, voice, closing, handshakes, connections, seats: Seats::default() }
    }

    /// Serves until the member closes, and then until every stream has been told so.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut open = JoinSet::new();
        let mut closing = self.closing.clone();
        loop {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => break,
                Some(_) = open.join_next() => {}
                Some((stream, from, place)) = self.accept(&listener) => {
                    drop(open.spawn(Arc::clone(&self).connection(stream, from, place)));
                }
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    /// The next one, when there is a place for it to say who it is.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, from)) => return Some((stream, from, place)),
                // Out of descriptors, most likely: those that are open end some day.
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit) {
        let (stream, caller) = match self.handshake(stream, from).await {
            Ok(verified) => verified,
            Err(why) => return self.voice.say(&format!("{from}: {why}")),
        };
        drop(place);
        let Ok(_place) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.voice.say(&format!("{from}: {MOST_CONNECTIONS} connections are open, and no more"));
        };
        let Some(_seat) = self.seats.enter(caller.node.clone().ok()) else {
            return self.voice.say(&format!("{from}: {MOST_OF_ONE} connections of that machine are open, and no more"));
        };
        self.talk(stream, caller).await;
    }

    /// Who it is, or why it is nobody.
    async fn handshake(&self, stream: TcpStream, from: SocketAddr) -> Result<(TlsStream<TcpStream>, Caller), String> {
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream = match timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("TLS: {error}")),
            Err(_) => return Err(format!("TLS: no handshake within {} s", HANDSHAKE.as_secs())),
        };
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let node = leaf.ok_or_else(|| "there is none".to_owned()).and_then(|leaf| node(leaf));
        Ok((stream, Caller { from, node: node.map_err(|why| format!("certificate: {why}")) }))
    }

    async fn talk(&self, stream: TlsStream<TcpStream>, caller: Caller) {
        let (from, asked) = (caller.from, Arc::new(Notify::new()));
        let service = Service { uplinks: Arc::clone(&self.uplinks), caller, asked: Arc::clone(&asked) };
        let service = JournalServer::new(service).max_decoding_message_size(LARGEST_MESSAGE);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .max_concurrent_streams(MOST_STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let (mut connection, mut closing) = (std::pin::pin!(connection), self.closing.clone());
        // A connection that breaks ends its streams; there is nobody left to tell.
        tokio::select! {
            _broken = connection.as_mut() => return,
            first = timeout(FIRST, asked.notified()) => if first.is_err() {
                return self.voice.say(&format!("{from}: nothing was asked for within {} s", FIRST.as_secs()));
            }
        }
        tokio::select! {
            _broken = connection.as_mut() => return,
            _ = closing.wait_for(|closing| *closing) => connection.as_mut().graceful_shutdown(),
        }
        let _broken = connection.await;
    }
}

/// Only nodes have something to say here.
fn node(leaf: &[u8]) -> Result<NodeName, String> {
    match machine(leaf) {
        Ok(Machine::Node(name)) if name.as_str().len() <= LONGEST_NODE => Ok(name),
        Ok(Machine::Node(_)) => Err(format!("the name of a node has more than {LONGEST_NODE} bytes")),
        Ok(member @ Machine::Member(_)) => Err(format!("it is that of {member}, and only a node sends records")),
        Err(bad) => Err(bad.to_string()),
    }
}

/// How many connections each machine has; those that are none share one account.
#[derive(Clone, Default)]
struct Seats {
    taken: Arc<Mutex<BTreeMap<Option<NodeName>, u32>>>,
}

struct Seat {
    of: Option<NodeName>,
    seats: Seats,
}

impl Seats {
    fn enter(&self, of: Option<NodeName>) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(of.clone()).or_default();
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Seat { of, seats: self.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

struct Service {
    uplinks: Arc<Uplinks>,
    caller: Caller,
    asked: Arc<Notify>,
}

#[tonic::async_trait]
impl Journal for Service {
    type UplinkStream = ReceiverStream<Result<UplinkReply, Status>>;

    async fn uplink(&self, request: Request<Streaming<UplinkRequest>>) -> Result<Response<Self::UplinkStream>, Status> {
        self.asked.notify_one();
        let (out, replies) = mpsc::channel(PLACES);
        tokio::spawn(Arc::clone(&self.uplinks).run(self.caller.clone(), request.into_inner(), out));
        Ok(Response::new(ReceiverStream::new(replies)))
    }
}
