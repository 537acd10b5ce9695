//! The agent's end of a line's terminal: what is typed goes in, what is drawn comes out.
//!
//! **Invariant:** keys are the program's, all of them; but a program that does not go when Ctrl-C or Ctrl-\ is pressed
//! again and again is ended, so that nobody sits before a dead terminal.
//! **Not here:** the line's end of it, which the host has made (`crate::host`).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use pact_session::Size;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// Bytes that end what reads no keys as keys.
const ENDING: [u8; 2] = [0x03, 0x1c];
/// So often within so much time they mean: away with it, whatever it makes of them.
const TIMES: usize = 3;
const WITHIN: Duration = Duration::from_secs(2);

/// The end that is not the line's.
pub(super) struct Terminal {
    master: OwnedFd,
    /// The line's end, too, so that what nobody read can be counted. The host opened it: to this process it is a file of
    /// somebody else's.
    line: OwnedFd,
    pressed: Vec<Instant>,
}

impl Terminal {
    pub(super) fn new(master: OwnedFd, line: OwnedFd) -> io::Result<Self> {
        let flags = fcntl_getfl(&master)?;
        fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        Ok(Self { master, line, pressed: Vec::new() })
    }

    /// Where keys go. To the runtime it is a pipe: written when it takes something.
    pub(super) fn keys(&self) -> io::Result<pipe::Sender> {
        pipe::Sender::from_owned_fd_unchecked(self.master.try_clone()?)
    }

    /// Where what is drawn comes from.
    pub(super) fn drawn(&self) -> io::Result<pipe::Receiver> {
        pipe::Receiver::from_owned_fd_unchecked(self.master.try_clone()?)
    }

    /// The client's is of another size now; the program hears of it.
    pub(super) fn resize(&self, size: Size) {
        let size = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
        // Of a line that has ended nobody wants to know.
        let _ended = tcsetwinsize(&self.master, size);
    }

    /// How much was typed that nobody read, once nobody writes any more. As the program left it, a line that is not whole
    /// would not count; and what is on its way from the other end is here only for whoever reads.
    pub(super) fn unread(&self) -> Option<u64> {
        let mut modes = tcgetattr(&self.line).ok()?;
        modes.make_raw();
        tcsetattr(&self.line, OptionalActions::Now, &modes).ok()?;
        fcntl_setfl(&self.line, fcntl_getfl(&self.line).ok()? | OFlags::NONBLOCK).ok()?;
        let (mut count, mut bytes) = (0, vec![0; 4096]);
        while let Ok(length @ 1..) = rustix::io::read(&self.line, &mut bytes) {
            count += length as u64;
        }
        Some(count)
    }

    /// Looks at what is typed; whether it asks for the line's end by force.
    pub(super) fn typed(&mut self, keys: &[u8], now: Instant) -> bool {
        self.pressed.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        self.pressed.extend(keys.iter().filter(|key| ENDING.contains(key)).take(TIMES).map(|_| now));
        self.pressed.len() >= TIMES
    }
}

#[cfg(test)]
mod tests {
    use rustix::pty::OpenptFlags;

    use super::*;

    fn terminal() -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let line = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        Terminal::new(master, line).unwrap()
    }

    #[tokio::test]
    async fn what_nobody_read_is_counted() {
        let terminal = terminal();
        rustix::io::write(&terminal.master, b"one\rtwo").unwrap();
        assert_eq!(terminal.unread(), Some(7));
        // Also what did not fit into the line's buffer.
        let mut typed = 0;
        while let Ok(length @ 1..) = rustix::io::write(&terminal.master, &[b'x'; 512]) {
            typed += length;
        }
        assert!(typed > 4096, "{typed}");
        assert_eq!(terminal.unread(), Some(typed as u64));
        assert_eq!(terminal.unread(), Some(0));
    }

    #[tokio::test]
    async fn three_times_ctrl_c_within_two_seconds_ends_it() {
        let begun = Instant::now();
        for (presses, ends) in [
            (&[(0, "\x03"), (500, "\x03"), (1000, "\x1c")][..], true),
            (&[(0, "\x03\x03\x03")], true),
            (&[(0, "\x03"), (1500, "\x03"), (2500, "\x03")], false),
            (&[(0, "\x03"), (1500, "\x03"), (2500, "\x03"), (2600, "\x03")], true),
            (&[(0, "quit\x04\x1a")], false),
        ] {
            let mut terminal = terminal();
            let at = |millis| begun + Duration::from_millis(millis);
            let ended = presses.iter().map(|(millis, keys)| terminal.typed(keys.as_bytes(), at(*millis))).last();
            assert_eq!(ended, Some(ends), "{presses:?}");
        }
    }
}
