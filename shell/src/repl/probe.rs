//! Does this terminal say where its cursor is? A line editor needs that, and waits seconds for who does not.
//!
//! **Invariant:** what was typed meanwhile is kept; the modes are restored when this is dropped.
//! **Why:** the question goes out before the agent is asked for a session, so both answers travel at the same time.

use std::io::{Write, stdin, stdout};
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, OptionalActions, tcsetattr};
use tokio::time::timeout_at;

use crate::streams::Input;
use crate::terminal;

/// A terminal that takes longer gets plain lines.
const PATIENCE: Duration = Duration::from_millis(200);
const QUESTION: &[u8] = b"\x1b[6n";
/// More is not typed in this time.
const MOST_TYPED: usize = 64 * 1024;
const PIECE: usize = 1024;

/// A question that is on its way.
pub(crate) struct Probe {
    asked: Instant,
}

/// What came back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// It answered.
    pub(super) answers: bool,
    /// What a person typed meanwhile.
    pub(super) typed: Vec<u8>,
}

impl Probe {
    /// Asks. `None` where that cannot be done.
    pub(crate) fn ask() -> Option<Self> {
        let mut modes = terminal::found()?.clone();
        modes.make_raw();
        // Ctrl-C still ends what takes long.
        modes.local_modes.insert(LocalModes::ISIG);
        tcsetattr(stdin(), OptionalActions::Now, &modes).ok()?;
        let probe = Self { asked: Instant::now() };
        let mut out = stdout();
        out.write_all(QUESTION).and_then(|()| out.flush()).ok()?;
        Some(probe)
    }

    /// Waits for the answer, while others work.
    pub(super) async fn answer(self, input: &Input) -> Answer {
        let mut answer = Answer::default();
        let deadline = (self.asked + PATIENCE).into();
        while answer.typed.len() < MOST_TYPED && !answer.answers {
            let Ok(Ok(piece)) = timeout_at(deadline, input.read(PIECE)).await else { break };
            if piece.is_empty() {
                break;
            }
            answer.typed.extend_from_slice(&piece);
            answer.answers = take_report(&mut answer.typed);
        }
        answer
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(modes) = terminal::found() {
            let _gone = tcsetattr(stdin(), OptionalActions::Now, modes);
        }
    }
}

/// Takes `ESC [ row ; column R` out of what came.
pub(super) fn take_report(typed: &mut Vec<u8>) -> bool {
    let mut starts = typed.windows(2).enumerate().filter(|(_, two)| two == b"\x1b[").map(|(at, _)| at);
    let report = starts.find_map(|start| report(&typed[start + 2..]).map(|length| start..start + 2 + length));
    report.map(|range| typed.drain(range)).is_some()
}

/// The length of `row ; column R`, if that stands here.
fn report(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b';'))?;
    let mut numbers = text[..end].split(|byte| *byte == b';');
    let both = [numbers.next(), numbers.next()].iter().all(|number| number.is_some_and(|n| !n.is_empty()));
    (text[end] == b'R' && both && numbers.next().is_none()).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_taken_and_what_was_typed_stays() {
        for (came, found, left) in [
            (&b"\x1b[24;80R"[..], true, &b""[..]),
            (b"una\x1b[1;1Rme\r", true, b"uname\r"),
            (b"\x1b[A\x1b[5;1R", true, b"\x1b[A"),
            (b"uname\r", false, b"uname\r"),
            (b"\x1b[24;80", false, b"\x1b[24;80"),
            (b"\x1b[1R", false, b"\x1b[1R"),
            (b"\x1b[;R", false, b"\x1b[;R"),
            (b"\x1b[1;2;3R", false, b"\x1b[1;2;3R"),
            (b"", false, b""),
        ] {
            let mut typed = came.to_vec();
            assert_eq!(take_report(&mut typed), found, "{came:?}");
            assert_eq!(typed, left, "{came:?}");
        }
    }
}
