//! What is the agent's own: the account that it runs as, and the directories that it writes.
//!
//! **Invariant:** root makes these directories, and hands them over once. In one that is the account's already nothing is
//! changed: whoever had taken over an agent could have left a link there, to a file of somebody else.
//! **Not here:** what else the account may not do (`crate::sandbox::agent`).

use std::fs::{DirBuilder, File};
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::User;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chownat, fchmod, fchown, fstat, openat, statat};
use rustix::process::{Gid, Uid};

/// Who the agent is once it has everything that only root could give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its uid: not root's, and no session's.
    pub(crate) uid: Uid,
    /// Its one group.
    pub(crate) gid: Gid,
}

/// The account or a directory of it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// Nobody is called so here.
    #[error(
        "user {0}: there is no such account on this node: useradd --system --user-group --shell /usr/sbin/nologin {0}"
    )]
    NoAccount(String),
    /// An account that would be more than the agent's.
    #[error("user {0}: {1}")]
    Unfit(String, &'static str),
    /// A directory that is somebody else's.
    #[error("{}: {what}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory, or what is in it.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: io::Error,
    },
}

fn failed<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> OwnError + use<'_, E> {
    move |error| OwnError::Io { path: path.to_owned(), source: error.into() }
}

impl Account {
    /// By its name, as the node's database of accounts has it; `sessions` are the uids that it must not have.
    pub(crate) fn find(name: &str, sessions: &RangeInclusive<u32>) -> Result<Self, OwnError> {
        let database = |error: nix::Error| failed(Path::new(name))(error);
        let user = User::from_name(name).map_err(database)?.ok_or_else(|| OwnError::NoAccount(name.to_owned()))?;
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        let unfit = |why| Err(OwnError::Unfit(name.to_owned(), why));
        if uid == 0 || gid == 0 {
            return unfit("that is root, and the agent must not be");
        }
        if sessions.contains(&uid) || sessions.contains(&gid) {
            return unfit("its uid or group is one of `sessions.uids`, and would be a session's too");
        }
        Ok(Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) })
    }

    /// Makes a directory, for this account alone; one of root's becomes the account's with all that is in it. When this
    /// returns, its name is on the disk.
    pub(crate) fn give(self, directory: &Path) -> Result<(), OwnError> {
        let parent = directory.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed(parent))?;
        if !directory.exists() {
            DirBuilder::new().mode(0o700).create(directory).map_err(failed(directory))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(CWD, directory, flags, Mode::empty()).map_err(failed(directory))?;
        let found = fstat(&opened).map_err(failed(directory))?;
        let owner = found.st_uid;
        if owner == 0 {
            is_for_pact(opened.as_fd(), directory, found.st_mode)?;
            fchmod(&opened, Mode::RWXU).map_err(failed(directory))?;
            self.take(opened.as_fd(), directory, found.st_dev)?;
        } else if owner != self.uid.as_raw() {
            let what = format!("it is of uid {owner}, and must be root's or the agent's");
            return Err(OwnError::Foreign { path: directory.to_owned(), what });
        }
        self.can_walk_to(directory)?;
        sync_names(parent)
    }

    /// All that is in a directory, and then itself: one that was begun is root's still, and closed to the account.
    fn take(self, directory: BorrowedFd<'_>, path: &Path, device: u64) -> Result<(), OwnError> {
        for item in Dir::read_from(directory).map_err(failed(path))? {
            let item = item.map_err(failed(path))?;
            let name = item.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let inside = path.join(name.to_string_lossy().as_ref());
            let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(&inside))?;
            let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
            if found.st_dev != device || (!is_directory && found.st_nlink != 1) {
                let what = "it is of another file system, or has another name: no file of pact's".to_owned();
                return Err(OwnError::Foreign { path: inside, what });
            }
            if is_directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let opened = openat(directory, name, flags, Mode::empty()).map_err(failed(&inside))?;
                self.take(opened.as_fd(), &inside, device)?;
            } else {
                chownat(directory, name, Some(self.uid), Some(self.gid), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(failed(&inside))?;
            }
        }
        fchown(directory, Some(self.uid), Some(self.gid)).map_err(failed(path))
    }

    /// Every directory above lets it through.
    fn can_walk_to(self, directory: &Path) -> Result<(), OwnError> {
        for above in directory.ancestors().skip(1) {
            let metadata = std::fs::metadata(above).map_err(failed(above))?;
            let search = if metadata.uid() == self.uid.as_raw() {
                0o100
            } else if metadata.gid() == self.gid.as_raw() {
                0o010
            } else {
                0o001
            };
            if metadata.mode() & search == 0 {
                let what = format!("the agent's account cannot walk through it: chmod o+x {}", above.display());
                return Err(OwnError::Foreign { path: above.to_owned(), what });
            }
        }
        Ok(())
    }
}

