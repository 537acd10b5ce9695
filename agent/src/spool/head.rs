//! The head: a file of 32 bytes beside the database that says which number was written last.
//!
//! **Invariant:** what it says is never more than what is in the database and was promised; so a database that
//! has less has lost something.
//! **Why:** a database whose tail was cut off opens as a shorter one, without a word.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pact_proto::model::{SpoolEpoch, SpoolNumber};
use sha2::{Digest, Sha256};

use super::error::SpoolError;

const MAGIC: [u8; 8] = *b"pacthd\0\x01";
const SIZE: usize = 32;

/// The open file.
pub(super) struct Head {
    file: File,
    path: PathBuf,
    epoch: SpoolEpoch,
}

impl Head {
    /// What the head says; `None` if it is not there.
    pub(super) fn read(directory: &Path) -> Result<Option<(Self, SpoolNumber)>, SpoolError> {
        let path = directory.join("head");
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SpoolError::io(path, "cannot be opened", error)),
        };
        let mut bytes = [0; SIZE];
        let size = file.metadata().map_err(|e| SpoolError::io(&path, "cannot be read", e))?.len();
        if size != SIZE as u64 {
            return Err(SpoolError::damaged(path, format!("it has {size} bytes, not {SIZE}")));
        }
        file.read_exact_at(&mut bytes, 0).map_err(|e| SpoolError::io(&path, "cannot be read", e))?;
        let (epoch, number) =
            decode(MAGIC, &bytes).ok_or_else(|| SpoolError::damaged(&path, "its checksum does not match"))?;
        Ok(Some((Self { file, path, epoch }, number)))
    }

    /// A new head that says 0, on the disk with its name.
    pub(super) fn create(directory: &Path, epoch: SpoolEpoch, number: SpoolNumber) -> Result<Self, SpoolError> {
        let path = directory.join("head");
        let fresh = directory.join("head.new");
        let io = |what| move |e: std::io::Error| SpoolError::io(directory.join("head"), what, e);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(io("cannot be made"))?;
        file.write_all_at(&encode(MAGIC, epoch, number), 0).map_err(io("cannot be written"))?;
        file.sync_all().map_err(io("cannot be synced"))?;
        std::fs::rename(&fresh, &path).map_err(io("cannot be named"))?;
        File::open(directory).and_then(|d| d.sync_all()).map_err(io("cannot be synced"))?;
        Ok(Self { file, path, epoch })
    }

    pub(super) fn epoch(&self) -> SpoolEpoch {
        self.epoch
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Says that everything up to `number` is in the database and synced. Not synced itself: after a power cut it
    /// may say less than there is, never more.
    pub(super) fn advance(&self, number: SpoolNumber) -> Result<(), SpoolError> {
        let bytes = encode(MAGIC, self.epoch, number);
        self.file.write_all_at(&bytes, 0).map_err(|e| SpoolError::io(&self.path, "cannot be written", e))
    }
}

/// A number of a spool, with a checksum; `magic` says what it is the number of.
pub(super) fn encode(magic: [u8; 8], epoch: SpoolEpoch, number: SpoolNumber) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..16].copy_from_slice(&epoch.0.to_be_bytes());
    bytes[16..24].copy_from_slice(&number.0.to_be_bytes());
    let sum = Sha256::digest(&bytes[..24]);
    bytes[24..].copy_from_slice(&sum[..8]);
    bytes
}

/// What `encode` made; `None` where anything of it was changed.
pub(super) fn decode(magic: [u8; 8], bytes: &[u8; SIZE]) -> Option<(SpoolEpoch, SpoolNumber)> {
    let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let (epoch, number) = (SpoolEpoch(word(8)?), SpoolNumber(word(16)?));
    (encode(magic, epoch, number) == *bytes).then_some((epoch, number))
}
