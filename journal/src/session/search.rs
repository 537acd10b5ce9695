//! `log` at the journal: a search, newest first, a step at a time.
//!
//! **Invariant:** a step looks at a bounded number of entries and writes a bounded number of bytes, on a thread that may
//! wait for the disk; nothing is held between steps but a place.

use jiff::{SignedDuration, Timestamp};
use pact_policy::Sight;
use pact_proto::command::{LogArguments, Since, is_of};
use pact_proto::model::{Entry, NodeName, VCluster};
use pact_proto::view::{self, Format, Style};

use crate::chain::Seq;
use crate::entry::{Committed, Index};
use crate::error::JournalError;
use crate::registry::Registry;
use crate::storage::Reader;

/// One piece of an answer, one message.
const PIECE: usize = 32 * 1024;
/// So many entries are looked at in a step.
const AT_A_TIME: usize = 4096;
/// An entry is committed after it happened, unless a node's clock is ahead: not by more than that.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// Which entries are shown, and how.
#[derive(Clone)]
pub(super) struct Show {
    pub(super) sight: Sight,
    pub(super) registry: Registry,
    pub(super) style: Style,
    pub(super) format: Format,
}

impl Show {
    fn belongs(&self, node: &NodeName) -> Option<VCluster> {
        self.registry.get(node).and_then(|known| known.vcluster)
    }

    /// The entry, where it may be shown. One that cannot be read was written by another release, and is not shown.
    pub(super) fn read(&self, committed: &Committed) -> Option<Entry> {
        let entry = Entry::decode(&committed.item.payload).ok()?;
        self.sight.shows(&entry, |node| self.belongs(node)).then_some(entry)
    }

    /// Whether an entry is about a vCluster or one of its nodes.
    pub(super) fn is_of(&self, entry: &Entry, vcluster: &VCluster) -> bool {
        use pact_proto::model::Scope;
        match &entry.scope {
            Scope::Node(node) => self.belongs(node).as_ref() == Some(vcluster),
            Scope::VCluster(name) => name == vcluster,
            Scope::Global => false,
        }
    }

    pub(super) fn line(&self, seq: Seq, entry: &Entry) -> String {
        let text = || view::numbered_line(seq.0, entry, self.style);
        self.format.item(text, || view::entry_value(seq.0, entry))
    }
}

/// A search on its way.
pub(super) struct Search {
    show: Show,
    arguments: LogArguments,
    oldest: Option<Timestamp>,
    /// Entries before this one are left to look at.
    below: Seq,
    left: u32,
}

impl Search {
    pub(super) fn new(show: Show, arguments: LogArguments) -> Self {
        let oldest = arguments.since.as_ref().map(|since| match since {
            Since::At(time) => *time,
            Since::Ago(ago) => Timestamp::now().checked_sub(*ago).unwrap_or(Timestamp::MIN),
        });
        let left = arguments.number;
        Self { show, arguments, oldest, below: Seq(u64::MAX), left }
    }

    /// Lines of some entries that are wanted; whether there may be more. Waits for the disk.
    pub(super) fn step(&mut self, reader: &Reader) -> Result<(Vec<u8>, bool), JournalError> {
        let (mut piece, below) = (Vec::new(), self.below);
        let mut looked_at = 0;
        let found: Box<dyn Iterator<Item = Result<Committed, JournalError>>> = match self.key() {
            Some((index, value)) => Box::new(reader.by_below(index, value.as_bytes(), below).rev()),
            None => Box::new(reader.range(Seq(1)..below).rev()),
        };
        for committed in found.take(AT_A_TIME) {
            if self.left == 0 || piece.len() >= PIECE {
                return Ok((piece, self.left > 0));
            }
            let committed = committed?;
            looked_at += 1;
            self.below = committed.seq;
            if self.oldest.is_some_and(|oldest| committed.commit_time + CLOCKS < oldest) {
                return Ok((piece, false));
            }
            if let Some(entry) = self.show.read(&committed).filter(|entry| self.is_wanted(entry)) {
                piece.extend_from_slice(self.show.line(committed.seq, &entry).as_bytes());
                self.left -= 1;
            }
        }
        Ok((piece, self.left > 0 && looked_at == AT_A_TIME))
    }

    /// The index that leaves the least to look at.
    fn key(&self) -> Option<(Index, String)> {
        let LogArguments { scope, author, kind, .. } = &self.arguments;
        None.or_else(|| author.as_ref().map(|author| (Index::AUTHOR, author.to_string())))
            .or_else(|| scope.as_ref().map(|scope| (Index::SCOPE, scope.to_string())))
            .or_else(|| kind.map(|kind| (Index::KIND, kind.name().to_owned())))
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        let LogArguments { scope, author, kind, .. } = &self.arguments;
        self.oldest.is_none_or(|oldest| entry.event_time >= oldest)
            && scope.as_ref().is_none_or(|scope| entry.scope == *scope)
            && author.as_ref().is_none_or(|author| entry.author == *author)
            && is_of(*kind, entry.body.kind())
    }
}
