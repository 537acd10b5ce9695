//! How far the journal has this spool: a file of 32 bytes beside the database.
//!
//! **Invariant:** it is a hint, for `status` and for whoever makes room one day. What is sent is what the journal asks
//! for when it is reached, so a file that is lost, old or damaged loses and doubles nothing.
//! **Not here:** a sync: a hint that a power cut takes is told anew by the journal.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pact_files::mark::Mark;
use pact_proto::model::{SpoolEpoch, SpoolNumber};

const NAME: &str = "acknowledged";
const MAGIC: [u8; 8] = *b"pactak\0\x01";

/// The file, of one spool.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    path: PathBuf,
    epoch: SpoolEpoch,
}

impl Acknowledged {
    pub(super) fn of(directory: &Path, epoch: SpoolEpoch) -> Self {
        Self { path: directory.join(NAME), epoch }
    }

    /// What it says; 0 where it says nothing of this spool, and never more than there is.
    pub(crate) fn read(&self, last: SpoolNumber) -> SpoolNumber {
        let bytes = std::fs::read(&self.path).ok();
        let said = bytes.and_then(|bytes| Mark::decode(MAGIC, bytes.as_slice().try_into().ok()?));
        match said {
            Some(mark) if mark.database == self.epoch.0 => SpoolNumber(mark.number).min(last),
            Some(_) | None => SpoolNumber(0),
        }
    }

    /// Says it. Whole or not at all: it is renamed into its place.
    pub(crate) fn write(&self, number: SpoolNumber) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&Mark { database: self.epoch.0, number: number.0 }.encode(MAGIC))?;
        drop(file);
        std::fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: SpoolEpoch = SpoolEpoch(7);

    #[test]
    fn it_is_believed_as_far_as_it_can_be_true() {
        let place = tempfile::tempdir().unwrap();
        let file = Acknowledged::of(place.path(), EPOCH);
        assert_eq!(file.read(SpoolNumber(9)), SpoolNumber(0), "there is none yet");
        for number in [5, 8, 3] {
            file.write(SpoolNumber(number)).unwrap();
            assert_eq!(file.read(SpoolNumber(9)), SpoolNumber(number));
        }
        assert_eq!(file.read(SpoolNumber(2)), SpoolNumber(2), "more than there is");
        let other = Acknowledged::of(place.path(), SpoolEpoch(8));
        assert_eq!(other.read(SpoolNumber(9)), SpoolNumber(0), "of another spool");
    }

    #[test]
    fn a_damaged_one_says_nothing_and_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let file = Acknowledged::of(place.path(), EPOCH);
        file.write(SpoolNumber(5)).unwrap();
        let good = std::fs::read(place.path().join(NAME)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(place.path().join(NAME), bad).unwrap();
            assert_eq!(file.read(SpoolNumber(9)), SpoolNumber(0), "flipped at {at}");
        }
        std::fs::write(place.path().join(NAME), &good[..7]).unwrap();
        assert_eq!(file.read(SpoolNumber(9)), SpoolNumber(0), "cut");
        file.write(SpoolNumber(6)).unwrap();
        assert_eq!(file.read(SpoolNumber(9)), SpoolNumber(6));
    }

    #[test]
    fn a_head_in_its_place_says_nothing() {
        let place = tempfile::tempdir().unwrap();
        let other = Mark { database: EPOCH.0, number: 5 }.encode(*b"pactjh\0\x01");
        std::fs::write(place.path().join(NAME), other).unwrap();
        assert_eq!(Acknowledged::of(place.path(), EPOCH).read(SpoolNumber(9)), SpoolNumber(0));
    }
}
