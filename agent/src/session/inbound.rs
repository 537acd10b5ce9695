//! What a client says, one message after the other.
//!
//! **Invariant:** whoever waits for the client, wherever in a line, hears that its ticket was revoked as if it had
//! vanished; a ticket that replaces the one that is held is taken here, and nobody else sees it. How large the client's
//! terminal is, is known here whenever it was said.

use std::sync::Arc;

use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::{ClientMessage, TerminalSize};
use pact_session::Size;
use tonic::Streaming;

use super::Over;
use super::held::Held;

/// The client's half of a session.
pub(super) struct Inbound {
    messages: Streaming<ClientMessage>,
    held: Option<Arc<Held>>,
    size: Option<Size>,
}

impl Inbound {
    pub(super) fn new(messages: Streaming<ClientMessage>) -> Self {
        Self { messages, held: None, size: None }
    }

    /// From now on it holds as long as the ticket is not revoked.
    pub(super) fn hold(&mut self, held: Option<Arc<Held>>) {
        self.held = held;
    }

    /// The client's terminal is this large.
    pub(super) fn is_sized(&mut self, said: Option<&TerminalSize>) {
        self.size = Size::of(said);
    }

    /// How large the client's terminal is, as it said last.
    pub(super) fn size(&self) -> Option<Size> {
        self.size
    }

    /// The next message. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Kind, Over> {
        loop {
            let message = match &self.held {
                None => pact_session::next(&mut self.messages).await?,
                Some(held) => tokio::select! {
                    biased;
                    () = held.revoked() => return Err(Over::Revoked),
                    message = pact_session::next(&mut self.messages) => message?,
                },
            };
            if let Kind::Renew(renewed) = message {
                pact_session::renew(self.held.as_deref().map(|held| &**held), &renewed)?;
                continue;
            }
            if let Kind::Resize(resized) = &message {
                self.is_sized(resized.size.as_ref());
            }
            return Ok(message);
        }
    }
}
