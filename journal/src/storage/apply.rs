//! Applying: what is committed in the log becomes the chain, in order, each entry of the log once.
//!
//! **Invariant:** equal logs give equal chains, byte for byte; no clock and nothing random is asked.
//! **Why:** async-raft hands over entries with gaps and twice, and from memory. So what it hands over is taken for a
//! number only: everything up to that number is applied, from the log.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use pact_proto::model::{NodeName, SpoolEpoch, SpoolNumber, SpoolPosition};

use super::places::{Place, Places};
use super::{Changes, Installation, LogPayload, LogRecord, Numbered, Point, State, keys, records};
use crate::chain::{Seq, Tip};
use crate::entry::{Answer, Committed, Item};
use crate::error::JournalError;
use crate::replay::{Admitted, OutOfOrder, Replay};
use pact_files::failpoint;

impl State {
    /// Applies everything up to an index. The answers are those of the last one, where it was not applied before.
    pub(super) fn apply_through(&mut self, index: u64) -> Result<Option<Vec<Answer>>, JournalError> {
        let mut answers = None;
        while self.applied.index < index {
            answers = Some(self.apply(self.applied.index + 1)?);
        }
        Ok(answers)
    }

    fn apply(&mut self, index: u64) -> Result<Vec<Answer>, JournalError> {
        failpoint::hit("before-apply");
        let LogRecord { term, payload } = self.record(index)?;
        let mut step = self.step()?;
        let mut answers = Vec::new();
        if let Some(LogPayload::Items(items)) = payload {
            for sealed in &items.sealed {
                answers.push(step.item(index, sealed)?);
            }
        }
        let Step { tip, mut changes, .. } = step;
        let applied = Point::new(index, term, tip);
        changes.set(super::name::APPLIED, &applied);
        changes.write(self)?;
        self.applied = applied;
        self.tip.send_if_modified(|before| std::mem::replace(before, tip) != tip);
        failpoint::hit("after-apply");
        Ok(answers)
    }

    /// Puts records of another member behind the own chain, as far as they are not there, and forgets the log. One that
    /// is behind what is applied changes nothing.
    pub(super) fn install(&mut self, installation: &Installation) -> Result<(), JournalError> {
        let point = records::read::<Point>(&installation.snapshot).and_then(|point| Some((point.tip()?, point)));
        let (want, point) = point.ok_or_else(|| self.foreign("an unreadable snapshot"))?;
        if point.index <= self.applied.index {
            return Ok(());
        }
        let last = self.log.last().index;
        let compacted = self.compacted.index;
        let mut step = self.step()?;
        for stored in &installation.records {
            let read = Committed::read(stored).ok_or_else(|| step.state.foreign("an unreadable record"))?;
            if read.seq > step.tip.seq {
                let tip = step.tip.follow(stored).map_err(|broken| step.state.foreign(&broken.to_string()))?;
                step.keep(stored, tip, &read.item, read.commit_time);
            }
        }
        let Step { tip, mut changes, .. } = step;
        if tip != want {
            return Err(self.foreign("another chain"));
        }
        for index in compacted + 1..=last {
            self.trees.log.remove(&mut changes.log, index)?;
        }
        changes.set(super::name::APPLIED, &point);
        changes.set(super::name::COMPACTED, &point);
        changes.promise(self)?;
        self.log = Places::new(Place { index: point.index, term: point.term });
        (self.applied, self.compacted, self.replay) = (point.clone(), point, Replay::default());
        self.tip.send_replace(tip);
        Ok(())
    }

    fn foreign(&self, what: &str) -> JournalError {
        JournalError::damaged(self.disk.path(), format!("tree entries: a leader sent {what}"))
    }

