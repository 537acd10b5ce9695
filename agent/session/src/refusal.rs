//! Why a line, or a session, is refused: what the person is told, and what goes on record.

use std::ops::Range;

use pact_policy::Refused;
use pact_policy::ticket::TicketFault;
use pact_proto::exit::ExitCode;
use pact_proto::grammar::{MAX_LINE, Unreadable};
use pact_proto::model::LineId;
use pact_proto::model::entry::LineRefused;
use pact_proto::wire::v1;
use sha2::{Digest, Sha256};

/// How much of a line that is too long goes on record; its length and hash tell the rest.
const MOST_RECORDED: usize = MAX_LINE;

/// A refusal.
#[derive(Debug)]
pub struct Refusal {
    /// What was typed.
    pub line: Vec<u8>,
    /// What the line ends with.
    pub code: ExitCode,
    /// To the person: `<what>: <why>`.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// For the record.
    pub reason: String,
    /// Which bytes of the line it is about.
    pub span: Option<Range<usize>>,
}

impl Refusal {
    /// Nothing is known of which bytes it is about, and the record says what the person is told.
    pub fn new(line: &[u8], code: ExitCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let message = message.into();
        Self { line: line.to_vec(), code, reason: message.clone(), message, hint: hint.into(), span: None }
    }

    /// The grammar does not take it.
    pub fn unreadable(unreadable: &Unreadable) -> Self {
        let line = unreadable.line().as_bytes();
        let refusal = Self::new(line, ExitCode::General, unreadable.message(), unreadable.hint());
        Self { span: Some(unreadable.span()), ..refusal }
    }

    /// The judgement does not allow it.
    pub fn judged(refused: &Refused) -> Self {
        let line = refused.line().line().as_bytes();
        Self { span: refused.span(), ..Self::new(line, refused.code(), refused.message(), refused.hint()) }
    }

    /// The session's ticket has ended, and nothing has replaced it.
    pub fn outlived(line: &[u8], ended: &TicketFault) -> Self {
        Self::new(line, ExitCode::Auth, format!("access: the ticket has ended: {ended}"), "open a new session")
    }

    /// As it goes on record.
    pub fn recorded(&self) -> LineRefused {
        let whole = &self.line;
        let kept = &whole[..whole.len().min(MOST_RECORDED)];
        LineRefused {
            line: kept.to_vec(),
            line_bytes: whole.len() as u64,
            line_sha256: (kept.len() < whole.len()).then(|| Sha256::digest(whole).into()),
            exit_code: self.code.number(),
            reason: self.reason.clone(),
        }
    }

    /// As the client is told.
    pub fn told(self, line: LineId) -> v1::Refused {
        let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        v1::Refused {
            line_id: line.0,
            exit_code: self.code.number().into(),
            message: self.message,
            hint: self.hint,
            span: self.span.map(|span| v1::Span { start: at(span.start), end: at(span.end) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_that_is_too_long_the_beginning_is_recorded_and_what_tells_the_rest() {
        let whole = vec![b'x'; MOST_RECORDED + 1];
        let recorded = Refusal::new(&whole, ExitCode::General, "line: too long", "").recorded();
        assert_eq!((recorded.line.len(), recorded.line_bytes), (MOST_RECORDED, whole.len() as u64));
        assert_eq!(recorded.line_sha256, Some(Sha256::digest(&whole).into()));
        assert_eq!(Refusal::new(b"ls", ExitCode::General, "", "").recorded().line_sha256, None);
    }
}
