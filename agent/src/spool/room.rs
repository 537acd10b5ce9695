//! How much room the spool's disk has, and whether it is a disk at all.

use std::path::Path;

use rustix::fs::{FsWord, statfs, statvfs};

use pact_files::DiskError;

/// Whether records outlive a power cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// On a file system that keeps what was synced.
    Durable,
    /// On one that keeps nothing (tmpfs, ramfs, or an overlay whose upper layer is one); its name.
    Volatile(&'static str),
}

// Numbers of file systems, from statfs(2).
const TMPFS: FsWord = 0x0102_1994;
const RAMFS: FsWord = 0x8584_58f6;
const OVERLAYFS: FsWord = 0x794c_7630;

/// Free bytes for us (root's reserve counts).
pub(super) fn free_bytes(directory: &Path) -> Result<u64, DiskError> {
    let stat = statvfs(directory).map_err(|e| DiskError::io(directory, "cannot be asked for its room", e))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Asks the kernel which file system the nearest directory that exists is on. For root: what an overlay keeps its files in
/// is open to nobody else.
pub(crate) fn durability(directory: &Path) -> Result<Durability, DiskError> {
    let there = directory.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"));
    let kind = statfs(there).map_err(|e| DiskError::io(there, "cannot be asked for its file system", e))?.f_type;
    Ok(match kind {
        TMPFS => Durability::Volatile("tmpfs"),
        RAMFS => Durability::Volatile("ramfs"),
        OVERLAYFS => overlay(there)?,
        _ => Durability::Durable,
    })
}

/// An overlay is what its upper layer is; one that cannot be looked at is taken to keep nothing.
fn overlay(there: &Path) -> Result<Durability, DiskError> {
    let path = Path::new("/proc/self/mountinfo");
    let mounts = std::fs::read_to_string(path).map_err(|e| DiskError::io(path, "cannot be read", e))?;
    let there = there.canonicalize().map_err(|e| DiskError::io(there, "cannot be resolved", e))?;
    let upper = mounts
        .lines()
        .filter_map(|line| {
            let (mount, options) = line.split_once(" - overlay ")?;
            let point = mount.split(' ').nth(4)?;
            let upper = options.split(',').find_map(|o| o.strip_prefix("upperdir="))?;
            there.starts_with(point).then(|| (point.len(), upper.split(' ').next().unwrap_or(upper).to_owned()))
        })
        .max_by_key(|(length, _)| *length);
    let kind = upper.and_then(|(_, dir)| statfs(Path::new(&dir)).ok()).map(|stat| stat.f_type);
    Ok(match kind {
        Some(TMPFS | RAMFS | OVERLAYFS) | None => Durability::Volatile("an overlay"),
        Some(_) => Durability::Durable,
    })
}
