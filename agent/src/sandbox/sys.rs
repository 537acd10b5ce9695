//! The system calls that no safe library offers; the only `unsafe` of pact.
//!
//! **Invariant:** every function here is safe to call with any arguments: what must hold is either in the types or
//! checked before the call. Nothing here decides anything.
#![expect(unsafe_code, reason = "the one place for it: fork, execveat, the seccomp listener and signal dispositions")]

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;
use seccompiler::sock_filter;

/// Both sides of a fork.
pub(crate) enum Fork {
    /// Here nothing changed.
    Parent {
        /// The child's number.
        pid: Pid,
        /// Becomes readable when the child has ended.
        handle: OwnedFd,
    },
    /// The copy.
    Child,
}

/// A process that has one thread, and makes no other.
#[derive(Clone, Copy)]
pub(crate) struct Single(());

impl Single {
    /// This process, if it is one.
    pub(crate) fn process() -> io::Result<Self> {
        let threads = std::fs::read_dir("/proc/self/task")?.count();
        if threads == 1 { Ok(Self(())) } else { Err(io::Error::other("this is for processes with one thread")) }
    }

    /// fork(2), into a control group if one is named: joining it later would stop every fork on the node meanwhile.
    #[expect(clippy::unused_self, reason = "it is the proof that this process has one thread")]
    pub(crate) fn fork(self, group: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
        // Of clone3 (linux/sched.h); the C library's constant is too narrow for it.
        const INTO_CGROUP: u64 = 1 << 33;
        let mut handle: c_int = -1;
        // SAFETY: the structure is plain numbers, and zero is each one's default.
        let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
        arguments.flags = libc::CLONE_PIDFD as u64;
        arguments.pidfd = (&raw mut handle).addr() as u64;
        arguments.exit_signal = libc::SIGCHLD as u64;
        if let Some(group) = group {
            arguments.flags |= INTO_CGROUP;
            arguments.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
        }
        // JUSTIFICATION: no library offers fork without exec, nor clone3. SAFETY: without CLONE_VM the child is a
        // copy; there is one thread, as `self` proves, so the copy holds no lock that a lost thread would have to give
        // back. `arguments` and `handle` outlive the call.
        let pid =
            checked(unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) })?;
        match i32::try_from(pid).ok().and_then(Pid::from_raw) {
            None => Ok(Fork::Child),
            // SAFETY: the kernel has just made it, and nobody else knows it.
            Some(pid) => Ok(Fork::Parent { pid, handle: unsafe { OwnedFd::from_raw_fd(handle) } }),
        }
    }
}

/// _exit(2): the end of a child, without destructors that are its parent's.
pub(crate) fn exit(code: i32) -> ! {
    // JUSTIFICATION: `std::process::exit` runs handlers that belong to the parent. SAFETY: takes a number, returns
    // never.
    unsafe { libc::_exit(code) }
}

/// A mount namespace of its own for this process.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    // JUSTIFICATION: rustix calls every unshare unsafe for the sake of CLONE_FILES. SAFETY: a mount namespace has no
    // part in this process's memory or descriptors.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.map_err(Into::into)
}

/// Every descriptor from `first` up is closed by the next exec.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // JUSTIFICATION: no safe wrapper. SAFETY: CLOSE_RANGE_CLOEXEC closes nothing now; it sets a flag.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Closes descriptors that belong to the parent, in a child that will never use them.
pub(crate) fn close_in_child(descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let null = std::fs::File::open("/dev/null")?;
    for descriptor in descriptors {
        // JUSTIFICATION: a child of fork holds copies that no value of its own owns. SAFETY: the number stays open,
        // on another file, so whoever owns it in this process can still close it.
        let rc = unsafe { libc::dup3(null.as_raw_fd(), descriptor.as_raw_fd(), libc::O_CLOEXEC) };
        checked(c_long::from(rc))?;
    }
    Ok(())
}

/// Signals that end a supervisor, or stop it because of a terminal, are ignored from now on.
pub(crate) fn ignore_endings() -> io::Result<()> {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE, libc::SIGTTOU] {
        disposition(signal, libc::SIG_IGN)?;
    }
    Ok(())
}

/// Every signal means what it means to a fresh program, and none is blocked.
pub(crate) fn reset_signals() -> io::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // KILL and STOP cannot be changed, and the C library keeps two for itself.
        let kept = signal == libc::SIGKILL || signal == libc::SIGSTOP || (32..libc::SIGRTMIN()).contains(&signal);
        if !kept {
            disposition(signal, libc::SIG_DFL)?;
        }
    }
    // JUSTIFICATION: no safe wrapper without a dependency. SAFETY: `set` is plain bytes that sigemptyset fills, and
    // lives through both calls.
    let rc = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    checked(c_long::from(rc)).map(drop)
}

