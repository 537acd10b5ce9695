//! System calls without a library between: numbers, the three ways into the kernel, processes.
//!
//! **Invariant:** all `unsafe` of the hostile program is here. `call` is offered as a safe function although a wrong
//! pointer can harm this process: it is made to be harmed, and nothing depends on it.
//! **Why:** libc checks arguments, falls back to other calls and hides numbers; the kernel must be asked itself.

use std::arch::asm;
use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::atomic::AtomicUsize;

/// What the kernel answered instead of doing it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

/// The errors that the tries speak of; other numbers are shown as numbers.
macro_rules! errnos {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(pub const $name: Errno = Errno($number);)*
        impl fmt::Display for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $($name => f.write_str(stringify!($name)),)*
                    Errno(number) => write!(f, "errno {number}"),
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, ENOEXEC = 8, EBADF = 9, ECHILD = 10,
    EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, EBUSY = 16, EEXIST = 17, EXDEV = 18, ENODEV = 19,
    ENOTDIR = 20, EISDIR = 21, EINVAL = 22, EMFILE = 24, ENOTTY = 25, ETXTBSY = 26, ENOSPC = 28, ESPIPE = 29,
    EROFS = 30, EMLINK = 31, EPIPE = 32, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40, ENODATA = 61, ENOPKG = 65,
    EPROTO = 71, EBADFD = 77, EUSERS = 87, ENOTSOCK = 88, EPROTOTYPE = 91, EPROTONOSUPPORT = 93,
    ESOCKTNOSUPPORT = 94, EOPNOTSUPP = 95, EAFNOSUPPORT = 97, EADDRINUSE = 98, EADDRNOTAVAIL = 99, ENETUNREACH = 101,
    ECONNRESET = 104, ENOTCONN = 107, ETIMEDOUT = 110, ECONNREFUSED = 111, EHOSTUNREACH = 113, EINPROGRESS = 115,
    ESTALE = 116, ENOKEY = 126, EKEYREJECTED = 129,
}

pub type Answer = Result<usize, Errno>;

/// The 64-bit way: number, then up to six arguments.
pub fn call(number: usize, args: &[usize]) -> Answer {
    let arg = |index: usize| args.get(index).copied().unwrap_or(0);
    let answer: isize;
    // SAFETY: the instruction clobbers rcx and r11 and nothing else; see the invariant on what the call may do.
    unsafe {
        asm!("syscall", inlateout("rax") number.cast_signed() => answer, in("rdi") arg(0), in("rsi") arg(1),
             in("rdx") arg(2), in("r10") arg(3), in("r8") arg(4), in("r9") arg(5), lateout("rcx") _, lateout("r11") _);
    }
    decode(answer)
}

/// The 32-bit way, which a filter sees as another architecture with other numbers.
pub fn call_int80(number: usize, ebx: usize, ecx: usize, edx: usize) -> Answer {
    let answer: isize;
    // SAFETY: rbx is restored (the compiler keeps it for itself), r8 to r11 are declared lost.
    unsafe {
        asm!("xchg rbx, {ebx}", "int 0x80", "xchg rbx, {ebx}", ebx = inout(reg) ebx => _,
             inlateout("rax") number.cast_signed() => answer, in("rcx") ecx, in("rdx") edx,
             out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    decode(answer)
}

fn decode(answer: isize) -> Answer {
    if (-4095..0).contains(&answer) {
        Err(Errno(i32::try_from(-answer).unwrap_or(0)))
    } else {
        Ok(answer.cast_unsigned())
    }
}

unsafe extern "C" {
    fn fork() -> i32;
    fn clone(run: extern "C" fn(usize) -> i32, stack: usize, flags: i32, argument: usize) -> i32;
    fn signal(number: i32, handler: usize) -> usize;
}

/// libc's fork, so that threads can be started afterwards. `None` in the child.
pub fn fork_process() -> Result<Option<i32>, Errno> {
    // SAFETY: the program forks before it has threads, or the child calls only the kernel.
    match unsafe { fork() } {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid)),
        _ => Err(last_error()),
    }
}

