//! How a session with the journal begins: the first message, who asks, the context.
//!
//! **Invariant:** a person is who a ticket for the journal and for this connection's key says; a node is who its
//! certificate says.

use std::sync::Arc;
use std::time::Duration;

use pact_policy::ticket::{Audience, Door, Held};
use pact_proto::exit::ExitCode;
use pact_proto::model::LineId;
use pact_proto::model::entry::{Body, SessionKind};
use pact_proto::view::Format;
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Context, Open};
use tokio::time::timeout;
use tonic::Status;

use pact_session::{Outbound, Refusal, new_id, style};

use super::inbound::Inbound;
use super::{Asker, Caller, Over, Session, Sessions, Sitter};
use crate::access::Person;
use crate::seats::Seat;

/// How long a client may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sessions of one person or node.
const MOST_OF_ONE: u32 = 32;
/// What everybody reads whose ticket is not accepted.
const REFUSED: &str = "access: the ticket is not accepted";

impl Sessions {
    /// A session, or nobody is served and is told so.
    pub(super) async fn open<'a>(
        &'a self,
        caller: Caller,
        inbound: &mut Inbound,
        out: Outbound,
    ) -> Option<(Session<'a>, Seat<Sitter>)> {
        let open = match timeout(PATIENCE, inbound.next()).await {
            Ok(Ok(Kind::Open(open))) => open,
            Ok(Ok(_)) => return fail(&out, "a session begins with open").await,
            Ok(Err(Over::Protocol(what))) => return fail(&out, what).await,
            Ok(Err(Over::Left | Over::Vanished | Over::Revoked | Over::Closing | Over::Unrecorded)) | Err(_) => {
                return None;
            }
        };
        let Ok(kind) = SessionKind::try_from(open.kind()) else {
            return fail(&out, "an unknown kind of session").await;
        };
        let asker = match self.verify(&caller, &open).await {
            Ok(asker) => asker,
            Err(refusal) => return turn_away(&out, refusal).await,
        };
        let Some(seat) = self.seats.enter(asker.sitter(), MOST_OF_ONE) else {
            return turn_away(&out, full()).await;
        };
        if let Asker::Person(held) = &asker {
            inbound.hold(Arc::clone(held), self.access.revoked.changes());
        }
        let (id, style, format) = (new_id()?, style(&open), Format::of(open.format()));
        let last_line = LineId::NONE;
        let session = Session { rooms: self, id, asker, style, format, out, last_line };
        session.begin(kind).await.then_some((session, seat))
    }

    async fn verify(&self, caller: &Caller, open: &Open) -> Result<Asker, Refusal> {
        match caller {
            Caller::Person(person, wanted) => {
                let held = match self.ticket(*person, open) {
                    Ok(held) => held,
                    Err(why) => {
                        self.access.refuse(*person, &why).await;
                        return Err(Refusal::new(b"", ExitCode::Auth, REFUSED, ""));
                    }
                };
                wanted.notify_one();
                Ok(Asker::Person(Arc::new(held)))
            }
            Caller::Node(node) => Ok(Asker::Node(node.clone())),
        }
    }

    fn ticket(&self, person: Person, open: &Open) -> Result<Held, String> {
        let shown = pact_session::ticket(open.credential.as_ref()).ok_or("no ticket was shown")?;
        let door = Door { authority: self.authority.clone(), audience: Audience::Journal, key: person.key };
        let held = Held::open(door, shown).map_err(|fault| format!("the ticket: {fault}"))?;
        match held.revoked_before(&self.access.revoked.changes().borrow()) {
            Some(before) => {
                Err(format!("the ticket: what was issued to {} before {before} is revoked", held.principal()))
            }
            None => Ok(held),
        }
    }
}

impl Session<'_> {
    /// Whether it is on record, and the client has heard what it may.
    async fn begin(&self, kind: SessionKind) -> bool {
        let (principal, roles, commands) = match &self.asker {
            Asker::Person(held) => {
                let identity = held.identity();
                (held.principal().to_string(), identity.roles(), identity.commands_at_journal())
            }
            Asker::Node(node) => (format!("node:{node}"), Vec::new(), Vec::new()),
        };
        let context = Context {
            principal,
            roles: roles.iter().map(ToString::to_string).collect(),
            commands: commands.into_iter().map(str::to_owned).collect(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Context::default()
        };
        match self.record(LineId::NONE, None, "", Body::SessionOpened { kind, roles }).await {
            Ok(()) => self.out.send(Reply::Context(context)).await.is_ok(),
            Err(why) => {
                self.not_on_record(LineId::NONE, &why).await;
                false
            }
        }
    }
}

fn full() -> Refusal {
    let message = format!("session: {MOST_OF_ONE} sessions of yours with the journal are open already");
    Refusal::new(b"", ExitCode::Policy, message, "end another session first")
}

async fn turn_away<T>(out: &Outbound, refusal: Refusal) -> Option<T> {
    // Whoever is gone is not told.
    let _gone = out.send(Reply::Refused(refusal.told(LineId::NONE))).await;
    None
}

async fn fail<T>(out: &Outbound, what: &'static str) -> Option<T> {
    out.fail(Status::invalid_argument(what)).await;
    None
}
