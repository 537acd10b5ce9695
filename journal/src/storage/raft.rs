//! What async-raft asks of storage, with the rules that its callers need.
//!
//! **Invariant:** a log is only shortened where an entry of another term takes the place, in the one transaction that
//! puts it there, and never at or below what is applied.
//! **Invariant:** the members are those of the configuration; no entry of the log changes them.
//! **Why:** async-raft deletes everything behind an overlap, in a step of its own, and appends without looking when the
//! previous index is 0. Each loses entries that were acknowledged; so what it asks to delete is not deleted, and what it
//! asks to append is compared.

use std::io::Cursor;

use anyhow::Result;
use async_raft::RaftStorage;
use async_raft::async_trait::async_trait;
use async_raft::raft::{Entry, MembershipConfig};
use async_raft::storage::{CurrentSnapshotData, HardState, InitialState};

use super::{Changes, Failed, Hard, Installation, LogRecord, Numbered, Place, Point, State, Storage, name, records};
use crate::consensus::{Answers, Batch};
use crate::error::JournalError;

#[async_trait]
impl RaftStorage<Batch, Answers> for Storage {
    type Snapshot = Cursor<Vec<u8>>;
    type ShutdownError = Failed;

    async fn get_membership_config(&self) -> Result<MembershipConfig> {
        self.with(|state| Ok(state.membership())).await
    }

    async fn get_initial_state(&self) -> Result<InitialState> {
        self.with(|state| Ok(state.initial())).await
    }

    async fn save_hard_state(&self, hard: &HardState) -> Result<()> {
        let hard = Hard { term: hard.current_term, voted_for: hard.voted_for };
        self.with(move |state| state.save(hard)).await
    }

    async fn get_log_entries(&self, start: u64, stop: u64) -> Result<Vec<Entry<Batch>>> {
        self.with(move |state| state.entries(start, stop)).await
    }

    /// Nothing: see above.
    async fn delete_logs_from(&self, _start: u64, _stop: Option<u64>) -> Result<()> {
        Ok(())
    }

    async fn append_entry_to_log(&self, entry: &Entry<Batch>) -> Result<()> {
        self.replicate_to_log(std::slice::from_ref(entry)).await
    }

    async fn replicate_to_log(&self, entries: &[Entry<Batch>]) -> Result<()> {
        let records: Vec<_> = entries.iter().map(|entry| (entry.index, LogRecord::of(entry))).collect();
        self.with(move |state| state.replicate(records)).await
    }

    async fn apply_entry_to_state_machine(&self, index: &u64, _: &Batch) -> Result<Answers> {
        let index = *index;
        self.with(move |state| state.apply_through(index).map(Answers)).await
    }

    async fn replicate_to_state_machine(&self, entries: &[(&u64, &Batch)]) -> Result<()> {
        let last = entries.iter().map(|(index, _)| **index).max().unwrap_or(0);
        self.with(move |state| state.apply_through(last).map(drop)).await
    }

    async fn do_log_compaction(&self) -> Result<CurrentSnapshotData<Self::Snapshot>> {
        self.with(|state| {
            state.compact()?;
            Ok(state.snapshot())
        })
        .await
    }

    async fn create_snapshot(&self) -> Result<(String, Box<Self::Snapshot>)> {
        Ok((String::new(), Box::default()))
    }

    async fn finalize_snapshot_installation(
        &self,
        _index: u64,
        _term: u64,
        _delete_through: Option<u64>,
        _id: String,
        snapshot: Box<Self::Snapshot>,
    ) -> Result<()> {
        let installation: Option<Installation> = records::read(snapshot.get_ref());
        self.with(move |state| state.install(&installation.unwrap_or_default())).await
    }

    /// Always of now: async-raft asks again and again for one that it finds too old.
    async fn get_current_snapshot(&self) -> Result<Option<CurrentSnapshotData<Self::Snapshot>>> {
        self.with(|state| {
            state.compact()?;
            Ok((state.compacted.index > 0).then(|| state.snapshot()))
        })
        .await
    }
}

