//! The self-test: a program that tries to break out, started like any other; and the agent proper, which tries the same.
//!
//! **Invariant:** every try is harmless where it succeeds, and one that succeeds is a failure of the sandbox.
//! **Why:** what the kernel promises and what it does on this node are two things; sessions need the second.

use std::ffi::c_long;
use std::fs::File;
use std::io;
use std::process::Command;

use rustix::process::{Pid, getuid, test_kill_process};

use super::sys;

/// One try: its name, and whether it was refused.
type Try = (&'static str, fn() -> io::Result<()>);

/// What neither may do, in the order in which it is reported.
const TRIES: &[Try] = &[
    ("be root", || if getuid().is_root() { Ok(()) } else { Err(refused()) }),
    ("gain privileges", || if rustix::thread::no_new_privs()? { Err(refused()) } else { Ok(()) }),
    ("use a capability", || if has_capabilities()? { Ok(()) } else { Err(refused()) }),
    ("exec again", || Err(sys::exec(&File::open("/dev/null")?, &[], &[]))),
    ("exec by path", || call(libc::SYS_execve, [0; 4])),
    ("make a memory file", || call(libc::SYS_memfd_create, [0; 4])),
    ("list the root", || std::fs::read_dir("/").map(drop)),
    ("read its parent's memory", || File::open(format!("/proc/{}/mem", parent())).map(drop)),
    ("write to /tmp", write_to_tmp),
    ("open by handle", || call(libc::SYS_open_by_handle_at, [0; 4])),
    ("trace", || call(libc::SYS_ptrace, [3, 0, 0, 0])),
    ("read another's memory", || call(libc::SYS_process_vm_readv, [1, 0, 0, 0])),
    ("signal its parent", || test_kill_process(Pid::from_raw(parent()).ok_or_else(refused)?).map_err(Into::into)),
    ("limit its parent", || call(libc::SYS_prlimit64, [parent().unsigned_abs(), 7, 0, 0])),
    ("make a namespace", || call(libc::SYS_unshare, [0x1000_0000, 0, 0, 0])),
    ("clone into a namespace", || call(libc::SYS_clone3, [0; 4])),
    ("mount", || call(libc::SYS_mount, [0; 4])),
    ("listen to seccomp", || call(libc::SYS_seccomp, [1, 8, 0, 0])),
    ("make a ring", || call(libc::SYS_io_uring_setup, [1, 0, 0, 0])),
    ("load a bpf program", || call(libc::SYS_bpf, [0; 4])),
    ("add a key", || call(libc::SYS_add_key, [0; 4])),
    ("type into a terminal", || call(libc::SYS_ioctl, [0, 0x5412, 0, 0])),
    ("change what a terminal speaks", || call(libc::SYS_ioctl, [0, 0x5423, 0, 0])),
    ("take the console", || call(libc::SYS_ioctl, [0, 0x541d, 0, 0])),
    ("use the x32 calls", || call(0x4000_0000 | libc::SYS_getpid, [0; 4])),
];

/// What a program without a profile may not do either.
const OF_STAGE: &[Try] = &[
    ("read outside", || File::open("/etc/passwd").map(drop)),
    ("open an internet socket", || call(libc::SYS_socket, [2, 1, 0, 0])),
    // It is there: outside the answer is another one.
    ("make a directory", || std::fs::create_dir("/tmp")),
    ("open a unix socket", || call(libc::SYS_socket, [1, 1, 0, 0])),
];

/// What the agent may not do either.
const OF_AGENT: &[Try] = &[
    ("start a process", || Command::new("/bin/true").status().map(drop)),
    ("read the kernel's log", || File::open("/dev/kmsg").map(drop)),
    ("read passwords", || File::open("/etc/shadow").map(drop)),
    ("open a raw socket", || call(libc::SYS_socket, [2, 3, 1, 0])),
    ("be dumped", || call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE.unsigned_abs(), 1, 0, 0])),
];

fn refused() -> io::Error {
    io::Error::from_raw_os_error(libc::EPERM)
}

fn call(number: c_long, arguments: [u32; 4]) -> io::Result<()> {
    sys::try_call(number, arguments).map(drop)
}

/// A file without a name, which nobody has to remove.
fn write_to_tmp() -> io::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let made = openat(CWD, "/tmp", OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR);
    made.map(drop).map_err(Into::into)
}

fn parent() -> i32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get())
}

fn has_capabilities() -> io::Result<bool> {
    let sets = rustix::thread::capabilities(None)?;
    Ok(!(sets.effective | sets.permitted | sets.inheritable).is_empty())
}

/// What the kernel answers where the sandbox refuses. Anything else means that a call got further than it should.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EROFS))
}

/// What the tries that were not refused are called, one a line. Run by `pact-agent --probe`.
pub fn run() -> String {
    let holes = holes(TRIES.iter().chain(OF_STAGE));
    holes.map(|hole| hole + "\n").collect::<String>() + &format!("{} tries\n", TRIES.len() + OF_STAGE.len())
}

/// What this process, the agent proper, could do and should not.
pub(crate) fn of_agent() -> Vec<String> {
    holes(TRIES.iter().chain(OF_AGENT)).map(|hole| format!("self-test: the agent: {hole}")).collect()
}

/// Of tries, those that were not refused.
fn holes<'t>(tries: impl Iterator<Item = &'t Try>) -> impl Iterator<Item = String> {
    tries.filter_map(|(name, attempt)| match attempt() {
        Ok(()) => Some(format!("{name}: it worked")),
        Err(error) if is_refusal(&error) => None,
        Err(error) => Some(format!("{name}: {error}")),
    })
}

/// What `run` wrote, as failures; a text that was cut short is one.
pub(crate) fn failures(said: &str) -> Vec<String> {
    let whole = format!("{} tries", TRIES.len() + OF_STAGE.len());
    let (found, cut_short) = match said.strip_suffix('\n').and_then(|said| said.strip_suffix(whole.as_str())) {
        Some(found) => (found, None),
        None => (said, Some("self-test: it did not come to its end".to_owned())),
    };
    found.lines().map(|line| format!("self-test: {line}")).chain(cut_short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_sandbox_it_finds_the_holes() {
        let said = run();
        let found = failures(&said);
        for hole in ["read outside", "list the root", "gain privileges", "open a unix socket", "signal its parent"] {
            assert!(found.iter().any(|line| line.contains(hole)), "{hole}: {said}");
        }
    }

    #[test]
    fn a_text_that_was_cut_short_is_a_failure() {
        assert_eq!(failures("").len(), 1);
        assert_eq!(failures(&format!("{} tries\n", TRIES.len() + OF_STAGE.len())), Vec::<String>::new());
        assert_eq!(failures("mount: it worked\n").len(), 2);
    }
}
