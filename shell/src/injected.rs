//! Code that somebody else runs in `pact`, once it is confined: what it tries, and what comes of it. Only with the feature
//! `failpoints`, and only where `PACT_FAILPOINT` says `injected`.
//!
//! **Why:** who finds a hole in `pact` holds a terminal and a session that judges every line, and nothing else; that can only
//! be seen from inside.

use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{DumpableBehavior, Pid, set_dumpable_behavior, test_kill_process};

type Try = (&'static str, fn() -> io::Result<()>);

/// Each is harmless where it succeeds.
const TRIES: &[Try] = &[
    ("read a file", || File::open("/etc/passwd").map(drop)),
    ("list the root", || std::fs::read_dir("/").map(drop)),
    ("make a file", || File::create("/tmp/pact-injected").map(drop)),
    ("write its history anew", || {
        let home = std::env::var_os("HOME").unwrap_or_default();
        File::create(std::path::Path::new(&home).join("injected")).map(drop)
    }),
    ("read its own memory", || File::open("/proc/self/mem").map(drop)),
    ("start a program", || Command::new("/bin/true").status().map(drop)),
    ("become a program", || Err(Command::new("/bin/true").exec())),
    ("make a memory file", || Ok(memfd_create("x", MemfdFlags::empty()).map(drop)?)),
    ("open another session", || UnixStream::connect("/run/pact/agent.sock").map(drop)),
    ("connect somewhere", || TcpStream::connect("127.0.0.1:1").map(drop)),
    ("listen", || TcpListener::bind("127.0.0.1:0").map(drop)),
    ("send a datagram", || UdpSocket::bind("127.0.0.1:0").map(drop)),
    ("signal a process", || Ok(test_kill_process(Pid::INIT)?)),
    ("be traced", || Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)),
    ("go elsewhere", || std::env::set_current_dir("/")),
];

/// Tries everything, says what was not refused, and ends the process.
pub(crate) fn try_everything() {
    if std::env::var("PACT_FAILPOINT").as_deref() != Ok("injected") {
        return;
    }
    let refused = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS));
    let open = TRIES.iter().filter_map(|(name, attempt)| match attempt() {
        Ok(()) => Some(format!("{name}: it worked\n")),
        Err(error) if refused(&error) => None,
        Err(error) => Some(format!("{name}: {error}\n")),
    });
    let said = format!("{}{} tries\n", open.collect::<String>(), TRIES.len());
    // A test waits in vain for what cannot be written.
    let _in_vain = io::stdout().write_all(said.as_bytes());
    std::process::exit(0);
}