fn disposition(signal: c_int, to: libc::sighandler_t) -> io::Result<()> {
    // JUSTIFICATION: no safe wrapper. SAFETY: callers pass SIG_IGN or SIG_DFL, so no handler of ours ever runs.
    if unsafe { libc::signal(signal, to) } == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// TIOCNOTTY: this session has no controlling terminal any more; who has the terminal's keys hears a hangup.
pub(crate) fn give_up_terminal(terminal: &impl AsFd) -> io::Result<()> {
    // JUSTIFICATION: no safe wrapper. SAFETY: the request takes no argument.
    let rc = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCNOTTY) };
    checked(c_long::from(rc)).map(drop)
}

/// The kernel's landlock ABI; 0 where there is none.
pub(crate) fn landlock_abi() -> i32 {
    const VERSION: u32 = 1;
    // JUSTIFICATION: the landlock crate keeps the number to itself. SAFETY: with this flag the kernel reads no memory.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<c_void>(), 0usize, VERSION) };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// Installs a filter whose USER_NOTIF verdicts go to the descriptor that comes back (close-on-exec). Needs
/// no_new_privs. The notified call can then be interrupted by fatal signals only.
pub(crate) fn seccomp_listener(filter: &[sock_filter]) -> io::Result<OwnedFd> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let length = u16::try_from(filter.len()).map_err(|_| io::Error::other("the filter is too long"))?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
    // JUSTIFICATION: seccompiler knows no listener. SAFETY: seccompiler's sock_filter has the kernel's layout, the
    // kernel copies `program.len` of them, and `filter` outlives the call.
    let fd =
        checked(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) })?;
    let fd = c_int::try_from(fd).map_err(|_| io::Error::other("the kernel answered no descriptor"))?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A call that waits for a verdict.
pub(crate) struct Notified {
    /// The kernel's name for it.
    id: u64,
    /// Who calls, as this process numbers it.
    pub(crate) pid: u32,
    /// Which call.
    pub(crate) call: c_long,
}

/// Takes the next notified call from a listener; waits for one.
pub(crate) fn notified(listener: BorrowedFd<'_>) -> io::Result<Notified> {
    // JUSTIFICATION: no library offers it. SAFETY: the structure is plain numbers, zeroed as the kernel demands, and
    // of the size that the request names.
    let (rc, got) = unsafe {
        let mut got: libc::seccomp_notif = std::mem::zeroed();
        let rc = libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut got);
        (rc, got)
    };
    checked(c_long::from(rc))?;
    Ok(Notified { id: got.id, pid: got.pid, call: c_long::from(got.data.nr) })
}

/// Lets a notified call go on as if there were no filter. `NotFound`: a signal restarted the call, ask again.
pub(crate) fn let_continue(listener: BorrowedFd<'_>, notified: &Notified) -> io::Result<()> {
    const CONTINUE: u32 = 1;
    let answer = libc::seccomp_notif_resp { id: notified.id, val: 0, error: 0, flags: CONTINUE };
    // JUSTIFICATION: no library offers it. SAFETY: `answer` is whole and outlives the call.
    let rc = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
    checked(c_long::from(rc)).map(drop)
}

/// Replaces this process by the file behind `binary`; returns only to say why not.
pub(crate) fn exec(binary: &impl AsFd, argv: &[CString], environment: &[CString]) -> io::Error {
    let (argv, environment) = (pointers(argv), pointers(environment));
    // JUSTIFICATION: no safe library executes a descriptor. SAFETY: both lists end with a null pointer and point to
    // strings that end with NUL and outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            binary.as_fd().as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

/// Any system call whose arguments are numbers, for the self-test. Pointers cannot be passed: every argument is cut
/// to 32 bits, where no page of this process lies.
pub(crate) fn try_call(number: c_long, arguments: [u32; 4]) -> io::Result<c_long> {
    let [a, b, c, d] = arguments.map(c_long::from);
    // JUSTIFICATION: the self-test asks for calls that no library offers. SAFETY: memory is reached through pointers
    // only, and addresses below 4 GiB are mapped in no position-independent process; the kernel answers EFAULT.
    checked(unsafe { libc::syscall(number, a, b, c, d, 0, 0) })
}

fn checked(rc: c_long) -> io::Result<c_long> {
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}
