//! The three streams that `pact` was given, without ever blocking the thread that listens to the agent.
//!
//! **Invariant:** their modes are nobody else's business and stay as they are: O_NONBLOCK would be seen by whoever
//! shares them. A read or write is made when the kernel says that it will not wait; a terminal, which may say so and
//! then throw away what was typed (Ctrl-C) or take less than it said, is opened once more.
//! **Invariant:** all three are opened before the process is confined: afterwards nothing can be.
//! **Invariant:** a terminal gets filtered text, everything else the bytes as they came.

use std::cell::Cell;
use std::io::{self, IoSlice, IsTerminal as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use pact_client::Terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::ShellError;
use crate::output::Filter;
use crate::screen::Screen;

/// What everything that is writable takes without waiting (PIPE_BUF).
const PIECE: usize = 4096;
/// What is written at once where the kernel can be asked not to wait for a part of it.
const LARGE_PIECE: usize = 256 * 1024;

/// A descriptor, and a way to wait for it.
struct Watched(OwnedFd);

impl Watched {
    fn new(of: impl AsFd) -> io::Result<Self> {
        of.as_fd().try_clone_to_owned().map(Self)
    }

    /// Waits until `operation` does not have to. Only while it waits does the runtime watch the descriptor: a terminal
    /// that somebody draws on is writable again and again.
    async fn when<T>(&self, interest: Interest, operation: impl Fn(&OwnedFd) -> Result<T, Errno>) -> io::Result<T> {
        loop {
            if is_ready(&self.0, interest)? {
                match operation(&self.0) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    done => return Ok(done?),
                }
            }
            #[expect(
                deprecated,
                reason = "what took its place is unsafe, for owners that close early; this one does not"
            )]
            let watched = AsyncFd::with_interest(self.0.as_fd(), interest)?;
            let _ready = watched.ready(interest).await?;
        }
    }
}

/// Whether the kernel would let it wait. Files never wait, so epoll, which does not take them, is not asked.
fn is_ready(fd: &OwnedFd, interest: Interest) -> io::Result<bool> {
    let wanted = if interest.is_readable() { PollFlags::IN } else { PollFlags::OUT };
    let mut asked = [PollFd::new(fd, wanted)];
    poll(&mut asked, Some(&Timespec::default()))?;
    Ok(asked[0].revents().intersects(wanted | PollFlags::HUP | PollFlags::ERR))
}

/// All three.
pub(crate) struct Streams {
    pub(crate) input: Input,
    pub(crate) out: Output,
    pub(crate) err: Output,
}

impl Streams {
    pub(crate) fn open(terminal: &Terminal) -> Result<Self, ShellError> {
        Ok(Self {
            input: Input::open().map_err(ShellError::io("standard input"))?,
            out: Output::open(io::stdout(), terminal.stdout).map_err(ShellError::io("standard output"))?,
            err: Output::open(io::stderr(), terminal.stderr).map_err(ShellError::io("standard error"))?,
        })
    }
}

/// Standard input. Clones are the same.
#[derive(Clone)]
pub(crate) struct Input(Arc<Watched>);

impl Input {
    pub(crate) fn open() -> io::Result<Self> {
        let watched = match reopened_terminal(io::stdin(), OFlags::RDONLY) {
            Some(own) => Watched(own),
            None => Watched::new(io::stdin())?,
        };
        Ok(Self(Arc::new(watched)))
    }

    /// At most `most` bytes; none at its end. Nothing is lost when this is dropped before it is ready.
    pub(crate) async fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        let read = |fd: &OwnedFd| {
            let mut piece = vec![0; most];
            let length = rustix::io::read(fd, &mut piece)?;
            piece.truncate(length);
            Ok(piece)
        };
        self.0.when(Interest::READABLE, read).await
    }
}

/// A terminal as an open file of our own, which may have O_NONBLOCK; none where it is no terminal, or is one that
/// belongs to another account.
fn reopened_terminal(of: impl AsFd, access: OFlags) -> Option<OwnedFd> {
    let of = of.as_fd();
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", of.as_raw_fd());
    of.is_terminal().then(|| rustix::fs::open(path, flags, Mode::empty()).ok()).flatten()
}

/// How much can be written without waiting to what is writable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// A file, which never waits, or a terminal of our own, which takes what fits.
    Everything,
    /// A pipe: the kernel can be asked for what fits, whatever the modes are.
    WhatFits,
    /// Anything else.
    LittleAtOnce,
}

impl Takes {
    fn of(fd: impl AsFd) -> io::Result<Self> {
        Ok(match FileType::from_raw_mode(fstat(fd)?.st_mode) {
            FileType::RegularFile => Self::Everything,
            FileType::Fifo => Self::WhatFits,
            FileType::Directory
            | FileType::Symlink
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Self::LittleAtOnce,
        })
    }
}

/// Standard output or standard error.
pub(crate) struct Output {
    target: Watched,
    takes: Cell<Takes>,
    filter: Option<Filter>,
    /// What a program that draws has made of the terminal.
    screen: Option<Screen>,
    pending: Vec<u8>,
    written: usize,
    closed: bool,
    at_line_start: bool,
}

