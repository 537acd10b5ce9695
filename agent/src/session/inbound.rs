//! What a client says, one message after the other.
//!
//! **Invariant:** whoever waits for the client, wherever in a line, hears that its ticket was revoked as if it had
//! vanished; a ticket that replaces the one that is held is taken here, and nobody else sees it.

use std::sync::Arc;

use pact_proto::wire::v1::ClientMessage;
use pact_proto::wire::v1::client_message::Kind;
use tonic::Streaming;

use super::Over;
use super::held::Held;

/// The client's half of a session.
pub(super) struct Inbound {
    messages: Streaming<ClientMessage>,
    held: Option<Arc<Held>>,
}

impl Inbound {
    pub(super) fn new(messages: Streaming<ClientMessage>) -> Self {
        Self { messages, held: None }
    }

    /// From now on it holds as long as the ticket is not revoked.
    pub(super) fn hold(&mut self, held: Option<Arc<Held>>) {
        self.held = held;
    }

    /// The next message. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Kind, Over> {
        loop {
            let message = match &self.held {
                None => next(&mut self.messages).await?,
                Some(held) => tokio::select! {
                    biased;
                    () = held.revoked() => return Err(Over::Revoked),
                    message = next(&mut self.messages) => message?,
                },
            };
            match (message, &self.held) {
                (Kind::Renew(renewed), Some(held)) => held.renew(renewed.credential.as_ref())?,
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
