//! What whoever answered died over: lines without outcome, sessions without end.
//!
//! **Invariant:** with what [`Unfinished::ends`] says on record, every line that was seen has exactly one outcome and
//! every session one end; who looks again finds nothing to do.

use std::collections::{BTreeMap, BTreeSet};
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

/// The same found from the newest to the oldest: what it keeps is what was open at one time, however much it sees.
#[derive(Debug, Default)]
pub struct Backwards {
    /// A line's outcome, or without a line the end of a session, whose beginning is still to come.
    ended: BTreeSet<(SessionId, Option<LineId>)>,
    found: Unfinished,
}

impl Backwards {
    /// In the opposite of the order in which they were written.
    pub fn see(&mut self, entry: Entry) {
        let Some(session) = entry.session else { return };
        let line = entry.line;
        match entry.body {
            Body::SessionClosed { .. } => drop(self.ended.insert((session, None))),
            Body::Outcome(_) => drop(self.ended.insert((session, Some(line)))),
            Body::SessionOpened { .. } if !self.ended.remove(&(session, None)) => {
                self.found.sessions.insert(session, entry);
            }
            Body::Line(_) if !self.ended.remove(&(session, Some(line))) => {
                self.found.lines.insert((session, line), entry);
            }
            Body::SessionOpened { .. }
            | Body::Line(_)
            | Body::Refused(_)
            | Body::AgentStarted { .. }
            | Body::MemberStarted { .. }
            | Body::RecordsLost { .. }
            | Body::UplinkRejected { .. }
            | Body::Output(_)
            | Body::Revoked { .. }
            | Body::TokenRefused { .. } => {}
        }
    }

    /// What has no end.
    pub fn done(self) -> Unfinished {
        self.found
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

#[cfg(test)]
mod tests {
    use pact_proto::model::Scope;
    use pact_proto::model::entry::{LineRecorded, SessionKind, Via};

    use super::*;

    fn recorded() -> LineRecorded {
        LineRecorded { line: Vec::new(), stages: Vec::new(), expansions: Vec::new() }
    }

    fn entry(session: u8, line: u64, body: Body) -> Entry {
        Entry {
            event_time: "2026-03-01T12:00:00Z".parse().unwrap(),
            scope: Scope::Global,
            author: "alice@example.org".parse().unwrap(),
            via: Via::Member("1".to_owned()),
            session: Some(SessionId::from_bytes([session; 16])),
            line: LineId(line),
            message: String::new(),
            policy_version: String::new(),
            position: None,
            request_hash: None,
            credential: None,
            body,
        }
    }

    /// Sessions as words: `1` opens the first, `1.2` is its second line, with `!` behind it is over.
    fn written(words: &str) -> Vec<Entry> {
        let one = |word: &str| {
            let (name, is_over) = word.strip_suffix('!').map_or((word, false), |name| (name, true));
            let (session, line) = name.split_once('.').map_or((name, None), |(session, line)| (session, Some(line)));
            let body = match (line, is_over) {
                (None, false) => Body::SessionOpened { kind: SessionKind::Once, roles: Vec::new() },
                (None, true) => Body::SessionClosed { reason: String::new() },
                (Some(_), false) => Body::Line(recorded()),
                (Some(_), true) => Body::Outcome(interrupted(&entry(0, 0, Body::Line(recorded())), "")),
            };
            entry(session.parse().unwrap(), line.map_or(0, |line| line.parse().unwrap()), body)
        };
        words.split(' ').map(one).collect()
    }

    #[test]
    fn from_either_end_the_same_is_open() {
        for (words, lines, sessions) in [
            ("1 1.1 1.1! 1!", 0, 0),
            ("1 1.1 2 1.1! 2.1 1!", 1, 1),
            ("1 2 1.1 2.1 2.1! 1.2", 2, 2),
            ("1 1.1 1!", 1, 0),
            ("1.1! 1! 2", 0, 1),
        ] {
            let (mut forwards, mut backwards) = (Unfinished::default(), Backwards::default());
            for entry in written(words) {
                forwards.see(entry);
            }
            for entry in written(words).into_iter().rev() {
                backwards.see(entry);
            }
            let (one, other) = (forwards.ends("why"), backwards.done().ends("why"));
            assert_eq!(one, other, "{words}");
            let closed = one.iter().filter(|(_, body)| matches!(body, Body::SessionClosed { .. })).count();
            assert_eq!((one.len() - closed, closed), (lines, sessions), "{words}");
        }
    }
}