impl Output {
    pub(crate) fn open(of: impl AsFd, is_terminal: bool) -> io::Result<Self> {
        let (target, takes) = match reopened_terminal(&of, OFlags::WRONLY) {
            Some(own) => (Watched(own), Takes::Everything),
            None => (Watched::new(&of)?, Takes::of(&of)?),
        };
        Ok(Self {
            target,
            takes: Cell::new(takes),
            filter: is_terminal.then(Filter::default),
            screen: None,
            pending: Vec::new(),
            written: 0,
            closed: false,
            at_line_start: true,
        })
    }

    /// Takes what a program wrote.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        match (&mut self.screen, &mut self.filter) {
            (Some(screen), _) => screen.pass(bytes, &mut self.pending),
            (None, Some(filter)) => filter.pass(bytes, &mut self.pending),
            (None, None) => self.pending.extend_from_slice(bytes),
        }
        self.note_end();
    }

    /// From now on somebody draws on it.
    pub(crate) fn is_drawn_on(&mut self) {
        self.screen = Some(Screen::default());
    }

    /// Nobody draws on it any more.
    pub(crate) fn is_text_again(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.undo(&mut self.pending);
        }
    }

    /// Takes what pact itself says: its own text, and what others wrote escaped.
    pub(crate) fn say(&mut self, text: &str) {
        self.pending.extend_from_slice(text.as_bytes());
        self.note_end();
    }

    /// The line is over.
    pub(crate) fn end_line(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.finish(&mut self.pending);
        }
        self.note_end();
    }

    fn note_end(&mut self) {
        if let Some(last) = self.pending.last() {
            self.at_line_start = *last == b'\n';
        }
        if self.closed {
            self.pending.clear();
        }
    }

    /// Somebody else has ended the line.
    pub(crate) fn starts_line(&mut self) {
        self.at_line_start = true;
    }

    /// Where a prompt may stand.
    pub(crate) fn is_at_line_start(&self) -> bool {
        self.at_line_start
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nobody reads it any more, which is no error.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a piece of what is pending. Nothing is lost when this is dropped before it is ready.
    pub(crate) async fn write_some(&mut self) -> io::Result<()> {
        let rest = &self.pending[self.written..];
        let small = &rest[..rest.len().min(PIECE)];
        let large = &rest[..rest.len().min(LARGE_PIECE)];
        let takes = &self.takes;
        let write = |fd: &OwnedFd| match takes.get() {
            Takes::Everything => rustix::io::write(fd, large),
            Takes::LittleAtOnce => rustix::io::write(fd, small),
            Takes::WhatFits => {
                let written = pwritev2(fd, &[IoSlice::new(large)], u64::MAX, ReadWriteFlags::NOWAIT);
                // A kernel before 6.4, whose pipes do not know that.
                if written == Err(Errno::OPNOTSUPP) {
                    takes.set(Takes::LittleAtOnce);
                    return rustix::io::write(fd, small);
                }
                written
            }
        };
        match self.target.when(Interest::WRITABLE, write).await {
            Ok(length) => self.written += length,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => return Err(error),
        }
        if self.closed || self.written == self.pending.len() {
            self.pending.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Writes all that is pending.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while self.has_pending() {
            self.write_some().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_does_not_read_keeps_nobody_from_listening() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut output = Output::open(&writer, false).unwrap();
        drop(writer);
        let text: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        output.pass(&text);
        // Given back to who waits, although the pipe is full; nothing is lost by giving up the wait.
        assert!(timeout(Duration::from_millis(20), output.flush()).await.is_err());
        let reading = std::thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).map(|_| read)
        });
        output.flush().await.unwrap();
        drop(output);
        assert!(reading.join().unwrap().unwrap() == text, "bytes were changed, lost or doubled");
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_no_error() {
        let (reader, writer) = io::pipe().unwrap();
        let mut output = Output::open(&writer, false).unwrap();
        drop(reader);
        output.pass(b"text");
        output.flush().await.unwrap();
        assert!(output.is_closed());
        output.pass(b"more");
        assert!(!output.has_pending());
    }

    #[tokio::test]
    async fn files_are_always_ready_and_a_terminal_gets_what_is_harmless() {
        let file = tempfile::tempfile().unwrap();
        let mut output = Output::open(&file, true).unwrap();
        output.pass(b"\x1b[31mred\x1b[2J");
        assert!(!output.is_at_line_start());
        output.end_line();
        output.say("pact: said\n");
        output.flush().await.unwrap();
        assert!(output.is_at_line_start());
        let mut read = String::new();
        let mut file = file;
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, "\u{1b}[31mred^[[2J\u{1b}[0mpact: said\n");
    }

    #[tokio::test]
    async fn input_comes_when_it_comes_and_ends_once() {
        let (reader, mut writer) = io::pipe().unwrap();
        let input = Input(Arc::new(Watched::new(&reader).unwrap()));
        assert!(timeout(Duration::from_millis(20), input.read(10)).await.is_err());
        io::Write::write_all(&mut writer, b"hello world").unwrap();
        assert_eq!(input.read(5).await.unwrap(), b"hello");
        assert_eq!(input.read(100).await.unwrap(), b" world");
        drop(writer);
        assert_eq!(input.read(100).await.unwrap(), b"");
    }
}
