//! Exactly one exec, then none: a seccomp filter that asks, and a host that answers once.
//!
//! **Invariant:** the listener has one holder outside the stage, and it is closed after the first permission; from
//! then on the kernel answers ENOSYS to every exec of the stage and of all that descend from it.
//! **Why:** landlock's EXECUTE is no whitelist of programs: the loader runs any ELF that can be read, and a memfd
//! has no path. No static filter can tell the one exec from a second: it sees neither path nor, in execveat, whether
//! the descriptor counts.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use seccompiler::sock_filter;

use super::bpf;
use super::sys;

/// A stage has nothing to do before its exec; one that takes so long is broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks about both execs; everything else is the allowlist's business.
fn filter() -> Vec<sock_filter> {
    bpf::asking(&[libc::SYS_execve, libc::SYS_execveat])
}

/// Installs the filter in this process. Whoever gets the listener decides; it must leave this process before the
/// allowlist, and no copy of it may stay.
pub fn install() -> io::Result<OwnedFd> {
    sys::seccomp_listener(&filter())
}

/// Lets `stage` exec once, and closes the listener, whatever happened. `failed` becomes readable when the stage has
/// something to say instead.
#[expect(clippy::needless_pass_by_value, reason = "it must be closed when this returns")]
pub fn grant(listener: OwnedFd, stage: Pid, failed: &impl AsFd) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        wait(&listener, failed, deadline)?;
        let notified = match sys::notified(listener.as_fd()) {
            Ok(notified) => notified,
            // The call was over before we saw it; its process is dying, or calls again.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(error),
        };
        // Before its exec the stage is our own code and has no children: anybody else is a defect of ours.
        if notified.pid != stage.as_raw_nonzero().get().unsigned_abs() || notified.call != libc::SYS_execveat {
            return Err(io::Error::other("another process asked for the stage's exec"));
        }
        match sys::let_continue(listener.as_fd(), &notified) {
            // A signal restarted the call: it asks again.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            answered => return answered,
        }
    }
}

fn wait(listener: &OwnedFd, failed: &impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(listener, PollFlags::IN), PollFd::new(failed, PollFlags::IN)];
        match poll(&mut ready, Some(&left)) {
            Ok(0) => return Err(io::Error::other("the stage did not come to its exec")),
            Ok(_) if ready[0].revents().contains(PollFlags::IN) => return Ok(()),
            Ok(_) => return Err(io::Error::other("the stage ended before its exec")),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