impl State {
    fn membership(&self) -> MembershipConfig {
        let members = self.settings.members.iter().map(|member| member.0).collect();
        MembershipConfig { members, members_after_consensus: None }
    }

    /// A member that is alone and died between its first vote and its first entry votes again: async-raft would wait
    /// for others for ever, and there is nobody to whom it could vote twice.
    fn initial(&self) -> InitialState {
        let last = self.log.last();
        let never_led = self.settings.members.len() == 1 && last.index == 0;
        let hard = if never_led { Hard::default() } else { self.hard.clone() };
        InitialState {
            last_log_index: last.index,
            last_log_term: last.term,
            last_applied_log: self.applied.index,
            hard_state: HardState { current_term: hard.term, voted_for: hard.voted_for },
            membership: self.membership(),
        }
    }

    fn save(&mut self, hard: Hard) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        changes.set(name::HARD, &hard);
        changes.promise(self)?;
        self.hard = hard;
        Ok(())
    }

    /// From one index up to before another, as far as they are there. What begins where the log is compacted begins
    /// with a pointer to the snapshot, which says how far.
    fn entries(&self, start: u64, stop: u64) -> Result<Vec<Entry<Batch>>, JournalError> {
        let Point { index: compacted, term, .. } = self.compacted;
        let mut entries = Vec::new();
        if start.max(1) <= compacted {
            entries.push(Entry::new_snapshot_pointer(compacted, term, String::new(), self.membership()));
        }
        for index in start.max(compacted + 1)..stop.min(self.log.last().index + 1) {
            let entry = self.record(index)?.entry(index);
            entries.push(entry.ok_or_else(|| self.trees.log.damaged(index, "unreadable"))?);
        }
        Ok(entries)
    }

    /// Writes what is not there yet. The first entry of another term takes the place of that one and all behind it.
    fn replicate(&mut self, records: Vec<(u64, Option<LogRecord>)>) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        let mut log = self.log.clone();
        for (index, record) in records {
            let record = record.ok_or_else(|| self.trees.log.damaged(index, "of a kind that is never sent"))?;
            let (place, last) = (Place { index, term: record.term }, log.last().index);
            if index <= last {
                if log.holds(place) {
                    continue;
                }
                if index <= self.applied.index {
                    return Err(self.trees.log.damaged(index, "applied, and the leader has another one"));
                }
                for behind in index..=last {
                    self.trees.log.remove(&mut changes.log, behind)?;
                }
                log.cut(index);
            } else if index != last + 1 {
                return Err(self.trees.log.damaged(index, "not the next one"));
            }
            Numbered::put(&mut changes.log, index, &records::store(&record));
            log.push(place.term);
        }
        if log.last() == self.log.last() {
            return Ok(());
        }
        changes.promise(self)?;
        self.log = log;
        Ok(())
    }

    /// Takes what is applied out of the log. The promise covers what was applied before, too.
    fn compact(&mut self) -> Result<(), JournalError> {
        if self.compacted.index == self.applied.index {
            return Ok(());
        }
        let mut changes = Changes::default();
        for index in self.compacted.index + 1..=self.applied.index {
            self.trees.log.remove(&mut changes.log, index)?;
        }
        let compacted = self.applied.clone();
        changes.set(name::COMPACTED, &compacted);
        changes.promise(self)?;
        self.log.compact(Place { index: compacted.index, term: compacted.term });
        self.compacted = compacted;
        Ok(())
    }

    /// The chain is no part of it: a member that lacks entries reads them from another one, and checks their hashes.
    fn snapshot(&self) -> CurrentSnapshotData<Cursor<Vec<u8>>> {
        CurrentSnapshotData {
            term: self.compacted.term,
            index: self.compacted.index,
            membership: self.membership(),
            snapshot: Box::new(Cursor::new(records::store(&self.compacted))),
        }
    }
}
