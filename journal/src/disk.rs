//! A database that keeps its promises: sled, opened carefully, synced for certain.
//!
//! **Invariant:** what `promise` wrote is on the disk: written in one transaction, flushed and fdatasync'ed. Promises
//! are counted, in that transaction and in a head file beside the database; one that is missing is noticed on opening.
//! sled's panics on damaged files are caught and become errors that name the file.
//! **Why:** sled's own flush is `sync_file_range`, which a power cut undoes; sled takes a cut tail for the end of its
//! log; and pages beyond 128 KiB it writes to files of their own that it never syncs.
//! **Not here:** what is stored.

mod head;
pub(crate) mod quiet;

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sled::Transactional;
use sled::transaction::TransactionError;

use crate::error::JournalError;
use crate::failpoint::{self, Failpoint};
use head::Head;
use quiet::guard;

/// sled's default of 1 GiB is for servers that do nothing else.
const CACHE_BYTES: u64 = 32 << 20;
const DATABASE: &str = "sled";
const PROMISES: &str = "promises";
const LAST: &[u8] = b"last";
const VERSION: u8 = 1;

/// One that was made: to this database, and how many there were with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Promise {
    /// Drawn at random when the database was made: a head speaks of one database only.
    database: u64,
    number: u64,
}

/// Changes to some trees that are there together or not at all.
pub(crate) type Writes = Vec<(sled::Tree, sled::Batch)>;

/// The open database; its one writer has it.
pub(crate) struct Disk {
    path: PathBuf,
    database: sled::Db,
    promises: sled::Tree,
    /// A descriptor of our own on sled's file, for fdatasync.
    file: File,
    head: Head,
    last: Promise,
}

impl Disk {
    /// Opens or makes the database in a directory, which is made if it is not there, mode 0700.
    pub(crate) fn open(directory: &Path) -> Result<Self, JournalError> {
        make_directory(directory)?;
        let head = Head::read(directory)?;
        let path = directory.join(DATABASE);
        if head.is_some() && !path.join("db").exists() {
            return Err(JournalError::damaged(path.join("db"), "it is gone, and there is a head"));
        }
        let database = open_database(&path)?;
        let promises = guard(&path, || database.open_tree(PROMISES).map_err(|e| refused(&path, e)))?;
        let last = guard(&path, || promises.get(LAST).map_err(|e| refused(&path, e)))?;
        let last = last.map(|stored| read_promise(&stored, &path)).transpose()?;
        let (head, last) = match head {
            Some((head, said)) => (head, check(directory, last, said)?),
            None => begin(directory, &database, &promises, last)?,
        };
        let file = File::open(path.join("db")).map_err(|e| JournalError::io(path.join("db"), "cannot be opened", e))?;
        let mut disk = Self { path, database, promises, file, head, last };
        disk.sync()?;
        Ok(disk)
    }

    /// A tree of this name.
    pub(crate) fn tree(&self, name: &str) -> Result<sled::Tree, JournalError> {
        guard(&self.path, || self.database.open_tree(name).map_err(|e| refused(&self.path, e)))
    }

    /// Where sled has all that it has, in a directory that may be opened.
    pub(crate) fn file(directory: &Path) -> PathBuf {
        directory.join(DATABASE).join("db")
    }

    /// The database's own directory, for errors about it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes in one transaction, to the disk only when somebody makes a promise.
    pub(crate) fn write(&self, writes: Writes) -> Result<(), JournalError> {
        let (trees, batches): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let transaction = || {
            let done = trees.as_slice().transaction(|views| {
                views.iter().zip(&batches).try_for_each(|(view, batch)| view.apply_batch(batch))?;
                Ok(())
            });
            done.map_err(|error: TransactionError<Infallible>| match error {
                TransactionError::Abort(never) => match never {},
                TransactionError::Storage(error) => refused(&self.path, error),
            })
        };
        guard(&self.path, transaction)
    }

    /// Writes in one transaction. When this returns, that and all that was written before is on the disk.
    pub(crate) fn promise(&mut self, mut writes: Writes) -> Result<(), JournalError> {
        let next = Promise { number: self.last.number + 1, ..self.last };
        let mut batch = sled::Batch::default();
        batch.insert(LAST, store_promise(next));
        writes.push((self.promises.clone(), batch));
        self.write(writes)?;
        self.last = next;
        failpoint::hit(Failpoint::BeforeSync);
        self.sync()
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        guard(&self.path, || self.database.flush().map(drop).map_err(|e| refused(&self.path, e)))?;
        self.sync_blobs()?;
        self.file.sync_data().map_err(|e| JournalError::io(self.path.join("db"), "cannot be synced", e))?;
        failpoint::hit(Failpoint::BeforeHead);
        self.head.advance(self.last)
    }

