//! Why a journal cannot be used.

use std::path::{Path, PathBuf};

use pact_files::DiskError;

/// The journal cannot be used. Whoever owns it says so and stops; it never starts empty over old data.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Something is wrong with its files.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It failed before, or its runtime has ended; the first failure says why.
    #[error("the journal has stopped")]
    Stopped,
}

impl JournalError {
    pub(crate) fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        DiskError::damaged(path, what).into()
    }

    pub(crate) fn foreign(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        DiskError::Foreign { path: path.into(), what: what.into() }.into()
    }

    pub(crate) fn io(path: impl Into<PathBuf>, what: &'static str, source: impl Into<std::io::Error>) -> Self {
        DiskError::io(path, what, source).into()
    }

    pub(crate) fn refused(path: &Path, error: sled::Error) -> Self {
        DiskError::refused(path, error).into()
    }

    /// The same, of the place that this one is a copy of.
    pub(crate) fn moved(self, from: &Path, to: &Path) -> Self {
        match self {
            Self::Disk(error) => error.moved(from, to).into(),
            Self::Stopped => Self::Stopped,
        }
    }
}
