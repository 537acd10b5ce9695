//! How a session with the journal begins: the first message, who asks, the context.
//!
//! **Invariant:** a person is who a ticket for the journal and for this connection's key says; a node is who its
//! certificate says.

use std::sync::Arc;
use std::time::Duration;

use pact_policy::ticket::{Audience, Door, Held};
use pact_proto::exit::ExitCode;
use pact_proto::model::entry::{Body, SessionKind};
use pact_proto::model::{LineId, SessionId};
use pact_proto::view::{Format, Style};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Context, Open, TerminalSize};
use tokio::time::timeout;
use tonic::Status;

use super::inbound::{Inbound, signed};
use super::{Asker, Caller, Outbound, Refusal, Session, Sessions, Sitter};
use crate::access::Person;
use crate::seats::Seat;

/// How long a client may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a person without terminal is taken to have.
const USUAL_COLUMNS: u16 = 80;
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
            Ok(Err(_)) | Err(_) => return None,
        };
        let Ok(kind) = SessionKind::try_from(open.kind()) else {
            return fail(&out, "an unknown kind of session").await;
        };
        let (asker, sitter) = match self.verify(&caller, &open).await {
            Ok(verified) => verified,
            Err(refusal) => return turn_away(&out, refusal).await,
        };
        let Some(seat) = self.seats.enter(sitter, MOST_OF_ONE) else {
            return turn_away(&out, full()).await;
        };
        if let Asker::Person(held) = &asker {
            inbound.hold(Arc::clone(held), self.access.revoked.changes());
        }
        let style = Style { colour: open.colour && open.stdout_is_terminal, columns: columns(open.size.as_ref()) };
        let (id, format, last_line) = (new_id()?, Format::of(open.format()), LineId::NONE);
        let session = Session { rooms: self, id, asker, style, format, out, last_line };
        session.begin(kind).await.ok().map(|()| (session, seat))
    }

    async fn verify(&self, caller: &Caller, open: &Open) -> Result<(Asker, Sitter), Refusal> {
        match caller {
            Caller::Person(person, wanted) => {
                let held = match self.ticket(*person, open) {
                    Ok(held) => held,
                    Err(why) => {
                        self.access.refuse(*person, &why).await;
                        return Err(refusal(ExitCode::Auth, REFUSED, ""));
                    }
                };
                wanted.notify_one();
                let sitter = Sitter::Person(held.principal());
                Ok((Asker::Person(Arc::new(held)), sitter))
            }
            Caller::Node(node) => Ok((Asker::Node(node.clone()), Sitter::Node(node.clone()))),
        }
    }

    fn ticket(&self, person: Person, open: &Open) -> Result<Held, String> {
        let shown = signed(open.credential.as_ref()).ok_or("no ticket was shown")?;
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
    async fn begin(&self, kind: SessionKind) -> Result<(), super::Over> {
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
        self.record(LineId::NONE, None, "", Body::SessionOpened { kind, roles }).await?;
        self.out.send(Reply::Context(context)).await
    }
}

/// How wide a terminal is that says this of its size.
pub(super) fn columns(size: Option<&TerminalSize>) -> u16 {
    let columns = size.and_then(|size| u16::try_from(size.columns).ok()).filter(|columns| *columns > 0);
    columns.unwrap_or(USUAL_COLUMNS)
}

fn full() -> Refusal {
    let message = format!("session: {MOST_OF_ONE} sessions of yours with the journal are open already");
    refusal(ExitCode::Policy, &message, "end another session first")
}

fn refusal(code: ExitCode, message: &str, hint: &str) -> Refusal {
    Refusal { line: Vec::new(), code, message: message.to_owned(), hint: hint.to_owned(), span: None }
}

async fn turn_away<T>(out: &Outbound, refusal: Refusal) -> Option<T> {
    // Whoever is gone is not told.
    let _gone = out.send(Reply::Refused(refusal.told(LineId::NONE))).await;
    None
}

async fn fail<T>(out: &Outbound, what: &'static str) -> Option<T> {
    let _gone = out.0.send(Err(Status::invalid_argument(what))).await;
    None
}

/// 128 random bits.
fn new_id() -> Option<SessionId> {
    let mut bytes = [0; 16];
    let drawn = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).ok()?;
    (drawn == bytes.len()).then(|| SessionId::from_bytes(bytes))
}
