//! The head: a file of 32 bytes beside the database that says how many promises were made.
//!
//! **Invariant:** what it says is never more than what is in the database and synced; so a database that has less has
//! lost something.
//! **Why:** a database whose tail was cut off opens as a shorter one, without a word.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::DiskError;
use crate::mark::{Mark, SIZE};

const MAGIC: [u8; 8] = *b"pactjh\0\x01";

/// The open file.
pub(super) struct Head {
    file: File,
    path: PathBuf,
}

impl Head {
    /// What the head says; `None` if it is not there.
    pub(super) fn read(directory: &Path) -> Result<Option<(Self, Mark)>, DiskError> {
        let path = path(directory);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DiskError::io(path, "cannot be opened", error)),
        };
        let mut bytes = [0; SIZE];
        let size = file.metadata().map_err(|e| DiskError::io(&path, "cannot be read", e))?.len();
        if size != SIZE as u64 {
            return Err(DiskError::damaged(path, format!("it has {size} bytes, not {SIZE}")));
        }
        file.read_exact_at(&mut bytes, 0).map_err(|e| DiskError::io(&path, "cannot be read", e))?;
        let promise =
            Mark::decode(MAGIC, &bytes).ok_or_else(|| DiskError::damaged(&path, "its checksum does not match"))?;
        Ok(Some((Self { file, path }, promise)))
    }

    /// A new head, on the disk with its name.
    pub(super) fn create(directory: &Path, promise: Mark) -> Result<Self, DiskError> {
        let path = path(directory);
        let fresh = directory.join("head.new");
        let io = |what| move |e: std::io::Error| DiskError::io(directory.join("head"), what, e);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(io("cannot be made"))?;
        file.write_all_at(&promise.encode(MAGIC), 0).map_err(io("cannot be written"))?;
        file.sync_all().map_err(io("cannot be synced"))?;
        std::fs::rename(&fresh, &path).map_err(io("cannot be named"))?;
        File::open(directory).and_then(|d| d.sync_all()).map_err(io("cannot be synced"))?;
        Ok(Self { file, path })
    }

    /// Says that a promise is in the database and synced. Not synced itself: after a power cut it may say less than
    /// there is, never more.
    pub(super) fn advance(&self, promise: Mark) -> Result<(), DiskError> {
        self.file.write_all_at(&promise.encode(MAGIC), 0).map_err(|e| DiskError::io(&self.path, "cannot be written", e))
    }
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("head")
}
