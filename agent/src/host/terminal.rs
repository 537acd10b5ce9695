//! The terminal of a line: made for it, this host's controlling terminal while it runs, and gone with it.
//!
//! **Invariant:** a session has one terminal at most, and no line finds anything of another line's on it: neither modes
//! nor bytes, nor a process that holds it. Ctrl-Z does nothing on it: there is no job control.
//! **Why this host's:** a process group is of one session, and a session's controlling terminal is its leader's, which
//! this host is. So every stage of a pipeline hears Ctrl-C, as under any shell.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pact_proto::wire::host::Terminal as Asked;
use rustix::process::{getpid, ioctl_tiocsctty};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcsetattr, tcsetpgrp, tcsetwinsize,
};

use crate::sandbox::sys;

/// The line's end of it. Dropping it takes it from this host.
pub(super) struct Terminal(OwnedFd);

impl Terminal {
    /// Makes one; answers the other end too.
    pub(super) fn open(asked: Asked) -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let line = ioctl_tiocgptpeer(&master, flags)?;
        let short = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
        let size = Winsize { ws_col: short(asked.columns), ws_row: short(asked.rows), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size)?;
        let mut modes = tcgetattr(&line)?;
        // What POSIX calls _POSIX_VDISABLE.
        modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
        modes.input_modes.insert(InputModes::IUTF8);
        modes.local_modes.set(LocalModes::ECHO, !asked.silent);
        tcsetattr(&line, OptionalActions::Now, &modes)?;
        ioctl_tiocsctty(&line)?;
        Ok((Self(line), master))
    }

    /// One more descriptor of it.
    pub(super) fn another(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whoever calls this gets the keys from now on, and the signals that are typed, with its process group. For a process
/// that ignores SIGTTOU still, which stops everybody else who tries.
pub(super) fn take_keys(terminal: BorrowedFd<'_>) -> io::Result<()> {
    Ok(tcsetpgrp(terminal, getpid())?)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that was hung up is nobody's already.
        let _gone = sys::give_up_terminal(&self.0);
    }
}
