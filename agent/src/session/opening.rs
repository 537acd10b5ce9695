//! How a session begins: the first message, who is calling, the context, the host.
//!
//! **Invariant:** who it is, the kernel has said, or a ticket for this node and this key; what else the client says of
//! that is not read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pact_policy::Unbound;
use pact_proto::exit::ExitCode;
use pact_proto::model::entry::{Body, Credential, SessionKind};
use pact_proto::model::{LineId, Principal, SessionId};
use pact_proto::view::Format;
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Context, Open};
use tokio::time::timeout;
use tonic::Status;

use super::held::Held;
use super::inbound::Inbound;
use super::{Over, Proof, Session};
use crate::node::{Node, Seat, TooMany};
use crate::peer::{Caller, Who};
use crate::spool::Draft;
use pact_session::{Outbound, Refusal, Size, new_id, style};

/// How long a client may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// A session, or nobody is served and the record says why.
pub(super) async fn open<'a>(
    node: &'a Node,
    caller: &Caller,
    inbound: &mut Inbound,
    out: &Outbound,
) -> Option<(Session<'a>, Seat<'a>)> {
    let open = match timeout(PATIENCE, inbound.next()).await {
        Ok(Ok(Kind::Open(open))) => open,
        Ok(Ok(_)) => return fail(out, "a session begins with open").await,
        Ok(Err(Over::Protocol(what))) => return fail(out, what).await,
        Ok(Err(Over::Left | Over::Vanished | Over::Idle | Over::Revoked | Over::SpoolStopped)) | Err(_) => return None,
    };
    let Ok(kind) = SessionKind::try_from(open.kind()) else { return fail(out, "an unknown kind of session").await };
    let id = new_id()?;
    match admit(node, caller, id, kind, &open, out) {
        Ok((session, seat)) => {
            inbound.hold(session.proof.ticket());
            inbound.is_sized(open.size.as_ref());
            begin(session).await.map(|session| (session, seat))
        }
        Err(refusal) => {
            turn_away(node, caller, id, refusal, out).await;
            None
        }
    }
}

/// Checks the caller.
fn admit<'a>(
    node: &'a Node,
    caller: &Caller,
    id: SessionId,
    kind: SessionKind,
    open: &Open,
    out: &Outbound,
) -> Result<(Session<'a>, Seat<'a>), Refusal> {
    let (who, proof) = verify(node, caller, open)?;
    let limits = node.policy.limits();
    let seat = node
        .sessions
        .enter(&who, limits.sessions_per_user, limits.sessions_per_node)
        .map_err(|too_many| full(node, too_many))?;
    let session = Session {
        node,
        id,
        who,
        proof,
        kind,
        style: style(open),
        format: Format::of(open.format()),
        environment: environment(open),
        has_terminal: open.stdin_is_terminal && open.stdout_is_terminal && Size::of(open.size.as_ref()).is_some(),
        host: None,
        out: out.clone(),
        last_line: LineId::NONE,
        told_marks: Vec::new(),
    };
    Ok((session, seat))
}

/// Who it is. Of an account the kernel has said it, and what the client says is not read.
fn verify(node: &Node, caller: &Caller, open: &Open) -> Result<(Who, Proof), Refusal> {
    match caller {
        Caller::Account { peer, pid } => {
            let identity = node.policy.identify(peer, &node.place.node).map_err(|unbound| not_bound(&unbound))?;
            let credential = Credential::Peer { uid: peer.uid, pid: *pid, user: peer.user.clone() };
            Ok((Who::Account(peer.uid), Proof::Account(identity, credential)))
        }
        Caller::Remote { key, from, admitted } => {
            let held = Held::open(node, *key, *from, open.credential.as_ref())?;
            let who = Who::Person(held.principal());
            admitted.notify_one();
            Ok((who, Proof::Ticket(Arc::new(held))))
        }
    }
}

/// Puts the session on record and tells the client what it needs for its prompt. The host is made meanwhile.
async fn begin(mut session: Session<'_>) -> Option<Session<'_>> {
    let roles = session.identity().roles();
    let opened = session.draft(LineId::NONE, None, Body::SessionOpened { kind: session.kind, roles });
    session.node.spool.keep(opened).ok()?;
    session.out.send(Reply::Context(context(&session))).await.ok()?;
    if session.may_start_programs() && session.node.sandbox.failures.is_empty() {
        // What stands in the way is said when a line needs the host.
        session.host = session.node.launcher.open_session(session.id).await.ok();
    }
    Some(session)
}

fn context(session: &Session<'_>) -> Context {
    let node = session.node;
    let visible = node.policy.visible(&session.identity(), &node.place, &node.whitelist);
    Context {
        node: node.place.node.to_string(),
        vcluster: node.place.vcluster.to_string(),
        principal: session.identity().author(&node.place.node).to_string(),
        roles: session.identity().roles().iter().map(ToString::to_string).collect(),
        programs: visible.programs.iter().filter_map(|p| node.schemas.get(p.name().as_str()).cloned()).collect(),
        commands: visible.commands.iter().map(|name| (*name).to_owned()).collect(),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The person is told one fixed sentence; the record is told why.
fn not_bound(unbound: &Unbound) -> Refusal {
    Refusal { reason: unbound.reason().to_owned(), ..Refusal::new(b"", ExitCode::Auth, unbound.message(), "") }
}

fn full(node: &Node, too_many: TooMany) -> Refusal {
    let limits = node.policy.limits();
    let message = match too_many {
        TooMany::OfUser => format!("session: this account has {} open sessions already", limits.sessions_per_user),
        TooMany::OnNode => format!("session: this node has {} open sessions already", limits.sessions_per_node),
    };
    Refusal::new(b"", ExitCode::Policy, message, "end another session first")
}

async fn turn_away(node: &Node, caller: &Caller, id: SessionId, refusal: Refusal, out: &Outbound) {
    tokio::time::sleep(node.pace.wait(&caller.unknown(), Instant::now())).await;
    // Whoever comes from elsewhere without a good ticket is nobody; that they came, the node says.
    let (author, credential) = match caller {
        Caller::Account { peer, pid } => {
            let credential = Credential::Peer { uid: peer.uid, pid: *pid, user: peer.user.clone() };
            (Principal::unbound(peer.user.as_deref(), peer.uid, &node.place.node), Some(credential))
        }
        Caller::Remote { .. } => (Principal::unbound(Some("root"), 0, &node.place.node), None),
    };
    let draft = Draft {
        event_time: Timestamp::now(),
        author,
        session: Some(id),
        line: LineId::NONE,
        policy_version: node.policy.version().to_owned(),
        request_hash: None,
        credential,
        body: Body::Refused(refusal.recorded()),
    };
    // An agent whose records have stopped is about to end, and says nothing more.
    if node.spool.record(draft).await.is_err() {
        return;
    }
    let _gone = out.send(Reply::Refused(refusal.told(LineId::NONE))).await;
}

async fn fail<T>(out: &Outbound, what: &'static str) -> Option<T> {
    out.fail(Status::invalid_argument(what)).await;
    None
}

/// What of the client's world programs may see. The host looks again.
fn environment(open: &Open) -> Vec<String> {
    let plain =
        |term: &str| term.len() <= 64 && term.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+.".contains(&b));
    let term = Some(open.term.as_str()).filter(|term| !term.is_empty() && plain(term)).unwrap_or("dumb");
    vec![format!("TERM={term}")]
}
