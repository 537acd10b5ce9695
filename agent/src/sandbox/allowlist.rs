//! Which system calls a stage may make, and which the agent: a list, and ENOSYS for all others.
//!
//! **Invariant:** what is not named here is refused; a foreign architecture is killed. No call on the list makes a
//! namespace, a mount, a key, a ring, a trace, a memory file or a seccomp listener.
//! **Why:** ENOSYS rather than EPERM: programs fall back to an older call where they see it.
//! **Not here:** how often exec may be called (`once`), which files may be opened (`files`).

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::sync::Arc;

use pact_proto::program::{Family, Profile};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::bpf::{self, Answer};

/// Memory, files that are open, time, signals among a stage's own processes, threads, and what tells about oneself.
const ALWAYS: &[c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_pipe2,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_copy_file_range,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    // Files: which of them, landlock says.
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_umask,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    // Time, read only.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_setitimer,
    libc::SYS_getitimer,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_delete,
    // Signals: uid, landlock and the control group say to whom.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    // Processes and threads.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getcpu,
    libc::SYS_get_mempolicy,
    // About oneself and the node.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getpriority,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_capget,
    // It only ever takes away: iproute2 gives up what it does not have, and ends without a word where it cannot.
    libc::SYS_capset,
];

/// Calls that only x86_64 still has; each has a successor on the list above.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_inotify_init,
    libc::SYS_alarm,
    libc::SYS_pause,
    libc::SYS_time,
    libc::SYS_getpgrp,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_arch_prctl,
];
#[cfg(target_arch = "aarch64")]
const OLD: &[c_long] = &[];

/// What can be done with a socket that there is.
const SOCKETS: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
];

/// What the agent does beside: it keeps what it was told on a disk, and serves sockets that listen already.
const AGENT: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_socketpair,
    libc::SYS_sync_file_range,
    libc::SYS_unlinkat,
];
/// What it asks of a line's terminal and of sockets. Who has the keys of a terminal is not among it.
const IOCTLS_OF_AGENT: [u64; 9] = [
    libc::FIONBIO,
    libc::FIONREAD,
    libc::TCGETS,
    libc::TCSETS,
    libc::TCGETS2,
    libc::TCSETS2,
    libc::TIOCGWINSZ,
    libc::TIOCSWINSZ,
    libc::FIOCLEX,
];
#[cfg(target_arch = "x86_64")]
const OLD_OF_AGENT: &[c_long] =
    &[libc::SYS_chmod, libc::SYS_mkdir, libc::SYS_rename, libc::SYS_rmdir, libc::SYS_unlink];
#[cfg(target_arch = "aarch64")]
const OLD_OF_AGENT: &[c_long] = &[];
/// What other processes are made with, and run; what gives capabilities away nobody has.
const NEVER_OF_AGENT: &[c_long] = &[
    libc::SYS_capset,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Kernel log: read all, size of what is unread, size of the buffer (syslog(2)). Reading that consumes, clearing and
/// the console's level are not among them.
const LOG_TYPES: [u64; 3] = [3, 9, 10];

/// What prctl(2) may be asked: names, signals of parents, and questions.
const PRCTL: [u64; 8] = [
    libc::PR_SET_NAME as u64,
    libc::PR_GET_NAME as u64,
    libc::PR_SET_PDEATHSIG as u64,
    libc::PR_GET_DUMPABLE as u64,
    libc::PR_CAPBSET_READ as u64,
    libc::PR_GET_NO_NEW_PRIVS as u64,
    libc::PR_GET_SECCOMP as u64,
    libc::PR_SET_VMA as u64,
];

/// What the kernel makes of a new process that clone(2) may not: every namespace.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Bytes into a terminal's input, and a console's selection (CVE-2023-28100); line disciplines, of which the kernel would
/// load old ones; the console's output. The kernel looks at the low 32 bits only, and so must we (CVE-2019-10063).
const IOCTLS_REFUSED: [u64; 4] = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD, libc::TIOCCONS];

/// The list as a program for the kernel. Clones share it.
#[derive(Clone)]
pub struct Allowlist(Arc<BpfProgram>);

/// A list that cannot be made or installed.
#[derive(Debug, thiserror::Error)]
#[error("seccomp: {0}")]
pub struct AllowlistError(String);

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

impl Allowlist {
    /// For a stage that will exec: `once` counts how often.
    pub fn of_program(profile: &Profile) -> Result<Self, AllowlistError> {
        let mut rules = rules(profile).map_err(wrong)?;
        rules.insert(libc::SYS_execve, Vec::new());
        rules.insert(libc::SYS_execveat, Vec::new());
        Self::compile(rules)
    }

