//! Lines from a file or a pipe, one after the other.
//!
//! **Invariant:** a script's programs never read the script; a line that is refused is its last. However long a line
//! is, no more of it is held than a message takes.

use pact_client::LineForm;
use pact_proto::command::Command;
use pact_proto::grammar::{Head, Line, parse};

use crate::cut::MOST_SENT;
use crate::engine::{Ended, Engine, Reads};
use crate::error::ShellError;
use crate::streams::Input;

const PIECE: usize = 16 * 1024;

/// Runs what comes, and says what to end with.
pub(crate) async fn run(engine: &mut Engine, input: &Input) -> Result<u8, ShellError> {
    let mut lines = Lines::default();
    let mut status = 0;
    loop {
        let piece = tokio::select! {
            piece = input.read(PIECE) => piece.map_err(ShellError::io("standard input"))?,
            heard = engine.signals.next() => return Ok(heard.code()),
        };
        let is_last = piece.is_empty();
        for line in if is_last { lines.last() } else { lines.push(&piece) } {
            match one(engine, line).await? {
                Next::Line(code) => status = code,
                Next::End(code) => return Ok(code),
            }
        }
        if is_last {
            return Ok(status);
        }
    }
}

enum Next {
    Line(u8),
    End(u8),
}

async fn one(engine: &mut Engine, line: Vec<u8>) -> Result<Next, ShellError> {
    let leaves = leaves(&line);
    Ok(match engine.run(LineForm::Text(line), Reads::Nothing).await? {
        Ended::Ran { code, interrupted } if interrupted || (leaves && code == 0) => Next::End(code),
        Ended::Ran { code, .. } => Next::Line(code),
        Ended::Refused(code) | Ended::Left(code) => Next::End(code),
    })
}

/// `exit` alone: nothing comes after it.
pub(crate) fn leaves(line: &[u8]) -> bool {
    parse(Line::new(line)).is_ok_and(|parsed| match parsed.head() {
        Head::Command(stage) => matches!(stage.command(), Command::Exit) && parsed.programs().is_empty(),
        Head::Programs => false,
    })
}

/// Cuts what is read into lines.
#[derive(Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// The lines that are whole now; blank ones are none.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = MOST_SENT.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                whole.extend(self.last());
            }
        }
        whole
    }

    /// The last line, which no newline ends.
    pub(crate) fn last(&mut self) -> Vec<Vec<u8>> {
        let line = std::mem::take(&mut self.begun);
        if Line::new(line.as_slice()).is_blank() { Vec::new() } else { vec![line] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut all: Vec<_> = pieces.iter().flat_map(|piece| lines.push(piece)).collect();
        all.extend(lines.last());
        all
    }

    #[test]
    fn lines_are_cut_wherever_the_pieces_are() {
        for pieces in [&[&b"uname\n\n \t\nfree -m\ndf"[..]][..], &[b"una", b"me\n", b"\nfree -m", b"\ndf"]] {
            assert_eq!(cut(pieces), [b"uname".to_vec(), b"free -m".to_vec(), b"df".to_vec()], "{pieces:?}");
        }
        assert_eq!(cut(&[b"uname\r\n\xff\0\n"]), [b"uname\r".to_vec(), b"\xff\0".to_vec()]);
        assert_eq!(cut(&[b"\n\n"]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_line_without_end_does_not_grow_for_ever() {
        let long = vec![b'a'; 1 << 20];
        let lines = cut(&[&long, &long, b"\nuname\n"]);
        assert_eq!(lines[0].len(), MOST_SENT);
        assert_eq!(lines[1], b"uname");
    }

    #[test]
    fn exit_is_the_last_line() {
        for (line, last) in [
            ("exit", true),
            (" logout ", true),
            ("pact exit", true),
            ("exit | wc", false),
            ("exit 3", false),
            ("", false),
        ] {
            assert_eq!(leaves(line.as_bytes()), last, "{line}");
        }
    }
}