/// How the names of recordings end.
const RECORDINGS: [&str; 2] = [".cast", ".cast.sealed"];

/// What spools and recordings hold: nothing else becomes the account's because a path is wrong.
fn is_for_pact(directory: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<(), OwnError> {
    for item in Dir::read_from(directory).map_err(failed(path))? {
        let item = item.map_err(failed(path))?;
        let name = item.file_name().to_string_lossy().into_owned();
        let is_record = ["sled", "head", "acknowledged"].iter().any(|own| name.starts_with(own));
        let is_ours = is_record || RECORDINGS.iter().any(|end| name.ends_with(end));
        if !matches!(name.as_str(), "." | "..") && (!is_ours || mode & 0o077 != 0) {
            let what =
                format!("{name} is in it, which is not pact's, or it is open to others: name a directory of its own");
            return Err(OwnError::Foreign { path: path.to_owned(), what });
        }
    }
    Ok(())
}

/// A directory that was synced is lost all the same where its name, or that of one above it, was not. What lies on another
/// file system was there before.
fn sync_names(parent: &Path) -> Result<(), OwnError> {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let ours = device(parent);
    for directory in parent.ancestors().take_while(|directory| device(directory) == ours) {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const SESSIONS: RangeInclusive<u32> = 2_000_000_000..=2_000_065_535;

    fn account() -> Account {
        Account { uid: Uid::from_raw(61_010), gid: Gid::from_raw(61_010) }
    }

    fn place(mode: u32) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        place
    }

    fn owner(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().uid()
    }

    #[test]
    fn what_is_not_there_is_made_and_closed_to_others() {
        let place = place(0o755);
        let directory = place.path().join("a/spool");
        account().give(&directory).unwrap();
        let metadata = std::fs::metadata(&directory).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (61_010, 61_010, 0o700));
        assert_eq!(owner(directory.parent().unwrap()), 0);
        // One that was made for it by hand, too.
        let by_hand = place.path().join("recordings");
        std::fs::create_dir(&by_hand).unwrap();
        account().give(&by_hand).unwrap();
        assert_eq!(std::fs::metadata(&by_hand).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn what_was_roots_is_handed_over_and_links_are_not_followed() {
        let place = place(0o755);
        let (directory, other) = (place.path().join("spool"), place.path().join("other"));
        std::fs::create_dir_all(directory.join("sled")).unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(directory.join("sled/db"), "records").unwrap();
        std::fs::write(&other, "somebody's").unwrap();
        symlink(&other, directory.join("sled/link")).unwrap();
        account().give(&directory).unwrap();
        for inside in ["", "sled", "sled/db", "sled/link"] {
            assert_eq!(owner(&directory.join(inside)), 61_010, "{inside}");
        }
        assert_eq!(owner(&other), 0);
    }

    /// Whoever had the account for a moment gets no file of root's by it.
    #[test]
    fn in_what_is_the_accounts_already_nothing_is_changed() {
        let place = place(0o755);
        let directory = place.path().join("spool");
        account().give(&directory).unwrap();
        std::fs::write(directory.join("roots"), "").unwrap();
        account().give(&directory).unwrap();
        assert_eq!(owner(&directory.join("roots")), 0);
    }

    #[test]
    fn what_cannot_be_its_own_is_named() {
        let open = place(0o755);
        let (foreign, link) = (open.path().join("foreign"), open.path().join("link"));
        std::fs::create_dir(&foreign).unwrap();
        chown(&foreign, Some(61_001), None).unwrap();
        symlink(&foreign, &link).unwrap();
        let (etc, linked) = (open.path().join("etc"), open.path().join("linked"));
        for directory in [&etc, &linked] {
            std::fs::create_dir(directory).unwrap();
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        std::fs::write(etc.join("passwd"), "").unwrap();
        std::fs::hard_link(etc.join("passwd"), linked.join("head")).unwrap();
        let closed = place(0o700);
        for (directory, expected) in [
            (foreign, "it is of uid 61001"),
            (etc, "passwd is in it, which is not pact's"),
            (linked, "has another name"),
            (link, "Not a directory"),
            (closed.path().join("spool"), "cannot walk through it: chmod o+x"),
        ] {
            let error = account().give(&directory).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_account_that_is_nobody_or_root_is_refused() {
        for (name, expected) in [("pact-nobody-here", "useradd --system"), ("root", "that is root")] {
            let error = Account::find(name, &SESSIONS).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Account::find("nobody", &(65_534..=70_000)).is_err());
    }
}
