//! What whoever answered died over: lines without outcome, sessions without end.
//!
//! **Invariant:** with what [`Unfinished::ends`] says on record, every line that was seen has exactly one outcome and
//! every session one end; who looks again finds nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use pact_proto::model::entry::{Body, End, LineOutcome, StageStatus, Written};
use pact_proto::model::{Entry, LineId, SessionId};

/// What a person would have seen: pact failed.
const EXIT_CODE: u8 = 1;

/// Begun and not ended, as far as the records that were seen tell.
#[derive(Debug, Default)]
pub struct Unfinished {
    lines: BTreeMap<(SessionId, LineId), Entry>,
    sessions: BTreeMap<SessionId, Entry>,
}

impl Unfinished {
    /// In the order in which they were written.
    pub fn see(&mut self, entry: Entry) {
        let Some(session) = entry.session else { return };
        match entry.body {
            Body::SessionOpened { .. } => drop(self.sessions.insert(session, entry)),
            Body::SessionClosed { .. } => drop(self.sessions.remove(&session)),
            Body::Line(_) => drop(self.lines.insert((session, entry.line), entry)),
            Body::Outcome(_) => drop(self.lines.remove(&(session, entry.line))),
            Body::Refused(_)
            | Body::AgentStarted { .. }
            | Body::MemberStarted { .. }
            | Body::RecordsLost { .. }
            | Body::UplinkRejected { .. }
            | Body::Output(_)
            | Body::Revoked { .. }
            | Body::TokenRefused { .. } => {}
        }
    }

    /// What began, and what must be on record of its end: lines first, each session after its lines.
    pub fn ends(self, why: &str) -> Vec<(Entry, Body)> {
        let lines = self.lines.into_values().map(|line| {
            let outcome = Body::Outcome(interrupted(&line, why));
            (line, outcome)
        });
        let closed = || Body::SessionClosed { reason: why.to_owned() };
        lines.chain(self.sessions.into_values().map(|opened| (opened, closed()))).collect()
    }
}

fn interrupted(line: &Entry, why: &str) -> LineOutcome {
    let stages = match &line.body {
        Body::Line(recorded) => recorded.stages.len(),
        Body::SessionOpened { .. }
        | Body::SessionClosed { .. }
        | Body::Refused(_)
        | Body::Outcome(_)
        | Body::AgentStarted { .. }
        | Body::MemberStarted { .. }
        | Body::RecordsLost { .. }
        | Body::UplinkRejected { .. }
        | Body::Output(_)
        | Body::Revoked { .. }
        | Body::TokenRefused { .. } => 0,
    };
    LineOutcome {
        end: End::Interrupted(why.to_owned()),
        stages: vec![StageStatus::Unknown(why.to_owned()); stages],
        duration: Duration::ZERO,
        stdout: Written::default(),
        stderr: Written::default(),
        truncated: false,
        exit_code: EXIT_CODE,
    }
}
