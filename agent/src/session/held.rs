//! The ticket by which a session from another machine is open.
//!
//! **Invariant:** it was good for this node and for the connection's key when it was shown; what replaces it is of the
//! same person. A node that has not heard what is revoked takes none.
//! **Not here:** what the person may do: the policy says it, line by line.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use pact_policy::Identity;
use pact_policy::authority::Authority;
use pact_policy::certificate::KeyThumbprint;
use pact_policy::ticket::{Audience, Ticket, TicketFault};
use pact_proto::exit::ExitCode;
use pact_proto::model::Principal;
use pact_proto::model::entry::Credential;
use pact_proto::wire::v1;
use pact_proto::wire::v1::credential::Kind;
use tokio::sync::watch;

use super::{Over, Refusal};
use crate::node::Node;
use crate::uplink::Revoked;

/// What everybody reads whose ticket is not accepted.
const REFUSED: &str = "access: the ticket is not accepted";

/// The ticket that counts now.
pub(super) struct Held {
    door: Door,
    current: Mutex<Current>,
    revoked: watch::Receiver<Revoked>,
}

/// What a ticket must open.
struct Door {
    authority: Authority,
    audience: Audience,
    key: KeyThumbprint,
}

struct Current {
    ticket: Ticket,
    signed: Vec<u8>,
}

/// Why a session from another machine is not opened.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no ticket was shown")]
    None,
    #[error("the ticket: {0}")]
    Ticket(#[from] TicketFault),
    #[error("the ticket: what was issued to {0} before {1} is revoked")]
    Revoked(Principal, Timestamp),
    /// Nobody is at fault.
    #[error("this node has not heard from the journal since its agent started")]
    NotNow,
}

impl Held {
    /// The ticket that a client opens its session with.
    pub(super) fn open(
        node: &Node,
        key: KeyThumbprint,
        from: SocketAddr,
        shown: Option<&v1::Credential>,
    ) -> Result<Self, Refusal> {
        let (Some(authority), Some(uplink)) = (node.authority.clone(), &node.uplink) else {
            return Err(refusal(&Fault::NotNow, from));
        };
        let door = Door { authority, audience: Audience::Node(node.place.node.clone()), key };
        Self::read(door, uplink.revoked(), shown).map_err(|fault| refusal(&fault, from))
    }

    fn read(door: Door, revoked: watch::Receiver<Revoked>, shown: Option<&v1::Credential>) -> Result<Self, Fault> {
        let current = door.read(shown)?;
        let times = revoked.borrow().clone().ok_or(Fault::NotNow)?;
        if let Some(time) = before(&times, &current.ticket) {
            return Err(Fault::Revoked(current.ticket.grant().principal.clone(), time));
        }
        Ok(Self { door, current: Mutex::new(current), revoked })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Current) -> T) -> T {
        look(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who it is for.
    pub(super) fn identity(&self) -> Identity {
        self.with(|current| Identity::of_ticket(&current.ticket))
    }

    /// By which name.
    pub(super) fn principal(&self) -> Principal {
        self.with(|current| current.ticket.grant().principal.clone())
    }

    /// As it goes on record.
    pub(super) fn credential(&self) -> Credential {
        self.with(|current| Credential::Ticket(current.signed.clone()))
    }

    /// Until when.
    pub(super) fn expires(&self) -> Timestamp {
        self.with(|current| current.ticket.grant().expires)
    }

    /// Whether a line may be judged by it now.
    pub(super) fn lasts(&self) -> Result<(), TicketFault> {
        self.with(|current| current.ticket.lasts(Timestamp::now()))
    }

    /// Replaces it by a newer one of the same person.
    pub(super) fn renew(&self, shown: Option<&v1::Credential>) -> Result<(), Over> {
        let fresh = self.door.read(shown).map_err(|_| Over::Protocol("a ticket that is not accepted"))?;
        self.with(|current| {
            if current.ticket.grant().principal != fresh.ticket.grant().principal {
                return Err(Over::Protocol("a ticket of somebody else"));
            }
            *current = fresh;
            Ok(())
        })
    }

    /// Waits until it counts no more.
    pub(super) async fn revoked(&self) {
        let is_void = |revoked: &Revoked| {
            revoked.as_ref().is_some_and(|times| self.with(|current| before(times, &current.ticket).is_some()))
        };
        if self.revoked.clone().wait_for(is_void).await.is_err() {
            // The uplink ends with the agent.
            std::future::pending::<()>().await;
        }
    }
}

impl Door {
    fn read(&self, shown: Option<&v1::Credential>) -> Result<Current, Fault> {
        let signed = match shown.and_then(|credential| credential.kind.as_ref()) {
            Some(Kind::Ticket(ticket)) => ticket.signed.clone(),
            Some(Kind::Peer(_) | Kind::Node(_)) | None => return Err(Fault::None),
        };
        let ticket = Ticket::read(&signed, &self.authority)?;
        ticket.opens(&self.audience, &self.key, Timestamp::now())?;
        Ok(Current { ticket, signed })
    }
}

/// The time before which this person's tickets count no more, where this one is older.
fn before(times: &std::collections::BTreeMap<Principal, Timestamp>, ticket: &Ticket) -> Option<Timestamp> {
    let grant = ticket.grant();
    times.get(&grant.principal).copied().filter(|before| grant.issued <= *before)
}

/// The person is told one fixed sentence, unless nothing is wrong with their ticket; the record is told why.
fn refusal(fault: &Fault, from: SocketAddr) -> Refusal {
    let (code, message, hint) = match fault {
        Fault::None | Fault::Ticket(_) | Fault::Revoked(..) => (ExitCode::Auth, REFUSED.to_owned(), ""),
        Fault::NotNow => (
            ExitCode::Unreachable,
            format!("access: {fault}"),
            "log in on the node, or wait until it reaches the journal",
        ),
    };
    let reason = format!("{from}: {fault}");
    Refusal { line: Vec::new(), code, message, hint: hint.to_owned(), reason, span: None }
}

#[cfg(test)]
mod tests;
