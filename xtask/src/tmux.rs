//! A program in tmux: the terminal of a person, with a screen that somebody else wrote.
//!
//! **Invariant:** the server is this value's own, by a socket of its own and without anybody's settings, and ends with
//! it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::termios::tcgetattr;
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// No status line, nothing of this machine, and Escape is Escape at once.
const SETTINGS: &str = "set -g status off\nset -g default-terminal screen-256color\nset -s escape-time 0\n\
                        set -g remain-on-exit on\nset -g history-limit 0\n";
/// What every program in it finds as its terminal.
const TERM: &str = "screen-256color";

/// A server with one pane.
pub struct Tmux {
    place: TempDir,
    terminal: PathBuf,
    interrupt: Interrupt,
}

/// What is seen of a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The rows as text, without blanks at their ends.
    pub rows: Vec<String>,
    /// Column and row of the cursor, whether it is shown, and whether the other screen is.
    pub cursor: String,
}

impl Tmux {
    /// Starts a command, of which program, words and environment count. `owner` is whose terminal it is to be.
    pub fn start(command: &Command, rows: u16, columns: u16, owner: u32, interrupt: &Interrupt) -> Result<Self> {
        let place = tempfile::tempdir()?;
        std::fs::write(place.path().join("settings"), SETTINGS)?;
        let mut tmux = Self { place, terminal: PathBuf::new(), interrupt: interrupt.clone() };
        let size = [rows, columns].map(|side| side.to_string());
        let mut start = tmux.command(&["new-session", "-d", "-x", &size[1], "-y", &size[0], "--", "env", "-i"]);
        for (name, value) in command.get_envs().filter(|(name, _)| *name != "TERM") {
            if let Some(value) = value {
                let mut pair = name.to_owned();
                pair.push("=");
                pair.push(value);
                start.arg(pair);
            }
        }
        // The program begins when its terminal is its owner's.
        let gate = tmux.place.path().join("gate");
        let made = Command::new("mkfifo").arg(&gate).status()?;
        if !made.success() {
            return Err(Error::failed("mkfifo failed"));
        }
        start.arg(format!("TERM={TERM}")).args(["sh", "-c", "read go <\"$0\"; exec \"$@\""]).arg(&gate);
        start.arg(command.get_program()).args(command.get_args());
        finish(&mut start)?;
        tmux.terminal = PathBuf::from(tmux.ask("#{pane_tty}")?);
        std::os::unix::fs::chown(&tmux.terminal, Some(owner), None)?;
        std::fs::write(&gate, "go\n")?;
        Ok(tmux)
    }

    /// Types; names as tmux has them, `Enter`, `C-c`, and what is no name as it is.
    pub fn keys(&self, keys: &[&str]) -> Result<()> {
        finish(self.command(&["send-keys", "-t", ":"]).args(keys)).map(drop)
    }

    /// Another size.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let size = [rows, columns].map(|side| side.to_string());
        finish(&mut self.command(&["resize-window", "-t", ":", "-x", &size[1], "-y", &size[0]])).map(drop)
    }

    /// What is on the screen.
    pub fn seen(&self) -> Result<Seen> {
        let text = finish(&mut self.command(&["capture-pane", "-p", "-t", ":"]))?;
        let rows: Vec<_> = text.lines().map(|row| row.trim_end().to_owned()).collect();
        let cursor = self.ask("#{cursor_x},#{cursor_y} cursor #{cursor_flag} other #{alternate_on}")?;
        Ok(Seen { rows, cursor })
    }

    /// The same with colours, as the sequences that make them.
    pub fn coloured(&self) -> Result<String> {
        finish(&mut self.command(&["capture-pane", "-p", "-e", "-t", ":"]))
    }

    /// Its line discipline's modes, in words that can be compared.
    pub fn modes(&self) -> Result<String> {
        let terminal = File::open(&self.terminal)?;
        Ok(format!("{:?}", tcgetattr(&terminal).map_err(std::io::Error::from)?))
    }

    /// Whether the program has ended.
    pub fn has_ended(&self) -> Result<bool> {
        Ok(self.ask("#{pane_dead}")? == "1")
    }

    /// Waits until the screen shows what is waited for; whether it did in time.
    pub fn until(&self, deadline: Instant, mut shows: impl FnMut(&Seen) -> bool) -> Result<bool> {
        loop {
            self.interrupt.check()?;
            if shows(&self.seen()?) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    fn ask(&self, format: &str) -> Result<String> {
        Ok(finish(&mut self.command(&["display-message", "-p", "-t", ":", format]))?.trim_end().to_owned())
    }

    fn command(&self, words: &[&str]) -> Command {
        let path = |name: &str| -> PathBuf { Path::new(self.place.path()).join(name) };
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-f").arg(path("settings")).arg("-S").arg(path("socket")).args(words);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command.stdin(Stdio::null());
        command
    }
}

fn finish(command: &mut Command) -> Result<String> {
    let said = command.output()?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    Err(Error::failed(format!("tmux: {}", String::from_utf8_lossy(&said.stderr).trim())))
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _gone = self.command(&["kill-server"]).output();
    }
}
