//! The filter itself: one of our own that asks a helper of ours, another filter on top, what prctl could take back.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::exec::{Call, ended, own_words, shared};
use crate::sys::{self, Errno, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge};
use crate::world::World;

const SET_MODE_FILTER: usize = 1;
const NEW_LISTENER: usize = 1 << 3;
const TSYNC: usize = 1;
const PR_SET_SECCOMP: usize = 22;
const PR_SET_MM: usize = 35;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_GET_NO_NEW_PRIVS: usize = 39;
const ALLOW: u32 = 0x7fff_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;

pub fn add(tries: &mut Tries) {
    tries.add("seccomp-listener", listener);
    tries.add("seccomp-filter", |_| {
        no_new_privileges();
        Ok(judge(install(0, &allow_all()), &[], "filter"))
    });
    tries.add("seccomp-filter-all-threads", |_| {
        no_new_privileges();
        Ok(judge(install(TSYNC, &allow_all()), &[], "filter"))
    });
    tries.add("seccomp-unknown-operation", |_| {
        Ok(judge(sys::call(nr::SECCOMP, &[99, 0, 0]), &[sys::EINVAL], "seccomp"))
    });
    tries.add("seccomp-prctl-filter", |_| {
        no_new_privileges();
        let program = Program::of(&allow_all());
        let set = sys::call(nr::PRCTL, &[PR_SET_SECCOMP, 2, program.address()]);
        Ok(judge(set, &[], "filter by prctl"))
    });
    tries.add("seccomp-new-privileges", |_| {
        Ok(match sys::call(nr::PRCTL, &[PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0]) {
            Ok(1) => Verdict::Refused("no_new_privs".to_owned()),
            other => judge(other, &[], "programs may give privileges"),
        })
    });
    tries.add("seccomp-prctl-exe-file", |_| {
        const EXE_FILE: usize = 13;
        let set = sys::call(nr::PRCTL, &[PR_SET_MM, EXE_FILE, usize::MAX, 0, 0]);
        Ok(judge(set, &[sys::EBADF], "another program file"))
    });
}

fn no_new_privileges() {
    let _needed_without_root = sys::call(nr::PRCTL, &[PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
}

/// A BPF program as the kernel wants it.
struct Program {
    header: [usize; 2],
    _code: Vec<u64>,
}

impl Program {
    fn of(code: &[u64]) -> Self {
        let code = code.to_vec();
        Self { header: [code.len(), code.as_ptr() as usize], _code: code }
    }

    fn address(&self) -> usize {
        self.header.as_ptr() as usize
    }
}

fn install(flags: usize, code: &[u64]) -> sys::Answer {
    let program = Program::of(code);
    sys::call(nr::SECCOMP, &[SET_MODE_FILTER, flags, program.address()])
}

/// One instruction: operation, where to go when it is true and when it is not, value.
const fn step(operation: u16, yes: u8, no: u8, value: u32) -> u64 {
    operation as u64 | (yes as u64) << 16 | (no as u64) << 24 | (value as u64) << 32
}

fn allow_all() -> Vec<u64> {
    vec![step(RETURN, 0, 0, ALLOW)]
}

const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// The one who decides on exec is asked by the kernel only once, and then nobody is. So the child makes itself a
/// listener, its parent is the one who answers, and says yes.
fn listener(world: &World) -> Tried {
    const CLONE_FILES: usize = 0x400;
    let errand =
        Errand { call: Call::execve(&world.own_path(), &own_words(&world.name)), listener: shared()?, told: shared()? };
    let flags = CLONE_FILES | sys::SIGCHLD;
    let child = sys::clone_process(flags, ask_and_exec, &raw const errand as usize);
    let pid = child.map_err(|error| judge(Err(error), &[], "clone"))?;
    loop {
        match errand.listener.load(Ordering::SeqCst) {
            0 => std::hint::spin_loop(),
            FAILED => break,
            descriptor => {
                say_yes(descriptor);
                break;
            }
        }
    }
    ended(pid, errand.told)
}

const FAILED: usize = usize::MAX;

struct Errand {
    call: Call,
    /// The listener's descriptor, which parent and child share.
    listener: &'static AtomicUsize,
    told: &'static AtomicUsize,
}

extern "C" fn ask_and_exec(errand: usize) -> i32 {
    let errand: &Errand = sys::lent(errand);
    let ask_for_exec = [
        step(LOAD_WORD, 0, 0, 0),
        step(JUMP_EQUAL, 2, 0, nr::EXECVE as u32),
        step(JUMP_EQUAL, 1, 0, nr::EXECVEAT as u32),
        step(RETURN, 0, 0, ALLOW),
        step(RETURN, 0, 0, USER_NOTIF),
    ];
    no_new_privileges();
    match install(NEW_LISTENER, &ask_for_exec) {
        Ok(descriptor) => errand.listener.store(descriptor, Ordering::SeqCst),
        Err(error) => {
            errand.told.store(error.0 as usize, Ordering::SeqCst);
            errand.listener.store(FAILED, Ordering::SeqCst);
            sys::exit_now(1);
        }
    }
    let Errno(error) = errand.call.make();
    errand.told.store(error as usize, Ordering::SeqCst);
    sys::exit_now(1)
}

/// Receives one question and lets the call go on.
fn say_yes(listener: usize) {
    const RECEIVE: usize = 0xc050_2100;
    const SEND: usize = 0xc018_2101;
    const CONTINUE: u64 = 1;
    let mut question = [0_u64; 10];
    if sys::call(nr::IOCTL, &[listener, RECEIVE, question.as_mut_ptr() as usize]).is_ok() {
        let answer = [question[0], 0, CONTINUE << 32];
        let _gone = sys::call(nr::IOCTL, &[listener, SEND, answer.as_ptr() as usize]);
    }
    sys::close(listener);
}
