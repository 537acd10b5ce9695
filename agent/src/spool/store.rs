//! The database under the spool: sled, opened carefully.
//!
//! **Invariant:** opening reads every record: numbers are contiguous, every value decodes, all belong to this node
//! and epoch, and there are at least as many as the head promised. sled's panics on damaged files are caught and
//! become errors that name the file.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use pact_proto::model::{Entry, NodeName, SpoolEpoch, SpoolNumber};
use tokio::sync::watch;

use super::error::SpoolError;
use super::head::Head;
use super::piece::{self, Records};
use super::quiet::guard;
use super::read::Reader;
use super::recover::Open;
use super::{Draft, Settings, room};

/// sled's default of 1 GiB is for servers.
const CACHE_BYTES: u64 = 32 << 20;
const DATABASE: &str = "sled";

/// The open spool; the one writer has it.
pub(super) struct Store {
    settings: Settings,
    database: sled::Db,
    entries: sled::Tree,
    /// A descriptor of our own on sled's file, for fdatasync.
    file: File,
    head: Head,
    /// On the disk; whoever reads on is woken by it.
    last: watch::Sender<SpoolNumber>,
}

impl Store {
    pub(super) fn open(settings: &Settings) -> Result<(Self, Open), SpoolError> {
        let directory = &settings.directory;
        make_directory(directory)?;
        let head = Head::read(directory)?;
        let path = directory.join(DATABASE);
        if head.as_ref().is_some_and(|(_, number)| number.0 > 0) && !path.join("db").exists() {
            return Err(SpoolError::damaged(path.join("db"), "it is gone, and the head says that it held records"));
        }
        let database = open_database(&path)?;
        let entries = guard(&path, || database.open_tree("entries").map_err(|e| refused(&path, e)))?;
        let (last, open) = guard(&path, || check(&entries, &path, settings, head.as_ref()))?;
        sync_names(&path)?;
        let head = match head {
            Some((head, _)) => head,
            None => begin(directory, &database, last)?,
        };
        let file = File::open(path.join("db")).map_err(|e| SpoolError::io(path.join("db"), "cannot be opened", e))?;
        let mut store =
            Self { settings: settings.clone(), database, entries, file, head, last: watch::Sender::new(last) };
        store.sync()?;
        store.head.advance(last)?;
        Ok((store, open))
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(self.entries.clone(), self.settings.directory.join(DATABASE), self.last.subscribe())
    }

    pub(super) fn epoch(&self) -> SpoolEpoch {
        self.head.epoch()
    }

    pub(super) fn directory(&self) -> &Path {
        &self.settings.directory
    }

    pub(super) fn has_room(&self) -> bool {
        room::free_bytes(&self.settings.directory).is_ok_and(|free| free >= self.settings.reserve_bytes)
    }

    /// Writes entries in one batch and syncs them; answers the number of the first.
    pub(super) fn write(&mut self, drafts: Vec<Draft>) -> Result<SpoolNumber, SpoolError> {
        let first = self.last.borrow().0 + 1;
        let mut batch = sled::Batch::default();
        let mut number = first;
        for draft in drafts {
            let entry = draft.number(&self.settings.node, self.head.epoch(), SpoolNumber(number));
            let path = self.settings.directory.join(DATABASE);
            let pieces = piece::cut(number, &entry.encode());
            let pieces = pieces.ok_or_else(|| SpoolError::damaged(path, "a record is too long"))?;
            for (key, value) in pieces {
                batch.insert(&key, value);
            }
            number += 1;
        }
        let path = self.settings.directory.join(DATABASE);
        guard(&path, || self.entries.apply_batch(batch).map_err(|e| refused(&path, e)))?;
        self.sync()?;
        let last = SpoolNumber(number - 1);
        self.head.advance(last)?;
        self.last.send_replace(last);
        Ok(SpoolNumber(first))
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        let path = self.settings.directory.join(DATABASE);
        guard(&path, || self.database.flush().map(drop).map_err(|e| refused(&path, e)))?;
        self.file.sync_data().map_err(|e| SpoolError::io(path.join("db"), "cannot be synced", e))?;
        no_blobs(&path)
    }
}

/// sled syncs no file but one; a record in another one would be lost by a power cut.
fn no_blobs(path: &Path) -> Result<(), SpoolError> {
    let blobs = path.join("blobs");
    let mut items = std::fs::read_dir(&blobs).map_err(|e| SpoolError::io(&blobs, "cannot be read", e))?;
    match items.next() {
        None => Ok(()),
        Some(_) => Err(SpoolError::damaged(blobs, "the database wrote a file that it does not sync")),
    }
}

