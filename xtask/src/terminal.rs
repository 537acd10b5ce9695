//! A program on a pseudo terminal, and the screen that a person would see.
//!
//! **Invariant:** the terminal answers where its cursor is when asked (ESC [ 6 n), as every real one does; a line
//! editor that is not answered waits for seconds.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::wait;

const WHERE: &[u8] = b"\x1b[6n";

/// A running program and its screen.
pub struct Terminal {
    master: std::fs::File,
    child: Child,
    screen: vt100::Parser,
    /// The end of what came last: a question may come in two pieces.
    tail: Vec<u8>,
    /// All that the program wrote.
    written: Vec<u8>,
    /// The modes that the program found.
    modes: String,
    /// It says where its cursor is.
    answers: bool,
    has_ended: bool,
    interrupt: Interrupt,
}

impl Terminal {
    /// Starts a command that takes its standard input as its controlling terminal.
    pub fn start(command: &mut Command, rows: u16, columns: u16, interrupt: &Interrupt) -> Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let io = |error: rustix::io::Errno| Error::from(std::io::Error::from(error));
        let master = openpt(flags).map_err(io)?;
        grantpt(&master).and_then(|()| unlockpt(&master)).map_err(io)?;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).map_err(io)?;
        let modes = modes(&master)?;
        let end = ioctl_tiocgptpeer(&master, flags).map_err(io)?;
        command.stdin(Stdio::from(end.try_clone()?)).stdout(Stdio::from(end.try_clone()?)).stderr(Stdio::from(end));
        let child = command.spawn()?;
        // Else the command would keep the program's end open here, and its end would never be seen.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self {
            master: std::fs::File::from(master),
            child,
            screen: vt100::Parser::new(rows, columns, 0),
            tail: Vec::new(),
            written: Vec::new(),
            modes,
            answers: true,
            has_ended: false,
            interrupt: interrupt.clone(),
        })
    }

    /// Types.
    pub fn send(&mut self, keys: &[u8]) -> Result<()> {
        Ok(self.master.write_all(keys)?)
    }

    /// From now on nobody is told where the cursor is; some terminals are like that.
    pub fn be_silent(&mut self) {
        self.answers = false;
    }

    /// Becomes larger or smaller, and tells the program.
    pub fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).map_err(std::io::Error::from)?;
        self.screen.screen_mut().set_size(rows, columns);
        Ok(())
    }

    /// Whether the modes of its line discipline are those that the program found.
    pub fn has_its_modes(&self) -> Result<bool> {
        Ok(modes(&self.master)? == self.modes)
    }

    /// Its line is cut: what the program's session hears is a hangup.
    pub fn hang_up(&mut self) -> Result<()> {
        self.master = std::fs::File::open("/dev/null")?;
        self.has_ended = true;
        Ok(())
    }

    /// Sends a signal to the program that was started.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal).map_err(std::io::Error::from)?)
    }

    /// All that was written so far, as it came.
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// What is on the screen now.
    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// The rows of the screen, as text.
    pub fn rows(&self) -> Vec<String> {
        let (_, columns) = self.screen().size();
        self.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
    }

    /// One row.
    pub fn row(&self, row: u16) -> String {
        let (_, columns) = self.screen().size();
        self.screen().contents_between(row, 0, row, columns)
    }

    /// Whether the program has let go of the terminal.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes in what the program writes within this time; whether anything came.
    pub fn take_in(&mut self, at_most: Duration) -> Result<bool> {
        self.interrupt.check()?;
        if self.has_ended || !wait::for_reading(self.master.as_fd(), at_most)? {
            return Ok(false);
        }
        let mut bytes = [0; 8192];
        match self.master.read(&mut bytes) {
            Ok(count) if count > 0 => self.process(&bytes[..count])?,
            // EIO is how Linux says that nobody has the other end open.
            Ok(_) | Err(_) => self.has_ended = true,
        }
        Ok(!self.has_ended)
    }

    /// Takes in until the screen shows what is waited for; whether it did in time.
    pub fn until(&mut self, deadline: Instant, mut shows: impl FnMut(&Self) -> bool) -> Result<bool> {
        loop {
            if shows(self) {
                return Ok(true);
            }
            if self.has_ended || Instant::now() >= deadline {
                return Ok(false);
            }
            self.take_in(wait::left(deadline).min(Duration::from_millis(100)))?;
        }
    }

    /// The program's own status, once it has let go of the terminal.
    pub fn status(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    fn process(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        self.written.extend_from_slice(bytes);
        if !self.answers {
            self.screen.process(bytes);
            return Ok(());
        }
        loop {
            self.tail.extend_from_slice(rest);
            let asked = self.tail.windows(WHERE.len()).position(|window| window == WHERE);
            let Some(at) = asked else {
                self.screen.process(rest);
                let kept = self.tail.len().min(WHERE.len() - 1);
                self.tail.drain(..self.tail.len() - kept);
                return Ok(());
            };
            // The answer is where the cursor is after what came before the question.
            let after = self.tail.len() - at - WHERE.len();
            let (before, next) = rest.split_at(rest.len() - after);
            self.screen.process(before);
            self.tail.clear();
            rest = next;
            let (row, column) = self.screen().cursor_position();
            self.master.write_all(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes())?;
        }
    }
}

/// In words, which can be compared.
fn modes(terminal: impl AsFd) -> Result<String> {
    Ok(format!("{:?}", tcgetattr(terminal).map_err(std::io::Error::from)?))
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _gone = self.child.kill();
            let _status = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_its_cursor_is_even_when_asked_in_pieces() {
        let interrupt = Interrupt::default();
        let script =
            r"stty raw -echo; printf 'abc\033['; printf '6n'; dd bs=1 count=6 2>/dev/null | od -c | head -1; exit 3";
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh", "-c", script]);
        let mut terminal = Terminal::start(&mut command, 24, 80, &interrupt).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let answered = terminal.until(deadline, |t| t.rows().join("\n").contains("[   1   ;   4   R")).unwrap();
        assert!(answered, "{:?}", terminal.rows());
        terminal.until(deadline, Terminal::has_ended).unwrap();
        assert_eq!(terminal.status().unwrap().code(), Some(3));
    }
}