    /// Values are kept small enough that sled has no reason to put a page into a file of its own. Should it do so all
    /// the same, it does not sync it.
    fn sync_blobs(&self) -> Result<(), JournalError> {
        let path = self.path.join("blobs");
        let io = |e| JournalError::io(&path, "cannot be synced", e);
        let mut any = false;
        for blob in std::fs::read_dir(&path).map_err(io)? {
            File::open(blob.map_err(io)?.path()).and_then(|file| file.sync_all()).map_err(io)?;
            any = true;
        }
        if any { File::open(&path).and_then(|directory| directory.sync_all()).map_err(io) } else { Ok(()) }
    }
}

/// Whether anything was ever opened here.
pub(crate) fn has_head(directory: &Path) -> bool {
    head::path(directory).exists()
}

/// A directory that was just made is on the disk only when its parent is.
fn make_directory(directory: &Path) -> Result<(), JournalError> {
    let made: Vec<_> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    let io = |what| move |e| JournalError::io(directory, what, e);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io("cannot be made"))?;
    for parent in made.iter().filter_map(|made| made.parent()) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(io("cannot be synced"))?;
    }
    Ok(())
}

fn open_database(path: &Path) -> Result<sled::Db, JournalError> {
    let open = || {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        config.open().map_err(|e| refused(path, e))
    };
    guard(path, open)
}

/// Whether the database has all that its head promises.
fn check(directory: &Path, last: Option<Promise>, said: Promise) -> Result<Promise, JournalError> {
    let (head, file) = (head::path(directory), directory.join(DATABASE).join("db"));
    match last {
        Some(last) if last.database != said.database => {
            Err(JournalError::damaged(file, format!("it is not the database of which {} speaks", head.display())))
        }
        Some(last) if last.number >= said.number => Ok(last),
        Some(_) | None => {
            let number = last.map_or(0, |last| last.number);
            let what = format!("it ends with promise {number}, and {} says {}", head.display(), said.number);
            Err(JournalError::damaged(file, what))
        }
    }
}

/// A first head for a database that was just made. One in which a promise was made has lost its head.
fn begin(
    directory: &Path,
    database: &sled::Db,
    promises: &sled::Tree,
    last: Option<Promise>,
) -> Result<(Head, Promise), JournalError> {
    let path = directory.join(DATABASE);
    if let Some(Promise { number: 1.., .. }) = last {
        return Err(JournalError::damaged(head::path(directory), "it is gone, and the database is there"));
    }
    let mut id = [0; 8];
    fill_random(&mut id).map_err(|e| JournalError::io(directory, "no random number for its name", e))?;
    let promise = Promise { database: u64::from_be_bytes(id), number: 0 };
    guard(&path, || {
        promises.insert(LAST, store_promise(promise)).map_err(|e| refused(&path, e))?;
        database.flush().map(drop).map_err(|e| refused(&path, e))
    })?;
    let file = path.join("db");
    File::open(&file).and_then(|f| f.sync_all()).map_err(|e| JournalError::io(file, "cannot be synced", e))?;
    File::open(&path).and_then(|d| d.sync_all()).map_err(|e| JournalError::io(&path, "cannot be synced", e))?;
    Ok((Head::create(directory, promise)?, promise))
}

fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, bytes)
}

fn store_promise(promise: Promise) -> Vec<u8> {
    let mut stored = vec![VERSION];
    stored.extend(promise.database.to_be_bytes());
    stored.extend(promise.number.to_be_bytes());
    stored
}

fn read_promise(stored: &[u8], path: &Path) -> Result<Promise, JournalError> {
    let word = |at: usize| stored.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let read = || {
        let promise = Promise { database: word(1)?, number: word(9)? };
        (store_promise(promise) == stored).then_some(promise)
    };
    read().ok_or_else(|| JournalError::damaged(path.join("db"), format!("tree {PROMISES}: it cannot be read")))
}

/// What sled says, as what it means for us.
pub(crate) fn refused(path: &Path, error: sled::Error) -> JournalError {
    match error {
        sled::Error::Io(source) if source.to_string().contains("could not acquire lock") => {
            JournalError::InUse { path: path.to_owned() }
        }
        sled::Error::Io(source) => JournalError::io(path, "the disk refused", source),
        sled::Error::Corruption { at, .. } => {
            JournalError::damaged(path.join("db"), at.map_or("corrupt".to_owned(), |at| format!("corrupt at {at:?}")))
        }
        error @ (sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_)) => {
            JournalError::damaged(path, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
