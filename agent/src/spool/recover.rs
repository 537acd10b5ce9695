//! What an agent that died left open: lines without outcome, sessions without end.
//!
//! **Invariant:** after opening, every line on record has exactly one outcome and every session one end; a second
//! opening finds nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use pact_proto::model::entry::{Body, End, LineOutcome, StageStatus, Written};
use pact_proto::model::{Entry, LineId, SessionId};

use super::Draft;
use super::store::Store;
use pact_files::DiskError;

const WHY: &str = "the agent stopped before it was over";
/// What a person would have seen: pact failed.
const EXIT_CODE: u8 = 1;

/// Begun and not ended, as far as the records that were seen tell.
#[derive(Default)]
pub(super) struct Open {
    lines: BTreeMap<(SessionId, LineId), Entry>,
    sessions: BTreeMap<SessionId, Entry>,
}

impl Open {
    /// In the order of their numbers.
    pub(super) fn see(&mut self, entry: Entry) {
        let Some(session) = entry.session else { return };
        match entry.body {
            Body::SessionOpened { .. } => drop(self.sessions.insert(session, entry)),
            Body::SessionClosed { .. } => drop(self.sessions.remove(&session)),
            Body::Line(_) => drop(self.lines.insert((session, entry.line), entry)),
            Body::Outcome(_) => drop(self.lines.remove(&(session, entry.line))),
            Body::Refused(_)
            | Body::AgentStarted { .. }
            | Body::RecordsLost { .. }
            | Body::UplinkRejected { .. }
            | Body::Output(_)
            | Body::Revoked { .. }
            | Body::TokenRefused { .. } => {}
        }
    }

    /// Writes that they are over. Does not look at the room: these few records are what the reserve is for.
    pub(super) fn close(self, store: &mut Store) -> Result<(), DiskError> {
        let now = Timestamp::now();
        let lines = self.lines.into_values().map(|line| {
            let body = Body::Outcome(interrupted(&line));
            after(line, now, body)
        });
        let closed = || Body::SessionClosed { reason: WHY.to_owned() };
        let sessions = self.sessions.into_values().map(|opened| after(opened, now, closed()));
        let drafts: Vec<_> = lines.chain(sessions).collect();
        if drafts.is_empty() { Ok(()) } else { store.write(drafts).map(drop) }
    }
}

fn interrupted(line: &Entry) -> LineOutcome {
    let stages = match &line.body {
        Body::Line(recorded) => recorded.stages.len(),
        Body::SessionOpened { .. }
        | Body::SessionClosed { .. }
        | Body::Refused(_)
        | Body::Outcome(_)
        | Body::AgentStarted { .. }
        | Body::RecordsLost { .. }
        | Body::UplinkRejected { .. }
        | Body::Output(_)
        | Body::Revoked { .. }
        | Body::TokenRefused { .. } => 0,
    };
    LineOutcome {
        end: End::Interrupted(WHY.to_owned()),
        stages: vec![StageStatus::Unknown(WHY.to_owned()); stages],
        duration: Duration::ZERO,
        stdout: Written::default(),
        stderr: Written::default(),
        truncated: false,
        exit_code: EXIT_CODE,
    }
}

fn after(entry: Entry, now: Timestamp, body: Body) -> Draft {
    Draft {
        event_time: now,
        author: entry.author,
        session: entry.session,
        line: entry.line,
        policy_version: entry.policy_version,
        request_hash: None,
        credential: entry.credential,
        body,
    }
}
