//! A database that keeps its promises: sled, opened carefully, synced for certain.
//!
//! **Invariant:** what `promise` wrote is on the disk: written in one transaction, flushed and fdatasync'ed. Promises
//! are counted, in that transaction and in a head file beside the database; one that is missing is noticed on opening.
//! sled's panics on damaged files are caught and become errors that name the file.
//! **Why:** sled's own flush is `sync_file_range`, which a power cut undoes; sled takes a cut tail for the end of its
//! log; and pages beyond 128 KiB it writes to files of their own that it never syncs.
//! **Not here:** what is stored.

mod head;
mod quiet;

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sled::Transactional;
use sled::transaction::TransactionError;

use crate::error::DiskError;
use crate::failpoint;
use crate::mark::Mark;
use head::Head;
pub use quiet::guard;

/// sled's default of 1 GiB is for servers that do nothing else.
const CACHE_BYTES: u64 = 32 << 20;
const DATABASE: &str = "sled";
const PROMISES: &str = "promises";
const LAST: &[u8] = b"last";
const VERSION: u8 = 1;

/// Changes to some trees that are there together or not at all.
pub type Writes = Vec<(sled::Tree, sled::Batch)>;

/// The open database; its one writer has it.
pub struct Disk {
    path: PathBuf,
    database: sled::Db,
    promises: sled::Tree,
    /// A descriptor of our own on sled's file, for fdatasync.
    file: File,
    head: Head,
    last: Mark,
}

impl Disk {
    /// Opens or makes the database in a directory, which is made if it is not there, mode 0700.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        make_directory(directory)?;
        let head = Head::read(directory)?;
        let path = directory.join(DATABASE);
        if head.is_some() && !path.join("db").exists() {
            return Err(DiskError::damaged(path.join("db"), "it is gone, and there is a head"));
        }
        let database = open_database(&path)?;
        let promises = guard(&path, || database.open_tree(PROMISES).map_err(|e| DiskError::refused(&path, e)))?;
        let last = guard(&path, || promises.get(LAST).map_err(|e| DiskError::refused(&path, e)))?;
        let last = last.map(|stored| read_promise(&stored, &path)).transpose()?;
        sync_names(&path)?;
        let (head, last) = match head {
            Some((head, said)) => (head, check(directory, last, said)?),
            None => begin(directory, &database, &promises, last)?,
        };
        let file = File::open(path.join("db")).map_err(|e| DiskError::io(path.join("db"), "cannot be opened", e))?;
        let mut disk = Self { path, database, promises, file, head, last };
        disk.sync()?;
        Ok(disk)
    }

    /// Drawn at random when the database was made: no other one has it.
    pub fn id(&self) -> u64 {
        self.last.database
    }

    /// A tree of this name.
    pub fn tree(&self, name: &str) -> Result<sled::Tree, DiskError> {
        guard(&self.path, || self.database.open_tree(name).map_err(|e| DiskError::refused(&self.path, e)))
    }

    /// Where sled has all that it has, in a directory that may be opened.
    pub fn file(directory: &Path) -> PathBuf {
        directory.join(DATABASE).join("db")
    }

    /// The database's own directory, for errors about it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes in one transaction, to the disk only when somebody makes a promise.
    pub fn write(&self, writes: Writes) -> Result<(), DiskError> {
        let (trees, batches): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let transaction = || {
            let done = trees.as_slice().transaction(|views| {
                views.iter().zip(&batches).try_for_each(|(view, batch)| view.apply_batch(batch))?;
                Ok(())
            });
            done.map_err(|error: TransactionError<Infallible>| match error {
                TransactionError::Abort(never) => match never {},
                TransactionError::Storage(error) => DiskError::refused(&self.path, error),
            })
        };
        guard(&self.path, transaction)
    }

    /// Writes in one transaction. When this returns, that and all that was written before is on the disk.
    pub fn promise(&mut self, mut writes: Writes) -> Result<(), DiskError> {
        let next = Mark { number: self.last.number + 1, ..self.last };
        let mut batch = sled::Batch::default();
        batch.insert(LAST, store_promise(next));
        writes.push((self.promises.clone(), batch));
        self.write(writes)?;
        self.last = next;
        failpoint::hit("before-sync");
        self.sync()
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        guard(&self.path, || self.database.flush().map(drop).map_err(|e| DiskError::refused(&self.path, e)))?;
        self.sync_blobs()?;
        self.file.sync_data().map_err(|e| DiskError::io(self.path.join("db"), "cannot be synced", e))?;
        failpoint::hit("before-head");
        self.head.advance(self.last)
    }

    /// Values are kept small enough that sled has no reason to put a page into a file of its own. Should it do so all
    /// the same, it does not sync it.
    fn sync_blobs(&self) -> Result<(), DiskError> {
        let path = self.path.join("blobs");
        let io = |e| DiskError::io(&path, "cannot be synced", e);
        let mut any = false;
        for blob in std::fs::read_dir(&path).map_err(io)? {
            File::open(blob.map_err(io)?.path()).and_then(|file| file.sync_all()).map_err(io)?;
            any = true;
        }
        if any { File::open(&path).and_then(|directory| directory.sync_all()).map_err(io) } else { Ok(()) }
    }
}

