//! Applying: what is committed in the log becomes the chain, in order, each entry of the log once.
//!
//! **Invariant:** equal logs give equal chains, byte for byte; no clock and nothing random is asked.
//! **Why:** async-raft hands over entries with gaps and twice, and from memory. So what it hands over is taken for a
//! number only: everything up to that number is applied, from the log.

use std::collections::BTreeMap;
use std::path::Path;

use pact_proto::model::{NodeName, SpoolEpoch, SpoolNumber, SpoolPosition};

use super::{Changes, LogPayload, LogRecord, Numbered, Point, State, keys, records};
use crate::chain::{Seq, Tip};
use crate::disk::refused;
use crate::entry::{Answer, Item};
use crate::error::JournalError;
use crate::failpoint::{self, Failpoint};
use crate::replay::{Admitted, OutOfOrder};

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
        failpoint::hit(Failpoint::BeforeApply);
        let LogRecord { term, payload } = self.record(index)?;
        let tip = self.applied.tip().ok_or_else(|| self.trees.log.damaged(index, "behind an unreadable tip"))?;
        let mut step = Step { state: self, tip, changes: Changes::default(), fresh: BTreeMap::new() };
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
        failpoint::hit(Failpoint::AfterApply);
        Ok(answers)
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
        self.tip = tip;
        Numbered::put(&mut self.changes.entries, tip.seq.0, &stored);
        for key in keys::of(&item, commit_time, tip.seq) {
            self.changes.index.insert(key, keys::PRESENT);
        }
        if let Some(position) = &item.source {
            let key = keys::source(position);
            self.changes.sources.insert(key.as_slice(), keys::store_seq(tip.seq));
            self.fresh.insert(key, tip.seq);
        }
        Ok(Answer::Appended(tip.seq.0))
    }

    /// `None` for an item that is new and in order.
    fn admit(&mut self, position: &SpoolPosition) -> Result<Option<Answer>, JournalError> {
        if !self.state.replay.has_seen(&position.node, position.epoch) {
            let last = last_number(&self.state.trees.sources, &position.node, position.epoch, self.state.disk.path())?;
            self.state.replay.learn(&position.node, position.epoch, last);
        }
        match self.state.replay.admit(position) {
            Ok(Admitted::New) => Ok(None),
            Ok(Admitted::Known) => self.original(position).map(|seq| Some(Answer::Known(seq.0))),
            Err(OutOfOrder::Gap { expected, .. }) => Ok(Some(Answer::Gap(expected.0))),
            Err(OutOfOrder::Zero(_)) => Ok(Some(Answer::Zero)),
        }
    }

    fn original(&self, position: &SpoolPosition) -> Result<Seq, JournalError> {
        let (key, path) = (keys::source(position), self.state.disk.path());
        if let Some(seq) = self.fresh.get(&key) {
            return Ok(*seq);
        }
        let stored = self.state.trees.sources.get(&key).map_err(|e| refused(path, e))?;
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
    let Some((key, _)) = last.transpose().map_err(|e| refused(path, e))? else { return Ok(SpoolNumber(0)) };
    let number = keys::seq(&key).map(|number| SpoolNumber(number.0));
    number.ok_or_else(|| JournalError::damaged(path, "tree sources: a key cannot be read"))
}
