//! What counts no more: of each principal, everything that was issued before a time.
//!
//! **Invariant:** it is what the journal's entries say, read when the member starts and as they are committed; the latest
//! time of a principal holds.
//! **Not here:** ending sessions: agents do, when they are told.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pact_policy::ticket;
use pact_proto::model::entry::Body;
use pact_proto::model::{Entry, Kind, Principal};
use pact_proto::wire::v1::{Revocation, Revocations};
use tokio::sync::watch;

use crate::chain::Seq;
use crate::entry::Index;
use crate::error::JournalError;
use crate::journal::Journal;
use crate::storage::Reader;

/// Tickets are older than that, or have ended; and clocks may be apart.
const RECENT: SignedDuration = SignedDuration::from_mins(75);

/// While much is committed, how often it is looked at. Whoever revokes through this member does not wait for that.
const REST: Duration = Duration::from_millis(500);

type Times = BTreeMap<Principal, Timestamp>;

/// All of them, and those that come.
#[derive(Clone)]
pub(crate) struct Revoked {
    times: Arc<watch::Sender<Times>>,
}

impl Revoked {
    /// Reads what there is, and goes on to see what is committed until the journal is closed. What cannot be read ends
    /// the journal.
    pub(crate) fn start(journal: &Arc<Journal>) -> Result<Self, JournalError> {
        let revoked = Self { times: Arc::new(watch::Sender::new(Times::new())) };
        let seen = revoked.look(&journal.reader(), Seq(0))?;
        tokio::spawn(revoked.clone().follow(Arc::downgrade(journal), journal.reader(), seen));
        Ok(revoked)
    }

    async fn follow(self, journal: Weak<Journal>, reader: Reader, mut seen: Seq) {
        while reader.grown(seen).await {
            tokio::time::sleep(REST).await;
            let (revoked, at) = (self.clone(), reader.clone());
            match tokio::task::spawn_blocking(move || revoked.look(&at, seen)).await {
                Ok(Ok(last)) => seen = last,
                Ok(Err(error)) => {
                    if let Some(journal) = journal.upgrade() {
                        journal.stop(error);
                    }
                    return;
                }
                // The runtime is ending.
                Err(_) => return,
            }
        }
    }

    /// What came after one entry; up to which one that is.
    fn look(&self, reader: &Reader, seen: Seq) -> Result<Seq, JournalError> {
        let tip = reader.tip().seq;
        for committed in reader.by(Index::KIND, Kind::Revoked.name().as_bytes()).rev() {
            let committed = committed?;
            if committed.seq <= seen {
                break;
            }
            // What cannot be read is no revocation: only members write them, and this one can read what it wrote.
            if let Ok(Entry { body: Body::Revoked { principal, before }, .. }) = Entry::decode(&committed.item.payload)
            {
                self.note(principal, before);
            }
        }
        Ok(tip)
    }

    /// From now on, whatever was issued to this principal until now counts no more. The time is taken while nobody
    /// asks `before`: whoever did before has an earlier one, and whoever does after hears of it.
    pub(crate) fn begin(&self, principal: &Principal) -> Timestamp {
        let mut now = Timestamp::MIN;
        self.times.send_modify(|times| {
            now = Timestamp::now();
            times.insert(principal.clone(), now);
        });
        now
    }

    /// It is on record.
    fn note(&self, principal: Principal, before: Timestamp) {
        self.times.send_if_modified(|times| {
            let known = times.entry(principal).or_insert(Timestamp::MIN);
            let is_new = before > *known;
            *known = before.max(*known);
            is_new
        });
    }

    /// From when on something that was issued to this principal counts.
    pub(crate) fn before(&self, principal: &Principal) -> Option<Timestamp> {
        self.times.borrow().get(principal).copied()
    }

    /// Wakes whoever has it when there is another one.
    pub(crate) fn changes(&self) -> watch::Receiver<Times> {
        self.times.subscribe()
    }

    /// For nodes: those that a ticket could still be about.
    pub(crate) fn recent(&self, now: Timestamp) -> Revocations {
        let is_recent = |time: &Timestamp| now.duration_since(*time) < RECENT;
        let times = self.times.borrow();
        let revocation = |(principal, before): (&Principal, &Timestamp)| Revocation {
            principal: principal.to_string(),
            before: Some((*before).into()),
        };
        let revocations = times.iter().filter(|(_, time)| is_recent(time)).map(revocation).collect();
        Revocations { whole: true, revocations }
    }
}

const _: () = assert!(RECENT.as_secs() > ticket::LONGEST.as_secs() + 2 * 60);