/// Whether anything was ever opened here.
pub fn has_head(directory: &Path) -> bool {
    head::path(directory).exists()
}

/// Nobody but its owner can read or change what is in it.
fn make_directory(directory: &Path) -> Result<(), DiskError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|e| DiskError::io(directory, "cannot be made", e))?;
    let metadata = std::fs::metadata(directory).map_err(|e| DiskError::io(directory, "cannot be looked at", e))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        let what = "it is another account's, or others may write it".to_owned();
        return Err(DiskError::Foreign { path: directory.to_owned(), what });
    }
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory, private).map_err(|e| DiskError::io(directory, "its mode cannot be set", e))
}

/// A file that was synced is lost all the same where its name, or that of a directory above it, was not. What lies on
/// another file system was there before us, and so was what is in a directory of another account: in that, we make none.
fn sync_names(database: &Path) -> Result<(), DiskError> {
    let place = |path: &Path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.uid())).ok();
    let ours = place(database);
    for directory in database.ancestors().take_while(|directory| place(directory) == ours) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|e| DiskError::io(directory, "its names cannot be synced", e))?;
    }
    Ok(())
}

fn open_database(path: &Path) -> Result<sled::Db, DiskError> {
    let open = || {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        config.open().map_err(|e| DiskError::refused(path, e))
    };
    guard(path, open)
}

/// Whether the database has all that its head promises.
fn check(directory: &Path, last: Option<Mark>, said: Mark) -> Result<Mark, DiskError> {
    let (head, file) = (head::path(directory), directory.join(DATABASE).join("db"));
    match last {
        Some(last) if last.database != said.database => {
            Err(DiskError::damaged(file, format!("it is not the database of which {} speaks", head.display())))
        }
        Some(last) if last.number >= said.number => Ok(last),
        Some(_) | None => {
            let number = last.map_or(0, |last| last.number);
            let what = format!("it ends with promise {number}, and {} says {}", head.display(), said.number);
            Err(DiskError::damaged(file, what))
        }
    }
}

/// A first head for a database that was just made. One in which a promise was made has lost its head.
fn begin(
    directory: &Path,
    database: &sled::Db,
    promises: &sled::Tree,
    last: Option<Mark>,
) -> Result<(Head, Mark), DiskError> {
    let path = directory.join(DATABASE);
    if let Some(Mark { number: 1.., .. }) = last {
        return Err(DiskError::damaged(head::path(directory), "it is gone, and the database is there"));
    }
    let mut id = [0; 8];
    fill_random(&mut id).map_err(|e| DiskError::io(directory, "no random number for its name", e))?;
    let promise = Mark { database: u64::from_be_bytes(id), number: 0 };
    guard(&path, || {
        promises.insert(LAST, store_promise(promise)).map_err(|e| DiskError::refused(&path, e))?;
        database.flush().map(drop).map_err(|e| DiskError::refused(&path, e))
    })?;
    let file = path.join("db");
    File::open(&file).and_then(|f| f.sync_all()).map_err(|e| DiskError::io(file, "cannot be synced", e))?;
    File::open(&path).and_then(|d| d.sync_all()).map_err(|e| DiskError::io(&path, "cannot be synced", e))?;
    Ok((Head::create(directory, promise)?, promise))
}

fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, bytes)
}

fn store_promise(promise: Mark) -> Vec<u8> {
    let mut stored = vec![VERSION];
    stored.extend(promise.database.to_be_bytes());
    stored.extend(promise.number.to_be_bytes());
    stored
}

fn read_promise(stored: &[u8], path: &Path) -> Result<Mark, DiskError> {
    let word = |at: usize| stored.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let read = || {
        let promise = Mark { database: word(1)?, number: word(9)? };
        (store_promise(promise) == stored).then_some(promise)
    };
    read().ok_or_else(|| DiskError::damaged(path.join("db"), format!("tree {PROMISES}: it cannot be read")))
}

#[cfg(test)]
mod tests;
