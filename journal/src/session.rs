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
pub(crate) mod unfinished;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pact_policy::Sight;
use pact_policy::authority::Authority;
use pact_policy::ticket::Held;
use pact_proto::exit::ExitCode;
use pact_proto::model::entry::{Body, Credential};
use pact_proto::model::{LineId, NodeName, Principal, Scope, SessionId};
use pact_proto::view::{Format, Style};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{self, ClientMessage, ServerMessage};
pub(crate) use pact_session::PLACES;
use pact_session::{Broken, ClientGone, Outbound, Pace, Refusal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::access::{Access, Person};
use crate::journal::Journal;
use crate::own::{Draft, Unrecorded};
use crate::seats::Seats;
use inbound::Inbound;

/// How long a client may take to hear why its session is over.
const GOODBYE: Duration = Duration::from_secs(1);

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
    /// How fast they may be refused.
    pace: Pace<Sitter>,
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

impl From<Broken> for Over {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Vanished => Self::Vanished,
            Broken::Protocol(what) => Self::Protocol(what),
        }
    }
}

impl From<ClientGone> for Over {
    fn from(ClientGone: ClientGone) -> Self {
        Self::Vanished
    }
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

impl Sessions {
    pub(crate) fn new(
        journal: Arc<Journal>,
        access: Arc<Access>,
        authority: Authority,
        (cluster, policy_version): (String, String),
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self {
            journal,
            access,
            authority,
            cluster,
            policy_version,
            closing,
            seats: Seats::default(),
            pace: Pace::default(),
        }
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
            opened = self.open(caller, &mut inbound, Outbound::new(out.clone())) => opened,
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
                    self.style.columns = pact_session::columns(resize.size.as_ref());
                    Ok(())
                }
                Ok(Kind::Complete(asked)) => {
                    let none = v1::Candidates { id: asked.id, candidates: Vec::new() };
                    self.out.send(Reply::Candidates(none)).await.map_err(Over::from)
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
        // A client that does not read is not waited for: its place is for others.
        let _late = timeout(GOODBYE, self.out.fail(status)).await;
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
    ) -> Result<(), Unrecorded> {
        let Some(draft) = self.draft(line, request_hash, message, body) else { return Ok(()) };
        self.rooms.access.own.record(draft).await.map(drop)
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
        tokio::time::sleep(self.rooms.pace.wait(&self.asker.sitter(), Instant::now())).await;
        let body = Body::Refused(refusal.recorded());
        match self.record(line, Some(request_hash), "", body).await {
            Ok(()) => Ok(self.out.send(Reply::Refused(refusal.told(line))).await?),
            Err(why) => Err(self.not_on_record(line, &why).await),
        }
    }

    /// What cannot be recorded is not done, and the session ends with it: nothing of it could be recorded either.
    async fn not_on_record(&self, line: LineId, why: &Unrecorded) -> Over {
        // Whoever is gone is not told.
        let _gone = self.out.send(Reply::Refused(unrecorded(why).told(line))).await;
        Over::Unrecorded
    }
}

impl Asker {
    fn sitter(&self) -> Sitter {
        match self {
            Self::Person(held) => Sitter::Person(held.principal()),
            Self::Node(node) => Sitter::Node(node.clone()),
        }
    }
}

fn unrecorded(why: &Unrecorded) -> Refusal {
    let hint = "nothing of it was done; `health` says how the journal is";
    Refusal::new(b"", ExitCode::Unreachable, format!("records: it is not on record: {why}"), hint)
}

/// How long until then; nothing where that is over.
fn until(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_until(time)).unwrap_or_default()
}
