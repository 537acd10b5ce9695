//! The ticket by which a session from another machine is open.
//!
//! **Invariant:** it was good for this node and for the connection's key when it was shown; what replaces it is of the
//! same person. A node that has not heard what is revoked takes none.
//! **Not here:** what the person may do: the policy says it, line by line.

use std::net::SocketAddr;
use std::ops::Deref;

use jiff::Timestamp;
use pact_policy::certificate::KeyThumbprint;
use pact_policy::ticket::{self, Audience, Door, TicketFault};
use pact_proto::exit::ExitCode;
use pact_proto::model::Principal;
use pact_proto::model::entry::Credential;
use pact_proto::wire::v1;
use tokio::sync::watch;

use super::Refusal;
use crate::node::Node;
use crate::uplink::Revoked;

/// What everybody reads whose ticket is not accepted.
const REFUSED: &str = "access: the ticket is not accepted";

/// The ticket that counts now, and how one hears that it does not any more.
pub(super) struct Held {
    ticket: ticket::Held,
    revoked: watch::Receiver<Revoked>,
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
        let ticket = ticket::Held::open(door, pact_session::ticket(shown).ok_or(Fault::None)?)?;
        let times = revoked.borrow().clone().ok_or(Fault::NotNow)?;
        if let Some(time) = ticket.revoked_before(&times) {
            return Err(Fault::Revoked(ticket.principal(), time));
        }
        Ok(Self { ticket, revoked })
    }

    /// As it goes on record.
    pub(super) fn credential(&self) -> Credential {
        Credential::Ticket(self.ticket.signed())
    }

    /// Waits until it counts no more.
    pub(super) async fn revoked(&self) {
        let is_void =
            |revoked: &Revoked| revoked.as_ref().is_some_and(|times| self.ticket.revoked_before(times).is_some());
        if self.revoked.clone().wait_for(is_void).await.is_err() {
            // The uplink ends with the agent.
            std::future::pending::<()>().await;
        }
    }
}

impl Deref for Held {
    type Target = ticket::Held;

    fn deref(&self) -> &ticket::Held {
        &self.ticket
    }
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
