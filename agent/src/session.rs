//! One session: who it is, which lines it sends, what becomes of each.
//!
//! **Invariant:** one line at a time; every line gets exactly one of Refused and Accepted…Exit, and is on record
//! before either is sent. When the client vanishes, so does everything that it started.
//! **Not here:** what a line means (`judge`), how a program is run (`crate::host`).

mod answer;
mod asked;
mod attended;
mod completion;
mod examined;
mod expansion;
mod held;
mod idle;
mod inbound;
mod input;
mod kept;
mod line;
mod opening;
mod output;
mod pipeline;
mod played;
mod quorum;
mod recorded;
mod running;
mod shown;
mod streams;
mod terminal;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use pact_policy::Identity;
use pact_proto::model::entry::{Body, Credential, SessionKind};
use pact_proto::model::{LineId, SessionId};
use pact_proto::view::{Format, Style};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{ClientMessage, ServerMessage};
use pact_session::{Broken, ClientGone, Outbound, Refusal};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::link::Host;
use crate::node::Node;
use crate::peer::{Caller, Who};
use crate::spool::{Draft, Stopped};
use held::Held;
use inbound::Inbound;

pub(crate) use pact_session::PLACES;

/// Why a session is over.
#[derive(Debug)]
enum Over {
    /// The client closed it.
    Left,
    /// The client vanished.
    Vanished,
    /// Nobody used it.
    Idle,
    /// What its author was let in by counts no more.
    Revoked,
    /// The client did something that the protocol does not know.
    Protocol(&'static str),
    /// The spool has stopped, and so does the agent.
    SpoolStopped,
}

impl Over {
    /// What goes on record of a line that it cut short.
    fn reason(&self) -> &'static str {
        match self {
            Self::Left => "the session was closed",
            Self::Vanished => "the client vanished",
            Self::Idle => "nobody used it",
            Self::Revoked => "what was issued to this person was revoked",
            Self::Protocol(what) => what,
            Self::SpoolStopped => "the spool stopped",
        }
    }
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

/// An open session.
struct Session<'a> {
    node: &'a Node,
    id: SessionId,
    who: Who,
    proof: Proof,
    kind: SessionKind,
    style: Style,
    format: Format,
    environment: Vec<String>,
    /// The client has a terminal, for programs that draw on one.
    has_terminal: bool,
    /// `None` for callers who may start no program, and until the first line needs it.
    host: Option<Host>,
    out: Outbound,
    last_line: LineId,
    /// What the client was told of what its right prompt shows.
    told_marks: Vec<String>,
}

/// How the author of a session was verified.
enum Proof {
    /// By the kernel, and bound to somebody by the policy.
    Account(Identity, Credential),
    /// By a ticket.
    Ticket(Arc<Held>),
}

impl Proof {
    /// The ticket, where it is one.
    fn ticket(&self) -> Option<Arc<Held>> {
        match self {
            Self::Account(..) => None,
            Self::Ticket(held) => Some(Arc::clone(held)),
        }
    }

    /// Who it is, with the roles that count now: a ticket that was renewed may have others.
    fn identity(&self) -> Identity {
        match self {
            Self::Account(identity, _) => identity.clone(),
            Self::Ticket(held) => held.identity(),
        }
    }

    /// As it goes on record.
    fn credential(&self) -> Credential {
        match self {
            Self::Account(_, credential) => credential.clone(),
            Self::Ticket(held) => held.credential(),
        }
    }
}

/// A session from its first message to its end.
pub(crate) async fn run(
    node: Arc<Node>,
    caller: Caller,
    messages: Streaming<ClientMessage>,
    out: mpsc::Sender<Result<ServerMessage, Status>>,
) {
    let (out, mut inbound) = (Outbound::new(out), Inbound::new(messages));
    let opened = tokio::select! {
        opened = opening::open(&node, &caller, &mut inbound, &out) => opened,
        () = out.gone() => return,
    };
    let Some((mut session, _seat)) = opened else { return };
    let over = session.serve(&mut inbound).await;
    session.close(&over).await;
}

impl Session<'_> {
    async fn serve(&mut self, inbound: &mut Inbound) -> Over {
        loop {
            let message = match self.attend(inbound).await {
                Ok(message) => message,
                Err(over) => return over,
            };
            let handled = match message {
                Kind::Line(line) => self.line(line, inbound).await,
                Kind::Close(_) => Err(Over::Left),
                // What a line did not read before it ended, and what was meant for it.
                Kind::Stdin(_) | Kind::StdinEnd(_) | Kind::Signal(_) => Ok(()),
                // Known where messages come in.
                Kind::Resize(_) => Ok(()),
                Kind::Complete(complete) => self.complete(complete).await,
                Kind::Open(_) => Err(Over::Protocol("a session is opened once")),
                // Taken where messages come in.
                Kind::Renew(_) => Ok(()),
            };
            if let Err(over) = handled {
                return over;
            }
        }
    }

    async fn close(mut self, over: &Over) {
        self.abandon_host().await;
        let reason = match over {
            Over::Left => "left".to_owned(),
            Over::Protocol(what) => format!("protocol: {what}"),
            Over::Vanished | Over::Idle | Over::Revoked | Over::SpoolStopped => over.reason().to_owned(),
        };
        let draft = self.draft(LineId::NONE, None, Body::SessionClosed { reason });
        // A spool that has stopped ends the agent, which closes the session on its next start.
        let _stopped = self.node.spool.keep(draft);
        match over {
            Over::Protocol(what) => self.out.fail(Status::invalid_argument(*what)).await,
            Over::Revoked => self.out.fail(Status::permission_denied(format!("access: {}", over.reason()))).await,
            Over::Idle => self.out.fail(Status::aborted(self.idle_reason())).await,
            Over::Left | Over::Vanished | Over::SpoolStopped => {}
        }
    }

    fn idle_reason(&self) -> String {
        let after = self.node.policy.limits().idle_seconds;
        format!("session: nobody used it for {after} s, and it was ended")
    }

    /// Who it is, now.
    fn identity(&self) -> Identity {
        self.proof.identity()
    }

    /// Whether this caller may start any program on this node.
    fn may_start_programs(&self) -> bool {
        self.node.policy.may_start_programs(&self.identity(), &self.node.place)
    }

    /// An entry of this session.
    fn draft(&self, line: LineId, request_hash: Option<[u8; 32]>, body: Body) -> Draft {
        Draft {
            event_time: Timestamp::now(),
            author: self.identity().author(&self.node.place.node),
            session: Some(self.id),
            line,
            policy_version: self.node.policy.version().to_owned(),
            request_hash,
            credential: Some(self.proof.credential()),
            body,
        }
    }

    /// Records that a line was not run, then says so.
    async fn refuse(&self, line: LineId, request_hash: [u8; 32], refusal: Refusal) -> Result<(), Over> {
        self.record_refusal(line, request_hash, &refusal).await?;
        Ok(self.out.send(Reply::Refused(refusal.told(line))).await?)
    }

    async fn record_refusal(&self, line: LineId, request_hash: [u8; 32], refusal: &Refusal) -> Result<(), Over> {
        tokio::time::sleep(self.node.pace.wait(&self.who, Instant::now())).await;
        let body = Body::Refused(refusal.recorded());
        self.record(self.draft(line, Some(request_hash), body)).await
    }

    /// Puts an entry on record that starts nothing, and so needs no room.
    async fn record(&self, draft: Draft) -> Result<(), Over> {
        self.node.spool.record(draft).await.map_err(|Stopped| Over::SpoolStopped)
    }
}
