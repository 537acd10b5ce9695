//! Sessions with the journal: a person's by ticket, and what a node passes on of its own.
//!
//! **Invariant:** one line at a time; what a person types is on record here before it is answered, and is judged by the
//! ticket that is held then; what a node asks is on record in its spool already, and is answered with that node's
//! records and no others. Nothing is answered to whom it was revoked.
//! **Not here:** programs: the journal starts none.

mod answer;
mod inbound;
mod line;
mod opening;
mod search;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pact_policy::Sight;
use pact_policy::authority::Authority;
use pact_policy::ticket::Held;
use pact_proto::exit::ExitCode;
use pact_proto::model::entry::{Body, Credential, LineRefused};
use pact_proto::model::{LineId, NodeName, Principal, Scope, SessionId};
use pact_proto::view::{Format, Style};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{self, ClientMessage, ServerMessage};
use tokio::sync::{Notify, mpsc, watch};
use tonic::{Status, Streaming};

use crate::access::{Access, Person};
use crate::journal::Journal;
use crate::own::Draft;
use crate::seats::Seats;
use inbound::Inbound;

/// Messages that wait for the client.
pub(crate) const PLACES: usize = 4;
/// Refusals of one session come no faster than that.
const REFUSAL: Duration = Duration::from_millis(50);

/// What all sessions have in common.
pub(crate) struct Sessions {
    journal: Arc<Journal>,
    access: Arc<Access>,
    authority: Authority,
    cluster: String,
    /// Of the configuration by which tokens are accepted: what a person may do here follows from it.
    policy_version: String,
    closing: watch::Receiver<bool>,
    seats: Seats<Sitter>,
}

/// Who has sessions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sitter {
    Person(Principal),
    Node(NodeName),
}

/// Who asks, as the connection proves it.
#[derive(Clone)]
pub(crate) enum Caller {
    /// By a key, which a ticket must be for. Told when one is.
    Person(Person, Arc<Notify>),
    /// By its certificate.
    Node(NodeName),
}

/// Who asks, verified.
#[derive(Clone)]
enum Asker {
    Person(Arc<Held>),
    Node(NodeName),
}

/// Why a session is over.
#[derive(Debug)]
enum Over {
    /// The client closed it.
    Left,
    /// The client vanished.
    Vanished,
    /// What its author was let in by counts no more.
    Revoked,
    /// The member ends.
    Closing,
    /// The client did something that the protocol does not know.
    Protocol(&'static str),
    /// What happens cannot be put on record.
    Unrecorded,
}

impl Over {
    fn reason(&self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Vanished => "the client vanished",
            Self::Revoked => "what was issued to this person was revoked",
            Self::Closing => "the member ended",
            Self::Protocol(what) => what,
            Self::Unrecorded => "it could not be recorded",
        }
    }
}

/// An open session.
struct Session<'a> {
    rooms: &'a Sessions,
    id: SessionId,
    asker: Asker,
    style: Style,
    format: Format,
    out: Outbound,
    last_line: LineId,
}

/// The way to the client.
#[derive(Clone)]
struct Outbound(mpsc::Sender<Result<ServerMessage, Status>>);

impl Outbound {
    /// Waits for a place; a client that is not there any more has vanished.
    async fn send(&self, kind: Reply) -> Result<(), Over> {
        self.0.send(Ok(ServerMessage { kind: Some(kind) })).await.map_err(|_| Over::Vanished)
    }
}

/// Why a line, or a session, is refused.
struct Refusal {
    /// What was typed.
    line: Vec<u8>,
    code: ExitCode,
    /// To the person: `<what>: <why>`.
    message: String,
    hint: String,
    span: Option<std::ops::Range<usize>>,
}

impl Sessions {
    pub(crate) fn new(
        journal: Arc<Journal>,
        access: Arc<Access>,
        authority: Authority,
        (cluster, policy_version): (String, String),
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self { journal, access, authority, cluster, policy_version, closing, seats: Seats::default() }
    }

