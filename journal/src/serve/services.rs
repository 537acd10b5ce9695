//! The services behind the door: which there are for whom.
//!
//! **Invariant:** a node reaches the uplink, a person reaches access, and both the shell; whatever else is asked for is not there. Only a
//! person whose token was accepted is known to want something.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use pact_proto::wire::v1::access_server::AccessServer;
use pact_proto::wire::v1::journal_server::JournalServer;
use pact_proto::wire::v1::shell_server::ShellServer;
use pact_proto::wire::v1::{
    ClientMessage, ExchangeReply, ExchangeRequest, MembersReply, MembersRequest, ServerMessage, UplinkReply,
    UplinkRequest, access_server, journal_server, shell_server,
};
use pact_session::OpenSessions;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};

use super::{Rooms, Visitor};
use crate::access::Person;
use crate::entry::MOST_PAYLOAD;
use crate::session::{self, Sessions};
use crate::uplink::Caller;

/// The largest entry, and what stands around it.
const LARGEST_MESSAGE: usize = MOST_PAYLOAD + 64 * 1024;
/// A token, and the names of as many nodes as one may ask for.
const LARGEST_REQUEST: usize = 2 << 20;
/// A line, and what stands around it.
const LARGEST_LINE: usize = 256 * 1024;
/// Replies that wait for a node to read them.
const PLACES: usize = 8;

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// What one connection reaches.
#[derive(Clone)]
pub(super) struct Services {
    doors: Doors,
}

#[derive(Clone)]
enum Doors {
    Node(JournalServer<ForNode>, ShellServer<ForSessions>),
    Person(AccessServer<ForPerson>, ShellServer<ForSessions>),
}

impl Services {
    /// `wanted` is notified when it is known that the connection is somebody's.
    pub(super) fn new(rooms: Rooms, visitor: Visitor, wanted: Arc<Notify>, open: OpenSessions) -> Self {
        let doors = match visitor {
            Visitor::Node(caller) => {
                let shell = shell(&rooms, session::Caller::Node(caller.node.clone()), open);
                let server = JournalServer::new(ForNode { rooms, caller, wanted });
                Doors::Node(server.max_decoding_message_size(LARGEST_MESSAGE), shell)
            }
            Visitor::Person(person) => {
                let shell = shell(&rooms, session::Caller::Person(person, Arc::clone(&wanted)), open);
                let server = AccessServer::new(ForPerson { rooms, person, wanted });
                Doors::Person(server.max_decoding_message_size(LARGEST_REQUEST), shell)
            }
        };
        Self { doors }
    }
}

/// By the first part of the path, as gRPC has it.
impl Service<http::Request<Incoming>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Answer {
        let asked = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        let (uplink, access) =
            (<JournalServer<ForNode> as NamedService>::NAME, <AccessServer<ForPerson> as NamedService>::NAME);
        let is_shell = asked == <ShellServer<ForSessions> as NamedService>::NAME;
        match &mut self.doors {
            Doors::Node(server, _) if asked == uplink => server.call(request),
            Doors::Person(server, _) if asked == access => server.call(request),
            Doors::Node(_, shell) | Doors::Person(_, shell) if is_shell => shell.call(request),
            Doors::Node(..) => not_there("a node has nothing to ask of this service"),
            Doors::Person(..) => not_there("a person has nothing to ask of this service"),
        }
    }
}

fn shell(rooms: &Rooms, caller: session::Caller, open: OpenSessions) -> ShellServer<ForSessions> {
    let sessions = ForSessions { sessions: Arc::clone(&rooms.sessions), caller, open };
    ShellServer::new(sessions).max_decoding_message_size(LARGEST_LINE)
}

fn not_there(why: &'static str) -> Answer {
    Box::pin(ready(Ok(Status::permission_denied(why).into_http())))
}

#[derive(Clone)]
struct ForSessions {
    sessions: Arc<Sessions>,
    caller: session::Caller,
    open: OpenSessions,
}

#[tonic::async_trait]
impl shell_server::Shell for ForSessions {
    type SessionStream = ReceiverStream<Result<ServerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (out, replies) = mpsc::channel(session::PLACES);
        let running = Arc::clone(&self.sessions).run(self.caller.clone(), request.into_inner(), out);
        let open = self.open.enter();
        tokio::spawn(async move {
            let _open = open;
            running.await;
        });
        Ok(Response::new(ReceiverStream::new(replies)))
    }
}

struct ForNode {
    rooms: Rooms,
    caller: Caller,
    wanted: Arc<Notify>,
}

#[tonic::async_trait]
impl journal_server::Journal for ForNode {
    type UplinkStream = ReceiverStream<Result<UplinkReply, Status>>;

    async fn uplink(&self, request: Request<Streaming<UplinkRequest>>) -> Result<Response<Self::UplinkStream>, Status> {
        self.wanted.notify_one();
        let (out, replies) = mpsc::channel(PLACES);
        tokio::spawn(Arc::clone(&self.rooms.uplinks).run(self.caller.clone(), request.into_inner(), out));
        Ok(Response::new(ReceiverStream::new(replies)))
    }
}

struct ForPerson {
    rooms: Rooms,
    person: Person,
    wanted: Arc<Notify>,
}

impl ForPerson {
    /// Whoever was answered has a token; others have their place for a moment only.
    fn answered<T>(&self, answer: Result<T, Status>) -> Result<Response<T>, Status> {
        let answer = answer?;
        self.wanted.notify_one();
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl access_server::Access for ForPerson {
    async fn exchange(&self, request: Request<ExchangeRequest>) -> Result<Response<ExchangeReply>, Status> {
        self.answered(self.rooms.access.exchange(self.person, request.into_inner()).await)
    }

    async fn members(&self, request: Request<MembersRequest>) -> Result<Response<MembersReply>, Status> {
        self.answered(self.rooms.access.members(self.person, request.into_inner()).await)
    }
}
