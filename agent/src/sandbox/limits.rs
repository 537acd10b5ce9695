//! Resource limits of a stage: setrlimit(2), which holds on every kernel.
//!
//! **Invariant:** soft and hard limit are the same, so nothing can be raised again; but for processor time, of which
//! the hard one is a second more.
//! **Not here:** what a session may use in all, which is its control group's.

use std::io;

use pact_policy::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The usual size of a stack; what a program needs for its arguments comes out of it.
const STACK_BYTES: u64 = 8 << 20;

/// Sets the limits of this process.
pub fn set(limits: &Limits) -> io::Result<()> {
    for (resource, most) in [
        // No core dump: 0 would still hand one to a program that core_pattern names, 1 is the kernel's word for
        // neither file nor pipe (core(5), coredump_pipe).
        (Resource::Core, 1),
        // Nothing of a stage goes to a file or a lock in memory.
        (Resource::Fsize, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Rtprio, 0),
        (Resource::Stack, STACK_BYTES),
        (Resource::Data, limits.memory_bytes),
        (Resource::Nofile, limits.open_files),
        // Counts by uid, and a session has one of its own. Where a control group counts too, it comes first and says so.
        (Resource::Nproc, limits.processes + 1),
    ] {
        // Root on a restricted machine may be unable to raise a hard limit; a lower one is kept.
        let most = getrlimit(resource).maximum.map_or(most, |before| before.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    // A signal that says what it is about, and a second later one that nobody can hear.
    let maximum = getrlimit(Resource::Cpu).maximum.map_or(limits.cpu_seconds + 1, |b| b.min(limits.cpu_seconds + 1));
    let current = limits.cpu_seconds.min(maximum);
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum: Some(maximum) })?)
}
