//! Verifying for people: every record as a line, as `log` shows it, and a place for the copy that is read.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use pact_proto::model::Entry;
use pact_proto::view::{self, Style};

use crate::entry::Committed;
use crate::error::JournalError;
use crate::verify::{Verified, verify_each};

/// Looks through a journal that nobody has open, and shows each record, with its newline, before it is known whether
/// those behind it hold. The copy is made where `TMPDIR` says.
pub fn verify(directory: &Path, show: &dyn Fn(&str)) -> Result<Verified, JournalError> {
    let scratch = Scratch::make()?;
    verify_each(directory, &scratch.0.join("copy"), &[], &|committed| show(&line(committed)))
}

fn line(committed: &Committed) -> String {
    let seq = committed.seq.0;
    match Entry::decode(&committed.item.payload) {
        Ok(entry) => view::numbered_line(seq, &entry, Style { colour: false, columns: 80 }),
        Err(bad) => format!("#{seq} is not shown: {bad}\n"),
    }
}

/// A directory that others cannot look into; removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, JournalError> {
        let place = std::env::temp_dir().join(format!("pact-journal-verify-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&place);
        made.map_err(|e| JournalError::io(&place, "cannot be made", e))?;
        Ok(Self(place))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What was in it is removed already.
        let _left = std::fs::remove_dir(&self.0);
    }
}