    /// For a stage that never will.
    pub fn of_profile(profile: &Profile) -> Result<Self, AllowlistError> {
        Self::compile(rules(profile).map_err(wrong)?)
    }

    /// For the agent proper: threads and no processes, sockets of names and of its own connections, files that it writes.
    pub(crate) fn of_agent() -> Result<Self, AllowlistError> {
        let families = vec![Family::Unix, Family::Inet, Family::Inet6, Family::Netlink];
        let mut rules = rules(&Profile { families, ..Profile::default() }).map_err(wrong)?;
        rules.extend(AGENT.iter().chain(OLD_OF_AGENT).map(|call| (*call, Vec::new())));
        rules.retain(|call, _| !NEVER_OF_AGENT.contains(call));
        let thread = libc::CLONE_THREAD.unsigned_abs().into();
        let is_thread = condition(0, SeccompCmpOp::MaskedEq(thread | NAMESPACES), thread).and_then(|is| rule(vec![is]));
        rules.insert(libc::SYS_clone, vec![is_thread.map_err(wrong)?]);
        rules.insert(libc::SYS_ioctl, one_of(1, &IOCTLS_OF_AGENT).map_err(wrong)?);
        Self::compile(rules)
    }

    fn compile(rules: Rules) -> Result<Self, AllowlistError> {
        let answers = rules.into_iter().map(|(call, rules)| Ok((call, answer(call, rules)?)));
        let answers = answers.collect::<Result<_, BackendError>>().map_err(wrong)?;
        Ok(Self(Arc::new(bpf::by_tree(&answers))))
    }

    /// Bounds this process, for good; sets no_new_privs.
    pub fn enforce(&self) -> Result<(), AllowlistError> {
        seccompiler::apply_filter(&self.0).map_err(|error| AllowlistError(error.to_string()))
    }
}

/// Without rules a call is allowed; with some, it is allowed where one of them holds.
fn answer(call: c_long, rules: Vec<SeccompRule>) -> Result<Answer, BackendError> {
    if rules.is_empty() {
        return Ok(Answer::Allow);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let filter = SeccompFilter::new([(call, rules)].into(), missing, SeccompAction::Allow, arch)?;
    BpfProgram::try_from(filter).map(Answer::Ask)
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn wrong(error: BackendError) -> AllowlistError {
    AllowlistError(error.to_string())
}

fn rules(profile: &Profile) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALWAYS.iter().chain(OLD).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![rule(vec![condition(0, SeccompCmpOp::MaskedEq(NAMESPACES), 0)?])?]);
    rules.insert(libc::SYS_prctl, one_of(0, &PRCTL)?);
    // Only its own limits, and only lower.
    rules.insert(libc::SYS_prlimit64, one_of(0, &[0])?);
    rules.insert(libc::SYS_getrlimit, Vec::new());
    let refused = IOCTLS_REFUSED.iter().map(|call| condition(1, SeccompCmpOp::Ne, *call));
    rules.insert(libc::SYS_ioctl, vec![rule(refused.collect::<Result<_, _>>()?)?]);
    if profile.kernel_log {
        rules.insert(libc::SYS_syslog, one_of(0, &LOG_TYPES)?);
    }
    if !profile.families.is_empty() {
        let families = profile.families.iter().map(|family| sockets(*family)).collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_socket, families);
        rules.extend(SOCKETS.iter().map(|call| (*call, Vec::new())));
    }
    Ok(rules)
}

/// socket(2) of one family; of netlink, one protocol.
fn sockets(family: Family) -> Result<SeccompRule, BackendError> {
    let of = |number: i32| condition(0, SeccompCmpOp::Eq, u64::from(number.unsigned_abs()));
    let netlink = |protocol: i32| {
        let protocol = condition(2, SeccompCmpOp::Eq, u64::from(protocol.unsigned_abs()))?;
        rule(vec![of(libc::AF_NETLINK)?, protocol])
    };
    match family {
        Family::Unix => rule(vec![of(libc::AF_UNIX)?]),
        Family::Inet => rule(vec![of(libc::AF_INET)?]),
        Family::Inet6 => rule(vec![of(libc::AF_INET6)?]),
        Family::Netlink => netlink(libc::NETLINK_ROUTE),
        Family::SockDiag => netlink(libc::NETLINK_SOCK_DIAG),
    }
}

/// The argument, of which the kernel reads 32 bits, is one of these.
fn one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| rule(vec![condition(argument, SeccompCmpOp::Eq, *value)?])).collect()
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}
