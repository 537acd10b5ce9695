//! What a client says, one message after the other.
//!
//! **Invariant:** whoever waits for the client, wherever in a line, hears that its ticket was revoked and that the
//! member ends; a ticket that replaces the one that is held is taken here, and nobody else sees it.

use std::sync::Arc;

use pact_policy::ticket::{Held, RevokedBefore};
use pact_proto::wire::v1::ClientMessage;
use pact_proto::wire::v1::client_message::Kind;
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
                message = pact_session::next(&mut self.messages) => message?,
            };
            if let Kind::Renew(renewed) = message {
                pact_session::renew(self.held.as_ref().map(|(held, _)| &**held), &renewed)?;
                continue;
            }
            return Ok(message);
        }
    }
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
