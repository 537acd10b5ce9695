//! Waiting for something to happen, never for time to pass.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Result;

/// Whether a process of ours has ended, at the latest after so long, or when a signal comes.
pub fn for_exit(process: u32, at_most: Duration) -> Result<bool> {
    let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return Ok(true) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => for_reading(std::os::fd::AsFd::as_fd(&handle), at_most),
        Err(Errno::SRCH) => Ok(true),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

/// Whether something can be read, at the latest after so long, or when a signal comes.
pub fn for_reading(from: BorrowedFd<'_>, at_most: Duration) -> Result<bool> {
    let timeout = Timespec::try_from(at_most).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    let mut set = [PollFd::from_borrowed_fd(from, PollFlags::IN)];
    match poll(&mut set, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

/// What is left until a deadline.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
