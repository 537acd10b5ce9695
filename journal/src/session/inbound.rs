//! What a client says, one message after the other.
//!
//! **Invariant:** whoever waits for the client, wherever in a line, hears that its ticket was revoked and that the
//! member ends; a ticket that replaces the one that is held is taken here, and nobody else sees it.

use std::sync::Arc;

use pact_policy::ticket::{Held, NotRenewed, RevokedBefore};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::{self, ClientMessage};
use tokio::sync::watch;
use tonic::Streaming;

use super::Over;

/// The client's half of a session.
pub(super) struct Inbound {
    messages: Streaming<ClientMessage>,
    closing: watch::Receiver<bool>,
    held: Option<(Arc<Held>, watch::Receiver<RevokedBefore>)>,
}

impl Inbound {
    pub(super) fn new(messages: Streaming<ClientMessage>, closing: watch::Receiver<bool>) -> Self {
        Self { messages, closing, held: None }
    }

    /// From now on it holds as long as the ticket is not revoked.
    pub(super) fn hold(&mut self, held: Arc<Held>, revoked: watch::Receiver<RevokedBefore>) {
        self.held = Some((held, revoked));
    }

    /// The next message. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Kind, Over> {
        loop {
            let message = tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return Err(Over::Closing),
                () = revoked(self.held.as_mut()) => return Err(Over::Revoked),
                message = next(&mut self.messages) => message?,
            };
            match (message, &self.held) {
                (Kind::Renew(renewed), Some((held, _))) => renew(held, renewed.credential.as_ref())?,
                (Kind::Renew(_), None) => return Err(Over::Protocol("this session has no ticket to renew")),
                (
                    other @ (Kind::Open(_)
                    | Kind::Line(_)
                    | Kind::Stdin(_)
                    | Kind::StdinEnd(_)
                    | Kind::Resize(_)
                    | Kind::Signal(_)
                    | Kind::Complete(_)
                    | Kind::Close(_)),
                    _,
                ) => return Ok(other),
            }
        }
    }
}

/// The ticket in a credential.
pub(super) fn signed(shown: Option<&v1::Credential>) -> Option<&[u8]> {
    use v1::credential::Kind;
    match shown?.kind.as_ref()? {
        Kind::Ticket(ticket) => Some(&ticket.signed),
        Kind::Peer(_) | Kind::Node(_) => None,
    }
}

fn renew(held: &Held, shown: Option<&v1::Credential>) -> Result<(), Over> {
    let fresh = signed(shown).ok_or(Over::Protocol("a ticket that is not accepted"))?;
    held.renew(fresh).map_err(|why| match why {
        NotRenewed::Fault(_) => Over::Protocol("a ticket that is not accepted"),
        NotRenewed::SomebodyElse => Over::Protocol("a ticket of somebody else"),
    })
}

/// Waits until the ticket counts no more.
async fn revoked(held: Option<&mut (Arc<Held>, watch::Receiver<RevokedBefore>)>) {
    let heard = match held {
        Some((held, revoked)) => revoked.wait_for(|times| held.revoked_before(times).is_some()).await.is_ok(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}

/// An empty message is one that this release does not know.
async fn next(messages: &mut Streaming<ClientMessage>) -> Result<Kind, Over> {
    match messages.message().await {
        Ok(Some(ClientMessage { kind: Some(kind) })) => Ok(kind),
        Ok(Some(ClientMessage { kind: None })) => Err(Over::Protocol("an unknown kind of message")),
        Ok(None) => Err(Over::Vanished),
        Err(status) => {
            let unreadable = [tonic::Code::OutOfRange, tonic::Code::Internal, tonic::Code::InvalidArgument];
            let is_unreadable = unreadable.contains(&status.code());
            Err(if is_unreadable { Over::Protocol("a message that cannot be read") } else { Over::Vanished })
        }
    }
}
