//! What can be wrong with files that hold records, each with the place.

use std::path::{Path, PathBuf};

/// Records cannot be used. Whoever owns them says so and stops; nobody starts empty over old data.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Something that was written is gone or changed.
    #[error("{}: the records are damaged: {what}", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it: the tree and the place in it, as far as they are known.
        what: String,
    },
    /// Another process has them open.
    #[error("{}: the records are in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// They are not those that the configuration describes.
    #[error("{}: {what}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose they are.
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

impl DiskError {
    /// Something that was written is gone or changed.
    pub fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), what: what.into() }
    }

    /// The operating system refused.
    pub fn io(path: impl Into<PathBuf>, what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::Io { path: path.into(), what, source: source.into() }
    }

    /// What sled says, as what it means for us.
    pub fn refused(path: &Path, error: sled::Error) -> Self {
        match error {
            sled::Error::Io(source) if is_locked(&source) => Self::InUse { path: path.to_owned() },
            sled::Error::Io(source) => Self::io(path, "the disk refused", source),
            sled::Error::Corruption { at, .. } => {
                Self::damaged(path.join("db"), at.map_or("corrupt".to_owned(), |at| format!("corrupt at {at:?}")))
            }
            error @ (sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)) => Self::damaged(path, error.to_string()),
        }
    }

    /// The same, of the place that this one is a copy of.
    #[must_use]
    pub fn moved(mut self, from: &Path, to: &Path) -> Self {
        let there = |path: &Path| path.strip_prefix(from).map(|rest| to.join(rest));
        let text = |what: &str| what.replace(&*from.to_string_lossy(), &to.to_string_lossy());
        match &mut self {
            Self::Damaged { path, what } | Self::Foreign { path, what } => {
                *what = text(what);
                *path = there(path).unwrap_or_else(|_| path.clone());
            }
            Self::InUse { path } | Self::Io { path, .. } => *path = there(path).unwrap_or_else(|_| path.clone()),
        }
        self
    }
}

/// sled tells that another process has its lock in one of two ways.
fn is_locked(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}
