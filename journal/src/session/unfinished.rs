//! What the member left open when it died: its sessions with persons, and their lines.
//!
//! **Invariant:** when this has returned, every line of an earlier life of the member has exactly one outcome and every
//! session one end; it is done before anybody is served, so that what is open later is of this life.

use pact_proto::model::entry::{Body, Kind, Via};
use pact_proto::model::{Entry, Scope};
use pact_session::Unfinished;

use crate::chain::Seq;
use crate::entry::{Committed, Index};
use crate::error::JournalError;
use crate::journal::Journal;
use crate::own::{Draft, Own, Unrecorded};

const WHY: &str = "the journal stopped before it was over";

/// How many records are looked at before others have a turn.
const TURN: usize = 512;

/// What is open, of what this member vouches for, since it began to serve the last time. What is kept is what was open
/// at one time, however much there is to look at.
pub(crate) async fn look(journal: &Journal) -> Result<Unfinished, JournalError> {
    let reader = journal.reader();
    let me = Via::Member(journal.members().me.0.to_string());
    // What a later version wrote is none of this one's sessions.
    let mine = |committed: &Committed| Entry::decode(&committed.item.payload).ok().filter(|entry| entry.via == me);
    let mut since = Seq(0);
    for committed in reader.by(Index::KIND, Kind::Member.name().as_bytes()).rev() {
        let committed = committed?;
        if mine(&committed).is_some() {
            since = committed.seq;
            break;
        }
    }
    let mut unfinished = Unfinished::default();
    let global = Scope::Global.to_string();
    for (count, committed) in reader.by_within(Index::SCOPE, global.as_bytes(), since..Seq(u64::MAX)).enumerate() {
        if count % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        if let Some(entry) = mine(&committed?) {
            unfinished.see(entry);
        }
    }
    Ok(unfinished)
}

/// Puts on record that it is over, and that the member begins.
pub(crate) async fn end(unfinished: Unfinished, own: &Own) -> Result<(), Unrecorded> {
    let ends = unfinished.ends(WHY).into_iter().map(|(begun, body)| Draft {
        scope: begun.scope,
        author: begun.author,
        session: begun.session,
        line: begun.line,
        message: String::new(),
        policy_version: begun.policy_version,
        request_hash: None,
        credential: begun.credential,
        body,
    });
    let started = Draft::new(own.author(), Body::MemberStarted { version: env!("CARGO_PKG_VERSION").to_owned() });
    for draft in ends.chain([started]) {
        own.record(draft).await?;
    }
    Ok(())
}
