//! Who calls, as the node's accounts have it.
//!
//! **Invariant:** read once, before the confinement; afterwards nothing can be looked up.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

/// The caller's entry, where there is one.
pub(crate) struct Account {
    user: Option<User>,
}

impl Account {
    /// The entry of the uid that this process runs as.
    pub(crate) fn of_caller() -> Self {
        Self { user: User::from_uid(Uid::current()).ok().flatten() }
    }

    /// Whether its shell is this binary, by whatever path; `None` where that cannot be told.
    pub(crate) fn names_this(&self) -> Option<bool> {
        let shell = &self.user.as_ref()?.shell;
        let this = identity(Path::new("/proc/self/exe"))?;
        // An entry that names a file which is not there names another one.
        Some(identity(shell) == Some(this))
    }

    /// Its home directory.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.user.as_ref().map(|user| user.dir.clone())
    }
}

/// One file, whatever it is called.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
