//! Does this terminal say where its cursor is? A line editor needs that, and waits seconds for who does not.
//!
//! **Invariant:** what was typed meanwhile is kept; the modes are restored when this is dropped.
//! **Why:** the question goes out before the agent is asked for a session, so both answers travel at the same time.

use std::io::{self, Write, stdin, stdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, tcsetattr};

use crate::terminal;

/// A terminal that takes longer gets plain lines.
const PATIENCE: Duration = Duration::from_millis(200);
const QUESTION: &[u8] = b"\x1b[6n";
/// More is not typed in this time.
const MOST_TYPED: usize = 64 * 1024;

/// A question that is on its way.
pub(crate) struct Probe {
    asked: Instant,
}

/// What came back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// It answered.
    pub(crate) answers: bool,
    /// What a person typed meanwhile.
    pub(crate) typed: Vec<u8>,
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

    /// Waits for the answer.
    pub(crate) fn answer(self) -> Answer {
        let mut answer = Answer::default();
        let deadline = (self.asked + PATIENCE).max(Instant::now() + Duration::from_millis(1));
        while answer.typed.len() < MOST_TYPED {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !matches!(read(left, &mut answer.typed), Ok(1..)) {
                break;
            }
            if take_report(&mut answer.typed) {
                answer.answers = true;
                break;
            }
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

fn read(patience: Duration, typed: &mut Vec<u8>) -> io::Result<usize> {
    let stdin = stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    if poll(&mut asked, Some(&patience))? == 0 {
        return Ok(0);
    }
    let mut piece = [0; 1024];
    let length = rustix::io::read(&stdin, &mut piece)?;
    typed.extend_from_slice(&piece[..length]);
    Ok(length)
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
