//! What can be wrong with a journal's files, each with the place.

use std::path::{Path, PathBuf};

/// The journal cannot be used. Whoever owns it says so and stops; it never starts empty over old data.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Something that was written is gone or changed.
    #[error("{}: the journal is damaged: {what}", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it: the tree and the place in it, as far as they are known.
        what: String,
    },
    /// Another process has it open.
    #[error("{}: the journal is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It is not the journal that the configuration describes.
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
    /// It failed before, or its runtime has ended; the first failure says why.
    #[error("the journal has stopped")]
    Stopped,
}

impl JournalError {
    pub(crate) fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), what: what.into() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::Io { path: path.into(), what, source: source.into() }
    }

    /// The same, of the place that this one is a copy of.
    pub(crate) fn moved(mut self, from: &Path, to: &Path) -> Self {
        let there = |path: &Path| path.strip_prefix(from).map(|rest| to.join(rest));
        let text = |what: &str| what.replace(&*from.to_string_lossy(), &to.to_string_lossy());
        match &mut self {
            Self::Damaged { path, what } | Self::Foreign { path, what } => {
                *what = text(what);
                *path = there(path).unwrap_or_else(|_| path.clone());
            }
            Self::InUse { path } | Self::Io { path, .. } => *path = there(path).unwrap_or_else(|_| path.clone()),
            Self::Stopped => {}
        }
        self
    }
}