    /// A session from its first message to its end.
    pub(crate) async fn run(
        self: Arc<Self>,
        caller: Caller,
        messages: Streaming<ClientMessage>,
        out: mpsc::Sender<Result<ServerMessage, Status>>,
    ) {
        let mut inbound = Inbound::new(messages, self.closing.clone());
        let opened = tokio::select! {
            opened = self.open(caller, &mut inbound, Outbound(out.clone())) => opened,
            () = out.closed() => return,
        };
        let Some((mut session, _seat)) = opened else { return };
        let over = session.serve(&mut inbound).await;
        session.close(&over).await;
    }
}

impl Session<'_> {
    async fn serve(&mut self, inbound: &mut Inbound) -> Over {
        loop {
            let handled = match inbound.next().await {
                Err(over) => Err(over),
                Ok(Kind::Line(line)) => self.line(line, inbound).await,
                Ok(Kind::Close(_)) => Err(Over::Left),
                // What a line did not wait for before it ended.
                Ok(Kind::Stdin(_) | Kind::StdinEnd(_) | Kind::Signal(_)) => Ok(()),
                Ok(Kind::Resize(resize)) => {
                    self.style.columns = opening::columns(resize.size.as_ref());
                    Ok(())
                }
                Ok(Kind::Complete(asked)) => {
                    let none = v1::Candidates { id: asked.id, candidates: Vec::new() };
                    self.out.send(Reply::Candidates(none)).await
                }
                Ok(Kind::Open(_)) => Err(Over::Protocol("a session is opened once")),
                // Taken where messages come in.
                Ok(Kind::Renew(_)) => Ok(()),
            };
            if let Err(over) = handled {
                return over;
            }
        }
    }

    async fn close(self, over: &Over) {
        let body = Body::SessionClosed { reason: over.reason().to_owned() };
        let _unrecorded = self.record(LineId::NONE, None, "", body).await;
        let status = match over {
            Over::Protocol(what) => Status::invalid_argument(*what),
            Over::Revoked => Status::permission_denied(format!("access: {}", over.reason())),
            Over::Closing | Over::Unrecorded => Status::unavailable(over.reason()),
            Over::Left | Over::Vanished => return,
        };
        // Whoever does not read is not told.
        let _full = self.out.0.try_send(Err(status));
    }

    /// Which entries this session may show.
    fn sight(&self) -> Sight {
        match &self.asker {
            Asker::Person(held) => held.identity().sight(),
            Asker::Node(node) => Sight::of_node(node.clone()),
        }
    }

    /// Puts on record what a person does. What a node passes on is on record there.
    async fn record(
        &self,
        line: LineId,
        request_hash: Option<[u8; 32]>,
        message: &str,
        body: Body,
    ) -> Result<(), Over> {
        let Some(draft) = self.draft(line, request_hash, message, body) else { return Ok(()) };
        self.rooms.access.own.record(draft).await.map(drop).map_err(|_| Over::Unrecorded)
    }

    fn draft(&self, line: LineId, request_hash: Option<[u8; 32]>, message: &str, body: Body) -> Option<Draft> {
        let Asker::Person(held) = &self.asker else { return None };
        Some(Draft {
            scope: Scope::Global,
            author: held.principal(),
            session: Some(self.id),
            line,
            message: message.to_owned(),
            policy_version: self.rooms.policy_version.clone(),
            request_hash,
            credential: Some(Credential::Ticket(held.signed())),
            body,
        })
    }

    /// Records that a line was not run, then says so.
    async fn refuse(&self, line: LineId, request_hash: [u8; 32], refusal: Refusal) -> Result<(), Over> {
        tokio::time::sleep(REFUSAL).await;
        let body = Body::Refused(LineRefused {
            line: refusal.line.clone(),
            line_bytes: refusal.line.len() as u64,
            line_sha256: None,
            exit_code: refusal.code.number(),
            reason: refusal.message.clone(),
        });
        self.record(line, Some(request_hash), "", body).await?;
        self.out.send(Reply::Refused(refusal.told(line))).await
    }
}

impl Refusal {
    fn told(self, line: LineId) -> v1::Refused {
        let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        v1::Refused {
            line_id: line.0,
            exit_code: self.code.number().into(),
            message: self.message,
            hint: self.hint,
            span: self.span.map(|span| v1::Span { start: at(span.start), end: at(span.end) }),
        }
    }
}

/// How long until then; nothing where that is over.
fn until(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_until(time)).unwrap_or_default()
}
