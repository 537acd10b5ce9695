//! What can go wrong between a terminal and an agent.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Place, Refusal};

/// Why there is no session, or no session any more.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// What was tried.
        place: Place,
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
    /// Somebody answers who is not who they should be.
    #[error("{place} is not who it should be: {why}")]
    Impostor {
        /// What was tried.
        place: Place,
        /// What is wrong with its certificate.
        why: String,
    },
    /// Something that is not `host:port`.
    #[error("endpoint: {0:?} is not `host:port`")]
    Endpoint(String),
    /// The site does not let this person in, or not any more.
    #[error("{0}")]
    Access(String),
    /// It took longer than it may.
    #[error("{place} did not answer within {} s", after.as_secs())]
    Silent {
        /// What was tried.
        place: Place,
        /// How long was waited.
        after: Duration,
    },
    /// The agent has no session for this caller.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// One of the two sides does not speak the protocol.
    #[error("agent: the protocol was broken: {0}")]
    Protocol(String),
    /// The agent has ended the session, and says why.
    #[error("{0}")]
    Ended(String),
    /// Whoever had the session has gone.
    #[error("session: the connection was lost")]
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
        let message = status.message().to_owned();
        match status.code() {
            tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => Self::Access(message),
            tonic::Code::InvalidArgument | tonic::Code::Unimplemented => Self::Protocol(message),
            tonic::Code::Aborted => Self::Ended(message),
            tonic::Code::Ok
            | tonic::Code::Cancelled
            | tonic::Code::Unknown
            | tonic::Code::DeadlineExceeded
            | tonic::Code::NotFound
            | tonic::Code::AlreadyExists
            | tonic::Code::ResourceExhausted
            | tonic::Code::FailedPrecondition
            | tonic::Code::OutOfRange
            | tonic::Code::Internal
            | tonic::Code::Unavailable
            | tonic::Code::DataLoss => Self::Lost,
        }
    }
}
