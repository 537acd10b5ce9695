//! What a member says itself: entries that no node wrote.
//!
//! **Invariant:** they are in no spool, and the member vouches for them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pact_proto::model::entry::{Body, Credential, Entry, Via};
use pact_proto::model::{LineId, Principal, Scope, SessionId};
use tokio::time::timeout;

use crate::chain::Seq;
use crate::entry::Answer;
use crate::group::AppendError;
use crate::journal::Journal;
use crate::uplink::item;

/// A journal that has no answer for so long is said to have none.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// An entry before anybody vouches for it.
pub(crate) struct Draft {
    pub(crate) scope: Scope,
    pub(crate) author: Principal,
    pub(crate) session: Option<SessionId>,
    pub(crate) line: LineId,
    pub(crate) message: String,
    pub(crate) policy_version: String,
    pub(crate) request_hash: Option<[u8; 32]>,
    pub(crate) credential: Option<Credential>,
    pub(crate) body: Body,
}

/// It is not known to be on record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrecorded {
    /// The journal says why.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The journal says nothing.
    #[error("the journal did not answer within {} s", ANSWER.as_secs())]
    Late,
}

impl Draft {
    /// About all of pact, in no session.
    pub(crate) fn new(author: Principal, body: Body) -> Self {
        Self {
            scope: Scope::Global,
            author,
            session: None,
            line: LineId::NONE,
            message: String::new(),
            policy_version: String::new(),
            request_hash: None,
            credential: None,
            body,
        }
    }
}

/// Puts on record what a member says.
#[derive(Clone)]
pub(crate) struct Own {
    journal: Arc<Journal>,
}

impl Own {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// The member as an author.
    pub(crate) fn author(&self) -> Principal {
        Principal::member(self.journal.members().me.0)
    }

    /// When this returns, it is in the log of a majority, and applied here.
    pub(crate) async fn record(&self, draft: Draft) -> Result<Seq, Unrecorded> {
        let entry = self.entry(draft);
        let stored = entry.encode();
        let answers = timeout(ANSWER, self.journal.append(vec![item(&entry, stored)]));
        let answers = answers.await.map_err(|_| Unrecorded::Late)??;
        match answers.first() {
            Some(Answer::Appended(seq) | Answer::Known(seq)) => Ok(*seq),
            // What is in no spool has no number that could be out of order.
            Some(Answer::Gap(_) | Answer::Zero) | None => Err(Unrecorded::Late),
        }
    }

    fn entry(&self, draft: Draft) -> Entry {
        Entry {
            event_time: Timestamp::now(),
            scope: draft.scope,
            author: draft.author,
            via: Via::Member(self.journal.members().me.0.to_string()),
            session: draft.session,
            line: draft.line,
            message: draft.message,
            policy_version: draft.policy_version,
            position: None,
            request_hash: draft.request_hash,
            credential: draft.credential,
            body: draft.body,
        }
    }
}
