//! Why a record was not written. What can be wrong with the files is a `pact_files::DiskError`.

/// The spool failed, and the agent is about to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the spool has stopped")]
pub(crate) struct Stopped;

/// A record was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// There is less room than the reserve.
    #[error("the disk of the spool is full")]
    Full,
    /// The spool failed, and the agent is about to stop.
    #[error("the spool has stopped")]
    Stopped,
}
