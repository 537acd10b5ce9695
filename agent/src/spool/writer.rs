//! The one writer: a thread that takes what is waiting, writes it in one batch, syncs once, and answers.
//!
//! **Invariant:** an answer follows the sync that covers it. Records that were kept in memory while the disk was
//! full are written before anything newer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use pact_files::DiskError;
use pact_proto::model::SpoolNumber;
use pact_proto::model::entry::Body;
use tokio::sync::oneshot;

use super::Draft;
use super::error::AppendError;
use super::store::Store;

/// So many records wait in memory for room; more are counted only.
const MOST_KEPT: usize = 4096;
/// So many records go into one batch.
const MOST_BATCHED: usize = 256;
/// How often a full disk is asked again while records wait in memory.
const RETRY: Duration = Duration::from_millis(250);

/// Records that nobody waits for and that the writer has not seen yet, and those for which there was no place.
#[derive(Default)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

impl Queue {
    /// Takes a place, or counts the record as lost.
    pub(super) fn enter(&self) -> bool {
        let taken =
            self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < MOST_KEPT).then_some(n + 1));
        if taken.is_err() {
            self.lost.fetch_add(1, Ordering::AcqRel);
        }
        taken.is_ok()
    }
}

type Answer = oneshot::Sender<Result<SpoolNumber, AppendError>>;

/// A record to write.
pub(super) struct Job {
    draft: Draft,
    /// Nobody waits for a record that may be kept in memory.
    answer: Option<Answer>,
}

impl Job {
    pub(super) fn append(draft: Draft, answer: Answer) -> Self {
        Self { draft, answer: Some(answer) }
    }

    pub(super) fn keep(draft: Draft) -> Self {
        Self { draft, answer: None }
    }
}

struct Writer<F> {
    store: Store,
    kept: VecDeque<Draft>,
    /// Records that did not even fit into memory, and one of them as pattern for the record that says so.
    lost: Option<(u64, Draft)>,
    unwritten: Arc<AtomicU64>,
    queue: Arc<Queue>,
    on_failure: Option<F>,
}

/// Starts the thread. It ends when the last handle on the spool is dropped.
pub(super) fn start(
    store: Store,
    jobs: Receiver<Job>,
    (unwritten, queue): (Arc<AtomicU64>, Arc<Queue>),
    on_failure: impl FnOnce(DiskError) + Send + 'static,
) -> Result<(), DiskError> {
    let path = store.directory().to_owned();
    let mut writer =
        Writer { store, kept: VecDeque::new(), lost: None, unwritten, queue, on_failure: Some(on_failure) };
    std::thread::Builder::new()
        .name("spool".to_owned())
        .spawn(move || writer.work(&jobs))
        .map(drop)
        .map_err(|e| DiskError::io(path, "its thread cannot be started", e))
}

impl<F: FnOnce(DiskError)> Writer<F> {
    fn work(&mut self, jobs: &Receiver<Job>) {
        loop {
            let first = if self.has_unwritten() { jobs.recv_timeout(RETRY) } else { jobs.recv().map_err(Into::into) };
            let batch: Vec<Job> = match first {
                Ok(job) => std::iter::once(job).chain(jobs.try_iter().take(MOST_BATCHED - 1)).collect(),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.leave_queue(&batch);
            if let Err(error) = self.batch(batch) {
                if let Some(on_failure) = self.on_failure.take() {
                    on_failure(error);
                }
                return;
            }
            let waiting = self.kept.len() as u64 + self.lost.as_ref().map_or(0, |(count, _)| *count);
            self.unwritten.store(waiting, Ordering::Relaxed);
        }
    }

    /// Gives back the places of records that nobody waits for, and takes over what was lost meanwhile.
    fn leave_queue(&mut self, jobs: &[Job]) {
        let places = jobs.iter().filter(|job| job.answer.is_none()).count();
        self.queue.waiting.fetch_sub(places, Ordering::AcqRel);
        if let Some(pattern) = jobs.last() {
            let lost = self.queue.lost.swap(0, Ordering::AcqRel);
            if lost > 0 {
                let before = self.lost.take().map_or(0, |(count, _)| count);
                self.lost = Some((before + lost, pattern.draft.clone()));
            }
        }
    }

    fn has_unwritten(&self) -> bool {
        !self.kept.is_empty() || self.lost.is_some()
    }

    fn batch(&mut self, jobs: Vec<Job>) -> Result<(), DiskError> {
        if !self.store.has_room() {
            self.refuse(jobs);
            return Ok(());
        }
        let (mut drafts, before) = self.take_kept();
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            drafts.push(job.draft);
            answers.push(job.answer);
        }
        if drafts.is_empty() {
            return Ok(());
        }
        let first = self.store.write(drafts)?.0 + before;
        for (number, answer) in (first..).zip(answers) {
            // Who asked may be gone; the record is there all the same.
            let _gone = answer.map(|answer| answer.send(Ok(SpoolNumber(number))));
        }
        Ok(())
    }

    /// What waited in memory, oldest first, and how many that are.
    fn take_kept(&mut self) -> (Vec<Draft>, u64) {
        let mut drafts: Vec<Draft> = self.kept.drain(..).collect();
        if let Some((counted, mut pattern)) = self.lost.take() {
            pattern.body = Body::RecordsLost { counted };
            drafts.push(pattern);
        }
        let count = drafts.len() as u64;
        (drafts, count)
    }

    fn refuse(&mut self, jobs: Vec<Job>) {
        for Job { draft, answer } in jobs {
            match answer {
                Some(answer) => drop(answer.send(Err(AppendError::Full))),
                None if self.kept.len() < MOST_KEPT => self.kept.push_back(draft),
                None => {
                    let before = self.lost.take().map_or(0, |(count, _)| count);
                    self.lost = Some((before + 1, draft));
                }
            }
        }
    }
}
