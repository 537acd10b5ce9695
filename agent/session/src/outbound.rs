//! The one way of messages to the client.
//!
//! **Invariant:** bounded; whoever sends waits while the client does not read.

use pact_proto::wire::v1::ServerMessage;
use pact_proto::wire::v1::server_message::Kind;
use tokio::sync::mpsc;
use tonic::Status;

/// Messages that wait for the client. With pieces of 32 KiB that is an eighth of a mebibyte a session, all of which is
/// still shown after Ctrl-C.
pub const PLACES: usize = 4;

/// The client is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientGone;

/// Clones share the way.
#[derive(Clone)]
pub struct Outbound(mpsc::Sender<Result<ServerMessage, Status>>);

impl Outbound {
    /// By way of these places.
    pub fn new(places: mpsc::Sender<Result<ServerMessage, Status>>) -> Self {
        Self(places)
    }

    /// Waits for a place.
    pub async fn send(&self, kind: Kind) -> Result<(), ClientGone> {
        self.0.send(Ok(ServerMessage { kind: Some(kind) })).await.map_err(|_| ClientGone)
    }

    /// For what may be left out: a client that does not read gets none.
    pub fn send_if_room(&self, kind: Kind) {
        let _full = self.0.try_send(Ok(ServerMessage { kind: Some(kind) }));
    }

    /// Ends the session with an error of the protocol.
    pub async fn fail(&self, status: Status) {
        // Where nobody is left to be told, nothing is lost.
        let _gone = self.0.send(Err(status)).await;
    }

    /// Returns when nobody will ever read again.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}
