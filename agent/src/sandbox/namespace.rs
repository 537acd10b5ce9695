//! What a session sees of the node's files: the node's own tree, with /run emptied, /tmp read-only, and pact's own
//! files and whatever the site names covered.
//!
//! **Invariant:** nothing here changes what the node sees: the namespace is the session's own, and its mounts do not
//! travel back. Mounts of the node do travel in, and unmounts too.
//! **Why:** slave propagation: a private copy would pin every file system that was mounted when the session began.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, move_mount, open_tree,
};

use super::{HOME, sys};

/// Where programs would leave things for others.
const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
const RUN: &str = "/run";
const CLOSED: &str = "/run/closed";

/// A view that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("mounts: {}: {what}: {source}", path.display())]
pub struct NamespaceError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
}

fn wrong<E: Into<io::Error>>(path: impl Into<PathBuf>, what: &'static str) -> impl FnOnce(E) -> NamespaceError {
    let path = path.into();
    move |error| NamespaceError { path, what, source: error.into() }
}

/// What covers the hidden paths of a session.
pub struct Covers(Vec<Cover>);

struct Cover {
    path: PathBuf,
    /// The file that covers it; `None` where there was nothing to cover.
    by: Option<(u64, u64)>,
}

impl Covers {
    /// Whether every hidden path still is. A file that is renamed over a covered one takes the cover away, and what was
    /// not there may have come; then the session is blind to it, and must not go on.
    pub fn check(&self) -> Result<(), NamespaceError> {
        self.0.iter().try_for_each(|cover| {
            let now = identity(&cover.path).map_err(wrong(&cover.path, "cannot be looked at"))?;
            if now == cover.by {
                return Ok(());
            }
            let changed = io::Error::other("it was replaced since this session began: open another one");
            Err(wrong(&cover.path, "is hidden no longer")(changed))
        })
    }
}

/// The file at a path, if there is one.
fn identity(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives this process its own view. `stays` are directories and files below /run that do; `hidden` are files and
/// directories that nobody in the session can open.
pub fn enter(stays: &[PathBuf], hidden: &[PathBuf]) -> Result<Covers, NamespaceError> {
    sys::unshare_mounts().map_err(wrong("/", "no namespace can be made"))?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave).map_err(wrong("/", "its mounts cannot be made to follow the node's"))?;
    let is_kept = |path: &&PathBuf| path.is_dir() || path.is_file();
    let kept = stays.iter().filter(is_kept).filter_map(|path| keep(path).transpose());
    let kept = kept.collect::<Result<Vec<_>, _>>()?;
    // Before /run is covered, because files below it may be among them.
    let covered: Vec<(PathBuf, bool)> = hidden.iter().filter_map(|path| real(path)).collect();
    empty_run(&kept)?;
    for path in SHARED.iter().map(Path::new).filter(|path| path.is_dir()) {
        mount_bind_recursive(path, path).map_err(wrong(path, "cannot be bound"))?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        mount_remount(path, flags, c"").map_err(wrong(path, "cannot be made read-only"))?;
    }
    let there = covered.iter().filter(|(path, _)| path.exists());
    there.clone().try_for_each(|(path, is_directory)| cover(path, *is_directory))?;
    let cover = |path: &PathBuf| {
        let by = identity(path).map_err(wrong(path, "cannot be looked at"))?;
        Ok(Cover { path: path.clone(), by })
    };
    hidden.iter().map(cover).collect::<Result<_, _>>().map(Covers)
}

/// Resolves a link, so that what is covered is what it leads to; what is not there need not be covered.
fn real(path: &Path) -> Option<(PathBuf, bool)> {
    let real = path.canonicalize().ok()?;
    let is_directory = real.is_dir();
    Some((real, is_directory))
}

/// A copy of the mount of a directory or a file, to be put back once /run is another one.
/// What is gone by now is not kept. One that is made anew later is not this one: a session sees it when it is opened anew.
fn keep(path: &Path) -> Result<Option<(PathBuf, OwnedFd)>, NamespaceError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    match open_tree(CWD, path, flags) {
        Ok(tree) => Ok(Some((path.to_owned(), tree))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(wrong(path, "cannot be kept")(error)),
    }
}

fn empty_run(kept: &[(PathBuf, OwnedFd)]) -> Result<(), NamespaceError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("pact", RUN, "tmpfs", flags, c"mode=0755,size=64k,nr_inodes=256").map_err(wrong(RUN, "cannot be covered"))?;
    directory(Path::new(HOME), 0o555)?;
    File::create(CLOSED).map_err(wrong(CLOSED, "cannot be made"))?;
    fs::set_permissions(CLOSED, Permissions::from_mode(0o000)).map_err(wrong(CLOSED, "its mode cannot be set"))?;
    for (path, tree) in kept {
        place(path, tree)?;
        move_mount(tree.as_fd(), c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(wrong(path, "cannot be put back"))?;
    }
    mount_remount(RUN, flags | MountFlags::RDONLY, c"mode=0755,size=64k,nr_inodes=256")
        .map_err(wrong(RUN, "cannot be made read-only"))
}

/// Where what is kept is put back: the same kind as it is.
fn place(path: &Path, tree: &OwnedFd) -> Result<(), NamespaceError> {
    let stat = rustix::fs::fstat(tree).map_err(wrong(path, "cannot be looked at"))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return directory(path, 0o755);
    }
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new(RUN)) {
        directory(parent, 0o755)?;
    }
    File::create(path).map(drop).map_err(wrong(path, "cannot be made"))
}

fn directory(path: &Path, mode: u32) -> Result<(), NamespaceError> {
    fs::create_dir_all(path).map_err(wrong(path, "cannot be made"))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(wrong(path, "its mode cannot be set"))
}

/// Nobody can open what is covered: a directory without rights, or a file without.
fn cover(path: &Path, is_directory: bool) -> Result<(), NamespaceError> {
    if is_directory {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        let options = CString::new("mode=0000,size=4k,nr_inodes=2").unwrap_or_default();
        mount("pact", path, "tmpfs", flags, options.as_c_str()).map_err(wrong(path, "cannot be covered"))
    } else {
        rustix::mount::mount_bind(CLOSED, path).map_err(wrong(path, "cannot be covered"))
    }
}
