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
/// Where more than that were committed since a time, they are looked at one by one.
const MOST_KEYS: usize = 65_536;
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

    /// The entry, where it may be shown and can be read.
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

    /// An entry as a line, where it is wanted and may be shown. One that cannot be read, because another release wrote
    /// it, is named to whoever may see everything.
    pub(super) fn line(&self, committed: &Committed, wanted: impl FnOnce(&Entry) -> bool) -> Option<String> {
        let seq = committed.seq.0;
        match Entry::decode(&committed.item.payload) {
            Ok(entry) => {
                let is_shown = self.sight.shows(&entry, |node| self.belongs(node)) && wanted(&entry);
                let text = || view::numbered_line(seq, &entry, self.style);
                is_shown.then(|| self.format.item(text, || view::entry_value(seq, &entry)))
            }
            Err(why) if self.sight == Sight::all() => {
                let value = || view::unreadable_value(seq, &why.to_string());
                Some(self.format.item(|| format!("#{seq} is not shown: {why}\n"), value))
            }
            Err(_) => None,
        }
    }
}

/// A search on its way.
pub(super) struct Search {
    show: Show,
    arguments: LogArguments,
    oldest: Option<Timestamp>,
    /// What was committed before `oldest` has a smaller one; looked up in the first step.
    first: Option<Seq>,
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
        Self { show, arguments, oldest, first: None, below: Seq(u64::MAX), left }
    }

    /// Lines of some entries that are wanted; whether there may be more. Waits for the disk.
    pub(super) fn step(&mut self, reader: &Reader) -> Result<(Vec<u8>, bool), JournalError> {
        let first = self.first(reader)?;
        let (mut piece, below) = (Vec::new(), self.below);
        let mut looked_at = 0;
        let found: Box<dyn Iterator<Item = Result<Committed, JournalError>>> = match self.key() {
            Some((index, value)) => Box::new(reader.by_within(index, value.as_bytes(), Seq(0)..below).rev()),
            None => Box::new(reader.range(first..below).rev()),
        };
        for committed in found.take(AT_A_TIME) {
            if self.left == 0 || piece.len() >= PIECE {
                return Ok((piece, self.left > 0));
            }
            let committed = committed?;
            looked_at += 1;
            self.below = committed.seq;
            if committed.seq < first {
                return Ok((piece, false));
            }
            if let Some(line) = self.show.line(&committed, |entry| self.is_wanted(entry)) {
                piece.extend_from_slice(line.as_bytes());
                self.left -= 1;
            }
        }
        Ok((piece, self.left > 0 && looked_at == AT_A_TIME))
    }

    /// Where the search ends: the smallest seq of those that were committed since then. The leader's clock may have been
    /// set back, so that an old time does not end it.
    fn first(&mut self, reader: &Reader) -> Result<Seq, JournalError> {
        if let Some(first) = self.first {
            return Ok(first);
        }
        let since = self.oldest.map(|oldest| oldest.checked_sub(CLOCKS).unwrap_or(Timestamp::MIN));
        let first = since.map(|since| reader.first_since(since, MOST_KEYS)).transpose()?.unwrap_or(Seq(1));
        self.first = Some(first);
        Ok(first)
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
