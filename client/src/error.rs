//! What can go wrong between a terminal and an agent.

use std::path::PathBuf;
use std::time::Duration;

use crate::Refusal;

/// Why there is no session, or no session any more.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error("agent: {} cannot be reached", path.display())]
    Unreachable {
        /// The socket that was tried.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody answers, and is not the agent.
    #[error("agent: {} is served by uid {uid}, and the agent is root", path.display())]
    NotTheAgent {
        /// The socket that was tried.
        path: PathBuf,
        /// Who listens there.
        uid: u32,
    },
    /// The agent took longer than it may.
    #[error("agent: {} did not answer within {} s", path.display(), after.as_secs())]
    Silent {
        /// The socket that was tried.
        path: PathBuf,
        /// How long was waited.
        after: Duration,
    },
    /// The agent has no session for this caller.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// One of the two sides does not speak the protocol.
    #[error("agent: the protocol was broken: {0}")]
    Protocol(String),
    /// The agent has gone.
    #[error("agent: the connection was lost")]
    Lost,
}

impl ClientError {
    /// What an agent of this release never sends.
    pub(crate) fn unknown(what: &str) -> Self {
        Self::Protocol(format!("{what} that this release does not know"))
    }
}

impl From<tonic::Status> for ClientError {
    /// The agent names what it did not like by `InvalidArgument`; anything else is a connection that ended.
    fn from(status: tonic::Status) -> Self {
        if matches!(status.code(), tonic::Code::InvalidArgument | tonic::Code::Unimplemented) {
            Self::Protocol(status.message().to_owned())
        } else {
            Self::Lost
        }
    }
}
