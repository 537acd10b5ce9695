//! Files that say what a program of root does: only who may decide that may have written them.
//!
//! **Invariant:** owner and mode of the file and of every directory above it are looked at, on the path without links.
//! **Why:** whoever may write a directory above a file may put another in its place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who else may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// All may.
    Public,
    /// A secret that its owner and a group that the owner chose may read. The owner may be whoever runs the program.
    Shared,
    /// A secret that nobody but root may read.
    Roots,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others could have written it, or can read what is secret.
    #[error("{}: {what}", path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with its owner or mode.
        what: &'static str,
    },
}

/// Reads it, all of it.
pub fn read(path: &Path, secrecy: Secrecy) -> Result<Vec<u8>, Untrusted> {
    let unreadable = |source| Untrusted::Unreadable { path: path.to_owned(), source };
    let real = path.canonicalize().map_err(unreadable)?;
    let (may_be_own, secret) = match secrecy {
        Secrecy::Public => (false, 0),
        Secrecy::Shared => (true, 0o007),
        Secrecy::Roots => (false, 0o077),
    };
    for part in real.ancestors() {
        let metadata = std::fs::metadata(part).map_err(unreadable)?;
        let open = |what| Err(Untrusted::Open { path: part.to_owned(), what });
        let is_own = may_be_own && metadata.uid() == rustix::process::geteuid().as_raw();
        let sticky_directory = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        if metadata.uid() != 0 && !is_own {
            return open("its owner is not root");
        }
        if metadata.mode() & 0o022 != 0 && !sticky_directory {
            return open("others than its owner may write it");
        }
        if part == real && metadata.mode() & secret != 0 {
            return open("others may read it, and it is a secret");
        }
    }
    std::fs::read(&real).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn modes_that_are_too_wide_are_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let (written, seen) = ("others than its owner may write it", "others may read it, and it is a secret");
        for (mode, public, shared, roots) in [
            (0o600, None, None, None),
            (0o400, None, None, None),
            (0o640, None, None, Some(seen)),
            (0o644, None, Some(seen), Some(seen)),
            (0o604, None, Some(seen), Some(seen)),
            (0o620, Some(written), Some(written), Some(written)),
            (0o602, Some(written), Some(written), Some(written)),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            for (secrecy, expected) in [(Secrecy::Public, public), (Secrecy::Shared, shared), (Secrecy::Roots, roots)] {
                let why = match read(&path, secrecy) {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"text");
                        None
                    }
                    Err(Untrusted::Open { what, .. }) => Some(what),
                    Err(error @ Untrusted::Unreadable { .. }) => panic!("{error}"),
                };
                assert_eq!(why, expected, "{mode:o} {secrecy:?}");
            }
        }
    }

    #[test]
    fn a_directory_that_others_can_write_is_named_unless_it_is_sticky() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "").unwrap();
        for (mode, is_open) in [(0o755, false), (0o1777, false), (0o775, true), (0o757, true)] {
            std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path, Secrecy::Public).is_err(), is_open, "{mode:o}");
        }
    }
}
