//! What can be wrong with a spool, each with the file's name.

use std::path::PathBuf;

/// The spool cannot be used. The agent says so and stops; it never starts empty over old data.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Something that was written is gone or changed.
    #[error("{}: the spool is damaged: {what}", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has it open.
    #[error("{}: the spool is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The spool of another node, or of a newer pact.
    #[error("{}: {what}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        what: String,
    },
    /// The operating system refused.
    #[error("{}: {what}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
}

impl SpoolError {
    pub(super) fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), what: what.into() }
    }

    pub(super) fn io(path: impl Into<PathBuf>, what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::Io { path: path.into(), what, source: source.into() }
    }
}

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
