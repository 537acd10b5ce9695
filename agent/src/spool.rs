//! The spool: what happened on this node, on disk before it happens, kept until the journal has it.
//!
//! **Invariant:** what `append` has answered is on the disk: written, flushed and fdatasync'ed. Numbers are
//! given from 1 without gaps; a spool that lost or changed a record refuses to open and names the file.
//! **Why:** sled's own flush is `sync_file_range`, which a power cut undoes; and sled takes a cut tail for the end
//! of its log. So every flush is followed by fdatasync, and the last number stands in a file of its own.
//! **Not here:** what entries mean; the way to the journal.

mod acknowledged;
mod error;
mod piece;
mod read;
mod recover;
mod room;
mod store;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use pact_files::DiskError;
use pact_proto::model::entry::{Body, Credential, Via};
use pact_proto::model::{Entry, LineId, NodeName, Principal, Scope, SessionId, SpoolEpoch, SpoolNumber, SpoolPosition};
use tokio::sync::{oneshot, watch};

pub(crate) use acknowledged::Acknowledged;
pub(crate) use error::{AppendError, Stopped};
pub(crate) use read::{Batch, Most};
pub(crate) use room::{Durability, durability};

/// An entry that has no number yet.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The node's clock when it happened.
    pub event_time: Timestamp,
    /// Who did it.
    pub author: Principal,
    /// In which session.
    pub session: Option<SessionId>,
    /// In which line of it.
    pub line: LineId,
    /// By which policy it was judged.
    pub policy_version: String,
    /// SHA-256 of the request.
    pub request_hash: Option<[u8; 32]>,
    /// How the author was verified.
    pub credential: Option<Credential>,
    /// What happened.
    pub body: Body,
}

impl Draft {
    fn number(self, node: &NodeName, epoch: SpoolEpoch, number: SpoolNumber) -> Entry {
        Entry {
            event_time: self.event_time,
            scope: Scope::Node(node.clone()),
            author: self.author,
            via: Via::Node(node.clone()),
            session: self.session,
            line: self.line,
            message: String::new(),
            policy_version: self.policy_version,
            position: Some(SpoolPosition { node: node.clone(), epoch, number }),
            request_hash: self.request_hash,
            credential: self.credential,
            body: self.body,
        }
    }
}

/// Where, for whom and with how much room.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The directory; made if it is not there, mode 0700.
    pub directory: PathBuf,
    /// The node.
    pub node: NodeName,
    /// Below this many free bytes nothing is started.
    pub reserve_bytes: u64,
    /// Whether what is kept there outlives a power cut.
    pub durability: Durability,
}

/// A handle on the spool. Clones share it.
#[derive(Clone)]
pub(crate) struct Spool {
    writer: std::sync::mpsc::Sender<writer::Job>,
    entries: read::Reader,
    directory: Arc<Path>,
    reserve_bytes: u64,
    durability: Durability,
    epoch: SpoolEpoch,
    unwritten: Arc<AtomicU64>,
    queue: Arc<writer::Queue>,
}

impl Spool {
    /// Opens or makes the spool, checks every record in it, and ends lines that were open when the agent died
    /// as interrupted. `on_failure` is called when the disk refuses something that cannot be retried.
    pub(crate) fn open(
        settings: &Settings,
        on_failure: impl FnOnce(DiskError) + Send + 'static,
    ) -> Result<Self, DiskError> {
        let (mut store, open) = store::Store::open(settings)?;
        recover::close(open, &mut store)?;
        let (writer, jobs) = std::sync::mpsc::channel();
        let (unwritten, queue) = (Arc::new(AtomicU64::new(0)), Arc::<writer::Queue>::default());
        let spool = Self {
            writer,
            entries: store.reader(),
            directory: Arc::from(settings.directory.as_path()),
            reserve_bytes: settings.reserve_bytes,
            durability: settings.durability.clone(),
            epoch: store.epoch(),
            unwritten: Arc::clone(&unwritten),
            queue: Arc::clone(&queue),
        };
        writer::start(store, jobs, (unwritten, queue), on_failure)?;
        Ok(spool)
    }

    /// Writes one entry. When this returns, it is on the disk.
    pub(crate) async fn append(&self, draft: Draft) -> Result<SpoolNumber, AppendError> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(writer::Job::append(draft, answer)).map_err(|_| AppendError::Stopped)?;
        answered.await.map_err(|_| AppendError::Stopped)?
    }

    /// Writes one entry that starts nothing, and so needs no room: when this returns, it is on the disk, or waits in
    /// memory because that is full.
    pub(crate) async fn record(&self, draft: Draft) -> Result<(), Stopped> {
        match self.append(draft.clone()).await {
            Ok(_) => Ok(()),
            Err(AppendError::Full) => self.keep(draft).map_err(|_| Stopped),
            Err(AppendError::Stopped) => Err(Stopped),
        }
    }

    /// Writes one entry that nothing waits for. While the disk is full it is kept in memory, up to a bound, and
    /// written first when there is room; beyond the bound it is counted, and the count is written.
    pub(crate) fn keep(&self, draft: Draft) -> Result<(), AppendError> {
        // A disk that does not answer holds up the writer, and with it everything that waits for it.
        if !self.queue.enter() {
            return Ok(());
        }
        self.writer.send(writer::Job::keep(draft)).map_err(|_| AppendError::Stopped)
    }

    /// Writes one entry that may be left out: where the disk is full it is, and takes no memory either. It is written
    /// no later than what is appended after it.
    pub(crate) fn offer(&self, draft: Draft) -> Result<(), AppendError> {
        let (answer, _nobody_asks) = oneshot::channel();
        self.writer.send(writer::Job::append(draft, answer)).map_err(|_| AppendError::Stopped)
    }

    /// Newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = Result<Entry, DiskError>> + use<> {
        self.entries.newest()
    }

    /// Records in a row from a number on, oldest first; none where there is nothing new. It may wait for the disk: not
    /// for the thread of the sessions.
    pub(crate) fn batch(&self, first: SpoolNumber, most: Most) -> Result<Batch, DiskError> {
        self.entries.batch(first, most)
    }

    /// One record, where there is one of this number.
    pub(crate) fn entry(&self, number: SpoolNumber) -> Result<Option<Entry>, DiskError> {
        self.entries.entry(number)
    }

    /// The last number that is on the disk, for whoever waits for more.
    pub(crate) fn written(&self) -> watch::Receiver<SpoolNumber> {
        self.entries.written()
    }

    /// Whether lines may run: there is room.
    pub(crate) fn has_room(&self) -> bool {
        room::free_bytes(&self.directory).is_ok_and(|free| free >= self.reserve_bytes)
    }

    /// Whether a power cut would leave the records there.
    pub(crate) fn durability(&self) -> &Durability {
        &self.durability
    }

    /// The last number that is on the disk.
    pub(crate) fn last(&self) -> SpoolNumber {
        self.entries.last()
    }

    /// Which spool this is.
    pub(crate) fn epoch(&self) -> SpoolEpoch {
        self.epoch
    }

    /// Where it is kept how far the journal has this spool.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        Acknowledged::of(&self.directory, self.epoch)
    }

    /// Records that wait in memory for room on the disk.
    pub(crate) fn unwritten(&self) -> u64 {
        self.unwritten.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
