//! The member's door: TLS, HTTP/2, and behind it one set of services for nodes and one for persons.
//!
//! **Invariant:** what is not verified costs a bounded time and a bounded number of places; what is has few connections
//! each, and persons together have fewer than nodes, so that no crowd keeps a node out. A machine that vanished is
//! noticed within half a minute, and the session that it had is kept for another.
//! **Not here:** what somebody may do who is in (`uplink`, `access`, `session`).

mod services;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pact_policy::certificate::{self, KeyThumbprint, Machine};
use pact_proto::model::NodeName;
use pact_proto::resume;
use pact_resume::{Carrier, Desk};
use pact_session::OpenSessions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::{Access, Person};
use crate::seats::Seats;
use crate::session::Sessions;
use crate::uplink::{Caller, Uplinks};
use crate::voice::Voice;
use services::Services;

/// How long accepting rests when it fails.
const AGAIN: Duration = Duration::from_millis(100);
/// Whoever does not say who it is for so long is nobody.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many may be saying who they are at once; others wait in the socket's queue.
const MOST_HANDSHAKES: usize = 256;
/// Of all nodes together.
const MOST_CONNECTIONS: usize = 4096;
/// Of all persons together: whoever has no ticket yet has only a key, and anybody has as many of those as they like.
const MOST_PERSONS: usize = 1024;
/// Of one node or key: the one that it uses, and those that it does not know to be dead.
const MOST_OF_ONE: u32 = 4;
/// Of one connection: a session and what renews it. More are refused by HTTP/2 itself.
const MOST_STREAMS: u32 = 4;
/// The same of a node: its records, and what its people ask at once.
const MOST_STREAMS_OF_NODE: u32 = 33;
/// What a caller can make the member hold for it, beside the message that it sends.
const WINDOW: u32 = 256 * 1024;
/// A quiet connection is asked so often whether it is there, and has so long to answer.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(20);
/// A node that asks for nothing for so long wants nothing; a person without a token that is accepted by then is nobody.
const FIRST: Duration = Duration::from_secs(10);
/// How long whoever is told that the member ends may take to close.
const GOODBYE: Duration = Duration::from_secs(30);
/// Longer names fit into no index.
const LONGEST_NODE: usize = 240;

/// What all connections have in common.
pub(crate) struct Door {
    acceptor: TlsAcceptor,
    rooms: Rooms,
    voice: Arc<Voice>,
    closing: watch::Receiver<bool>,
    handshakes: Arc<Semaphore>,
    nodes: Arc<Semaphore>,
    persons: Arc<Semaphore>,
    seats: Seats<Sitter>,
    desk: Arc<Streams>,
}

/// Whose connections may break and come again.
type Streams = Desk<KeyThumbprint, TlsStream<TcpStream>>;

/// A connection that begins.
enum Met {
    /// It carries HTTP/2 as long as it is there.
    Plain(TlsStream<TcpStream>),
    /// Others may carry on what it carries.
    Begun(Carrier<KeyThumbprint, TlsStream<TcpStream>>),
}

/// What is behind the door.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub(crate) uplinks: Arc<Uplinks>,
    pub(crate) access: Arc<Access>,
    pub(crate) sessions: Arc<Sessions>,
}

/// Who is in.
#[derive(Clone, Debug)]
enum Visitor {
    Node(Caller),
    Person(Person),
}

