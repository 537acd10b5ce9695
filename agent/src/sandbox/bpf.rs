//! The few filters that look at nothing but the number of a call, instruction by instruction.
//!
//! **Invariant:** a foreign architecture is killed, and numbers with the x32 bit get ENOSYS, before anything else.
//! **Why:** seccompiler has no USER_NOTIF verdict and does not look at the x32 bit in a filter that allows by
//! default.
//! **Not here:** the allowlist of stages, which is seccompiler's.

use std::ffi::c_long;

use seccompiler::sock_filter;

/// What a listed number gets; all others are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The holder of the listener is asked.
    Ask,
    /// ENOSYS.
    Missing,
}

// From linux/filter.h and linux/bpf_common.h.
const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The low half of the first argument, little-endian.
const FIRST_ARGUMENT: u32 = 16;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// Bit 30 marks the x32 calls of x86_64; elsewhere no number is so large.
const X32: u32 = 0x4000_0000;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code, jt: if_true, jf: if_false, k }
}

/// Loads the number, after the architecture and the x32 bit have been looked at.
fn beginning() -> Vec<sock_filter> {
    vec![
        step(LOAD_WORD, ARCHITECTURE),
        jump(JUMP_EQUAL, NATIVE, 1, 0),
        step(RETURN, KILL),
        step(LOAD_WORD, NUMBER),
        jump(JUMP_GREATER_EQUAL, X32, 0, 1),
        step(RETURN, MISSING),
    ]
}

fn low(number: c_long) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A filter that gives `verdict` to these numbers.
pub(crate) fn by_number(numbers: &[c_long], verdict: Verdict) -> Vec<sock_filter> {
    let verdict = match verdict {
        Verdict::Ask => ASK,
        Verdict::Missing => MISSING,
    };
    let mut filter = beginning();
    for number in numbers {
        filter.extend([jump(JUMP_EQUAL, low(*number), 0, 1), step(RETURN, verdict)]);
    }
    filter.push(step(RETURN, ALLOW));
    filter
}

/// As `by_number` with ENOSYS, and clone(2) gets it too unless it makes a thread.
pub(crate) fn only_threads(numbers: &[c_long]) -> Vec<sock_filter> {
    let mut filter = by_number(numbers, Verdict::Missing);
    filter.pop();
    filter.extend([
        jump(JUMP_EQUAL, low(libc::SYS_clone), 0, 3),
        step(LOAD_WORD, FIRST_ARGUMENT),
        jump(JUMP_SET, libc::CLONE_THREAD.unsigned_abs(), 1, 0),
        step(RETURN, MISSING),
        step(RETURN, ALLOW),
    ]);
    filter
}