fn make_directory(directory: &Path) -> Result<(), SpoolError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|e| SpoolError::io(directory, "cannot be made", e))?;
    let metadata = std::fs::metadata(directory).map_err(|e| SpoolError::io(directory, "cannot be looked at", e))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        let what = "it is another account's, or others may write it".to_owned();
        return Err(SpoolError::Foreign { path: directory.to_owned(), what });
    }
    // What is in it is nobody else's to read, whoever made it.
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory, private).map_err(|e| SpoolError::io(directory, "its mode cannot be set", e))
}

/// A file that was synced is lost all the same where its name, or that of a directory above it, was not. What lies on
/// another file system was there before us.
fn sync_names(database: &Path) -> Result<(), SpoolError> {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let ours = device(database);
    for directory in database.ancestors().take_while(|directory| device(directory) == ours) {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|e| SpoolError::io(directory, "its names cannot be synced", e))?;
    }
    Ok(())
}

fn open_database(path: &Path) -> Result<sled::Db, SpoolError> {
    let open = || {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        config.open().map_err(|e| refused(path, e))
    };
    guard(path, open)
}

/// A first head for a spool that was just made. One that holds records has lost its head.
fn begin(directory: &Path, database: &sled::Db, last: SpoolNumber) -> Result<Head, SpoolError> {
    if last.0 > 0 {
        return Err(SpoolError::damaged(
            directory.join("head"),
            format!("it is gone, and there are {} records", last.0),
        ));
    }
    let path = directory.join(DATABASE);
    guard(&path, || database.flush().map(drop).map_err(|e| refused(&path, e)))?;
    let mut epoch = [0; 8];
    fill_random(&mut epoch).map_err(|e| SpoolError::io(directory, "no random number for its epoch", e))?;
    Head::create(directory, SpoolEpoch(u64::from_be_bytes(epoch)), SpoolNumber(0))
}

fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, bytes)
}

/// Reads every record once.
fn check(
    entries: &sled::Tree,
    path: &Path,
    settings: &Settings,
    head: Option<&(Head, SpoolNumber)>,
) -> Result<(SpoolNumber, Open), SpoolError> {
    let mut last = 0u64;
    let mut open = Open::default();
    let pieces = entries.iter().map(|found| found.map_err(|e| refused(path, e)));
    for record in Records::new(pieces, false, path.to_owned()) {
        let (number, value) = record?;
        if number != last + 1 {
            return Err(SpoolError::damaged(path, format!("record {} is missing", last + 1)));
        }
        let entry = Entry::decode(&value).map_err(|e| SpoolError::damaged(path, format!("record {number}: {e}")))?;
        check_position(&entry, path, &settings.node, head.map(|(head, _)| head.epoch()), number)?;
        last = number;
        open.see(entry);
    }
    match head {
        Some((head, promised)) if promised.0 > last => Err(SpoolError::damaged(
            path.join("db"),
            format!("it ends with record {last}, and {} says {}", head.path().display(), promised.0),
        )),
        Some(_) | None => Ok((SpoolNumber(last), open)),
    }
}

fn check_position(
    entry: &Entry,
    path: &Path,
    node: &NodeName,
    epoch: Option<SpoolEpoch>,
    number: u64,
) -> Result<(), SpoolError> {
    let Some(position) = &entry.position else {
        return Err(SpoolError::damaged(path, format!("record {number} says that it was in no spool")));
    };
    if position.node != *node {
        let what = format!("it is the spool of {}, and this node is {node}", position.node);
        return Err(SpoolError::Foreign { path: path.to_owned(), what });
    }
    if position.number.0 != number || epoch.is_some_and(|epoch| epoch != position.epoch) {
        return Err(SpoolError::damaged(path, format!("record {number} says that it is another one")));
    }
    Ok(())
}

pub(super) fn refused(path: &Path, error: sled::Error) -> SpoolError {
    match error {
        sled::Error::Io(source) if source.kind() == std::io::ErrorKind::WouldBlock => {
            SpoolError::InUse { path: path.to_owned() }
        }
        sled::Error::Io(source) if source.to_string().contains("could not acquire lock") => {
            SpoolError::InUse { path: path.to_owned() }
        }
        sled::Error::Io(source) => SpoolError::io(path, "the disk refused", source),
        sled::Error::Corruption { at, .. } => {
            SpoolError::damaged(path.join("db"), at.map_or("corrupt".to_owned(), |at| format!("corrupt at {at:?}")))
        }
        error @ (sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_)) => {
            SpoolError::damaged(path, error.to_string())
        }
    }
}
