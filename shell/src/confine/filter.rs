//! The system calls that a terminal needs. What is not here answers ENOSYS, as if the kernel had never heard of it.
//!
//! **Invariant:** nothing here opens a file, starts a program or a process, or types into a terminal; a socket is made
//! for TCP alone, and only where landlock bounds where it leads. Numbers of x32 are not in the list; foreign architectures are killed.

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::Network;

/// Calls that may be made with any arguments.
const FREE: &[c_long] = &[
    // Descriptors that are there already: terminal, history, the agent's socket, and what tokio watches them with.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pwritev2,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_ftruncate,
    libc::SYS_recvfrom,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads, signals and time of this process.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_poll, libc::SYS_epoll_wait];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// Requests to a terminal: its modes, its size. TIOCSTI and TIOCLINUX, which type into it, are not here.
const TERMINAL: &[u64] = &[
    libc::TCGETS,
    libc::TCSETS,
    libc::TCSETSW,
    libc::TCSETSF,
    libc::TCGETS2,
    libc::TCSETS2,
    libc::TCSETSW2,
    libc::TCSETSF2,
    libc::TIOCGWINSZ,
    libc::FIONREAD,
    libc::FIONBIO,
];

/// The filter, ready for the kernel.
pub(super) fn program(network: Network) -> Result<BpfProgram, BackendError> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        FREE.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_ioctl, each(1, TERMINAL)?);
    // clone3 hides its flags behind a pointer and is not in the list, so the C library takes clone.
    rules.insert(libc::SYS_clone, vec![all(&[bits(0, libc::CLONE_THREAD)?])?]);
    // What tokio and signal-hook wake themselves with. A pair is connected to itself.
    let stream = bits_of(1, 0xf, unsigned(libc::SOCK_STREAM))?;
    rules.insert(libc::SYS_socketpair, vec![all(&[is(0, unsigned(libc::AF_UNIX))?, stream])?]);
    // Without an address: only to whom the socket is connected.
    rules.insert(libc::SYS_sendto, vec![all(&[is_zero(4)?])?]);
    // One's own limits may be looked at: process 0, no new limit.
    rules.insert(libc::SYS_prlimit64, vec![all(&[is_zero(0)?, is_zero(2)?])?]);
    rules.insert(libc::SYS_prctl, vec![all(&[is(0, unsigned(libc::PR_SET_NAME))?])?]);
    match network {
        Network::Nothing => {}
        Network::Bounded => {
            let stream = bits_of(1, 0xf, unsigned(libc::SOCK_STREAM))?;
            // Other protocols have streams too, and landlock does not know them all.
            let tcp = |family, protocol| all(&[is(0, unsigned(family))?, stream.clone(), is(2, unsigned(protocol))?]);
            let mut sockets = Vec::new();
            for protocol in [0, libc::IPPROTO_TCP] {
                sockets.extend([tcp(libc::AF_INET, protocol)?, tcp(libc::AF_INET6, protocol)?]);
            }
            rules.insert(libc::SYS_socket, sockets);
            rules.insert(libc::SYS_connect, Vec::new());
            let no_delay = all(&[is(1, unsigned(libc::IPPROTO_TCP))?, is(2, unsigned(libc::TCP_NODELAY))?])?;
            rules.insert(libc::SYS_setsockopt, vec![no_delay]);
        }
    }
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine)?.try_into()
}

fn all(conditions: &[SeccompCondition]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

/// One rule for each value of an argument's low 32 bits; the kernel looks at no more of these.
fn each(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| all(&[is(argument, *value)?])).collect()
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_zero(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

fn bits(argument: u8, bit: libc::c_int) -> Result<SeccompCondition, BackendError> {
    bits_of(argument, unsigned(bit), unsigned(bit))
}

fn bits_of(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

/// The kernel's own constants are positive.
fn unsigned(value: libc::c_int) -> u64 {
    value.unsigned_abs().into()
}
