//! Limits: hard ones raised, processes and memory without end; and a process that stays behind.

use crate::sys::{self, Errno, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, needed};

/// More processes than any line needs; a sandbox must stop before.
const TOO_MANY: usize = 1000;
const MOST: usize = 2000;
/// More memory than a test machine should lose; a sandbox under test allows less.
const TOO_MUCH: usize = 1536 << 20;
const STEP: usize = 16 << 20;
const UNLIMITED: u64 = u64::MAX;

pub fn add(tries: &mut Tries) {
    for (name, resource) in [
        ("core", 4),
        ("processes", 6),
        ("files", 7),
        ("locked", 8),
        ("message-queues", 12),
        ("nice", 13),
        ("realtime", 14),
    ] {
        tries.add(format!("limit-raise-{name}"), move |_| raise(resource));
    }
    tries.add("limit-nice", |_| Ok(judge(sys::call(nr::SETPRIORITY, &[0, 0, usize::MAX]), &[], "better priority")));
    tries.add("limit-realtime", |_| {
        const FIFO: usize = 1;
        let priority = [1_u64];
        Ok(judge(sys::call(nr::SCHED_SETSCHEDULER, &[0, FIFO, priority.as_ptr() as usize]), &[], "real time"))
    });
    tries.add_alone("limit-fork", |_| fork_until_refused());
    tries.add_alone("limit-memory", |_| map_until_refused());
}

/// One more than the hard limit.
fn raise(resource: usize) -> Tried {
    let mut limit = [0_u64; 2];
    needed(sys::call(nr::PRLIMIT64, &[0, resource, 0, limit.as_mut_ptr() as usize]), &[], "getrlimit")?;
    if limit[1] == UNLIMITED {
        return Ok(Verdict::Succeeded("there is no limit".to_owned()));
    }
    let more = [limit[0], limit[1] + 1];
    Ok(judge(sys::call(nr::SETRLIMIT, &[resource, more.as_ptr() as usize]), &[], "raised"))
}

/// Children end at once, but count until somebody asks how they ended.
fn fork_until_refused() -> Tried {
    let mut children = Vec::new();
    let refused = loop {
        match sys::fork_process() {
            Ok(None) => sys::exit_now(0),
            Ok(Some(pid)) if children.len() < MOST => children.push(pid),
            Ok(Some(pid)) => {
                children.push(pid);
                break None;
            }
            Err(error) => break Some(error),
        }
    };
    let count = children.len();
    for pid in children {
        let _end = sys::wait(pid);
    }
    Ok(match refused {
        Some(error) if count <= TOO_MANY => Verdict::Refused(format!("{error} after {count} processes")),
        Some(_) | None => Verdict::Succeeded(format!("{count} processes")),
    })
}

fn map_until_refused() -> Tried {
    let mut taken = 0;
    while taken < TOO_MUCH {
        match sys::map(STEP, 0) {
            Ok(address) => (address..address + STEP).step_by(4096).for_each(sys::touch),
            Err(Errno(error)) => return Ok(Verdict::Refused(format!("{} after {taken} bytes", Errno(error)))),
        }
        taken += STEP;
    }
    Ok(Verdict::Succeeded(format!("{taken} bytes")))
}

/// Leaves two processes behind, in sessions of their own, without the line's descriptors, deaf to polite signals: a
/// child, and one that this process gives its own parent as a child. Prints their numbers, so that the caller can look
/// whether they have gone.
pub fn linger() -> i32 {
    const CLONE_PARENT: usize = 0x8000;
    for flags in [sys::SIGCHLD, CLONE_PARENT | sys::SIGCHLD] {
        match sys::clone_process(flags, stay, 0) {
            Ok(pid) => println!("{pid}"),
            Err(error) => {
                println!("linger: {error}");
                return 1;
            }
        }
    }
    0
}

/// Gives its parent children that it never asked for, which end in ways that are not this line's. Whoever counts
/// children instead of knowing them takes their end for ours.
pub fn siblings() -> i32 {
    const CLONE_PARENT: usize = 0x8000;
    for how in 0..4 {
        if let Err(error) = sys::clone_process(CLONE_PARENT | sys::SIGCHLD, end_oddly, how) {
            println!("siblings: {error}");
            return 1;
        }
    }
    println!("done");
    0
}

extern "C" fn stay(_argument: usize) -> i32 {
    let _session = sys::call(nr::SETSID, &[]);
    for number in [1, 2, 3, 13, 15] {
        sys::handle(number);
    }
    for descriptor in 0..3 {
        sys::close(descriptor);
    }
    loop {
        let _interrupted = sys::call(nr::POLL, &[0, 0, usize::MAX]);
    }
}

extern "C" fn end_oddly(how: usize) -> i32 {
    const SIGKILL: usize = 9;
    if how == 0 {
        let own = sys::call(nr::GETPID, &[]).unwrap_or(0);
        let _gone = sys::call(nr::KILL, &[own, SIGKILL]);
    }
    sys::exit_now(100 + how)
}
