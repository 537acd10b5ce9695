//! What a task of automation can fail with: a sentence for the person who ran it.

/// A failed task.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The task looked and found something wrong, or a program that it ran failed.
    #[error("{0}")]
    Failed(String),
    /// The machine refused a file or a process.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Says what went wrong.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }
}

/// The result of a task.
pub type Result<T> = std::result::Result<T, Error>;