/// A child with chosen sharing, on a stack of its own, in `run`.
pub fn clone_process(flags: usize, run: extern "C" fn(usize) -> i32, argument: usize) -> Result<i32, Errno> {
    const STACK: usize = 256 << 10;
    let stack = map(STACK, 0)?;
    // SAFETY: the stack is mapped, private to the child, aligned to pages, and never unmapped.
    let pid = unsafe { clone(run, stack + STACK, flags as i32, argument) };
    if pid > 0 { Ok(pid) } else { Err(last_error()) }
}

fn last_error() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Lets a signal interrupt calls and do nothing else.
pub fn handle(number: i32) {
    extern "C" fn nothing(_number: i32) {}
    // SAFETY: the handler touches nothing.
    unsafe { signal(number, nothing as *const () as usize) };
}

/// What a parent lends to the child that it waits for.
pub fn lent<T>(address: usize) -> &'static T {
    // SAFETY: the address is that of a `T` in the frame of a parent that stands still until the child has ended.
    unsafe { &*(address as *const T) }
}

/// Zeroed memory.
pub fn map(length: usize, more_flags: usize) -> Answer {
    const READ_WRITE: usize = 3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    call(nr::MMAP, &[0, length, READ_WRITE, PRIVATE_ANONYMOUS | more_flags, usize::MAX, 0])
}

/// A number that this process and its children share.
pub fn shared_number() -> Result<&'static AtomicUsize, Errno> {
    let page = call(nr::MMAP, &[0, 4096, 3, 0x21, usize::MAX, 0])?;
    // SAFETY: a fresh shared page, aligned, zeroed, never unmapped, and only ever used as this atomic.
    Ok(unsafe { &*(page as *const AtomicUsize) })
}

/// Writes one byte into memory that `map` gave.
pub fn touch(address: usize) {
    // SAFETY: callers pass addresses inside of what `map` returned.
    unsafe { (address as *mut u8).write_volatile(1) };
}

/// Copies bytes to an address that `map` gave.
pub fn place(address: usize, bytes: &[u8]) {
    // SAFETY: callers pass addresses with room inside of what `map` returned.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
}

/// Ends this process without anything of Rust or libc.
pub fn exit_now(code: usize) -> ! {
    loop {
        let _never = call(nr::EXIT_GROUP, &[code]);
    }
}

/// A name that nobody else uses: process numbers are the same in every pid namespace, and time is not.
pub fn fresh_name() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("hostile-{}-{}", call(nr::GETPID, &[]).unwrap_or(0), now.as_nanos())
}

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Killed(i32),
}

