//! Ends what an agent that died left open.
//!
//! **Invariant:** after opening, every line on record has exactly one outcome and every session one end; a second
//! opening finds nothing to do.

use jiff::Timestamp;
use pact_files::DiskError;
use pact_session::Unfinished;

use super::Draft;
use super::store::Store;

const WHY: &str = "the agent stopped before it was over";

/// Writes that they are over. Does not look at the room: these few records are what the reserve is for.
pub(super) fn close(unfinished: Unfinished, store: &mut Store) -> Result<(), DiskError> {
    let now = Timestamp::now();
    let draft = |(begun, body): (pact_proto::model::Entry, _)| Draft {
        event_time: now,
        author: begun.author,
        session: begun.session,
        line: begun.line,
        policy_version: begun.policy_version,
        request_hash: None,
        credential: begun.credential,
        body,
    };
    let drafts: Vec<_> = unfinished.ends(WHY).into_iter().map(draft).collect();
    if drafts.is_empty() { Ok(()) } else { store.write(drafts).map(drop) }
}
