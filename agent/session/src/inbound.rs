//! What a client says, one message after the other, and the tickets among it.

use pact_policy::ticket::{Held, NotRenewed};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::{ClientMessage, Credential, Renew, credential};
use tonic::Streaming;

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The client is not there any more.
    Vanished,
    /// It said what the protocol does not know.
    Protocol(&'static str),
}

/// The next message. An empty one is one that this release does not know.
pub async fn next(messages: &mut Streaming<ClientMessage>) -> Result<Kind, Broken> {
    match messages.message().await {
        Ok(Some(ClientMessage { kind: Some(kind) })) => Ok(kind),
        Ok(Some(ClientMessage { kind: None })) => Err(Broken::Protocol("an unknown kind of message")),
        Ok(None) => Err(Broken::Vanished),
        Err(status) => {
            let unreadable = [tonic::Code::OutOfRange, tonic::Code::Internal, tonic::Code::InvalidArgument];
            let is_unreadable = unreadable.contains(&status.code());
            Err(if is_unreadable { Broken::Protocol("a message that cannot be read") } else { Broken::Vanished })
        }
    }
}

/// The ticket in a credential, as it was signed.
pub fn ticket(shown: Option<&Credential>) -> Option<&[u8]> {
    match shown?.kind.as_ref()? {
        credential::Kind::Ticket(ticket) => Some(&ticket.signed),
        credential::Kind::Peer(_) | credential::Kind::Node(_) => None,
    }
}

/// Replaces the ticket that is held, where there is one, by a newer one of the same person.
pub fn renew(held: Option<&Held>, renewed: &Renew) -> Result<(), Broken> {
    let held = held.ok_or(Broken::Protocol("this session has no ticket to renew"))?;
    let not_accepted = Broken::Protocol("a ticket that is not accepted");
    let fresh = ticket(renewed.credential.as_ref()).ok_or(not_accepted)?;
    held.renew(fresh).map_err(|why| match why {
        NotRenewed::Fault(_) => not_accepted,
        NotRenewed::SomebodyElse => Broken::Protocol("a ticket of somebody else"),
    })
}