impl Door {
    pub(crate) fn new(acceptor: TlsAcceptor, rooms: Rooms, voice: Arc<Voice>, closing: watch::Receiver<bool>) -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        let (handshakes, nodes, persons) = (places(MOST_HANDSHAKES), places(MOST_CONNECTIONS), places(MOST_PERSONS));
        Self {
            acceptor,
            rooms,
            voice,
            closing,
            handshakes,
            nodes,
            persons,
            seats: Seats::default(),
            desk: Arc::default(),
        }
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
        let late = Instant::now() + HANDSHAKE;
        let (stream, visitor) = match self.handshake(stream, from).await {
            Ok(verified) => verified,
            Err(why) => return self.voice.say(&format!("{from}: {why}")),
        };
        // Of a person, whose connection may break and come again; it may be such a one that comes again.
        let met = match self.meet(stream, &visitor, late).await {
            Ok(Some(met)) => met,
            Ok(None) => return,
            Err(why) => return self.voice.say(&format!("{from}: {why}")),
        };
        drop(place);
        let (places, most, who) = match &visitor {
            Visitor::Node(caller) => (&self.nodes, MOST_CONNECTIONS, Sitter::Node(caller.node.clone())),
            Visitor::Person(person) => (&self.persons, MOST_PERSONS, Sitter::Person(person.key)),
        };
        let Ok(_place) = Arc::clone(places).try_acquire_owned() else {
            return self.voice.say(&format!("{from}: {most} connections are open, and no more"));
        };
        let Some(_seat) = self.seats.enter(who, MOST_OF_ONE) else {
            return self.voice.say(&format!("{from}: {MOST_OF_ONE} connections of the same are open, and no more"));
        };
        let open = OpenSessions::default();
        match met {
            Met::Begun(carrier) => {
                let sessions = open.clone();
                let (stream, carrying) = carrier.begin(move || sessions.any());
                let mut carrying = pin!(carrying);
                let mut talking = pin!(self.talk(stream, visitor, from, open, None));
                let is_somebody = tokio::select! {
                    is_somebody = talking.as_mut() => is_somebody,
                    () = carrying.as_mut() => {
                        talking.await;
                        return;
                    }
                };
                // The last words; nobody has none.
                if is_somebody {
                    carrying.await;
                }
            }
            Met::Plain(stream) => {
                self.talk(stream, visitor, from, open, Some(PING)).await;
            }
        }
    }

    /// Who it is, or why it is nobody.
    async fn handshake(&self, stream: TcpStream, from: SocketAddr) -> Result<(TlsStream<TcpStream>, Visitor), String> {
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream = match timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(told(&error)),
            Err(_) => return Err(format!("TLS: no handshake within {} s", HANDSHAKE.as_secs())),
        };
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let who = leaf.ok_or_else(|| "there is none".to_owned()).and_then(|leaf| who(leaf, from));
        who.map(|who| (stream, who)).map_err(|why| format!("certificate: {why}"))
    }

    /// Hears what the connection is for; none where it goes on with what was begun by another.
    async fn meet(
        &self,
        stream: TlsStream<TcpStream>,
        visitor: &Visitor,
        late: Instant,
    ) -> Result<Option<Met>, String> {
        let outlives = stream.get_ref().1.alpn_protocol() == Some(resume::ALPN);
        match visitor {
            Visitor::Person(person) if outlives => {
                let met = timeout_at(late, self.desk.meet(person.key, stream)).await;
                let late = |_| format!("it did not say what it wants within {} s", HANDSHAKE.as_secs());
                Ok(met.map_err(late)?.map_err(|error| error.to_string())?.map(Met::Begun))
            }
            Visitor::Node(_) if outlives => Err("the connection of a node is not resumed".to_owned()),
            Visitor::Person(_) | Visitor::Node(_) => Ok(Some(Met::Plain(stream))),
        }
    }

    /// To its end; whether it was somebody's. One that nothing else watches is asked whether it is there.
    async fn talk<S>(
        &self,
        stream: S,
        visitor: Visitor,
        from: SocketAddr,
        open: OpenSessions,
        ping: Option<Duration>,
    ) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let wanted = Arc::new(Notify::new());
        let (missing, streams) = match &visitor {
            Visitor::Node(_) => ("nothing was asked for", MOST_STREAMS_OF_NODE),
            Visitor::Person(_) => ("no token was accepted", MOST_STREAMS),
        };
        let service = Services::new(self.rooms.clone(), visitor, Arc::clone(&wanted), open);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(ping)
            .keep_alive_timeout(PONG)
            .max_concurrent_streams(streams)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let (mut connection, mut closing) = (pin!(connection), self.closing.clone());
        // A connection that breaks ends its streams; there is nobody left to tell.
        tokio::select! {
            _broken = connection.as_mut() => return true,
            first = timeout(FIRST, wanted.notified()) => if first.is_err() {
                self.voice.say(&format!("{from}: {missing} within {} s", FIRST.as_secs()));
                return false;
            }
        }
        tokio::select! {
            _broken = connection.as_mut() => return true,
            _ = closing.wait_for(|closing| *closing) => connection.as_mut().graceful_shutdown(),
        }
        // Whoever does not listen is not waited for.
        let _broken = timeout(GOODBYE, connection).await;
        true
    }
}

/// What is wrong with a handshake; what is ours in it, in our words.
fn told(error: &std::io::Error) -> String {
    let of_tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(bad))) = of_tls {
        return format!("certificate: {}", bad.0);
    }
    format!("TLS: {error}")
}

/// Members have nothing to say to each other here yet.
fn who(leaf: &[u8], from: SocketAddr) -> Result<Visitor, String> {
    match certificate::visitor(leaf) {
        Ok(certificate::Visitor::Person(key)) => Ok(Visitor::Person(Person { key, from })),
        Ok(certificate::Visitor::Machine(Machine::Node(node))) if node.as_str().len() <= LONGEST_NODE => {
            Ok(Visitor::Node(Caller { from, node }))
        }
        Ok(certificate::Visitor::Machine(Machine::Node(_))) => {
            Err(format!("the name of a node has more than {LONGEST_NODE} bytes"))
        }
        Ok(certificate::Visitor::Machine(member @ Machine::Member(_))) => {
            Err(format!("it is that of {member}, and only a node sends records"))
        }
        Err(bad) => Err(bad.to_string()),
    }
}

/// Who has connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sitter {
    Node(NodeName),
    Person(KeyThumbprint),
}