    fn step(&mut self) -> Result<Step<'_>, JournalError> {
        let tip = self.applied.tip().ok_or_else(|| self.foreign("an unreadable tip"))?;
        Ok(Step { state: self, tip, changes: Changes::default(), fresh: BTreeMap::new() })
    }

    pub(super) fn record(&self, index: u64) -> Result<LogRecord, JournalError> {
        let stored = self.trees.log.get(index)?.ok_or_else(|| self.trees.log.damaged(index, "missing"))?;
        records::read(&stored).ok_or_else(|| self.trees.log.damaged(index, "unreadable"))
    }
}

/// One entry of the log on its way into the chain.
struct Step<'a> {
    state: &'a mut State,
    tip: Tip,
    changes: Changes,
    /// Where the items before this one went: the tree does not know them yet.
    fresh: BTreeMap<Vec<u8>, Seq>,
}

impl Step<'_> {
    fn item(&mut self, index: u64, sealed: &[u8]) -> Result<Answer, JournalError> {
        let unreadable = || self.state.trees.log.damaged(index, "of items that cannot be read");
        let (item, commit_time) = Item::unseal(sealed).ok_or_else(unreadable)?;
        if let Some(position) = &item.source
            && let Some(answer) = self.admit(position)?
        {
            return Ok(answer);
        }
        let (stored, tip) = self.tip.append(sealed);
        self.keep(&stored, tip, &item, commit_time);
        Ok(Answer::Appended(tip.seq))
    }

    /// Puts a record behind the chain, and under its keys.
    fn keep(&mut self, stored: &[u8], tip: Tip, item: &Item, commit_time: Timestamp) {
        self.tip = tip;
        Numbered::put(&mut self.changes.entries, tip.seq.0, stored);
        for key in keys::of(item, commit_time, tip.seq) {
            self.changes.index.insert(key, keys::PRESENT);
        }
        if let Some(position) = &item.source {
            let key = keys::source(position);
            self.changes.sources.insert(key.as_slice(), keys::store_seq(tip.seq));
            self.fresh.insert(key, tip.seq);
        }
    }

    /// `None` for an item that is new and in order.
    fn admit(&mut self, position: &SpoolPosition) -> Result<Option<Answer>, JournalError> {
        if !self.state.replay.has_seen(&position.node, position.epoch) {
            let last = last_number(&self.state.trees.sources, &position.node, position.epoch, self.state.disk.path())?;
            self.state.replay.learn(&position.node, position.epoch, last);
        }
        match self.state.replay.admit(position) {
            Ok(Admitted::New) => Ok(None),
            Ok(Admitted::Known) => self.original(position).map(|seq| Some(Answer::Known(seq))),
            Err(OutOfOrder::Gap { expected, .. }) => Ok(Some(Answer::Gap(expected.0))),
            Err(OutOfOrder::Zero(_)) => Ok(Some(Answer::Zero)),
        }
    }

    fn original(&self, position: &SpoolPosition) -> Result<Seq, JournalError> {
        let (key, path) = (keys::source(position), self.state.disk.path());
        if let Some(seq) = self.fresh.get(&key) {
            return Ok(*seq);
        }
        let stored = self.state.trees.sources.get(&key).map_err(|e| JournalError::refused(path, e))?;
        let what = || format!("tree sources: entry {} of {} is missing", position.number.0, position.node);
        stored.and_then(|stored| keys::read_seq(&stored)).ok_or_else(|| JournalError::damaged(path, what()))
    }
}

/// The last record of a spool that is in the tree.
pub(super) fn last_number(
    sources: &sled::Tree,
    node: &NodeName,
    epoch: SpoolEpoch,
    path: &Path,
) -> Result<SpoolNumber, JournalError> {
    let last = sources.scan_prefix(keys::spool(node, epoch)).next_back();
    let Some((key, _)) = last.transpose().map_err(|e| JournalError::refused(path, e))? else {
        return Ok(SpoolNumber(0));
    };
    let number = keys::seq(&key).map(|number| SpoolNumber(number.0));
    number.ok_or_else(|| JournalError::damaged(path, "tree sources: a key cannot be read"))
}