/// Waits for one child.
pub fn wait(pid: i32) -> Result<End, Errno> {
    let mut status = 0_i32;
    loop {
        match call(nr::WAIT4, &[pid as usize, &raw mut status as usize, 0, 0]) {
            Ok(_) if status & 0x7f == 0 => return Ok(End::Exited(status >> 8 & 0xff)),
            Ok(_) if status & 0xff == 0x7f => {}
            Ok(_) => return Ok(End::Killed(status & 0x7f)),
            Err(EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The name of a signal that a sandbox ends processes with.
pub fn signal_name(number: i32) -> String {
    let name = match number {
        4 => "SIGILL",
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        14 => "SIGALRM",
        31 => "SIGSYS",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

/// A string for the kernel.
pub fn c(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Where it is.
pub fn at(text: &CStr) -> usize {
    text.as_ptr() as usize
}

pub const AT_FDCWD: usize = -100_isize as usize;
pub const AT_EMPTY_PATH: usize = 0x1000;
pub const O_WRONLY: usize = 1;
pub const O_RDWR: usize = 2;
pub const O_CREAT: usize = 0o100;
pub const O_EXCL: usize = 0o200;
pub const O_NOCTTY: usize = 0o400;
pub const O_TRUNC: usize = 0o1000;
pub const O_NONBLOCK: usize = 0o4000;
pub const O_DIRECTORY: usize = 0o200_000;
pub const O_CLOEXEC: usize = 0o2_000_000;
pub const O_PATH: usize = 0o10_000_000;
pub const SIGCHLD: usize = 17;

/// openat(2) relative to the working directory; no terminal becomes the controlling one.
pub fn open(path: &str, flags: usize) -> Answer {
    open_at(AT_FDCWD, path, flags)
}

/// openat(2).
pub fn open_at(directory: usize, path: &str, flags: usize) -> Answer {
    call(nr::OPENAT, &[directory, at(&c(path)), flags | O_CLOEXEC | O_NOCTTY, 0o600])
}

pub fn close(descriptor: usize) {
    let _closed = call(nr::CLOSE, &[descriptor]);
}

/// Numbers of x86_64.
pub mod nr {
    macro_rules! numbers {
        ($($name:ident = $number:literal),* $(,)?) => { $(pub const $name: usize = $number;)* };
    }
    numbers! {
        READ = 0, WRITE = 1, CLOSE = 3, POLL = 7, MMAP = 9, IOCTL = 16, SHMGET = 29, SHMCTL = 31,
        DUP2 = 33, GETPID = 39, SOCKET = 41, CONNECT = 42, SENDTO = 44, BIND = 49, LISTEN = 50,
        EXECVE = 59, WAIT4 = 61, KILL = 62, SEMGET = 64, SEMCTL = 66, MSGGET = 68, MSGCTL = 71, FCNTL = 72,
        TRUNCATE = 76, CHDIR = 80, FCHDIR = 81, RENAME = 82, MKDIR = 83, RMDIR = 84, LINK = 86,
        UNLINK = 87, SYMLINK = 88, CHMOD = 90, LCHOWN = 94, PTRACE = 101, SYSLOG = 103, SETUID = 105, SETGID = 106,
        SETSID = 112, SETGROUPS = 116, SETRESUID = 117, SETRESGID = 119, GETPGID = 121,
        SETFSUID = 122, SETFSGID = 123, CAPSET = 126, RT_SIGQUEUEINFO = 129, MKNOD = 133,
        PERSONALITY = 135, GETPRIORITY = 140, SETPRIORITY = 141, SCHED_SETSCHEDULER = 144, VHANGUP = 153,
        MODIFY_LDT = 154, PIVOT_ROOT = 155, PRCTL = 157, ADJTIMEX = 159, SETRLIMIT = 160, CHROOT = 161, ACCT = 163,
        MOUNT = 165, UMOUNT2 = 166, SWAPON = 167, SWAPOFF = 168, REBOOT = 169, SETHOSTNAME = 170,
        SETDOMAINNAME = 171, IOPL = 172, IOPERM = 173, INIT_MODULE = 175, DELETE_MODULE = 176, QUOTACTL = 179,
        SETXATTR = 188, TKILL = 200, SCHED_SETAFFINITY = 203, SCHED_GETAFFINITY = 204, TIMER_CREATE = 222,
        TIMER_SETTIME = 223, CLOCK_SETTIME = 227, EXIT_GROUP = 231, TGKILL = 234, UTIMENSAT = 280, MQ_OPEN = 240,
        MQ_UNLINK = 241, KEXEC_LOAD = 246, ADD_KEY = 248, REQUEST_KEY = 249, KEYCTL = 250, IOPRIO_SET = 251,
        IOPRIO_GET = 252, MIGRATE_PAGES = 256, OPENAT = 257, MKDIRAT = 258, UNSHARE = 272, MOVE_PAGES = 279,
        PERF_EVENT_OPEN = 298, FANOTIFY_INIT = 300, PRLIMIT64 = 302, NAME_TO_HANDLE_AT = 303,
        OPEN_BY_HANDLE_AT = 304, SETNS = 308, PROCESS_VM_READV = 310, PROCESS_VM_WRITEV = 311, KCMP = 312,
        FINIT_MODULE = 313, SECCOMP = 317, MEMFD_CREATE = 319, KEXEC_FILE_LOAD = 320, PIPE2 = 293, BPF = 321, EXECVEAT = 322,
        USERFAULTFD = 323, PIDFD_SEND_SIGNAL = 424, IO_URING_SETUP = 425, OPEN_TREE = 428, MOVE_MOUNT = 429,
        FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432, FSPICK = 433, PIDFD_OPEN = 434, CLONE3 = 435, OPENAT2 = 437,
        PIDFD_GETFD = 438, PROCESS_MADVISE = 440, MOUNT_SETATTR = 442, MEMFD_SECRET = 447,
        PROCESS_MRELEASE = 448, FCHMODAT2 = 452,
    }
}
