//! Other processes: tracing, their memory, signals, limits, scheduling, descriptors, pages.
//!
//! **Invariant:** nobody gets a signal but 0 and CONT; what is set is what was set before.
//! **Not here:** `kill(-1, 0)`, whose answer is the same whether anybody may be reached or not.

use crate::sys::{self, Answer, Errno, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, needed};
use crate::world::OTHERS;

const SIGCONT: usize = 18;
/// The address or the value was looked at, after the right to do it had been found.
const LOOKED: [Errno; 2] = [sys::EFAULT, sys::EINVAL];

/// A call on a process.
type Call = fn(usize) -> Answer;

/// What is tried on every other process. Each is one call with the process as it stands.
const CALLS: [(&str, Call); 21] = [
    ("ptrace-seize", |pid| sys::call(nr::PTRACE, &[0x4206, pid, 0, 0])),
    ("vm-read", |pid| vm(nr::PROCESS_VM_READV, pid)),
    ("vm-write", |pid| vm(nr::PROCESS_VM_WRITEV, pid)),
    ("signal-0", |pid| sys::call(nr::KILL, &[pid, 0])),
    ("signal-cont", |pid| sys::call(nr::KILL, &[pid, SIGCONT])),
    ("signal-thread", |pid| sys::call(nr::TGKILL, &[pid, pid, 0])),
    ("signal-any-thread", |pid| sys::call(nr::TKILL, &[pid, 0])),
    ("signal-queue", queue),
    ("signal-pidfd", |pid| sys::call(nr::PIDFD_SEND_SIGNAL, &[pidfd(pid)?, 0, 0, 0])),
    ("limit-read", limit),
    ("limit-set", same_limit),
    ("affinity", same_affinity),
    ("priority", same_priority),
    ("scheduler", scheduler),
    ("io-priority", same_io_priority),
    ("descriptor", |pid| sys::call(nr::PIDFD_GETFD, &[pidfd(pid)?, 0, 0])),
    ("compare", |pid| sys::call(nr::KCMP, &[sys::call(nr::GETPID, &[])?, pid, 2, 0, 0])),
    ("advise", advise),
    ("move-pages", |pid| sys::call(nr::MOVE_PAGES, &[pid, 1, 1, 0, 0, 0])),
    ("migrate-pages", migrate),
    ("perf", perf),
];

const NOFILE: usize = 7;

pub fn add(tries: &mut Tries) {
    for who in OTHERS {
        for (name, call) in CALLS {
            tries.add(format!("proc-{name}-{who}"), move |world| {
                Ok(judge(call(world.pid(who)?), &LOOKED, "reached the process"))
            });
        }
        tries.add(format!("proc-ptrace-attach-{who}"), move |world| attach(world.pid(who)?));
        tries.add(format!("proc-signal-group-{who}"), move |world| signal_group(world.pid(who)?));
    }
    // Makes the parent the tracer, whoever that is and whether it wants to be or not.
    tries.add("proc-ptrace-me", |_| Ok(judge(sys::call(nr::PTRACE, &[0, 0, 0, 0]), &[], "traced by the parent")));
}

/// A tracer that lets go at once: the stop that attaching causes ends with a continue that carries no signal.
fn attach(pid: usize) -> Tried {
    const ATTACH: usize = 16;
    const DETACH: usize = 17;
    const ALSO_NOT_CHILDREN: usize = 0x4000_0000;
    let attached = sys::call(nr::PTRACE, &[ATTACH, pid, 0, 0]);
    if attached.is_ok() {
        let _stopped = sys::call(nr::WAIT4, &[pid, 0, ALSO_NOT_CHILDREN, 0]);
        let _free = sys::call(nr::PTRACE, &[DETACH, pid, 0, 0]);
    }
    Ok(judge(attached, &[], "traced the process"))
}

/// Everybody in its group; a group that is our own, or is of another pid namespace, tells nothing.
fn signal_group(pid: usize) -> Tried {
    let group = needed(sys::call(nr::GETPGID, &[pid]), &[], "getpgid")?;
    if group == 0 || Ok(group) == sys::call(nr::GETPGID, &[0]) {
        return Err(Verdict::Unclear("its group is not another one".to_owned()));
    }
    Ok(judge(sys::call(nr::KILL, &[group.wrapping_neg(), 0]), &[], "reached the group"))
}

/// One byte at an address where nothing is.
fn vm(number: usize, pid: usize) -> Answer {
    let byte = 0_u8;
    let local = [&raw const byte as usize, 1];
    let remote = [16_usize, 1];
    sys::call(number, &[pid, local.as_ptr() as usize, 1, remote.as_ptr() as usize, 1, 0])
}

fn queue(pid: usize) -> Answer {
    const SI_QUEUE: u32 = u32::MAX;
    let mut info = [0_u32; 32];
    info[2] = SI_QUEUE;
    sys::call(nr::RT_SIGQUEUEINFO, &[pid, 0, info.as_ptr() as usize])
}

fn pidfd(pid: usize) -> Answer {
    sys::call(nr::PIDFD_OPEN, &[pid, 0])
}

fn limit(pid: usize) -> Answer {
    let mut limit = [0_u64; 2];
    sys::call(nr::PRLIMIT64, &[pid, NOFILE, 0, limit.as_mut_ptr() as usize])
}

fn same_limit(pid: usize) -> Answer {
    let mut limit = [0_u64; 2];
    let address = limit.as_mut_ptr() as usize;
    sys::call(nr::PRLIMIT64, &[pid, NOFILE, 0, address])?;
    sys::call(nr::PRLIMIT64, &[pid, NOFILE, address, 0])
}

fn same_affinity(pid: usize) -> Answer {
    let mut mask = [0_u64; 128];
    let (address, size) = (mask.as_mut_ptr() as usize, size_of_val(&mask));
    sys::call(nr::SCHED_GETAFFINITY, &[pid, size, address])?;
    sys::call(nr::SCHED_SETAFFINITY, &[pid, size, address])
}

/// The usual one, which the process has.
fn scheduler(pid: usize) -> Answer {
    let parameters = [0_u64];
    sys::call(nr::SCHED_SETSCHEDULER, &[pid, 0, parameters.as_ptr() as usize])
}

fn same_priority(pid: usize) -> Answer {
    // getpriority answers 20 minus the nice value.
    let nice = 20_usize.wrapping_sub(sys::call(nr::GETPRIORITY, &[0, pid])?);
    sys::call(nr::SETPRIORITY, &[0, pid, nice])
}

fn same_io_priority(pid: usize) -> Answer {
    const PROCESS: usize = 1;
    let priority = sys::call(nr::IOPRIO_GET, &[PROCESS, pid])?;
    sys::call(nr::IOPRIO_SET, &[PROCESS, pid, priority])
}

fn advise(pid: usize) -> Answer {
    const COLD: usize = 20;
    let nothing = [0_usize, 0];
    sys::call(nr::PROCESS_MADVISE, &[pidfd(pid)?, nothing.as_ptr() as usize, 1, COLD, 0])
}

/// From no node to no node.
fn migrate(pid: usize) -> Answer {
    let none = 0_u64;
    let address = &raw const none as usize;
    sys::call(nr::MIGRATE_PAGES, &[pid, 64, address, address])
}

/// Counts nothing: a software event that is switched off.
fn perf(pid: usize) -> Answer {
    let mut attributes = [0_u32; 32];
    attributes[0] = 1;
    attributes[1] = 128;
    attributes[2] = 9;
    attributes[10] = 1;
    sys::call(nr::PERF_EVENT_OPEN, &[attributes.as_ptr() as usize, pid, usize::MAX, usize::MAX, 0])
}
